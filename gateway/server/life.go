package server

import (
	"context"
	"sync"
	"time"
)

// life is the context of a request. It ends when the request has been answered, when its client is gone, and with the server. Nobody
// looks whether the client is gone before somebody wants to know.
type life struct {
	x *exchange

	mu    sync.Mutex
	err   error
	done  chan struct{} // Nil until it is asked for.
	after *afterwards   // What is called at the end.
	asked bool          // Somebody wants to know.
}

// afterwards is one function in a list of them.
type afterwards struct {
	call func()
	next *afterwards
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Deadline returns none.
func (l *life) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Value returns what the server's own context has.
func (l *life) Value(key any) any { return l.x.c.s.cfg.Base.Value(key) }

// Err returns context.Canceled if it is known that the request has come to its end.
func (l *life) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Done returns a channel that is closed at the end.
func (l *life) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		if l.err != nil {
			l.done = closed
			return l.done
		}
		l.done = make(chan struct{})
	}
	l.ask()
	return l.done
}

// AfterFunc has f called at the end, in a goroutine of its own, unless stop is called before, which then reports true. It is what
// context.AfterFunc uses, and spares it a goroutine.
func (l *life) AfterFunc(f func()) (stop func() bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterwards{f, l.after}
	l.after = a
	l.ask()
	return func() bool { return l.drop(a) }
}

// drop takes a function out of the list. It reports whether it was there.
func (l *life) drop(a *afterwards) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := &l.after; *at != nil; at = &(*at).next {
		if *at == a {
			*at = a.next
			return true
		}
	}
	return false
}

// ask has somebody look whether the client is gone, with mu.
func (l *life) ask() {
	if !l.asked && l.err == nil {
		l.asked = true
		l.x.c.s.later.add(l.x)
	}
}

// end ends it.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = context.Canceled
	if l.done != nil {
		close(l.done)
	}
	for a := l.after; a != nil; a = a.next {
		go a.call()
	}
	l.after = nil
}
