//go:build !linux

package server

// socket is a plain connection as the system has it, of which nothing is known here.
type socket struct{}

func socketOf(*conn) *socket { return nil }

func (*socket) receive() bool { return false }

func (*socket) send([]byte) error { return nil }
