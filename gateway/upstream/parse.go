package upstream

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

const (
	// headerBytes bounds an answer's header, those of the interim answers before it included.
	headerBytes = 1 << 20
	// mostFields bounds how many fields a header has.
	mostFields = 2000
)

// What is wrong with an answer that is no HTTP. Whatever two programs could understand in two ways is among it.
var (
	errStatusLine = errors.New("the upstream's answer does not begin with a status line, such as HTTP/1.1 200 OK")
	errField      = errors.New("a header field of the upstream's is no name, colon and value")
	errFold       = errors.New("a header field of the upstream's goes on in a second line")
	errTooMuch    = errors.New("the upstream's header is too long")
	errLength     = errors.New("the upstream's Content-Length is no length, or there are several")
	errCoding     = errors.New("the upstream's Transfer-Encoding is not chunked and nothing else")
	errTwice      = errors.New("the upstream's answer has both a Content-Length and a Transfer-Encoding")
	errTrailer    = errors.New("the upstream announces a trailer that may be none")
)

// readLines appends to buf the lines up to and with the empty one that ends a head, of no more than most bytes.
func readLines(in *bufio.Reader, buf []byte, most int) ([]byte, error) {
	begins := 0 // the line that is being read
	for {
		part, err := in.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case len(buf) > most:
			return buf, errTooMuch
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return buf, io.ErrUnexpectedEOF
		case err != nil:
			return buf, err
		}
		if line := buf[begins:]; len(line) == 1 || len(line) == 2 && line[0] == '\r' {
			return buf, nil
		}
		begins = len(buf)
	}
}

// cutLine returns the first line of a text, without its end, and the rest. A line may end without a carriage return (RFC 9112,
// section 2.2), as those of some old programs do.
func cutLine(text string) (line, rest string) {
	line, rest, _ = strings.Cut(text, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// listen reads the head of an answer, of no more than most bytes, and returns how many it had.
func (r *response) listen(l *link, method string, most int) (int, error) {
	s := sheets.Get().(*sheet)
	defer s.giveBack()
	var err error
	if s.text, err = readLines(l.in, s.text[:0], most); err != nil {
		if line, _ := cutLine(string(s.text)); isClosed(err) && !strings.HasPrefix(line, version) && !strings.HasPrefix(version, line) {
			err = errStatusLine // Whoever hung up does not speak HTTP.
		}
		return 0, err
	}
	*r = response{l: l}
	return len(s.text), r.parse(string(s.text), method)
}

// parse reads the head of an answer, as readLines returns it, to a request with the given method.
func (r *response) parse(text, method string) error {
	line, text := cutLine(text)
	minor, status, ok := statusLine(line)
	if !ok {
		return errStatusLine
	}
	r.status, r.header = status, make(http.Header, min(strings.Count(text, "\n"), 32))
	if err := addFields(r.header, text); err != nil {
		return err
	}
	return r.frame(method, minor)
}

// version is what the versions that may come begin with.
const version = "HTTP/1."

// statusLine reads the first line of an answer (RFC 9112, section 4).
func statusLine(line string) (minor byte, status int, ok bool) {
	if len(line) < len("HTTP/1.1 200") || line[:len(version)] != version || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, 0, false
	}
	for _, i := range []int{7, 9, 10, 11} {
		if line[i] < '0' || line[i] > '9' {
			return 0, 0, false
		}
	}
	status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	return line[7] - '0', status, httpguts.ValidHeaderFieldValue(line[12:])
}

// addFields adds the fields of a header, of which each is one line, up to the empty one.
func addFields(h http.Header, text string) error {
	several := make([]string, 0, min(strings.Count(text, "\n"), 32))
	for count := 0; ; count++ {
		var line string
		line, text = cutLine(text)
		name, value, colon := strings.Cut(line, ":")
		switch {
		case line == "":
			return nil
		case line[0] == ' ' || line[0] == '\t':
			return errFold
		case !colon || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return errField
		case count == mostFields:
			return errTooMuch
		}
		name = http.CanonicalHeaderKey(name)
		value = textproto.TrimString(value)
		if had, ok := h[name]; ok {
			h[name] = append(had, value)
			continue
		}
		// Most names come once: their values share one piece of memory.
		several = append(several, value)
		h[name] = several[len(several)-1 : len(several) : len(several)]
	}
}

// frame finds out where the answer ends (RFC 9112, section 6.3), and refuses whatever leaves a doubt. It leaves a header in which
// one thing stands.
func (r *response) frame(method string, minor byte) error {
	codings, coded := r.header["Transfer-Encoding"]
	lengths, counted := r.header["Content-Length"]
	switch {
	case coded && counted:
		return errTwice
	case coded && (minor == 0 || len(codings) != 1 || !strings.EqualFold(codings[0], "chunked")):
		return errCoding
	}
	r.length = -1
	if counted {
		length, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil {
			return errLength
		}
		for _, other := range lengths[1:] {
			if other != lengths[0] {
				return errLength
			}
		}
		r.header["Content-Length"], r.length = lengths[:1], int64(length)
	}
	if coded {
		delete(r.header, "Transfer-Encoding")
		if err := r.announce(); err != nil {
			return err
		}
	}
	options := r.header["Connection"]
	r.last = httpguts.HeaderValuesContainsToken(options, "close") || minor == 0 && !httpguts.HeaderValuesContainsToken(options, "keep-alive")
	switch {
	case method == http.MethodHead || r.status < 200 || r.status == http.StatusNoContent || r.status == http.StatusNotModified || r.length == 0:
		r.state = ended
	case coded:
		r.state = size
	case counted:
		r.state, r.left = counting, r.length
	default:
		r.state, r.last = closing, true
	}
	return nil
}

// announce notes which trailers will come.
func (r *response) announce() error {
	for _, line := range r.header["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(textproto.TrimString(name))
			switch {
			case name == "":
				continue
			case framing(name) || !httpguts.ValidHeaderFieldName(name):
				return errTrailer
			case r.trailer == nil:
				r.trailer = http.Header{}
			}
			r.trailer[name] = nil
		}
	}
	return nil
}

// framing reports whether a field says where a message ends, and so has no place in a trailer (RFC 9110, section 6.5.1).
func framing(name string) bool {
	return name == "Transfer-Encoding" || name == "Content-Length" || name == "Trailer"
}
