package console

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHistory shows that each total is counted once, when it is told, and forgotten with its slot.
func TestHistory(t *testing.T) {
	t.Parallel()
	begin := time.Date(2024, 9, 26, 12, 0, 10, 0, time.UTC)
	h := NewHistory(begin)
	us, de := Key{Blocked, "sales", "US"}, Key{Allowed, "", "DE"}
	h.Take(begin, []Total{{us, 3}})
	h.Take(begin.Add(20*time.Second), []Total{{us, 5}, {de, 1}})
	h.Take(begin.Add(40*time.Second), []Total{{us, 5}, {de, 1}}) // nothing more
	h.Take(begin.Add(2*time.Minute), []Total{{us, 6}})
	now := begin.Add(2 * time.Minute)
	w := h.Window(now, false)
	blocked := w.Series(Blocked)
	if len(blocked) != minutes || blocked[minutes-1] != 1 || blocked[minutes-3] != 5 || sum(blocked) != 6 || sum(w.Series(Allowed)) != 1 {
		t.Errorf("by the minute: %v", blocked)
	}
	if at := w.At(minutes - 3); !at.Equal(begin.Truncate(time.Minute)) || !w.Since.Equal(begin) {
		t.Errorf("the slot begins %v, the counting %v", at, w.Since)
	}
	hourly := h.Window(now, true)
	if got := hourly.Series(Blocked); len(got) != hours || got[hours-1] != 6 {
		t.Errorf("by the hour: %v", got)
	}
	later := h.Window(now.Add(minutes*time.Minute), false)
	if n := sum(later.Series(Blocked)); n != 0 {
		t.Errorf("%d blocks are still there two hours later", n)
	}
	h.Take(now.Add(minutes*time.Minute), []Total{{us, 7}}) // the same slot
	later = h.Window(now.Add(minutes*time.Minute), false)
	if n := sum(later.Series(Blocked)); n != 1 {
		t.Errorf("%d blocks in a slot that was used before", n)
	}
	h.Take(begin.Add(-time.Hour), []Total{{us, 9}}) // the clock was set back
	back := h.Window(begin.Add(-time.Hour), false)
	if n := back.Series(Blocked); n[minutes-1] != 2 {
		t.Errorf("a clock that was set back: %v", n)
	}
}

// TestHistoryIsBounded shows that no number of rules and countries makes a slot larger than it may be.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	h := NewHistory(testNow)
	var totals []Total
	for i := range 10 * mostKeys {
		totals = append(totals, Total{Key{Blocked, fmt.Sprint(i), "US"}, 1})
	}
	h.Take(testNow, totals)
	w := h.Window(testNow, false)
	if n := len(w.Slots[minutes-1]); n > mostKeys+int(kinds) {
		t.Errorf("%d keys", n)
	}
	if n := sum(w.Series(Blocked)); n != 10*mostKeys {
		t.Errorf("%d blocks, want %d", n, 10*mostKeys)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	h := NewHistory(testNow)
	h.Take(testNow, []Total{
		{Key{Blocked, "sales", "US"}, 5}, {Key{Blocked, "sales", "PR"}, 9}, {Key{WouldBlock, "pilot", "DE"}, 4}, {Key{Allowed, "", "DE"}, 40}, {Key{Allowed, "", "FR"}, 1},
		{Key{Allowed, "", ""}, 2}, {Key{Ungoverned, "", ""}, 100},
	})
	w := h.Window(testNow, false)
	var got []string
	for _, r := range w.Rows(countryOf, 4) {
		got = append(got, fmt.Sprint(r.Name, " ", r.Counts))
	}
	want := []string{"PR Puerto Rico [9 0 0 0]", "US the United States [5 0 0 0]", "DE Germany [0 4 40 0]", "others [0 0 3 0]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rows := w.Rows(ruleOf, 9); len(rows) != 3 || rows[2].Name != "no single rule" {
		t.Errorf("rules: %v", rows)
	}
	if name := countryOf(Key{Country: others}); name != others {
		t.Error(name)
	}
}

// TestRun shows that what is decided is looked at without anybody asking, until the end.
func TestRun(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	s.totals = []Total{{Key{Blocked, "sales", "US"}, 7}}
	c := New(s, NewDoor("", nil, nil), new(Feed))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(ended)
	}()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w := c.history.Window(testNow, false)
		if sum(w.Series(Blocked)) == 7 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("nothing is looked at")
		}
	}
	stop()
	<-ended
}
