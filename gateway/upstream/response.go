package upstream

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// answer hands the upstream's answer on.
func (x *exchange) answer() {
	res, h := &x.res, x.w.Header()
	copyHeader(h, res.header)
	x.notice(h)
	if x.m.PrivateCache {
		keepPrivate(h)
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // Or else the server would guess one.
	}
	announced := len(res.trailer)
	for name := range res.trailer {
		h["Trailer"] = append(h["Trailer"], name)
	}
	x.leaveBody(h)
	if res.state == ended {
		x.release(true)
		x.w.WriteHeader(res.status)
		return
	}
	x.w.WriteHeader(res.status)
	switch cause, err := x.copyBody(); cause {
	case "":
		x.sendTrailers(announced)
	case CauseClientGone:
		x.p.report(x.u, cause, err)
		x.abort(true)
	default:
		x.p.report(x.u, cause, err)
		x.watch.expect(reading, x.p.cfg.IdleBody)
		_ = x.rc.Flush() // What did come is of use to a client that can ask for the rest.
		x.abort(false)
	}
}

// notice tells the client what the upstream was told; what an upstream says of its own is not the gateway's word.
func (x *exchange) notice(h http.Header) {
	if x.m.Notice != "" {
		h[noticeField] = []string{x.m.Notice}
	}
}

// copyBody streams the answer's body, and says whose fault it is if it cannot. What has no length is
// flushed as it comes, the header first. The connection is given up before the last bytes are handed on, so that the next
// request of a client that waits for them finds it.
func (x *exchange) copyBody() (cause string, err error) {
	var buf []byte
	if x.res.length < download {
		b := x.p.buffers.Get().(*[bufferSize]byte)
		defer x.p.buffers.Put(b)
		buf = b[:]
	} else {
		b := x.p.long.Get().(*[longSize]byte)
		defer x.p.long.Put(b)
		buf = b[:]
	}
	patience, stream := x.p.cfg.IdleBody, x.res.length < 0
	if stream {
		patience = x.p.cfg.IdleStream
		if err := x.write(nil, true); err != nil {
			return CauseClientGone, err
		}
	}
	for {
		if w := x.kernel(); w != nil {
			if cause, err := x.splice(w); err != nil {
				return cause, err
			}
		}
		x.watch.expect(answer, patience)
		n, rerr := x.res.Read(buf)
		x.watch.settle(answer)
		over := errors.Is(rerr, io.EOF)
		if over {
			x.release(true)
		}
		if n > 0 {
			if err := x.write(buf[:n], stream); err != nil {
				return CauseClientGone, err
			}
		}
		switch {
		case over:
			return "", nil
		case rerr == nil:
		case x.r.Context().Err() != nil, x.body != nil && x.body.broken.Load():
			return CauseClientGone, rerr
		case x.overdue.Load() != 0 && slot(x.overdue.Load()-1) == answer:
			return CauseBody, errSilent
		case x.overdue.Load() != 0:
			return CauseClientGone, errSilent
		default:
			return CauseBody, rerr
		}
	}
}

func (x *exchange) write(p []byte, flush bool) error {
	x.watch.expect(reading, x.p.cfg.IdleBody)
	defer x.watch.settle(reading)
	if len(p) > 0 {
		if _, err := x.w.Write(p); err != nil {
			return err
		}
	}
	if flush {
		return x.rc.Flush()
	}
	return nil
}

// sendTrailers hands trailers on, also those that were not announced.
func (x *exchange) sendTrailers(announced int) {
	if len(x.res.trailer) == 0 {
		return
	}
	prefix := ""
	if len(x.res.trailer) != announced {
		prefix = http.TrailerPrefix
	}
	h := x.w.Header()
	for name, values := range x.res.trailer {
		if !perConnection(name) {
			h[prefix+name] = values
		}
	}
}

// perConnection reports whether an answer's header holds for the connection to the upstream only.
func perConnection(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate":
		return true
	}
	return false
}

// copyHeader adds to dst what an upstream's header says beyond the connection it came by. Values are
// shared with src.
func copyHeader(dst, src http.Header) {
	if _, ok := src["Connection"]; ok {
		options(src, func(option string) { delete(src, option) })
	}
	for name, values := range src {
		switch had, ok := dst[name]; {
		case perConnection(name), name == previewField: // which is the gateway's own word
		case ok:
			dst[name] = append(had[:len(had):len(had)], values...)
		default:
			dst[name] = values
		}
	}
}

// keepPrivate forbids shared caches to keep an answer, beside what the upstream said. What it said to
// shared caches only is dropped: to the one between upstream and buyer that obeys a header of its own
// (RFC 9213 and its forerunners), Cache-Control would mean nothing.
func keepPrivate(h http.Header) {
	for name := range h {
		switch {
		case strings.HasSuffix(name, "Cdn-Cache-Control"), name == "Surrogate-Control", name == "Edge-Control",
			name == "X-Accel-Expires", name == "X-Litespeed-Cache-Control":
			delete(h, name)
		}
	}
	var kept []string
	for _, line := range h["Cache-Control"] {
		for line != "" {
			var directive string
			directive, line = cutDirective(line)
			name, _, _ := strings.Cut(directive, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "", "public", "s-maxage", "private":
				// A private with field names (RFC 9111, section 5.2.2.7) lets shared caches have the rest.
			default:
				kept = append(kept, directive)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(append(kept, "private"), ", ")}
}

// cutDirective returns the first directive of a list and what follows its comma. Commas in quoted strings
// separate nothing.
func cutDirective(line string) (directive, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return strings.TrimSpace(line[:i]), line[i+1:]
		}
	}
	return strings.TrimSpace(line), ""
}
