package upstream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
)

// The causes with which Options.OnError is called.
const (
	// CauseConnect says that no connection to the upstream came about.
	CauseConnect = "connect"
	// CauseConnectTimeout says that none did in time, TLS included.
	CauseConnectTimeout = "connect_timeout"
	// CauseTLS says that the upstream does not speak TLS or that its certificate is not good.
	CauseTLS = "tls"
	// CauseHeaderTimeout says that the upstream did not accept the request or did not begin to answer in time.
	CauseHeaderTimeout = "header_timeout"
	// CauseClosed says that the upstream closed the connection instead of answering.
	CauseClosed = "closed"
	// CauseProtocol says that what the upstream answered is no HTTP, or not what was asked for.
	CauseProtocol = "protocol"
	// CauseBody says that the upstream's answer broke off or stood still midway.
	CauseBody = "body"
	// CauseClientGone says that the client went away, stopped sending its body or stopped reading the
	// answer. It is no failure of the upstream.
	CauseClientGone = "client_gone"
	// CauseTooLarge says that the client's body is longer than whoever set an http.MaxBytesReader before it allows. It
	// is no failure of the upstream.
	CauseTooLarge = "too_large"
	// CauseUnforwardable says that the request could not be sent as it came. It is no failure of the upstream.
	CauseUnforwardable = "unforwardable"
)

// statusClientGone is what nobody will see but access logs and metrics.
const statusClientGone = 499

// failure is why an attempt at forwarding came to nothing.
type failure struct {
	cause  string
	status int
	err    error
	// repeatable says that another attempt is safe.
	repeatable bool
	// stale says that only a kept connection failed, which says nothing about the upstream.
	stale bool
}

// failed returns a failure with the status that belongs to its cause.
func failed(cause string, err error) *failure {
	f := &failure{cause: cause, err: err}
	switch cause {
	case CauseConnectTimeout, CauseHeaderTimeout:
		f.status = http.StatusGatewayTimeout
	case CauseClientGone:
		f.status = statusClientGone
	case CauseTooLarge:
		f.status = http.StatusRequestEntityTooLarge
	case CauseUnforwardable:
		f.status = http.StatusBadRequest
	default:
		f.status = http.StatusBadGateway
	}
	return f
}

// blameless reports whether a cause says nothing about the upstream.
func blameless(cause string) bool {
	return cause == CauseClientGone || cause == CauseTooLarge || cause == CauseUnforwardable
}

// report counts a failure, and logs it if it is the upstream's.
func (p *Proxy) report(u *upstream, cause string, err error) {
	p.onError(cause)
	if !blameless(cause) {
		p.logger.LogAttrs(context.Background(), slog.LevelWarn, "upstream failed",
			slog.String("upstream", u.host), slog.String("cause", cause), slog.Any("error", err))
	}
}

// texts are what a client is told, one line each.
var texts = map[int]string{
	http.StatusBadRequest:            "400 Bad Request: this request cannot be passed on as it came.\n",
	http.StatusRequestTimeout:        "408 Request Timeout: the rest of the request did not come.\n",
	http.StatusRequestEntityTooLarge: "413 Content Too Large: the request's body is longer than is taken here.\n",
	http.StatusBadGateway:            "502 Bad Gateway: the server behind this address cannot be reached or did not answer properly.\n",
	http.StatusGatewayTimeout:        "504 Gateway Timeout: the server behind this address did not answer in time.\n",
}

// refuse answers in the upstream's place.
func (x *exchange) refuse(status int) {
	text := texts[status]
	h := x.w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Content-Length"] = []string{strconv.Itoa(len(text))}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	x.leaveBody(h)
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		x.watch.expect(reading, x.p.cfg.IdleBody)
		_, _ = io.WriteString(x.w, text) // A client that is not there to read it needs no other answer.
	}
}

// abort ends an answer that has begun in a way that no client takes for its end: over HTTP/2 by
// resetting the stream, over HTTP/1.1 by closing the connection before the length is reached or the last
// chunk sent. HTTP/1.0 may have neither, and its connection is reset, as is that of a client to which
// nothing more can be sent. Only a server that offers no way to do this sees a panic with
// http.ErrAbortHandler, its own word for it.
func (x *exchange) abort(reset bool) {
	if x.r.ProtoMajor > 1 {
		if x.rc.SetWriteDeadline(longAgo) == nil {
			return
		}
	} else if conn, _, err := x.rc.Hijack(); err == nil {
		if reset || x.r.ProtoMinor == 0 {
			conn = bare(conn)
		}
		conn.Close()
		return
	}
	panic(http.ErrAbortHandler)
}

// bare returns the connection under a connection, so prepared that closing it resets it.
func bare(conn net.Conn) net.Conn {
	for {
		switch c := conn.(type) {
		case interface{ SetLinger(seconds int) error }:
			_ = c.SetLinger(0) // Fails only where the connection is closed already.
			return conn
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		case interface{ Raw() net.Conn }:
			conn = c.Raw()
		default:
			return conn
		}
	}
}

// isClosed reports whether an error is the end of a connection rather than nonsense on it.
func isClosed(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}
