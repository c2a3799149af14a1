package geoip

import (
	"sync"
	"sync/atomic"
)

// memo remembers answers by a number. Reading takes no lock and allocates nothing, which sync.Map
// cannot do for keys that are numbers. It never forgets: what it holds is bounded by what a database
// has records for. The zero memo is empty.
type memo struct {
	mu    sync.Mutex
	table atomic.Pointer[memoTable]
}

// memoTable is a hash table with open addressing, at most half full, whose slots are only ever filled.
type memoTable struct {
	slots []atomic.Pointer[memoEntry]
	used  int
}

type memoEntry struct {
	key   uint64
	value *answer
}

const memoSize = 64 // a power of two

// get returns the answer of a key, or nil if there is none yet.
func (m *memo) get(key uint64) *answer {
	t := m.table.Load()
	if t == nil {
		return nil
	}
	if entry := t.slot(key).Load(); entry != nil {
		return entry.value
	}
	return nil
}

// put remembers the answer of a key; of several for the same key the first stays.
func (m *memo) put(key uint64, value *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.table.Load()
	if t == nil || 2*(t.used+1) > len(t.slots) {
		t = t.grown()
		defer m.table.Store(t)
	}
	if slot := t.slot(key); slot.Load() == nil {
		slot.Store(&memoEntry{key: key, value: value})
		t.used++
	}
}

// slot returns the slot that holds the key, or else the free one where it belongs.
func (t *memoTable) slot(key uint64) *atomic.Pointer[memoEntry] {
	mask := uint64(len(t.slots) - 1)
	const golden = 0x9E3779B97F4A7C15 // 2⁶⁴ divided by the golden ratio spreads neighbouring keys
	for i := key * golden >> 32; ; i++ {
		slot := &t.slots[i&mask]
		if entry := slot.Load(); entry == nil || entry.key == key {
			return slot
		}
	}
}

// grown returns a copy with room for more. Those who still read the old table miss only what is new.
func (t *memoTable) grown() *memoTable {
	if t == nil {
		return &memoTable{slots: make([]atomic.Pointer[memoEntry], memoSize)}
	}
	larger := &memoTable{slots: make([]atomic.Pointer[memoEntry], 2*len(t.slots)), used: t.used}
	for i := range t.slots {
		if entry := t.slots[i].Load(); entry != nil {
			larger.slot(entry.key).Store(entry)
		}
	}
	return larger
}
