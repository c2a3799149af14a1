package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// read reads the raw request as a server reads it, and fills in what of the question people are shown.
func (q *Question) read() (*http.Request, error) {
	raw := q.Raw
	rest, whole := behindHead(raw)
	if !whole {
		raw = append(bytes.TrimRight(raw, "\r\n"), "\r\n\r\n"...)
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, fmt.Errorf("no server could read the request: %w; expected a line such as GET /checkout HTTP/1.1, and then the header", err)
	}
	if r.ContentLength == 0 && len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("the request has a body and does not say how long it is; a server would take it for the next request: add a Content-Length")
	}
	r.RemoteAddr = netip.AddrPortFrom(q.IP, 0).String()
	if q.URL = r.RequestURI; strings.HasPrefix(r.RequestURI, "/") {
		q.URL = "http://" + r.Host + r.RequestURI
	}
	return r, nil
}

// behindHead returns what follows the header of a request; whole is false if that does not end.
func behindHead(raw []byte) (rest []byte, whole bool) {
	for from := 0; ; {
		end := bytes.IndexByte(raw[from:], '\n')
		if end < 0 {
			return nil, false
		}
		line := bytes.TrimSuffix(raw[from:from+end], []byte("\r"))
		if from += end + 1; len(line) == 0 {
			return raw[from:], true
		}
	}
}
