package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
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
	errUnasked  = errors.New("the upstream says more than the announced length")
	errSilent   = errors.New("nothing came in time")
)

// exchange is one request and its answer.
type exchange struct {
	p      *Proxy
	w      http.ResponseWriter
	r      *http.Request
	m      Meta
	rc     *http.ResponseController
	ctx    context.Context
	cancel context.CancelFunc

	target  url.URL
	header  http.Header
	upgrade bool
	body    *requestBody // Nil if the request has none.
	watch   watch

	u        *upstream   // Where the last attempt went.
	answered atomic.Bool // The answer's header is there.
	overdue  atomic.Int32
	waiting  atomic.Bool // Whoever is overdue is the client.
	interim  sync.Mutex  // Held while w is written to for a 1xx answer.
}

func newBody(x *exchange) *requestBody {
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 {
		return nil
	}
	b := &requestBody{x: x, src: x.r.Body, left: x.r.ContentLength}
	if b.left < 0 {
		// Not nil, so that trailers which were not announced find a place too.
		b.trailer = http.Header{}
		copyTrailers(b.trailer, x.r, x.m.CountryHeader)
	}
	return b
}

// send tries upstreams until one answers, it is no longer safe to try, or enough have been tried.
func (x *exchange) send() (*http.Response, *failure) {
	b := &x.p.balancer
	var memory [maxTries]*upstream
	tried, stale := memory[:0], false
	t := b.pick(tried)
	for {
		x.u = t.upstream
		res, f := x.try(t.upstream)
		if f == nil {
			b.succeeded(t)
			return res, nil
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
			return nil, f
		}
		t = b.pick(tried)
	}
}

// try makes one attempt.
func (x *exchange) try(u *upstream) (*http.Response, *failure) {
	a := &attempt{x: x}
	target := x.target
	target.Scheme, target.Host = u.scheme, u.host
	out := &http.Request{
		Method: x.r.Method, URL: &target, Host: x.r.Host, Header: x.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if x.body != nil {
		out.Body, out.ContentLength, out.Trailer = x.body, x.r.ContentLength, x.body.trailer
		// An upstream that refuses the body keeps the connection and gets the body all the same, unless
		// the connection is to be closed.
		out.Close = httpguts.HeaderValuesContainsToken(x.header["Expect"], "100-continue")
	}
	res, err := x.p.transport.RoundTrip(out.WithContext(httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{
		GotConn:              a.gotConn,
		GotFirstResponseByte: a.gotFirstByte,
		Got1xxResponse:       a.got1xx,
	})))
	x.interim.Lock()
	a.over = true
	x.interim.Unlock()
	if err != nil {
		x.watch.settle(request)
		return nil, a.judge(err)
	}
	err = x.check(res)
	if a.unasked.Load() {
		err = errUnasked
	}
	if err != nil {
		x.watch.settle(request)
		if a.conn != nil {
			a.conn.Close() // What follows on it would be the answer to another request.
		}
		res.Body.Close()
		return nil, failed(CauseProtocol, err)
	}
	x.answered.Store(true)
	x.watch.settle(request)
	if out.Close {
		x.body.retire()
	}
	return res, nil
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
func (x *exchange) check(res *http.Response) error {
	switch code := res.StatusCode; {
	case code == http.StatusSwitchingProtocols:
		if !x.upgrade || !httpguts.HeaderValuesContainsToken(res.Header["Upgrade"], "websocket") {
			return errNotAsked
		}
	case code < 200:
		return fmt.Errorf("%w: %03d", errStatus, code)
	}
	for name, values := range res.Header {
		if !valid(name, values) {
			return fmt.Errorf("the upstream's header %q holds what no header may", name)
		}
	}
	return nil
}

// stalled ends what cannot go on because something owed has not come.
func (x *exchange) stalled(s slot) {
	x.overdue.Store(int32(s) + 1)
	if b := x.body; b != nil && b.blocked.Load() {
		x.waiting.Store(s == request)
		_ = x.rc.SetReadDeadline(longAgo) // Or else the transport would wait for the client to send.
	}
	if s == reading {
		_ = x.rc.SetWriteDeadline(longAgo)
	}
	x.cancel()
}

// end leaves nothing behind. A read of the request's body that still waits for the client is broken off.
func (x *exchange) end() {
	x.watch.stop()
	if x.cancel != nil {
		x.cancel()
	}
	if x.body != nil && !x.body.done.Load() {
		_ = x.rc.SetReadDeadline(longAgo)
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

// attempt is one try at one upstream, as the transport tells of it.
type attempt struct {
	x         *exchange
	connected bool
	reused    bool
	conn      *countedConn // Nil if the transport has connections of its own.
	before    int64        // What had been written to conn.
	had       int64        // What had been read from conn.
	firstByte atomic.Bool
	early     atomic.Bool // Something was there to read before the request was written.
	unasked   atomic.Bool // What is taken for the answer was there before the request.
	over      bool        // Guarded by x.interim.
}

func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	conn := info.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	a.connected, a.reused = true, info.Reused
	if a.conn, _ = conn.(*countedConn); a.conn != nil {
		var more bool
		a.before = a.conn.written.Load()
		a.had, more = a.conn.waiting()
		early := more && conn == info.Conn && info.Reused // over TLS there may be more to read than answers
		if a.early.Store(early); early {
			a.conn.Close() // Nothing has been written: this ends like a connection that the upstream has closed.
		}
	}
	a.x.owe(a.x.p.cfg.HeaderTimeout)
}

func (a *attempt) gotFirstByte() {
	a.unasked.Store(a.conn != nil && a.reused && (a.early.Load() || a.conn.read.Load() == a.had))
	a.firstByte.Store(true)
}

// got1xx hands an interim answer on. It goes around whatever wraps the server's writer, for which an answer
// would have begun.
func (a *attempt) got1xx(code int, header textproto.MIMEHeader) error {
	x := a.x
	if code == http.StatusContinue || !x.r.ProtoAtLeast(1, 1) {
		return nil // Reading the body makes the server send 100; HTTP/1.0 knows no interim answers.
	}
	x.interim.Lock()
	defer x.interim.Unlock()
	if a.over {
		return nil
	}
	w := serverWriter(x.w)
	h := w.Header()
	kept := maps.Clone(h)
	clear(h)
	copyHeader(h, http.Header(header))
	x.watch.expect(reading, x.p.cfg.IdleBody)
	w.WriteHeader(code)
	x.watch.settle(reading)
	clear(h)
	maps.Copy(h, kept)
	return nil
}

// judge finds the cause of a failed attempt, and whether another one is safe.
func (a *attempt) judge(err error) *failure {
	x := a.x
	untouched := x.body == nil || x.body.state.Load() == unread
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
	case !a.connected:
		return failed(CauseUnforwardable, err)
	case a.firstByte.Load() && !isClosed(err):
		return failed(CauseProtocol, err)
	}
	f := failed(CauseClosed, err)
	unsent := a.conn != nil && a.conn.written.Load() == a.before
	safe := x.body == nil && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.r.Method == http.MethodOptions)
	f.repeatable = !a.firstByte.Load() && (unsent && untouched || safe)
	f.stale = a.reused && !a.firstByte.Load()
	return f
}
