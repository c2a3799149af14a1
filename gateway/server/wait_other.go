//go:build !unix

package server

import (
	"net"
	"syscall"
)

// socketOf has nothing to wait with on this system.
func socketOf(net.Conn) syscall.RawConn { return nil }

func (c *conn) readFirst(uintptr) (done bool) { return true }
