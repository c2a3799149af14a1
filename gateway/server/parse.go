package server

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// read makes a request of a head.
//
// Its memory is its own: the buffer is read into again while others may still hold parts of it. All texts of a request share one
// piece.
func (c *conn) read(head []byte) (*exchange, error) {
	capitalize(head[bytes.IndexByte(head, '\n')+1:])
	text := string(head)
	line, rest := cutLine(text)
	method, target, minor, err := requestLine(line)
	if err != nil {
		return nil, err
	}
	x := &exchange{c: c, length: -1, method: method, minor: minor}
	x.life.x, x.body.x = x, x
	r := (&http.Request{}).WithContext(&x.life)
	r.Method, r.RequestURI, r.RemoteAddr, r.TLS = method, target, c.remote, c.tls
	r.ProtoMajor, r.ProtoMinor = 1, int(minor)
	if r.Proto = "HTTP/1.1"; minor != 1 {
		r.Proto = line[len(line)-len(r.Proto):]
	}
	if r.URL, err = x.parseTarget(method, target); err != nil {
		return nil, err
	}
	r.Header = make(http.Header, min(strings.Count(rest, "\n"), mostHint))
	if err := addFields(r.Header, rest, x.values[:0]); err != nil {
		return nil, err
	}
	if err := setHost(r); err != nil {
		return nil, err
	}
	x.r = r
	if err := x.frame(); err != nil {
		return nil, err
	}
	x.body.whole.Store(x.body.state == over)
	return x, nil
}

// mostHint bounds the memory that is taken at once for a header.
const mostHint = 64

// cutLine returns the first line of a text, without its end, and the rest.
func cutLine(text string) (line, rest string) {
	i := strings.IndexByte(text, '\n')
	if i < 0 {
		return text, ""
	}
	line, rest = text[:i], text[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest
}

// requestLine reads the first line of a request (RFC 9112, section 3). Of versions there is HTTP/1, with one digit behind it.
func requestLine(line string) (method, target string, minor uint8, err error) {
	method, rest, spaced := strings.Cut(line, " ")
	target, version, whole := strings.Cut(rest, " ")
	switch {
	case !spaced || !whole || !isToken(method):
		return "", "", 0, bad("it begins with no line such as GET / HTTP/1.1")
	case len(version) != len("HTTP/1.1") || version[:5] != "HTTP/" || version[6] != '.' || !isDigit(version[5]) || !isDigit(version[7]):
		return "", "", 0, bad("it has no version such as HTTP/1.1")
	case version[5] == '2' && method == "PRI":
		return "", "", 0, bad("it begins like HTTP/2")
	case version[5] != '1':
		return "", "", 0, &refused{http.StatusHTTPVersionNotSupported, "its version is another one"}
	}
	return knownMethod(method), target, version[7] - '0', nil
}

// knownMethod returns a method of the program's own, if it is one that others may keep: what is the request's keeps all of it in memory.
func knownMethod(method string) string {
	for _, known := range [...]string{
		http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	} {
		if method == known {
			return known
		}
	}
	return method
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseTarget returns what net/url makes of a target. Of a plain path, which most are, that is clear without it.
func (x *exchange) parseTarget(method, target string) (*url.URL, error) {
	if path, query, ok := plainTarget(target); ok {
		x.url.Path, x.url.RawQuery = path, query
		return &x.url, nil
	}
	// A CONNECT has an authority, and net/http's words for that are a URL without a scheme.
	authority := method == http.MethodConnect && !strings.HasPrefix(target, "/")
	if authority {
		target = "http://" + target
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, bad("its target is none")
	}
	if authority {
		u.Scheme = ""
	}
	return u, nil
}

// plainTarget splits a target whose path is what it says: it has no character that stands for another, and none that may not be in
// a URL. So has its query, of which there is some if there is a question mark.
func plainTarget(target string) (path, query string, plain bool) {
	if target == "" || target[0] != '/' {
		return "", "", false
	}
	for i := range len(target) {
		switch c := target[i]; {
		case c == '?':
			return target[:i], target[i+1:], i+1 < len(target) && isVisible(target[i+1:])
		case !plainBytes[c]:
			return "", "", false
		}
	}
	return target, "", true
}

// plainBytes are those that a path may have and that stand for themselves in one.
var plainBytes = func() (plain [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/") {
		plain[c] = true
	}
	return plain
}()

// isVisible reports whether a text has visible ASCII characters only.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// addFields adds the fields of a header, of which each is one line, up to the empty one. Their names have gone through capitalize. The
// memory is for as many values as it has room for.
func addFields(h http.Header, text string, memory []string) error {
	for {
		var line string
		if line, text = cutLine(text); line == "" {
			return nil
		}
		// A value that goes on in a second line (RFC 9112, section 5.2) is not taken: its first line is the whole one to some.
		colon := strings.IndexByte(line, ':')
		if colon < 0 {
			return bad("its header has a line that is no name, colon and value")
		}
		name := line[:colon]
		if !isToken(name) {
			return bad("its header has a name that is none")
		}
		value := trim(line[colon+1:])
		if !isValue(value) {
			return bad("its header has a value that is none")
		}
		if had, ok := h[name]; ok {
			h[name] = append(had, value)
			continue
		}
		// Most names come once: their values share one piece of memory.
		if len(memory) == cap(memory) {
			memory = make([]string, 0, 2*cap(memory)+1)
		}
		memory = append(memory, value)
		h[name] = memory[len(memory)-1 : len(memory) : len(memory)]
	}
}

// trim returns a value without the blanks around it.
func trim(value string) string {
	for value != "" && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for value != "" && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	return value
}

// isValue reports whether a value has no control characters but tabs.
func isValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// setHost says whom a request is for: the host of its target if that has one (RFC 9112, section 3.2.2), or else what its Host names, of
// which HTTP/1.1 demands one. The header is left without it.
func setHost(r *http.Request) error {
	hosts := r.Header["Host"]
	switch {
	case len(hosts) > 1:
		return bad("it has several Hosts")
	case len(hosts) == 0 && r.ProtoMinor > 0 && r.Method != http.MethodConnect:
		return bad("it has no Host")
	case len(hosts) == 1 && !httpguts.ValidHostHeader(hosts[0]):
		return bad("its Host is none")
	}
	if r.Host = r.URL.Host; r.Host == "" && len(hosts) == 1 {
		r.Host = hosts[0]
	}
	delete(r.Header, "Host")
	return nil
}

// frame finds out where a request ends (RFC 9112, section 6.3), and what becomes of the connection behind it. It leaves a header in
// which one thing stands.
func (x *exchange) frame() error {
	r, h := x.r, x.r.Header
	if r.Body = http.NoBody; h["Pragma"] != nil && h["Pragma"][0] == "no-cache" && h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache"} // as net/http has it, after RFC 9111, section 5.4
	}
	if options := h["Connection"]; options != nil {
		x.last = hasClose(options)
		x.kept = x.minor == 0 && !x.last && httpguts.HeaderValuesContainsToken(options, "keep-alive")
		r.Close = httpguts.HeaderValuesContainsToken(options, "close")
	}
	if r.Method == http.MethodConnect {
		x.last, x.kept = true, false // what comes behind it is meant for a tunnel, there be one or not
	}
	r.Close = r.Close || x.minor == 0 && !httpguts.HeaderValuesContainsToken(h["Connection"], "keep-alive")
	codings, coded := h["Transfer-Encoding"]
	lengths, counted := h["Content-Length"]
	switch {
	case coded && x.minor == 0:
		return bad("it has a Transfer-Encoding, which HTTP/1.0 does not know")
	case coded && (len(codings) != 1 || !strings.EqualFold(codings[0], "chunked")):
		return &refused{http.StatusNotImplemented, "its Transfer-Encoding is not chunked and nothing else"}
	case coded && counted:
		return bad("it has both a Content-Length and a Transfer-Encoding")
	case coded:
		delete(h, "Transfer-Encoding")
		r.TransferEncoding, r.ContentLength = []string{"chunked"}, -1
		if err := x.awaitTrailers(); err != nil {
			return err
		}
		x.body.state = size
	case counted:
		length, err := contentLength(lengths)
		if err != nil {
			return err
		}
		h["Content-Length"] = lengths[:1:1]
		if r.ContentLength = length; length == 0 {
			return x.expect()
		}
		x.body.state, x.body.left = counting, length
	default:
		return x.expect()
	}
	r.Body = &x.body
	return x.expect()
}

// contentLength reads a length, which may be there several times.
func contentLength(lengths []string) (int64, error) {
	for _, other := range lengths[1:] {
		if other != lengths[0] {
			return 0, bad("it has several Content-Lengths")
		}
	}
	length, err := strconv.ParseUint(lengths[0], 10, 63)
	if err != nil {
		return 0, bad("its Content-Length is none")
	}
	return int64(length), nil
}

// awaitTrailers notes which trailers will come.
func (x *exchange) awaitTrailers() error {
	lines := x.r.Header["Trailer"]
	delete(x.r.Header, "Trailer")
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(textproto.TrimString(name))
			switch name {
			case "":
				continue
			case "Transfer-Encoding", "Content-Length", "Trailer":
				return bad("it announces a trailer that may be none")
			}
			if x.r.Trailer == nil {
				x.r.Trailer = http.Header{}
			}
			x.r.Trailer[name] = nil
		}
	}
	return nil
}

// expect notes whether the client waits to be asked for its body (RFC 9110, section 10.1.1).
func (x *exchange) expect() error {
	expects := x.r.Header["Expect"]
	switch {
	case len(expects) == 0 || expects[0] == "":
	case !httpguts.HeaderValuesContainsToken(expects[:1], "100-continue"):
		x.unexpected = true
	case x.minor > 0 && x.body.state != over:
		x.body.uncalled.Store(true)
		x.body.expects, x.body.waits = true, true
	}
	return nil
}
