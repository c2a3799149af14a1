package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Options are what a Proxy takes from its surroundings.
type Options struct {
	// Logger is told of every failure of an upstream, of ejections and of returns. Nil logs nothing.
	Logger *slog.Logger
	// OnError is called with one of the causes for every attempt that failed, also if another one
	// succeeded. It must be safe for concurrent use and quick. Nil is allowed.
	OnError func(cause string)
	// Now is the clock by which upstreams are ejected. Nil stands for time.Now.
	Now func() time.Time
}

// Proxy forwards requests to the upstreams of one route. It is safe for concurrent use.
type Proxy struct {
	cfg      Config
	balancer balancer
	logger   *slog.Logger
	onError  func(cause string)
	buffers  sync.Pool
	long     sync.Pool // Of larger buffers, for downloads.
	closing  context.Context
	close    context.CancelFunc
}

const (
	// bufferSize is how much of a body is in memory at a time, per answer.
	bufferSize = 32 << 10
	// longSize is how much of one is that has at least as many bytes as a download: it costs a fifth less to pass on, where the
	// kernel cannot do so by itself.
	longSize = 128 << 10
	download = 1 << 20
)

// New returns a Proxy for the upstreams that cfg names. It connects to none of them yet. Its error names
// everything that is wrong with cfg.
func New(cfg Config, opts Options) (*Proxy, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	dialer, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	p := &Proxy{cfg: cfg, logger: opts.Logger, onError: opts.OnError}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	if p.onError == nil {
		p.onError = func(string) {}
	}
	p.balancer.now, p.balancer.logger = opts.Now, p.logger
	if opts.Now == nil {
		p.balancer.now = time.Now
	}
	for _, at := range cfg.Upstreams {
		u, err := newUpstream(at, dialer, cfg.IdleTimeout, p.logger)
		if err != nil {
			return nil, err
		}
		p.balancer.all = append(p.balancer.all, u)
	}
	p.buffers.New = func() any { return new([bufferSize]byte) }
	p.long.New = func() any { return new([longSize]byte) }
	p.closing, p.close = context.WithCancel(context.Background())
	return p, nil
}

// Close closes the connections that are kept and ends upgraded ones, which no server counts as requests
// any more. Requests under way are left to finish.
func (p *Proxy) Close() {
	p.close()
	for _, u := range p.balancer.all {
		u.links.close()
		u.asked.close()
	}
}

// Forward passes r on to an upstream and its answer to w, and returns when that is done. What cannot be had from an upstream is
// answered 502 or 504, what cannot be sent as it came 400, what its client stops sending 408, and what is longer than an
// http.MaxBytesReader lets it be 413.
//
// Of r, RequestURI must be as the server set it; w must be the server's, or have an Unwrap method that leads there (see
// http.ResponseController). A server passes OPTIONS * on only with DisableGeneralOptionsHandler. A body that has been read
// already may have a method AtHand, which returns it and whether it is whole, and is sent sooner for it.
//
// If an answer breaks off after it has begun, Forward makes sure that the client sees that. It does so by
// taking over the connection or resetting the stream, and panics with http.ErrAbortHandler, which net/http
// understands, only if w allows neither.
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request, m Meta) {
	x := &exchange{p: p, w: w, r: r, m: m, rc: http.NewResponseController(w)}
	x.watch.init(x.stalled)
	target, err := targetOf(r)
	if err = errors.Join(err, checkHost(r.Host)); err != nil {
		p.report(nil, CauseUnforwardable, err)
		x.body = newBody(x)
		x.refuse(http.StatusBadRequest)
		x.end()
		return
	}
	x.target = target
	x.leave = afterFunc(r.Context(), x.cut)
	defer x.end()
	x.upgrade = asksWebSocket(r)
	x.header = requestHeader(r, m, x.upgrade)
	x.body = newBody(x)

	switch f := x.send(); {
	case f != nil:
		x.refuse(f.status)
	case x.res.status == http.StatusSwitchingProtocols:
		x.tunnel()
	default:
		x.answer()
	}
}
