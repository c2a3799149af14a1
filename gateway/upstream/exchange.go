package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

// maxTries is how many upstreams one request is tried at.
const maxTries = 3

var (
	errNotAsked = errors.New("the upstream switches to a protocol that was not asked for")
	errStatus   = errors.New("the upstream answers with an impossible status")
	errSilent   = errors.New("nothing came in time")
)

// exchange is one request and its answer.
type exchange struct {
	p     *Proxy
	w     http.ResponseWriter
	r     *http.Request
	m     Meta
	rc    *http.ResponseController
	leave func() bool // Ends that x is cut when the client is gone.

	target  string
	header  http.Header
	upgrade bool
	body    *requestBody // Nil if the request has none.
	res     response
	watch   watch

	mu   sync.Mutex
	link *link // What is cut.
	over bool  // It has been.

	u        *upstream   // Where the last attempt went.
	answered atomic.Bool // The answer's header is there.
	overdue  atomic.Int32
	waiting  atomic.Bool // Whoever is overdue is the client.
}

// afterFunc is context.AfterFunc. A server's context that can do as much by itself is spared what that makes around it.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return own.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// send tries upstreams until one answers, it is no longer safe to try, or enough have been tried.
func (x *exchange) send() *failure {
	b := &x.p.balancer
	var memory [maxTries]*upstream
	tried, stale := memory[:0], false
	t := b.pick(tried)
	for {
		x.u = t.upstream
		f := x.try(t.upstream, stale)
		if f == nil {
			b.succeeded(t)
			return nil
		}
		if f.stale && f.repeatable && !stale {
			stale = true
			continue
		}
		x.p.report(t.upstream, f.cause, f.err)
		if !blameless(f.cause) && !f.stale {
			b.failed(t)
		}
		tried = append(tried, t.upstream)
		if !f.repeatable || len(tried) == min(maxTries, len(b.all)) {
			return f
		}
		t = b.pick(tried)
	}
}

// owe says that the upstream's answer is some way off, unless it is there: from then on, only the answer
// counts.
func (x *exchange) owe(d time.Duration) {
	if !x.answered.Load() {
		x.watch.expect(request, d)
	}
	if x.answered.Load() {
		x.watch.settle(request)
	}
}

// check returns an error for an answer that cannot be handed on.
func (x *exchange) check() error {
	switch res := &x.res; {
	case res.status == http.StatusSwitchingProtocols:
		if !x.upgrade || !httpguts.HeaderValuesContainsToken(res.header["Connection"], "upgrade") ||
			!httpguts.HeaderValuesContainsToken(res.header["Upgrade"], "websocket") {
			return errNotAsked
		}
	case res.status < 200:
		return fmt.Errorf("%w: %03d", errStatus, res.status)
	}
	return nil
}

// hold makes l what cut severs. It returns false if the exchange is over already.
func (x *exchange) hold(l *link) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return false
	}
	x.link = l
	return true
}

// cut ends whatever waits for the upstream or is being sent to it. It may be called at any time.
func (x *exchange) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over = true; x.link != nil {
		x.link.sever()
	}
}

// release gives the link up: for another exchange if it may serve one, which is when both the request and the answer have come to
// their exact end on it.
func (x *exchange) release(usable bool) {
	x.mu.Lock()
	l, over := x.link, x.over
	x.link = nil
	x.mu.Unlock()
	switch {
	case l == nil:
	case usable && !over && !x.res.last && x.res.state == ended && x.body.whole():
		x.u.links.keep(l)
	default:
		l.drop()
	}
}

// stalled ends what cannot go on because something owed has not come.
func (x *exchange) stalled(s slot) {
	x.overdue.Store(int32(s) + 1)
	if b := x.body; b != nil && b.blocked.Load() {
		x.waiting.Store(s == request)
		_ = x.rc.SetReadDeadline(longAgo) // Or else the sender would go on waiting for the client.
	}
	if s == reading || s == moving {
		_ = x.rc.SetWriteDeadline(longAgo)
	}
	x.cut()
}

// end leaves nothing behind.
func (x *exchange) end() {
	x.watch.stop()
	if x.leave != nil {
		x.leave()
	}
	x.release(false)
	if x.body != nil {
		x.body.stop()
	}
}

// leaveBody tells an HTTP/1 server before it writes a header that the rest of the request's body is not
// its own to read, which it would do to keep the connection. A client that is still sending gets the answer all the
// same: the server half-closes first and waits before it closes what holds unread bytes, for a reset would take from the client what
// it has not read yet. The gateway's own server does so by itself, net/http's as if the body were too large.
func (x *exchange) leaveBody(h http.Header) {
	if x.body != nil && !x.body.done.Load() && x.r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"}
		_, _ = http.MaxBytesReader(serverWriter(x.w), io.NopCloser(strings.NewReader(" ")), 0).Read(make([]byte, 1))
	}
}

// serverWriter returns the server's own writer below whatever wraps it.
func serverWriter(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}
