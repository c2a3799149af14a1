//go:build !unix

package upstream

// look cannot tell on this system, so that no connection is used twice.
func (l *link) look() bool { return false }

func (l *link) peekAt(uintptr) (done bool) { return true }

// well cannot tell on this system.
func (l *link) well() bool { return false }
