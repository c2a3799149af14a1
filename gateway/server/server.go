package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what a Server serves, and how patient it is.
type Config struct {
	// Handler answers requests, those of HTTP/2 too.
	Handler http.Handler
	// TLS is what connections begin with; nil for plain ones. What it lacks of protocols is added.
	TLS *tls.Config
	// HeaderTimeout is how long a client may take for the handshake of TLS, and again for a request's header, from the start of its
	// connection or the first byte of the request.
	HeaderTimeout time.Duration
	// IdleTimeout is how long an unused connection stays open. It may be a sixteenth longer.
	IdleTimeout time.Duration
	// HeaderBytes is how long a request line and its header may be together; 4 KiB more are no offence.
	HeaderBytes int
	// HTTP2Cleartext says that plain connections may speak HTTP/2, if they begin with it.
	HTTP2Cleartext bool
	// HTTP2Streams is how many requests one connection of HTTP/2 may have under way.
	HTTP2Streams int
	// Base ends the contexts of all requests with its own.
	Base context.Context
	// Logger is told of broken connections, which clients cause at will, and of handlers that panic.
	Logger *slog.Logger
}

// Server serves requests on one listener.
type Server struct {
	cfg      Config
	tls      *tls.Config
	http2    *http.Server
	handover *handover
	later    later
	date     atomic.Pointer[date]

	stopping atomic.Bool
	mu       sync.Mutex
	listener net.Listener
	open     map[*conn]struct{} // Those that are served here, upgraded ones too.
}

// New returns a Server.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, open: map[*conn]struct{}{}}
	if cfg.TLS != nil {
		s.tls = cfg.TLS.Clone()
		s.tls.NextProtos = append(append([]string(nil), cfg.TLS.NextProtos...), "h2", "http/1.1")
	}
	if cfg.TLS != nil || cfg.HTTP2Cleartext {
		s.prepareHTTP2()
	}
	context.AfterFunc(cfg.Base, s.cancel)
	return s
}

// Serve accepts connections until the server is stopped, which it reports as http.ErrServerClosed, or the listener fails. Those that
// it has accepted are served until Shutdown or Close.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.listener = ln
	s.mu.Unlock()
	if s.stopping.Load() {
		_ = ln.Close() // nobody is served on it
		return http.ErrServerClosed
	}
	if s.http2 != nil {
		go func() { _ = s.http2.Serve(s.handover) }() // until it is stopped
	}
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			pause = 0
			s.begin(nc)
		case s.stopping.Load():
			return http.ErrServerClosed
		case errors.As(err, &temporary) && temporary.Temporary():
			// Too many files are open, or a client has gone already.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.cfg.Logger.Debug("a connection could not be accepted", slog.Any("error", err))
			time.Sleep(pause)
		default:
			return err
		}
	}
}

func (s *Server) begin(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	go c.serve()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
}

// all returns the connections that are served here.
func (s *Server) all() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.open))
	for c := range s.open {
		all = append(all, c)
	}
	return all
}

// cancel ends the contexts of all requests.
func (s *Server) cancel() {
	for _, c := range s.all() {
		c.cancel()
	}
}

// stop has nothing more accepted.
func (s *Server) stop() error {
	s.stopping.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

const (
	// stopStep is how often is looked whether connections under way have ended.
	stopStep = 5 * time.Millisecond
	// firstPatience is how long a new connection may go on saying nothing when the server stops.
	firstPatience = 5 * time.Second
)

// Shutdown has nothing more accepted, closes unused connections, and waits for the others until the context ends, whose error it
// then returns. A connection that has said nothing yet may do so for 5 s. For upgraded ones it does not wait.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.stop()
	ended := make(chan error, 1)
	go func() { ended <- s.shutdownHTTP2(ctx) }()
	look := time.NewTicker(stopStep)
	defer look.Stop()
	for s.closeUnused() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			if failed := <-ended; failed != nil {
				return failed
			}
			return ctx.Err()
		}
	}
	if failed := <-ended; failed != nil {
		return failed
	}
	return err
}

func (s *Server) shutdownHTTP2(ctx context.Context) error {
	if s.http2 == nil {
		return nil
	}
	return s.http2.Shutdown(ctx)
}

// closeUnused closes the connections that nobody uses, and returns how many are in use.
func (s *Server) closeUnused() (used int) {
	for _, c := range s.all() {
		if !c.closeUnused() {
			used++
		}
	}
	return used
}

// Close closes the listener and all connections but those that were upgraded, whatever happens on them.
func (s *Server) Close() error {
	err := s.stop()
	for _, c := range s.all() {
		c.sever()
	}
	if s.http2 != nil {
		_ = s.http2.Close() // whatever it holds is lost
		_ = s.handover.Close()
	}
	return err
}
