package fleet

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// complaint is something that may stay wrong: it is logged when it begins or becomes another, and when it is over. That
// Redis is away is not its business, because the link says that for everyone.
type complaint struct {
	log  *slog.Logger
	what string // begins both messages

	mu   sync.Mutex
	text string
}

// note takes how it went, and returns it.
func (c *complaint) note(err error) error {
	if unanswered(err) || errors.Is(err, context.Canceled) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var text string
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == c.text:
	case text == "":
		c.log.Info("in order again", slog.String("what", c.what))
	default:
		c.log.Error("out of order", slog.String("what", c.what), slog.Any("error", err))
	}
	c.text = text
	return err
}

// current returns what is wrong, or the empty string.
func (c *complaint) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text
}
