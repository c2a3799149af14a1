//go:build unix

package upstream

import (
	"net"
	"syscall"
)

// pending reports whether bytes have arrived on a connection that nobody has read yet. Somebody may be waiting in a
// Read of it meanwhile.
func pending(conn net.Conn) bool {
	tcp, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var n int
	// Control, because Read would wait for whoever reads.
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, _ = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) // an error is nothing that has arrived
	})
	return err == nil && n > 0
}
