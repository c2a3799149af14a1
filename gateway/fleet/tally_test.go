package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestDay(t *testing.T) {
	t.Parallel()
	washington := time.FixedZone("EDT", -4*60*60)
	for want, at := range map[string]time.Time{
		"2024-07-20": time.Date(2024, 7, 20, 23, 59, 0, 0, washington), // the 21st in UTC
		"1969-12-31": time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC),
		"2024-02-29": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		if got := DayOf(at).String(); got != want {
			t.Errorf("%s is %s, want %s", at, got, want)
		}
	}
}

func TestCountAllocatesNothing(t *testing.T) {
	f := nowhere(t).operator(t)
	f.Count("kaspersky-us-2024/sales", "US", "block", 1)
	if n := testing.AllocsPerRun(1000, func() { f.Count("kaspersky-us-2024/sales", "US", "block", 1) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTallies(t *testing.T) {
	t.Parallel()
	var all tallies
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for i := range maxTallies + 1000 {
				all.add(what{rule: fmt.Sprint("rule-", i), verdict: "block", day: 1})
			}
		})
	}
	work.Wait()
	var sum int64
	keys := 0
	all.all(func(_ what, n *tally) {
		sum += n.total.Load()
		keys++
	})
	// Whatever is counted is counted; only what for gets lost beyond the bound, which four at once may overstep by three.
	if sum != 4*(maxTallies+1000) || keys > maxTallies+8 {
		t.Errorf("%d counted under %d keys", sum, keys)
	}
	if all.forget(1) {
		t.Error("what was not written is forgotten")
	}
	all.all(func(_ what, n *tally) { n.written = n.total.Load() })
	if !all.forget(1) || all.keys.Load() != 0 {
		t.Errorf("%d keys are not forgotten", all.keys.Load())
	}
}

func TestOldDaysAreForgotten(t *testing.T) {
	t.Parallel()
	f := alone(t).operator(t)
	ctx := context.Background()
	old := DayOf(time.Now()) - daysInMemory - 1
	for range 3 { // it comes back after it was forgotten, and nothing of it is lost
		f.Count("r", "US", "block", old)
		must(t, f.flush(ctx))
		if n := f.tallies.keys.Load(); n != 0 || len(f.writers) != 0 {
			t.Errorf("%d keys and %d writers are kept of an old day", n, len(f.writers))
		}
	}
	counts, err := f.Counters(ctx, old, old)
	if err != nil || !slices.Equal(counts, []Count{{old, "r", "US", "block", 3}}) {
		t.Errorf("%v, %v", counts, err)
	}
}

func TestManyCounters(t *testing.T) {
	t.Parallel()
	e := alone(t)
	f := e.operator(t)
	ctx := context.Background()
	today := DayOf(time.Now())
	const n = 3*totalsAtOnce + 7
	for i := range n {
		f.Count(fmt.Sprint("rule-", i), "US", "block", today)
	}
	must(t, f.flush(ctx))
	e.owner().do("FLUSHALL")
	f.Count("rule-0", "US", "block", today)
	must(t, f.flush(ctx))
	// What is late does not count: it is older than what is there.
	w := *f.writers[today]
	w.tried, w.confirmed = 0, 0
	if _, err := f.writeTotals(ctx, today, &w, []any{"x", 1}); err == nil {
		t.Error("a late total is taken")
	}
	e.owner().do("HSET", f.keys.counters(today), "foreign", "field", "a\x1fb\x1fc\x1fd", "-1")
	counts, err := f.Counters(ctx, today, today)
	if err == nil || len(counts) != n || counts[0] != (Count{today, "rule-0", "US", "block", 2}) {
		t.Errorf("%d counts, the first %v, %v", len(counts), counts[0], err)
	}
}
