package fleet

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Day is a date, counted from 1 January 1970.
type Day int32

const secondsOfDay = 24 * 60 * 60

// DayOf returns the date of an instant in the instant's own zone.
func DayOf(at time.Time) Day {
	y, m, d := at.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay)
}

// String returns the date as 2006-01-02.
func (d Day) String() string { return time.Unix(int64(d)*secondsOfDay, 0).UTC().Format(time.DateOnly) }

// what is a thing that is counted.
type what struct {
	rule, country, verdict string
	day                    Day
}

// tally is how often this instance counted it.
type tally struct {
	total   atomic.Int64
	written int64 // of the total, for the one that writes
}

const (
	shards     = 16
	maxTallies = 20_000 // beyond them rule and country are no longer told apart
)

// tallies count without waiting for anything but each other's addition of a new key.
type tallies struct {
	shards [shards]struct {
		mu sync.RWMutex
		m  map[what]*tally
	}
	keys atomic.Int64
}

func (w *what) shard() int {
	h := uint32(len(w.rule))
	for i := range len(w.country) {
		h = h*31 + uint32(w.country[i])
	}
	return int(h % shards)
}

func (t *tallies) add(w what) {
	s := &t.shards[w.shard()]
	s.mu.RLock()
	if n := s.m[w]; n != nil {
		n.total.Add(1) // under the lock, so that forget cannot come in between
		s.mu.RUnlock()
		return
	}
	s.mu.RUnlock()
	t.addNew(w)
}

func (t *tallies) addNew(w what) {
	if t.keys.Load() >= maxTallies && w.rule+w.country != "" {
		t.add(what{verdict: w.verdict, day: w.day})
		return
	}
	w.rule, w.country, w.verdict = strings.Clone(w.rule), strings.Clone(w.country), strings.Clone(w.verdict)
	s := &t.shards[w.shard()]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.m[w]
	if n == nil {
		if s.m == nil {
			s.m = map[what]*tally{}
		}
		n = new(tally)
		s.m[w] = n
		t.keys.Add(1)
	}
	n.total.Add(1)
}

// all calls visit for each tally. Only the one that writes calls it.
func (t *tallies) all(visit func(what, *tally)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for w, n := range s.m {
			visit(w, n)
		}
		s.mu.RUnlock()
	}
}

// forget drops the tallies of a day unless one of them was added to since it was written, and reports whether it did.
func (t *tallies) forget(day Day) bool {
	for i := range t.shards {
		t.shards[i].mu.Lock()
		defer t.shards[i].mu.Unlock()
	}
	for i := range t.shards {
		for w, n := range t.shards[i].m {
			if w.day == day && n.total.Load() != n.written {
				return false
			}
		}
	}
	for i := range t.shards {
		for w := range t.shards[i].m {
			if w.day == day {
				delete(t.shards[i].m, w)
				t.keys.Add(-1)
			}
		}
	}
	return true
}
