//go:build !unix

package upstream

import "net"

// pending cannot tell on this system.
func pending(net.Conn) bool { return false }
