package server

import (
	"time"
)

// rest says that the connection is unused, and gives it its time. It reports false if it is not to wait any more.
func (c *conn) rest() bool {
	c.deadlines.Lock()
	if lasts, now := c.s.cfg.IdleTimeout, time.Now(); c.chosen || !c.limited || c.until.Sub(now) < lasts {
		// Setting a deadline costs more than looking at one, and it need not be exact.
		c.until = now.Add(lasts + lasts/16)
		c.limited, c.chosen = true, false
		_ = c.nc.SetReadDeadline(c.until) // one that is closed shows below
	}
	c.unhurry()
	c.deadlines.Unlock()
	return (c.use.CompareAndSwap(busy, idle) || c.use.Load() == idle) && !c.s.stopping.Load()
}

// retract gives up the deadline that the handler of the last request has chosen.
func (c *conn) retract() {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.chosen {
		c.chosen, c.limited, c.until = false, true, time.Time{}
	}
	c.unhurry()
}

// unhurry gives up the deadline for writing that the handler has chosen, with deadlines.
func (c *conn) unhurry() {
	if c.hasty {
		c.hasty = false
		_ = c.nc.SetWriteDeadline(time.Time{}) // one that is closed shows when it is read
	}
}

// limit sets a deadline for reading, unless the handler has chosen one; zero is none.
func (c *conn) limit(d time.Duration) {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.chosen || d == 0 && !c.limited {
		return
	}
	var at time.Time
	if d > 0 {
		at = time.Now().Add(d)
	}
	c.limited, c.until = d > 0, time.Time{}
	_ = c.nc.SetReadDeadline(at) // one that is closed shows when it is read
}

// choose sets the handler's deadline for reading.
func (c *conn) choose(at time.Time) error {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	c.chosen = true
	return c.nc.SetReadDeadline(at)
}
