package upstream

import (
	"context"
	"sync"
	"time"
)

// pool keeps connections to one upstream for a next exchange. The youngest serves first, so that no more of them stay than are
// needed.
type pool struct {
	dial  func(context.Context) (*link, error)
	most  int           // How many are kept.
	lasts time.Duration // How long one is kept.
	// unasked is called if an upstream says something on a link that nobody asks on.
	unasked func()

	mu     sync.Mutex
	idle   []*link // The youngest is the last.
	timer  *time.Timer
	armed  bool // The timer will sweep.
	closed bool // Nothing is kept any more.
}

// take returns a kept link, or a new one if there is none or it is to be fresh.
//
// What a kept link has to say before it is asked anything is nobody's answer: such a link is closed, and so is one on which the
// upstream has hung up. Nothing has been sent on it by then, so that no request suffers.
func (p *pool) take(ctx context.Context, fresh bool) (*link, error) {
	for !fresh {
		l := p.youngest()
		if l == nil {
			break
		}
		if time.Since(l.since) < p.lasts && l.look() {
			l.reused = true
			l.open()
			return l, nil
		}
		if l.spoke && l.Conn == l.under { // Over TLS there is more to say than answers.
			p.unasked()
		}
		l.Close()
	}
	return p.dial(ctx)
}

func (p *pool) youngest() *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	l := p.idle[last]
	p.idle[last], p.idle = nil, p.idle[:last]
	return l
}

// keep takes a link back from an exchange that has come to its end on it. One on which more has come is closed.
func (p *pool) keep(l *link) {
	if !l.drained() {
		if l.in.Buffered() > 0 {
			p.unasked()
		}
		l.drop()
		return
	}
	l.shut()
	l.since = time.Now()
	if !p.push(l) {
		l.Close()
	}
}

func (p *pool) push(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= p.most {
		return false
	}
	p.idle = append(p.idle, l)
	if !p.armed {
		p.arm(p.lasts)
	}
	return true
}

// arm is called with mu.
func (p *pool) arm(d time.Duration) {
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.sweep)
		return
	}
	p.timer.Reset(d)
}

// sweep closes what has been kept long enough. One timer does for all of an upstream's connections, since they grow old in the
// order in which they lie.
func (p *pool) sweep() {
	for _, l := range p.old() {
		l.Close()
	}
}

func (p *pool) old() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= p.lasts {
		n++
	}
	old := append([]*link(nil), p.idle[:n]...)
	kept := copy(p.idle, p.idle[n:])
	clear(p.idle[kept:])
	p.idle = p.idle[:kept]
	if p.armed = kept > 0 && !p.closed; p.armed {
		p.arm(p.lasts - now.Sub(p.idle[0].since))
	}
	return old
}

// close closes what is kept, and everything that is given back from now on.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for _, l := range idle {
		l.Close()
	}
}
