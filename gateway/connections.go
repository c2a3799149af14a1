package gateway

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// connections bounds how many connections one client has open at once. Surplus ones are closed without an answer.
type connections struct {
	limit   int
	client  func(peer net.Addr) netip.Addr // whom a connection counts for; the zero Addr if for nobody
	surplus func()                         // told of every connection that is closed

	mu   sync.Mutex
	open map[netip.Prefix]int
}

// listen returns a listener whose connections are counted. They are so when they are first asked for their RemoteAddr,
// because what a PROXY protocol header announces is known no earlier; the server asks first thing in the connection's
// own goroutine, before the handshake of TLS.
func (c *connections) listen(ln net.Listener) net.Listener { return &countingListener{ln, c} }

type countingListener struct {
	net.Listener
	connections *connections
}

// Accept returns the next connection without waiting for its client's address.
func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &counted{Conn: conn, connections: l.connections}, nil
}

// household is what one client may be taken to hold of the address space: an IPv4 address, or the /64 that an IPv6 line
// gets at least (RFC 6177).
func household(addr netip.Addr) netip.Prefix {
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// enter counts a connection, unless its client has as many as it may.
func (c *connections) enter(conn *counted, addr netip.Addr) bool {
	if !addr.IsValid() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := household(addr)
	switch {
	case conn.closed:
		return true
	case c.open[of] >= c.limit:
		return false
	}
	conn.of = of
	c.open[of]++
	return true
}

// leave counts a connection no longer.
func (c *connections) leave(conn *counted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.of.IsValid() && !conn.closed {
		if c.open[conn.of]--; c.open[conn.of] == 0 {
			delete(c.open, conn.of)
		}
	}
	conn.closed = true
}

// counted is a connection that counts for its client until it is closed.
type counted struct {
	net.Conn
	connections *connections
	once        sync.Once

	// Both belong to connections.mu.
	of     netip.Prefix // the zero Prefix while it counts for nobody
	closed bool
}

// RemoteAddr returns the client's address. The first call may close the connection.
func (c *counted) RemoteAddr() net.Addr {
	addr := c.Conn.RemoteAddr()
	c.once.Do(func() {
		if !c.connections.enter(c, c.connections.client(addr)) {
			_ = c.Close() // whatever it had to say is not heard
			c.connections.surplus()
		}
	})
	return addr
}

// Close closes the connection and makes room for another one.
func (c *counted) Close() error {
	c.connections.leave(c)
	return c.Conn.Close()
}

// ReadFrom lets the kernel copy, where the connection beneath can (sendfile, splice).
func (c *counted) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// SyscallConn returns what the connection beneath is waited for with, if it has such a thing.
func (c *counted) SyscallConn() (syscall.RawConn, error) {
	if socket, ok := c.Conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// CloseWrite closes the sending side, if the connection beneath has such a thing.
func (c *counted) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
