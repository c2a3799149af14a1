package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// use is what a connection is used for.
type use = int32

const (
	fresh    use = iota // It has said nothing yet.
	busy                // A request is on its way, or an answer.
	idle                // It waits for the next request.
	upgraded            // It speaks something else now.
	ended               // It is closed, or about to be.
)

// conn is a client's connection.
type conn struct {
	s      *Server
	nc     net.Conn // As it was accepted, or TLS over it.
	under  net.Conn // As it was accepted.
	tls    *tls.ConnectionState
	remote string
	since  time.Time // When it was accepted.
	use    atomic.Int32
	now    atomic.Pointer[exchange] // What is being answered; nil between requests.

	socket *socket // Nil if it is not plain.
	one    [1]byte // What is waited for where there is no socket.

	buffer *buffer // Nil while nothing is read.
	in     []byte  // The buffer's memory, or more if that is not enough.
	r, w   int     // in[r:w] has been read from the connection and by nobody yet.
	blank  int     // So many bytes of line ends may come that are none of a request's.
	broken bool    // Writing has failed.

	deadlines sync.Mutex
	limited   bool      // There is a deadline for reading,
	until     time.Time // and this is it, if it is the one of an unused connection.
	chosen    bool      // The handler has chosen it.
	hasty     bool      // The handler has chosen one for writing.
}

// buffer is what requests are read into.
type buffer [4 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// longAgo is a deadline that ends what is blocked.
var longAgo = time.Unix(1, 0)

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{s: s, nc: nc, under: nc, since: time.Now()}
}

// serve answers requests until the connection ends, or is another's.
func (c *conn) serve() {
	defer c.s.forget(c)
	defer func() {
		if fault := recover(); fault != nil { // unreachable, as far as is known; it must not end the others
			c.s.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "a connection's goroutine panicked", c.told(fault)...)
			c.under.Close()
		}
	}()
	c.remote = c.under.RemoteAddr().String() // first thing: whoever accepted it may find out no sooner, and close it
	if !c.start() {
		return
	}
	if c.receive() {
		c.nc.Close()
	}
}

// start makes the connection ready for the first request. It reports false if it is closed or has been handed over.
func (c *conn) start() bool {
	if c.s.tls != nil {
		if !c.handshake() {
			c.under.Close()
			return false
		}
		if c.tls.NegotiatedProtocol == "h2" {
			c.s.handover.give(c.nc)
			return false
		}
	} else {
		c.socket = socketOf(c)
	}
	c.limit(c.s.cfg.HeaderTimeout)
	return true
}

// handshake begins TLS.
func (c *conn) handshake() bool {
	secure := tls.Server(c.under, c.s.tls)
	_ = c.under.SetDeadline(time.Now().Add(c.s.cfg.HeaderTimeout)) // one that is closed shows below
	if err := secure.HandshakeContext(c.s.cfg.Base); err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
			_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis port speaks HTTPS; the request came as HTTP.\n")
		}
		c.s.cfg.Logger.Debug("no TLS came about", slog.String("peer", c.remote), slog.Any("error", err))
		return false
	}
	state := secure.ConnectionState()
	c.nc, c.tls = secure, &state
	switch state.NegotiatedProtocol {
	case "", "http/1.1":
	case "h2":
	default:
		c.nc.Close() // whoever looks at the certificate alone, as authorities do (RFC 8737), has seen it
		return false
	}
	return c.under.SetDeadline(time.Time{}) == nil
}

// looksLikeHTTP reports whether what should be the header of a TLS record begins a request.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// receive answers one request after the other. It reports false if the connection belongs to somebody else now.
func (c *conn) receive() bool {
	defer c.shut()
	for first := true; c.await(); first = false {
		if !c.enter() {
			return true
		}
		head, err := c.head(first)
		if err != nil {
			c.reject(err)
			return true
		}
		if first && c.s.cfg.HTTP2Cleartext && c.tls == nil && string(head) == prefaceHead {
			return !c.handOver()
		}
		x, err := c.read(head)
		if err != nil {
			c.reject(err)
			return true
		}
		switch c.answer(x) {
		case keep:
		case linger:
			c.linger()
			return true
		case hangUp:
			return true
		case leave:
			return false
		}
	}
	return true
}

// await waits for the first bytes of a request, unless some are there. It reports whether there are.
func (c *conn) await() bool {
	for {
		c.skipBlank()
		if c.w > c.r {
			c.retract()
			return true
		}
		if c.use.Load() != fresh {
			c.shut()
			if !c.rest() {
				return false
			}
		}
		if !c.receiveFirst() {
			return false
		}
	}
}

// receiveFirst waits for bytes, and takes a buffer for them when they come.
func (c *conn) receiveFirst() bool {
	if c.socket != nil {
		return c.socket.receive()
	}
	if n, _ := c.nc.Read(c.one[:]); n == 0 {
		return false
	}
	c.openBuffer()
	c.in[0], c.w = c.one[0], 1
	return true
}

// enter says that the connection is in use. It reports false if it has been closed for want of it.
func (c *conn) enter() bool {
	switch now := c.use.Load(); now {
	case busy:
		return true
	case fresh, idle:
		return c.use.CompareAndSwap(now, busy)
	}
	return false
}

// closeUnused closes a connection that nobody uses. It reports whether nobody does.
func (c *conn) closeUnused() bool {
	switch now := c.use.Load(); {
	case now == idle, now == fresh && time.Since(c.since) > firstPatience:
		if c.use.CompareAndSwap(now, ended) {
			c.under.Close()
		}
		return true
	case now == fresh, now == busy:
		return false
	}
	return true
}

// sever ends whatever happens on the connection. Unlike closing TLS, it waits for nobody.
func (c *conn) sever() {
	if c.use.Load() != upgraded {
		c.under.Close()
		c.cancel()
	}
}

// cancel ends the context of the request that is being answered.
func (c *conn) cancel() {
	if x := c.now.Load(); x != nil {
		x.life.end()
	}
}

func (c *conn) openBuffer() {
	c.buffer = buffers.Get().(*buffer)
	c.in, c.r, c.w = c.buffer[:], 0, 0
}

// shut gives the buffer back.
func (c *conn) shut() {
	if c.buffer != nil {
		buffers.Put(c.buffer)
		c.buffer, c.in, c.r, c.w = nil, nil, 0, 0
	}
}

// fill reads more into the buffer, of which no more than most bytes may be unread.
func (c *conn) fill(most int) error {
	if c.r > 0 {
		copy(c.in, c.in[c.r:c.w])
		c.r, c.w = 0, c.w-c.r
	}
	if c.w == len(c.in) {
		if len(c.in) >= most {
			return errFull
		}
		grown := make([]byte, min(4*len(c.in), most))
		copy(grown, c.in)
		c.in = grown
	}
	n, err := c.nc.Read(c.in[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

var errFull = errors.New("there is no room for more")

// handOver gives a connection that begins like HTTP/2 to whoever speaks that. It reports whether it has.
func (c *conn) handOver() bool {
	c.r = 0 // where a first request begins
	for c.w < len(preface) {
		if c.fill(len(c.in)) != nil {
			return false
		}
	}
	if string(c.in[:len(preface)]) != preface {
		c.reject(&refused{http.StatusBadRequest, "it begins like HTTP/2 and goes on otherwise"})
		return false
	}
	_ = c.nc.SetReadDeadline(time.Time{}) // one that is closed shows there
	c.s.handover.give(&replayed{c.nc, append([]byte(nil), c.in[:c.w]...)})
	return true
}

// then is what becomes of a connection.
type then int8

const (
	keep   then = iota // It waits for the next request.
	linger             // It ends, and its client may not have the answer yet.
	hangUp             // It ends.
	leave              // It is somebody else's.
)

// answer has a request handled.
func (c *conn) answer(x *exchange) (what then) {
	c.now.Store(x)
	defer c.now.Store(nil)
	defer func() {
		if fault := recover(); fault != nil {
			what = c.abort(x, fault)
		}
	}()
	if x.unexpected {
		x.Header()["Connection"] = []string{"close"}
		x.WriteHeader(http.StatusExpectationFailed)
	} else {
		c.s.cfg.Handler.ServeHTTP(x, x.r)
	}
	return x.finish()
}

// abort ends an exchange whose handler has panicked.
func (c *conn) abort(x *exchange, fault any) then {
	if err, ok := fault.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		c.s.cfg.Logger.LogAttrs(context.Background(), slog.LevelError, "a handler panicked", c.told(fault)...)
	}
	x.life.end()
	if c.use.Load() == upgraded {
		return leave
	}
	x.body.forsake()
	x.endWatch()
	return hangUp
}

// told is what is told of a panic.
func (c *conn) told(fault any) []slog.Attr {
	return []slog.Attr{slog.String("peer", c.remote), slog.Any("fault", fault), slog.String("stack", string(debug.Stack()))}
}
