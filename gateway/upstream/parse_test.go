package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// seen is what a client learns of an answer, and what the next one on its connection would begin with.
type seen struct {
	Failed  string // Before the header: "closed" or "protocol".
	Interim string
	Status  int
	Header  http.Header
	Length  int64 // If there is a body.
	Body    string
	Broken  bool // After the header.
	Trailer http.Header
	Last    bool
	Rest    string
}

func failedFor(err error) seen {
	if isClosed(err) {
		return seen{Failed: "closed"}
	}
	return seen{Failed: "protocol"}
}

// ours reads an answer as the gateway does.
func ours(method string, from io.Reader) (s seen) {
	l := &link{in: bufio.NewReader(from)}
	var r response
	for most := headerBytes; r.status < 200; {
		n, err := r.listen(l, method, most)
		if err != nil {
			return failedFor(err)
		}
		if most -= n; r.status < 100 || r.status == http.StatusSwitchingProtocols {
			break
		}
		if r.status < 200 {
			s.Interim += fmt.Sprint(r.status, r.header)
		}
	}
	x := exchange{res: r, upgrade: true}
	if err := x.check(); err != nil {
		return failedFor(err)
	}
	s.Status, s.Header, s.Last = r.status, passedOn(r.header), r.last
	if r.state != ended {
		s.Length = r.length
	}
	body, err := io.ReadAll(&r)
	s.Body, s.Broken = string(body), err != nil
	if s.Trailer = filled(r.trailer); err == nil {
		s.Rest = remainder(l.in)
	}
	return s
}

// theirs reads an answer as http.Transport does, and refuses what the gateway always refused.
func theirs(method string, from io.Reader) (s seen) {
	in := bufio.NewReader(from)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return failedFor(err)
		}
		for name, values := range res.Header {
			if !valid(name, values) {
				return seen{Failed: "protocol"}
			}
		}
		switch code := res.StatusCode; {
		case code == http.StatusSwitchingProtocols:
			x := exchange{res: response{status: code, header: res.Header}, upgrade: true}
			if x.check() != nil {
				return seen{Failed: "protocol"}
			}
		case code < 100:
			return seen{Failed: "protocol"}
		case code < 200:
			s.Interim += fmt.Sprint(code, res.Header)
			continue
		}
		s.Status, s.Header, s.Last = res.StatusCode, passedOn(res.Header), res.Close
		if res.Body != http.NoBody {
			s.Length = res.ContentLength
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		s.Body, s.Broken = string(body), err != nil
		if s.Trailer = filled(res.Trailer); err == nil {
			s.Rest = remainder(in)
		}
		return s
	}
}

func passedOn(h http.Header) http.Header {
	to := http.Header{}
	copyHeader(to, h)
	return to
}

// filled leaves announced trailers out that have not come.
func filled(h http.Header) http.Header {
	h = maps.Clone(h)
	maps.DeleteFunc(h, func(_ string, values []string) bool { return len(values) == 0 })
	if len(h) == 0 {
		return nil
	}
	return h
}

func remainder(in io.Reader) string {
	var rest bytes.Buffer
	_, _ = rest.ReadFrom(in) // what can be read
	return rest.String()
}

// difference is something in which the gateway means to be other than http.Transport.
type difference struct {
	name, reason string
	// between reports whether it explains what became of a text.
	between func(text string, ours, theirs seen) bool
}

// stricter returns a difference in texts that the gateway takes for no HTTP if they hold something.
func stricter(holds func(head string) bool) func(string, seen, seen) bool {
	return func(text string, ours, theirs seen) bool {
		head, rest, _ := strings.Cut(text, "\r\n\r\n")
		if strings.HasPrefix(rest, "HTTP/1.1 500") { // behind an interim answer
			head, _, _ = strings.Cut(rest, "\r\n\r\n")
		}
		return ours.Failed == "protocol" && theirs.Failed != "protocol" && holds(head)
	}
}

func anyOf(parts ...string) func(string) bool {
	return func(head string) bool {
		for _, part := range parts {
			if strings.Contains(head, part) {
				return true
			}
		}
		return false
	}
}

var differences = []difference{
	{"length and coding", "who believes the length sees another end than who believes the coding (RFC 9112, section 6.3)",
		stricter(func(head string) bool {
			return anyOf("content-length")(strings.ToLower(head)) && anyOf("transfer-encoding")(strings.ToLower(head))
		})},
	{"coding in HTTP/1.0", "who knows no codings takes the chunks for the text (RFC 9112, section 6.1)",
		stricter(func(head string) bool {
			return strings.HasPrefix(head, "HTTP/1.0") && anyOf("transfer-encoding")(strings.ToLower(head))
		})},
	{"folded field", "who knows no folding takes the second line for a field (RFC 9112, section 5.2)", stricter(anyOf("\r\n ", "\r\n\t"))},
	{"status line", "only one space, no sign, no control character and no other HTTP belong there (RFC 9112, section 4)",
		stricter(func(head string) bool {
			line, _, _ := strings.Cut(head, "\r\n")
			_, _, ok := statusLine(line)
			return !ok
		})},
	{"too many fields", "a header is kept in memory", stricter(func(head string) bool { return strings.Count(head, "\r\n") > mostFields })},
	{"breaks off in the header", "an upstream that hung up midway is named as one that did, whatever half a line looks like",
		func(_ string, ours, theirs seen) bool { return ours.Failed == "closed" && theirs.Failed == "protocol" }},
	{"pragma", "what the upstream did not say is not added",
		func(text string, ours, theirs seen) bool {
			had := theirs.Header["Cache-Control"]
			return strings.Contains(text, "Pragma: no-cache") && ours.Header["Cache-Control"] == nil && len(had) == 1 && had[0] == "no-cache"
		}},
	{"closing with options", "net/http forgets the options that stand beside close, and what they name would be passed on (RFC 9110, section 7.6.1)",
		func(_ string, ours, theirs seen) bool {
			return ours.Header["X-Hop"] == nil && theirs.Header["X-Hop"] != nil
		}},
	{"framing trailer", "a trailer says nothing about where a message ends (RFC 9110, section 6.5.1)",
		func(_ string, ours, theirs seen) bool {
			return ours.Trailer == nil && theirs.Trailer["Content-Length"] != nil
		}},
	{"trailer", "a trailer's fields are as strictly read as a header's",
		func(text string, ours, theirs seen) bool {
			_, body, _ := strings.Cut(text, "\r\n\r\n")
			return ours.Broken && !theirs.Broken && anyOf("\n ", "\r\n:", "A B:", "\n\r\n")(body)
		}},
}

// explain returns the name of the difference between what both saw, "" if there is none, and ok only if it is meant.
func explain(text string, ours, theirs seen) (name string, ok bool) {
	if theirs.Broken && ours.Broken && strings.HasPrefix(theirs.Body, ours.Body) {
		ours.Body, ours.Trailer = theirs.Body, theirs.Trailer // How much came before is chance.
	}
	if cmp.Equal(ours, theirs) {
		return "", true
	}
	for _, d := range differences {
		if d.between(text, ours, theirs) {
			return d.name, true
		}
	}
	return "", false
}

// answers are a few hundred texts that upstreams could send, right and wrong: first lines, headers and bodies in all
// combinations, and what is only to be tried alone.
func answers() (all []string) {
	lines := []string{"HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 404", "HTTP/1.9 999 \xff",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No"}
	headers := []string{"", "Connection: close", "Connection: keep-alive", "Connection: x, Close", "Content-Length: 5", "Content-Length: 0", "content-length:\t5 \t",
		"Content-Length: 05\r\nX-A: b", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 5", "Content-Length: +5",
		"Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5_0", "Content-Length:", "Content-Length: 9223372036854775807", "Content-Length: 9223372036854775808",
		"Transfer-Encoding: chunked", "transfer-encoding:  CHUNKED ", "Transfer-Encoding: chunked\r\nTrailer: X-Sum, , x-none", "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding:", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: identity",
		"Transfer-Encoding: chunked\r\nContent-Length: 5", "Content-Length: 5\r\nTransfer-Encoding: identity", "Transfer-Encoding: chunked\r\nTrailer: Content-Length"}
	bodies := []string{"", "hello", "5\r\nhello\r\n0\r\n\r\n", "2;a=b\r\nhe\r\n3 \r\nllo\r\n000\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}
	for _, line := range lines {
		for _, header := range headers {
			if header != "" {
				header += "\r\n"
			}
			for _, body := range bodies {
				all = append(all, line+"\r\n"+header+"\r\n"+body)
			}
		}
	}
	for _, line := range []string{"", "\r\n", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 2", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1\t200 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 -20 OK",
		"HTTP/1.1 099 Less", "HTTP/1.1 2x0 OK", "HTTP/2.0 200 OK", "HTTP/2 200 OK", "HTTP/11 200 OK", "HTTP/1.11 200 OK", "http/1.1 200 OK", " HTTP/1.1 200 OK", "HTTP/1.1 200 O\x00K", "HTTP/1.1 200 O\rK",
		"ICY 200 OK", "SSH-2.0-OpenSSH_9.2", "\x15\x03\x01\x00\x02\x02\x46", "HTTP/1.1 200 OK\r", "HTTP/1.1 100 Continue\r\n\r\nnonsense", "HTTP/1.1 101 Switching Protocols",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"} {
		all = append(all, line+"\r\nContent-Length: 2\r\n\r\nok", line)
	}
	for _, field := range []string{"A B: c", "A : c", " A: c", "\tA: c", "A: b\r\n c", "A: b\r\n\tc", "A", ":", ": b", "A:", "A:b:c", "A: \x00", "A: b\rc", "A: b\x7f", "A: \xff\t\xfe", "\u00e4: b", "A\x00: b", "A(: b",
		"A: b\nB: c", "A: b\r\r\nB: c", "Pragma: no-cache", "Pragma: no-cache\r\nCache-Control: max-age=1", "A: " + strings.Repeat("b", 9000), strings.Repeat("A: b\r\n", mostFields+1) + "B: c",
		"Connection: X-Hop, close\r\nX-Hop: 1", "a-b: 1\r\nA-b: 2\r\nA-B: 3", "Content_Length: 1", "Content-Length : 1", "\nX: y"} {
		all = append(all, "HTTP/1.1 200 OK\r\n"+field+"\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"+field+"\r\n\r\nok")
	}
	for _, body := range []string{"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n", "5\r\nhellox\r\n0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n",
		"g\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5\t \r\nhello\r\n0\r\n\r\n", "5 5\r\nhello\r\n0\r\n\r\n",
		"00000000000000000005\r\nhello\r\n0\r\n\r\n", "0000000000000005\r\nhello\r\n0\r\n\r\n", "000000000000005\r\nhello\r\n0\r\n\r\n", "ffffffffffffffff\r\nhello", "fffffffffffffff\r\nhello", "7fffffff\r\nhello",
		"5;x\ry\r\nhello\r\n0\r\n\r\n", "5;" + strings.Repeat("x", 4000) + "\r\nhello\r\n0\r\n\r\n", "5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n",
		strings.Repeat("1;"+strings.Repeat("x", 300)+"\r\na\r\n", 100) + "0\r\n\r\n", strings.Repeat("1\r\na\r\n", 3000) + "0\r\n\r\n", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
		"0\r\n", "0\r\n\r", "0\r\nX", "0\r\nX-Sum: 1\r\n", "0\r\nX-Sum: 1\r\n\r\n", "0\r\nX-Sum: 1\n\r\n", "0\r\nA B: 1\r\n\r\n", "0\r\n: 1\r\n\r\n", "0\r\nX: 1\r\n 2\r\n\r\n", "0\r\nnonsense\r\n\r\n", "0\r\nX: \x00\r\n\r\n",
		"0\r\nContent-Length: 5\r\n\r\n", "0\r\nX: " + strings.Repeat("y", 5000) + "\r\n\r\n", "5\r\nhello\r\n0\r\nX: 1\r\nX: 2\r\n\r\nmore",
		"0\r\nX: " + strings.Repeat("y", 2500) + "\r\nY: " + strings.Repeat("y", 2500) + "\r\n\r\n"} {
		all = append(all, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
	}
	return all
}

// TestAnswersAreReadAsNetHTTPReadsThem plays every answer whole, byte by byte, and broken off behind each of its bytes. The gateway
// sees what net/http sees, but for the differences that have a name, and each of those shows.
func TestAnswersAreReadAsNetHTTPReadsThem(t *testing.T) {
	t.Parallel()
	met, texts := map[string]int{}, answers()
	compare := func(method, text string) {
		t.Helper()
		whole, reference := ours(method, strings.NewReader(text)), theirs(method, strings.NewReader(text))
		name, ok := explain(text, whole, reference)
		if met[name]++; !ok {
			t.Errorf("%s %.300q (-theirs +ours):\n%s", method, text, cmp.Diff(reference, whole))
		}
		if len(text) > 1<<16 {
			return
		}
		if diff := cmp.Diff(whole, ours(method, iotest.OneByteReader(strings.NewReader(text)))); diff != "" {
			t.Errorf("%s %.300q (-whole +byte by byte):\n%s", method, text, diff)
		}
	}
	for _, text := range texts {
		compare(http.MethodGet, text)
		compare(http.MethodHead, text)
		if len(text) > 400 {
			continue
		}
		for i := range text {
			whole, reference := ours(http.MethodGet, strings.NewReader(text[:i])), theirs(http.MethodGet, strings.NewReader(text[:i]))
			name, ok := explain(text[:i], whole, reference)
			if met[name]++; !ok {
				t.Fatalf("%.300q (-theirs +ours):\n%s", text[:i], cmp.Diff(reference, whole))
			}
		}
	}
	for _, d := range differences {
		if met[d.name] == 0 {
			t.Errorf("nothing shows the difference %q; %s", d.name, d.reason)
		}
	}
	t.Logf("%d texts: %v", len(texts), met)
}

// FuzzAnswer checks that whatever the gateway takes for an answer is one to net/http too, with the same end, and that it does not
// matter in which pieces it comes.
func FuzzAnswer(f *testing.F) {
	for i, text := range answers() {
		if i%9 == 0 && len(text) < 1000 {
			f.Add(text, false)
		}
	}
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true)
	f.Fuzz(func(t *testing.T, text string, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		whole := ours(method, strings.NewReader(text))
		if diff := cmp.Diff(whole, ours(method, iotest.OneByteReader(strings.NewReader(text)))); diff != "" {
			t.Errorf("(-whole +byte by byte):\n%s", diff)
		}
		if whole.Failed != "" || whole.Broken {
			return
		}
		reference := theirs(method, strings.NewReader(text))
		if _, ok := explain(text, whole, reference); !ok {
			t.Errorf("(-theirs +ours):\n%s", cmp.Diff(reference, whole))
		}
	})
}
