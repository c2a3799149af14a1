package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// watchDelay is how long a request may take before somebody looks whether its client is still there. Most have their answer by then:
// to look costs a goroutine and two changes of a deadline.
const watchDelay = 5 * time.Millisecond

// later are the requests whose clients are to be looked at, if they take long. One timer does for all of them.
type later struct {
	mu    sync.Mutex
	young []*exchange // Those that came since the last tick,
	old   []*exchange // and those that came before it.
	spare []*exchange // Memory.
	timer *time.Timer
	armed bool // The timer will tick.
}

func (l *later) add(x *exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.young = append(l.young, x)
	if !l.armed {
		l.arm()
	}
}

// arm is called with mu.
func (l *later) arm() {
	l.armed = true
	if l.timer == nil {
		l.timer = time.AfterFunc(watchDelay, l.tick)
		return
	}
	l.timer.Reset(watchDelay)
}

// tick looks at the clients of those requests that were there at the last tick already.
func (l *later) tick() {
	l.mu.Lock()
	due := l.old
	l.old, l.young = l.young, l.spare
	l.mu.Unlock()
	for _, x := range due {
		x.beginWatch()
	}
	clear(due)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = due[:0]
	if l.armed = len(l.old)+len(l.young) > 0; l.armed {
		l.arm()
	}
}

// vigil is a look at whether a client is still there, while nothing else is read.
type vigil struct {
	mu      sync.Mutex
	wanted  bool          // As soon as the body has ended.
	done    bool          // There is none any more.
	stopped bool          // It is being ended.
	ended   chan struct{} // Closed when it has ended; nil if it has not begun.
}

// beginWatch begins to look at the client, unless the request is over. What a client sends ahead keeps it from being seen to leave.
func (x *exchange) beginWatch() {
	v := &x.vigil
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.done || v.ended != nil:
	case !x.body.whole.Load():
		v.wanted = true
	case x.c.w > x.c.r:
	default:
		x.c.r, x.c.w = 0, 0
		x.c.limit(0)
		v.ended = make(chan struct{})
		go x.watch()
	}
}

// resumeWatch begins to look at the client if that was to wait for the end of the body.
func (x *exchange) resumeWatch() {
	v := &x.vigil
	v.mu.Lock()
	wanted := v.wanted
	v.mu.Unlock()
	if wanted {
		x.beginWatch()
	}
}

// watch reads what comes next, which is another request or the client's end.
func (x *exchange) watch() {
	c, v := x.c, &x.vigil
	defer close(v.ended)
	n, err := c.nc.Read(c.in)
	v.mu.Lock()
	defer v.mu.Unlock()
	c.w = n
	if err != nil && !(v.stopped && errors.Is(err, os.ErrDeadlineExceeded)) {
		x.life.end()
	}
}

// endWatch ends the look at the client. What it has read is in the connection's buffer.
func (x *exchange) endWatch() {
	v := &x.vigil
	v.mu.Lock()
	v.done = true
	ended := v.ended
	if ended != nil {
		v.stopped = true
	}
	v.mu.Unlock()
	if ended == nil {
		return
	}
	select {
	case <-ended:
	default:
		_ = x.c.choose(longAgo) // one that is closed ends it too
		<-ended
	}
	x.c.retract()
}
