package server

import (
	"errors"
	"io"
	"net"
	"syscall"
	"unsafe"
)

// socket is a plain connection as the system has it. It is waited for without a buffer, and little is read or written without telling
// the scheduler: what does not block is over before the scheduler has done all that it does for a thread that may be away for long.
type socket struct {
	raw   syscall.RawConn
	read  func(uintptr) bool // readFirst and writeOut, so that handing them over allocates nothing.
	write func(uintptr) bool
	out   []byte // What is to be written.
	err   error  // What either met.
}

// socketOf returns nil for a connection that is none.
func socketOf(c *conn) *socket {
	system, ok := c.nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	return &socket{raw: raw, read: c.readFirst, write: c.writeOut}
}

// receive waits for the first bytes of a request, for which it takes a buffer.
func (s *socket) receive() bool { return s.raw.Read(s.read) == nil && s.err == nil }

// send writes all of p.
func (s *socket) send(p []byte) error {
	s.out = p
	err := s.raw.Write(s.write)
	if s.out = nil; err == nil {
		err, s.err = s.err, nil
	}
	return err
}

// readFirst reports false, and has no buffer, while nothing is there.
func (c *conn) readFirst(fd uintptr) (done bool) {
	b := buffers.Get().(*buffer)
	for {
		n, _, no := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(b)), uintptr(len(b)))
		switch {
		case no == syscall.EINTR:
			continue
		case no == 0 && n > 0:
			c.buffer, c.in, c.r, c.w = b, b[:], 0, int(n)
			return true
		}
		buffers.Put(b)
		switch no {
		case syscall.EAGAIN:
			return false
		case 0:
			c.socket.err = io.EOF
		default:
			c.socket.err = no
		}
		return true
	}
}

// writeOut reports false while there is no room for all of it.
func (c *conn) writeOut(fd uintptr) (done bool) {
	s := c.socket
	for len(s.out) > 0 {
		n, _, no := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(s.out)))
		switch no {
		case 0:
			s.out = s.out[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			s.err = errors.Join(net.ErrClosed, no)
			return true
		}
	}
	return true
}
