package gateway

import (
	"maps"
	"sync"
	"sync/atomic"
)

// known remembers the metrics of labels: each request would find them by the labels' texts otherwise, all of which are read for that.
// There are as many of them as the metric has anyway. The zero value remembers none.
type known[K comparable, M any] struct {
	all    atomic.Pointer[map[K]M]
	adding sync.Mutex
}

// of returns the metric of a key, which find returns the first time.
func (k *known[K, M]) of(key K, find func() M) M {
	if all := k.all.Load(); all != nil {
		if metric, ok := (*all)[key]; ok {
			return metric
		}
	}
	k.adding.Lock()
	defer k.adding.Unlock()
	more := map[K]M{key: find()}
	if all := k.all.Load(); all != nil {
		maps.Copy(more, *all)
	}
	k.all.Store(&more)
	return more[key]
}
