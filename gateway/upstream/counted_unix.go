//go:build unix

package upstream

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// taking is how bytes are taken from a socket and counted in one step. Between a plain Read and its count somebody else
// could look, and see the bytes in neither place.
type taking struct {
	once sync.Once
	raw  syscall.RawConn // Nil where the connection is no socket.
	try  func(fd uintptr) bool

	mu   sync.Mutex
	into []byte
	n    int
	err  error
}

func (c *countedConn) socket() syscall.RawConn {
	t := &c.taking
	t.once.Do(func() {
		if conn, ok := c.Conn.(syscall.Conn); ok {
			t.raw, _ = conn.SyscallConn()
			t.try = c.take // made once, for a method value is an allocation
		}
	})
	return t.raw
}

func (c *countedConn) Read(p []byte) (int, error) {
	raw, t := c.socket(), &c.taking
	if raw == nil || len(p) == 0 {
		n, err := c.Conn.Read(p)
		c.read.Add(int64(n))
		return n, err
	}
	t.into = p
	err := raw.Read(t.try)
	t.into = nil
	switch {
	case err != nil:
		return 0, err
	case t.err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", t.err)}
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// take reports whether there was anything to take, be it the end.
func (c *countedConn) take(fd uintptr) bool {
	t := &c.taking
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.n, t.err = syscall.Read(int(fd), t.into)
		switch t.err {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case nil:
			c.read.Add(int64(t.n))
		}
		return true
	}
}

// waiting returns how much has been read, and whether more has arrived that nobody has read yet. Somebody may be in a
// Read meanwhile.
func (c *countedConn) waiting() (read int64, more bool) {
	raw := c.socket()
	if raw == nil {
		return c.read.Load(), false
	}
	c.taking.mu.Lock()
	defer c.taking.mu.Unlock()
	var n int
	// Control, because Read would wait for whoever reads.
	err := raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) // an error is nothing that has arrived
	})
	return c.read.Load(), err == nil && n > 0
}
