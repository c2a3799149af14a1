package accesslog

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// clock reads times. Many lines are of the same second, which is read once.
type clock struct {
	text string
	at   time.Time
}

// layouts are those of times in words: the common format's, RFC 3339, and Caddy's iso8601.
var layouts = []string{"02/Jan/2006:15:04:05 -0700", time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"}

var errTime = errors.New("the time is none; expected one such as 20/Jul/2024:00:00:00 -0400, RFC 3339, or seconds since 1970")

func (c *clock) parse(text string) (time.Time, error) {
	if text == c.text && text != "" {
		return c.at, nil
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			c.text, c.at = strings.Clone(text), at
			return at, nil
		}
	}
	return time.Time{}, errTime
}

// parseAny reads a time in words, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970.
func (c *clock) parseAny(text string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0123456789") != "" {
		if exponent, err := strconv.ParseFloat(text, 64); err == nil && 0 < exponent && exponent < 1e11 {
			return time.Unix(0, int64(exponent*1e9)), nil
		}
		return c.parse(text)
	}
	switch {
	case n < 0:
		return time.Time{}, errTime
	case n < 1e11:
		nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
		return time.Unix(n, nanos), nil
	case n < 1e14:
		return time.UnixMilli(n), nil
	case n < 1e17:
		return time.UnixMicro(n), nil
	}
	return time.Unix(0, n), nil
}
