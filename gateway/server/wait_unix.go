//go:build unix

package server

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// socketOf returns what a plain connection is waited for with; nil if it is none.
func socketOf(nc net.Conn) syscall.RawConn {
	s, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	socket, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	return socket
}

// readFirst reads the first bytes of a request, for which it takes a buffer. It reports false, and has none, while nothing is there.
func (c *conn) readFirst(fd uintptr) (done bool) {
	b := buffers.Get().(*buffer)
	for {
		n, err := syscall.Read(int(fd), b[:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err == nil && n > 0:
			c.buffer, c.in, c.r, c.w, c.first = b, b[:], 0, n, nil
			return true
		}
		buffers.Put(b)
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		if c.first = err; err == nil {
			c.first = io.EOF
		}
		return true
	}
}
