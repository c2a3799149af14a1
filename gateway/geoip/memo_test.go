package geoip

import (
	"math/rand/v2"
	"sync"
	"testing"

	"gate451/rules"
)

// TestMemo fills a memo from several sides at once and checks it against a map.
func TestMemo(t *testing.T) {
	t.Parallel()
	const keys = 5000
	var m memo
	if m.get(1) != nil {
		t.Error("an empty memo knows an answer")
	}
	values := make([]*answer, keys)
	for i := range values {
		values[i] = &answer{id: uint32(i)}
	}
	var group sync.WaitGroup
	for worker := range uint64(4) {
		group.Go(func() {
			random := rand.New(rand.NewPCG(worker, 0))
			for range 4 * keys {
				i := random.IntN(keys)
				key := uint64(i) * 64
				if known := m.get(key); known != nil && known != values[i] {
					t.Errorf("key %d has answer %d", i, known.id)
				}
				m.put(key, values[i])
				if m.get(key) != values[i] {
					t.Errorf("key %d is forgotten", i)
				}
			}
		})
	}
	group.Wait()
	for i := range values {
		m.put(uint64(i)*64, values[i])
	}
	for i := range values {
		if m.get(uint64(i)*64) != values[i] {
			t.Errorf("key %d has another answer", i)
		}
	}
	if table := m.table.Load(); table.used != keys || len(table.slots) < 2*keys {
		t.Errorf("%d of %d slots are used for %d keys", table.used, len(table.slots), keys)
	}
	m.put(0, &answer{})
	if m.get(0) != values[0] {
		t.Error("a second answer has replaced the first")
	}
}

func TestAnswersAreInterned(t *testing.T) {
	t.Parallel()
	as := newAnswers()
	us, de := as.of(answer{country: country("US"), subdivisions: []string{"US-CA"}}), as.of(answer{country: country("DE")})
	if as.of(answer{country: country("US"), subdivisions: []string{"US-CA"}}) != us || us == de {
		t.Error("equal answers are different, or different ones equal")
	}
	for _, other := range []answer{
		{country: country("US")},
		{country: country("US"), subdivisions: []string{"US-CA"}, anonymized: true},
		{country: country("US"), others: []rules.Country{country("DE")}, subdivisions: []string{"US-CA"}},
	} {
		if as.of(other) == us {
			t.Errorf("%+v is the same as %+v", other, us)
		}
	}
	both := as.merge(us, de)
	if as.merge(us, de) != both || as.merge(both, de) != both || as.merge(both, us) != both || as.merge(de, us) == both {
		t.Error("merging is not stable")
	}
	if us.others != nil || len(us.subdivisions) != 1 {
		t.Errorf("merging has changed an answer: %+v", us)
	}
}
