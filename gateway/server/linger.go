package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// lingering is how long a connection is listened to behind its last answer: closing it while bytes arrive would take from the
	// client what it has not read yet (RFC 9112, section 9.6).
	lingering = 500 * time.Millisecond
	// drainPatience is how long a client that has its answer may go on sending a body before the connection is given up.
	drainPatience = 5 * time.Second
)

// linger tells the client that nothing more will come, and drops what it still sends, until it ends too.
func (c *conn) linger() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // one that is closed shows below
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingering)) // as above
	if c.buffer == nil {
		c.openBuffer()
	}
	for {
		if _, err := c.nc.Read(c.in); err != nil {
			return
		}
	}
}

// reject ends a connection on which no request came.
func (c *conn) reject(err error) {
	var no *refused
	switch {
	case errors.As(err, &no):
	case errors.Is(err, io.EOF) && c.w > c.r:
		no = &refused{http.StatusBadRequest, "it ends too soon"}
	default:
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
			c.s.cfg.Logger.Debug("a connection broke", slog.String("peer", c.remote), slog.Any("error", err))
		}
		return
	}
	c.s.cfg.Logger.Debug("no request", slog.String("peer", c.remote), slog.String("why", no.why))
	_ = c.nc.SetWriteDeadline(time.Now().Add(drainPatience)) // one that is closed shows below
	if _, err := io.WriteString(c.nc, no.text()); err == nil {
		c.linger()
	}
}
