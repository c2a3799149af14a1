//go:build !unix

package upstream

// taking is of no use where nothing can be seen in a socket without taking it.
type taking struct{}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// waiting returns how much has been read. It cannot tell on this system whether more has arrived.
func (c *countedConn) waiting() (read int64, more bool) { return c.read.Load(), false }
