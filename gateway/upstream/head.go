package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var errHeader = errors.New("the header cannot be sent as it came")

// head is what a request begins with.
type head struct {
	method, target, host string
	header               http.Header
	length               int64    // Of the body; negative if it is chunked.
	trailers             []string // Those that are announced, if it is.
	last                 bool     // The connection is to be closed afterwards.
}

// sheet is a buffer for heads.
type sheet struct {
	text  []byte
	names []string
}

// sheets are reused unless a head was uncommonly long.
var sheets = sync.Pool{New: func() any { return new(sheet) }}

const longestSheet = 64 << 10

func (p *sheet) giveBack() {
	clear(p.names[:cap(p.names)])
	if cap(p.text) <= longestSheet {
		sheets.Put(p)
	}
}

// write puts a head into the buffer, in the order in which net/http writes it, or finds that it would not be one. Host comes
// first, and of what User-Agents there are, only one.
func (p *sheet) write(h *head) error {
	p.text = append(append(append(append(p.text[:0], h.method...), ' '), h.target...), " HTTP/1.1\r\n"...)
	p.field("Host", h.host)
	if agent := h.header["User-Agent"]; len(agent) > 0 && agent[0] != "" {
		p.field("User-Agent", agent[0])
	}
	if h.last {
		p.field("Connection", "close")
	}
	switch {
	case h.length < 0:
		p.field("Transfer-Encoding", "chunked")
		if len(h.trailers) > 0 {
			p.field("Trailer", strings.Join(h.trailers, ","))
		}
	case h.length > 0 || h.method == http.MethodPost || h.method == http.MethodPut || h.method == http.MethodPatch:
		p.text = append(p.text, "Content-Length: "...)
		p.text = append(strconv.AppendInt(p.text, h.length, 10), "\r\n"...)
	}
	p.names = p.names[:0]
	for name, values := range h.header {
		if !valid(name, values) {
			return fmt.Errorf("%w: %q", errHeader, name)
		}
		if name != "User-Agent" {
			p.names = append(p.names, name)
		}
	}
	slices.Sort(p.names)
	for _, name := range p.names {
		for _, value := range h.header[name] {
			p.field(name, value)
		}
	}
	p.text = append(p.text, "\r\n"...)
	return nil
}

func (p *sheet) field(name, value string) {
	p.text = append(append(append(append(p.text, name...), ": "...), textproto.TrimString(value)...), "\r\n"...)
}

// names returns the names of a header in their order.
func names(h http.Header) []string {
	all := make([]string, 0, len(h))
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
