package clientip

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// conn is a connection that begins with a PROXY protocol header.
type conn struct {
	net.Conn // the balancer's; everything that depends on the header is overridden
	options  ListenOptions

	once     sync.Once
	buffered *bufio.Reader // what arrived together with the header; nil once it is used up
	remote   net.Addr
	err      error // for all reading and writing

	mu       sync.Mutex
	deadline time.Time // for reading, as the user wants it; zero is none
	limit    time.Time // until when the header must have come; zero if none is being read
}

// readBuffer holds a whole header of version 1, of 107 bytes at most, as the parser demands, and all that
// balancers put into version 2 in practice.
const readBuffer = 256

func newConn(c net.Conn, o ListenOptions) *conn {
	return &conn{Conn: c, options: o, buffered: bufio.NewReaderSize(c, readBuffer)}
}

// nobody is the address of a connection that has no client. It has no colon, so that nothing takes a part
// of it for a host.
type nobody string

const (
	local  nobody = "proxy-protocol-local"  // the balancer announced no address
	failed nobody = "proxy-protocol-failed" // there was no usable header
)

func (nobody) Network() string  { return "tcp" }
func (n nobody) String() string { return string(n) }

// begin reads the header, once, and returns why the connection is unusable if it is.
func (c *conn) begin() error {
	c.once.Do(func() {
		c.setLimit(time.Now().Add(c.options.HeaderTimeout))
		header, cause, err := readHeader(c.buffered)
		c.setLimit(time.Time{})
		if err == nil {
			c.remote = announced(header)
			return
		}
		c.remote = failed
		c.err = fmt.Errorf("no usable PROXY protocol header from %s (%s): %w", c.Conn.RemoteAddr(), cause, err)
		_ = c.Close() // nothing is answered: the peer speaks another protocol
		ours := errors.Is(err, net.ErrClosed)
		if c.options.OnError != nil && !ours {
			c.options.OnError(cause)
		}
	})
	return c.err
}

// readHeader reads the header, or returns the cause for which there is none.
func readHeader(r *bufio.Reader) (header *proxyproto.Header, cause string, err error) {
	// The parser takes a connection that ends before its first byte for one that begins with another.
	if _, err = r.Peek(1); err == nil {
		header, err = proxyproto.Read(r)
	}
	var netErr *net.OpError
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		cause = CauseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &netErr):
		cause = CauseClosed
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		cause = CauseAbsent
	default:
		cause = CauseMalformed
	}
	return header, cause, err
}

// announced returns the client's address in a header. A balancer that serves HTTP/3 may announce it as UDP's.
func announced(h *proxyproto.Header) net.Addr {
	if h.Command.IsLocal() {
		return local
	}
	var addr netip.AddrPort
	switch a := h.SourceAddr.(type) {
	case *net.TCPAddr:
		addr = a.AddrPort()
	case *net.UDPAddr:
		addr = a.AddrPort()
	default:
		return local
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
}

// RemoteAddr returns the announced address, for which it waits.
func (c *conn) RemoteAddr() net.Addr {
	_ = c.begin() // the address says so
	return c.remote
}

// Read reads what follows the header.
func (c *conn) Read(b []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	if c.buffered == nil {
		return c.Conn.Read(b)
	}
	if c.buffered.Buffered() == 0 {
		c.buffered = nil
		return c.Conn.Read(b)
	}
	return c.buffered.Read(b)
}

// Write writes, but nothing before the header has come.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// ReadFrom lets the kernel copy, where the balancer's connection can (sendfile, splice).
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	return io.Copy(c.Conn, r)
}

// WriteTo lets the kernel copy what follows the header, where both sides can (splice).
func (c *conn) WriteTo(w io.Writer) (n int64, err error) {
	if err := c.begin(); err != nil {
		return 0, err
	}
	if c.buffered != nil {
		n, err = io.CopyN(w, c.buffered, int64(c.buffered.Buffered()))
		if err != nil {
			return n, err
		}
	}
	m, err := io.Copy(w, c.Conn)
	return n + m, err
}

// CloseWrite closes the sending side, if the balancer's connection has such a thing.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// NetConn returns the balancer's connection, for setting options of the socket. Reading from it loses what
// was received together with the header.
func (c *conn) NetConn() net.Conn { return c.Conn }

// SetDeadline sets the deadline for reading and writing. It never gives the header more time.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline for reading. It never gives the header more time.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.applyDeadline()
}

// setLimit bounds the reading of the header, or ends the bound. An error shows in the next reading.
func (c *conn) setLimit(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	_ = c.applyDeadline()
}

// applyDeadline sets the earlier of deadline and limit. Hold mu.
func (c *conn) applyDeadline() error {
	t := c.deadline
	if t.IsZero() || !c.limit.IsZero() && c.limit.Before(t) {
		t = c.limit
	}
	return c.Conn.SetReadDeadline(t)
}
