package evidence

import (
	"slices"
	"sync"
	"time"
)

// places knows which durable lines stand in which segment, for those who read while the log is written.
type places struct {
	mu       sync.Mutex
	segments []place
	durable  int64         // lines that are durable
	more     chan struct{} // closed when there are more; nil if nobody waits
	closed   bool
}

// place is a segment of which at least one line is durable.
type place struct {
	first int64
	begun time.Time
	gone  bool // the lines were dropped
}

// lines returns how many lines are durable.
func (p *places) lines() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.durable
}

// grow says that lines are durable, in the segment that begins at first.
func (p *places) grow(durable, first int64, begun time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.durable = durable
	if n := len(p.segments); n == 0 || p.segments[n-1].first != first {
		p.segments = append(p.segments, place{first: first, begun: begun})
	}
	p.wake()
}

// wake tells those who wait to look again. The mutex is held.
func (p *places) wake() {
	if p.more != nil {
		close(p.more)
		p.more = nil
	}
}

// close tells those who wait that there will be no more.
func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.wake()
}

// wait returns how many lines are durable and a channel that is closed when that changes.
func (p *places) wait() (durable int64, more <-chan struct{}, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.more == nil {
		p.more = make(chan struct{})
	}
	return p.durable, p.more, p.closed
}

// of returns the segment of a durable line and the index behind the segment's last durable line.
func (p *places) of(index int64) (at place, until int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	until = p.durable
	for _, s := range slices.Backward(p.segments) {
		if s.first <= index {
			return s, until
		}
		until = s.first
	}
	return place{gone: true}, until
}

// oldest returns the first index whose line is still there.
func (p *places) oldest() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.segments {
		if !s.gone {
			return s.first
		}
	}
	return p.durable
}

// list returns all segments.
func (p *places) list() []place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.segments)
}

// drop says that the lines of all segments before index are gone.
func (p *places) drop(index int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.segments {
		p.segments[i].gone = p.segments[i].gone || p.segments[i].first < index
	}
}
