package server

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"
)

// slop is how much longer than announced a header may be, as it may be with net/http.
const slop = 4 << 10

// refused is why a request is answered before anybody has it to handle.
type refused struct {
	status int
	why    string
}

func (r *refused) Error() string { return r.why }

// text is the whole answer.
func (r *refused) text() string {
	phrase := strconv.Itoa(r.status) + " " + http.StatusText(r.status)
	return "HTTP/1.1 " + phrase + "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: " +
		strconv.Itoa(len(phrase)+1) + "\r\nConnection: close\r\n\r\n" + phrase + "\n"
}

func bad(why string) error { return &refused{http.StatusBadRequest, why} }

var errLong = &refused{http.StatusRequestHeaderFieldsTooLarge, "the header is too long"}

// head reads the next request's line and header, up to and with the empty line that ends it. What it returns is good until the
// buffer is read again. The first request of a connection has its deadline already.
func (c *conn) head(first bool) ([]byte, error) {
	most := c.s.cfg.HeaderBytes + slop
	for from, waited := 0, first; ; {
		text := c.in[c.r:c.w]
		if end := headEnd(text, from); end > 0 {
			c.r += end
			return text[:end], nil
		}
		if len(text) >= most {
			return nil, errLong
		}
		if !waited {
			// Most requests come whole, and need no deadline of their own.
			waited = true
			c.limit(c.s.cfg.HeaderTimeout)
		}
		if from == 0 {
			if line, _, whole := bytes.Cut(text, []byte("\n")); whole {
				if _, _, _, err := requestLine(string(bytes.TrimSuffix(line, []byte("\r")))); err != nil {
					return nil, err // or else whoever speaks another protocol would be waited for
				}
			}
		}
		from = max(0, len(text)-2)
		if err := c.fill(most); err != nil {
			if errors.Is(err, errFull) {
				err = errLong
			}
			return nil, err
		}
	}
}

// mostBlank is how many bytes of line ends some old clients send behind the body of a POST (RFC 9112, section 2.2).
const mostBlank = 4

// skipBlank drops such bytes.
func (c *conn) skipBlank() {
	for c.blank > 0 && c.r < c.w {
		if b := c.in[c.r]; b != '\r' && b != '\n' {
			c.blank = 0
			return
		}
		c.r++
		c.blank--
	}
}

// headEnd returns where a head ends, or 0 if it does not, which is known of the text before from. A line may end without a carriage
// return (RFC 9112, section 2.2).
func headEnd(text []byte, from int) int {
	if from == 0 {
		if len(text) > 0 && text[0] == '\n' {
			return 1
		}
		if len(text) > 1 && text[0] == '\r' && text[1] == '\n' {
			return 2
		}
	}
	for at := from; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		switch rest := text[at:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return at + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return at + 2
		}
	}
}
