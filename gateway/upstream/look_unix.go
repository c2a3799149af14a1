//go:build unix

package upstream

import (
	"errors"
	"syscall"
)

// look reports whether the peer has neither sent anything that nobody has read yet nor hung up. It does not wait. Nobody may be
// reading meanwhile.
func (l *link) look() bool {
	if l.socket == nil {
		return false
	}
	return l.socket.Read(l.peek) == nil && l.silent
}

// peekAt is what look does with the socket. That it is done is always true: nothing is waited for.
func (l *link) peekAt(fd uintptr) (done bool) {
	var one [1]byte
	n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	l.silent, l.spoke = errors.Is(err, syscall.EAGAIN), n > 0
	return true
}

// well reports whether the connection is neither broken nor at its end: something is there to read, or nothing yet.
func (l *link) well() bool {
	return l.look() || l.spoke
}
