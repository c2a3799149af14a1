package upstream

import (
	"net"
	"sync/atomic"
)

// countedConn knows how much has been written to it, which tells whether any of a request may have been sent, and how
// much has been read, which tells whether what is taken for an answer was there before its request.
type countedConn struct {
	net.Conn
	written atomic.Int64
	read    atomic.Int64
	taking  taking
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite tells the peer that nothing more will come.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }
