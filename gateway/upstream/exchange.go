package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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

// try makes one attempt.
func (x *exchange) try(u *upstream, fresh bool) *failure {
	a := attempt{x: x}
	err := a.make(u, fresh)
	x.watch.settle(request)
	if err == nil {
		return nil
	}
	f := a.judge(err)
	x.release(false)
	return f
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
	if s == reading {
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
// same: the server half-closes first, as it does behind a body that is too large, and waits before it closes what holds
// unread bytes, for a reset would take from the client what it has not read yet.
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

// attempt is one try at one upstream.
type attempt struct {
	x      *exchange
	built  bool // The request can be sent.
	reused bool // It was, on a connection that had been kept.
	sent   bool // Something of it.
	came   bool // Something came back.
}

// make sends the request and reads the head of the answer.
func (a *attempt) make(u *upstream, fresh bool) error {
	x := a.x
	l, err := u.links.take(x.r.Context(), fresh)
	if err != nil {
		return err
	}
	a.reused = l.reused
	if !x.hold(l) {
		l.drop()
		return context.Canceled
	}
	x.owe(x.p.cfg.HeaderTimeout)
	if err := a.ask(l, u.host); err != nil {
		return err
	}
	if x.body != nil && !x.body.sent {
		x.body.start(l)
	}
	return a.listen(l)
}

// ask sends the request's head.
func (a *attempt) ask(l *link, host string) error {
	x := a.x
	h := head{method: x.r.Method, target: x.target, host: x.r.Host, header: x.header}
	if h.host == "" {
		h.host = host
	}
	var body []byte
	if b := x.body; b != nil {
		h.length, h.trailer = b.left, b.trailer
		// An upstream that refuses the body would otherwise have to guess whether it comes all the same.
		h.last = b.call != nil
		if body = b.atHand(); body != nil {
			b.done.Store(true)
			b.sent = true
		} else if b.probe() {
			h.length, b.sent = 0, true
		}
	}
	s := sheets.Get().(*sheet)
	defer s.giveBack()
	if err := s.write(&h); err != nil {
		return err
	}
	a.built = true
	s.text = append(s.text, body...)
	n, err := l.Write(s.text)
	// Of TLS, what has not been written whole cannot be read.
	a.sent = n > 0
	return err
}

// listen reads the answer's head, and hands on what interim answers come before.
func (a *attempt) listen(l *link) error {
	x := a.x
	if _, err := l.in.Peek(1); err != nil {
		return err
	}
	a.came = true
	for most := headerBytes; ; {
		n, err := x.res.listen(l, x.r.Method, most)
		if err != nil {
			return err
		}
		most -= n
		switch status := x.res.status; {
		case status == http.StatusContinue:
			x.body.want(true) // Reading the body makes the server send 100.
		case 100 < status && status < 200 && status != http.StatusSwitchingProtocols:
			x.interim()
		default:
			if err := x.check(); err != nil {
				return err
			}
			x.answered.Store(true)
			x.body.want(false)
			return nil
		}
	}
}

// interim hands an interim answer on. It goes around whatever wraps the server's writer, for which an answer would have begun.
func (x *exchange) interim() {
	if !x.r.ProtoAtLeast(1, 1) {
		return // HTTP/1.0 knows no interim answers.
	}
	w := serverWriter(x.w)
	h := w.Header()
	kept := maps.Clone(h)
	clear(h)
	copyHeader(h, x.res.header)
	x.watch.expect(reading, x.p.cfg.IdleBody)
	w.WriteHeader(x.res.status)
	x.watch.settle(reading)
	clear(h)
	maps.Copy(h, kept)
}

// judge finds the cause of a failed attempt, and whether another one is safe.
func (a *attempt) judge(err error) *failure {
	x := a.x
	untouched := x.body == nil || !x.body.begun.Load()
	var dial *dialError
	switch {
	case x.overdue.Load() != 0 && (x.waiting.Load() || slot(x.overdue.Load()-1) == reading):
		f := failed(CauseClientGone, errSilent)
		f.status = http.StatusRequestTimeout
		return f
	case x.overdue.Load() != 0:
		return failed(CauseHeaderTimeout, errSilent)
	case x.r.Context().Err() != nil:
		return failed(CauseClientGone, err)
	case x.body != nil && x.body.large.Load():
		return failed(CauseTooLarge, err)
	case x.body != nil && x.body.broken.Load():
		f := failed(CauseClientGone, err)
		f.status = http.StatusBadRequest
		return f
	case errors.As(err, &dial):
		f := failed(dial.cause, err)
		f.repeatable = untouched
		return f
	case !a.built:
		return failed(CauseUnforwardable, err)
	case a.came && !isClosed(err):
		return failed(CauseProtocol, err)
	}
	f := failed(CauseClosed, err)
	safe := x.body == nil && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.r.Method == http.MethodOptions)
	f.repeatable = !a.came && (!a.sent && untouched || safe)
	f.stale = a.reused && !a.came
	return f
}
