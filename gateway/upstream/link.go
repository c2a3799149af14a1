package upstream

import (
	"bufio"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// link is a connection to an upstream. One exchange at a time uses it, and reads it on its own goroutine.
type link struct {
	net.Conn               // TCP, or TLS over it.
	under    net.Conn      // The TCP connection.
	in       *bufio.Reader // Nil while the link is kept.
	reused   bool
	since    time.Time // When it was kept.

	socket syscall.RawConn    // Nil if there is none to look at.
	peek   func(uintptr) bool // peekAt, so that looking allocates nothing.
	silent bool               // What peekAt found: nothing has come, and
	spoke  bool               // something has.
}

// longAgo is a deadline that ends what is blocked.
var longAgo = time.Unix(1, 0)

// readers are the buffers of links in use.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

func newLink(conn, under net.Conn) *link {
	l := &link{Conn: conn, under: under}
	l.peek = l.peekAt
	if s, ok := under.(syscall.Conn); ok {
		if socket, err := s.SyscallConn(); err == nil {
			l.socket = socket
		}
	}
	l.open()
	return l
}

// open gives the link a buffer to read with.
func (l *link) open() {
	l.in = readers.Get().(*bufio.Reader)
	l.in.Reset(l.Conn)
}

// shut takes the buffer back. Nobody may be reading.
func (l *link) shut() {
	l.in.Reset(nil)
	readers.Put(l.in)
	l.in = nil
}

// drop closes a link that is of no more use. Nobody may be reading.
func (l *link) drop() {
	l.shut()
	l.Close()
}

// Read reads what follows the head of an answer.
func (l *link) Read(p []byte) (int, error) { return l.in.Read(p) }

// CloseWrite tells the peer that nothing more will come.
func (l *link) CloseWrite() error { return closeWrite(l.Conn) }

func closeWrite(conn any) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// sever ends whatever is blocked on the link, which is of no more use. Unlike closing TLS, it waits for nobody.
func (l *link) sever() { l.under.Close() }

// drained reports whether nothing more has been read from the socket than has been asked for.
func (l *link) drained() bool {
	if l.in.Buffered() > 0 {
		return false
	}
	if l.Conn == l.under {
		return true
	}
	// TLS reads ahead too. With a deadline that has passed it yields what it has and leaves the socket alone.
	if l.SetReadDeadline(longAgo) != nil {
		return false
	}
	_, err := l.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded) && l.SetReadDeadline(time.Time{}) == nil
}
