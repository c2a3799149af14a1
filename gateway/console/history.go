package console

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// The spans that are kept: by the minute for two hours, and by the hour for three days.
const (
	minutes = 120
	hours   = 72
	// mostKeys is how many different keys one slot tells apart. A rule and a country are the operator's and the world's to
	// choose, but both together are many.
	mostKeys = 400
)

// History is how often what was decided lately. It learns of that from totals that are told now and then, so that no
// request does anything for it. It may be used by several goroutines at once.
type History struct {
	mu     sync.Mutex
	totals map[Key]int64
	minute ring
	hour   ring
	since  time.Time
}

// ring holds what happened in the newest slots.
type ring struct {
	width time.Duration
	slots []slot
}

// slot is what happened from an instant on, for the width of its ring.
type slot struct {
	at     int64 // in widths since 1970
	counts map[Key]int64
}

// NewHistory returns a History that begins at an instant.
func NewHistory(since time.Time) *History {
	return &History{
		totals: map[Key]int64{}, since: since,
		minute: ring{time.Minute, make([]slot, minutes)}, hour: ring{time.Hour, make([]slot, hours)},
	}
}

// Take takes in all totals at an instant. What was added since the last time counts as happening now.
func (h *History) Take(now time.Time, totals []Total) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range totals {
		if more := t.N - h.totals[t.Key]; more > 0 {
			h.totals[t.Key] = t.N
			h.minute.add(now, t.Key, more)
			h.hour.add(now, t.Key, more)
		}
	}
}

// add counts in the slot of an instant. Should the clock go back by more than the ring is long, the old slots give way.
func (r *ring) add(now time.Time, key Key, n int64) {
	at := now.Unix() / int64(r.width/time.Second)
	s := &r.slots[at%int64(len(r.slots))]
	if s.at != at || s.counts == nil {
		*s = slot{at, map[Key]int64{}}
	}
	if _, known := s.counts[key]; !known && len(s.counts) >= mostKeys {
		key = Key{Kind: key.Kind, Rule: others, Country: others}
	}
	s.counts[key] += n
}

// others stands for what is not told apart.
const others = "others"

// Window is what happened in a span of time, in slots of one width, the oldest first.
type Window struct {
	Width time.Duration
	// Begin is when the first slot begins. The last is the one of now, and not over yet.
	Begin time.Time
	Slots []map[Key]int64
	// Since is when the counting began.
	Since time.Time
}

// Window returns the newest slots: minutes or hours, up to the one of now.
func (h *History) Window(now time.Time, hourly bool) Window {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &h.minute
	if hourly {
		r = &h.hour
	}
	newest := now.Unix() / int64(r.width/time.Second)
	w := Window{Width: r.width, Slots: make([]map[Key]int64, len(r.slots)), Since: h.since}
	for i := range w.Slots {
		at := newest - int64(len(r.slots)-1-i)
		counts := map[Key]int64{}
		if s := r.slots[at%int64(len(r.slots))]; s.at == at {
			for key, n := range s.counts {
				counts[key] = n
			}
		}
		w.Slots[i] = counts
	}
	w.Begin = time.Unix((newest-int64(len(r.slots)-1))*int64(r.width/time.Second), 0).In(now.Location())
	return w
}

// At returns when a slot begins.
func (w *Window) At(slot int) time.Time { return w.Begin.Add(time.Duration(slot) * w.Width) }

// Series returns how often one kind happened in each slot.
func (w *Window) Series(kind Kind) []int64 {
	return w.series(func(k Key) bool { return k.Kind == kind })
}

func (w *Window) series(wanted func(Key) bool) []int64 {
	all := make([]int64, len(w.Slots))
	for i, counts := range w.Slots {
		for key, n := range counts {
			if wanted(key) {
				all[i] += n
			}
		}
	}
	return all
}

// Row is what happened to one rule, or for one country.
type Row struct {
	Name   string
	Counts [kinds]int64
	Series [kinds][]int64
}

// Rows returns what happened by name, what was blocked most first, and at most so many: the last one has all others.
func (w *Window) Rows(name func(Key) string, most int) []Row {
	byName := map[string]*Row{}
	for i, counts := range w.Slots {
		for key, n := range counts {
			if key.Kind == Ungoverned {
				continue
			}
			r := byName[name(key)]
			if r == nil {
				r = newRow(name(key), len(w.Slots))
				byName[r.Name] = r
			}
			r.Counts[key.Kind] += n
			r.Series[key.Kind][i] += n
		}
	}
	var rows []Row
	for _, r := range byName {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Counts[Blocked], a.Counts[Blocked]), cmp.Compare(b.Counts[WouldBlock], a.Counts[WouldBlock]),
			cmp.Compare(b.Counts[Allowed], a.Counts[Allowed]), cmp.Compare(a.Name, b.Name))
	})
	if len(rows) <= most {
		return rows
	}
	rest := newRow(others, len(w.Slots))
	for _, r := range rows[most-1:] {
		for kind := range r.Counts {
			rest.Counts[kind] += r.Counts[kind]
			for i, n := range r.Series[kind] {
				rest.Series[kind][i] += n
			}
		}
	}
	return append(rows[:most-1:most-1], *rest)
}

func newRow(name string, slots int) *Row {
	r := &Row{Name: name}
	for kind := range r.Series {
		r.Series[kind] = make([]int64, slots)
	}
	return r
}

// sum adds numbers up.
func sum(numbers []int64) (n int64) {
	for _, one := range numbers {
		n += one
	}
	return n
}
