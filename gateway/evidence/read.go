package evidence

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// DroppedError says that lines were asked for that retention has dropped.
type DroppedError struct {
	// Index is what was asked for, Oldest the first index whose line is still there.
	Index, Oldest int64
}

// Error says which lines are gone and where the log now begins.
func (e *DroppedError) Error() string {
	return fmt.Sprintf("evidence: line %d of the log was dropped; the oldest that is there is %d", e.Index, e.Oldest)
}

// cursor is where ReadFrom has come to, so that whoever reads on does not read a segment from its beginning every time.
type cursor struct {
	mu    sync.Mutex
	lines *lineReader
	first int64 // of the segment
	next  int64 // index of the line that the reader returns next

	closed bool
}

func (c *cursor) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.lines != nil {
		c.lines.close()
		c.lines = nil
	}
}

// ReadFrom returns up to most durable lines, the first being that of the index, without their newlines. It returns none
// if there are none yet, a DroppedError if they are gone, and ErrClosed after Close. Reading on from where the last call ended costs least.
func (l *Log) ReadFrom(index int64, most int) (lines [][]byte, err error) {
	c := &l.cursor
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	for len(lines) < most {
		at, until := l.places.of(index)
		if index < 0 || index >= until {
			return lines, nil
		}
		if at.gone {
			if len(lines) > 0 {
				return lines, nil
			}
			return nil, &DroppedError{index, l.places.oldest()}
		}
		if err := l.seek(c, at.first, index); err != nil {
			return lines, err
		}
		for len(lines) < most && index < until {
			line, _, ok := c.lines.next()
			if !ok {
				err := fmt.Errorf("%s:%d: the line is missing; verify the log", c.lines.path, c.lines.number+1)
				c.lines.close()
				c.lines = nil
				return lines, err
			}
			lines = append(lines, bytes.Clone(line))
			index++
			c.next = index
		}
	}
	return lines, nil
}

// seek puts the cursor before a line of a segment.
func (l *Log) seek(c *cursor, first, index int64) error {
	if c.lines != nil && c.first == first && c.next == index {
		return nil
	}
	if c.lines != nil {
		c.lines.close()
		c.lines = nil
	}
	r, err := openSegment(l.cfg.Dir, first)
	if err != nil {
		return err
	}
	for i := first; i < index; i++ {
		if _, _, ok := r.next(); !ok {
			defer r.close()
			return fmt.Errorf("%s:%d: the line is missing; verify the log", r.path, r.number+1)
		}
	}
	c.lines, c.first, c.next = r, first, index
	return nil
}

// Wait returns nil once the line of an index is durable. Its error is the context's, or ErrClosed.
func (l *Log) Wait(ctx context.Context, index int64) error {
	for {
		durable, more, closed := l.places.wait()
		switch {
		case index < durable:
			return nil
		case closed:
			return ErrClosed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
