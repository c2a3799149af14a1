package server

import (
	"context"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// preface is how a client begins that speaks HTTP/2 (RFC 9113, section 3.4).
const preface = prefaceHead + "SM\r\n\r\n"

// prefaceHead is what of it looks like a request.
const prefaceHead = "PRI * HTTP/2.0\r\n\r\n"

// prepareHTTP2 makes the server that speaks HTTP/2, and only that.
//
// A client that resets each of its streams at once (CVE-2023-44487) gains nothing: a reset stream counts until its handler has
// returned, and net/http ends a connection on which too many more wait for their turn (golang.org/issue/63417).
func (s *Server) prepareHTTP2() {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(s.cfg.HTTP2Cleartext)
	s.http2 = &http.Server{
		Handler:                      s.cfg.Handler,
		ReadHeaderTimeout:            s.cfg.HeaderTimeout,
		IdleTimeout:                  s.cfg.IdleTimeout,
		MaxHeaderBytes:               s.cfg.HeaderBytes,
		HTTP2:                        &http.HTTP2Config{MaxConcurrentStreams: s.cfg.HTTP2Streams},
		Protocols:                    protocols,
		BaseContext:                  func(net.Listener) context.Context { return s.cfg.Base },
		ErrorLog:                     stdlog.New(told{s.cfg.Logger}, "", 0),
		DisableGeneralOptionsHandler: true,
	}
	s.handover = &handover{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// told passes on what net/http says of broken connections.
type told struct{ log *slog.Logger }

func (t told) Write(line []byte) (int, error) {
	t.log.Debug("http server", slog.String("message", string(line)))
	return len(line), nil
}

// handover is a listener for connections that have been accepted already.
type handover struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// give hands a connection over, or closes it if nobody takes any more.
func (h *handover) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.closed:
		_ = nc.Close() // nobody serves it
	}
}

// Accept returns the next connection that is handed over.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close has nothing more handed over.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr is nobody's.
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// replayed is a connection of which something has been read already.
type replayed struct {
	net.Conn
	text []byte
}

// Read yields what was read, then the rest.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.text) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.text)
	r.text = r.text[n:]
	return n, nil
}
