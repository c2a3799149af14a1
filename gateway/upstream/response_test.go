package upstream

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// says is an upstream that answers each connection's first request with a text and closes.
func says(t testing.TB, text string) string {
	return newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err == nil {
			send(conn, text)
		}
	})
}

func TestResponseHeader(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 404 Gone Fishing\r\nConnection: X-Hop, keep-alive\r\nX-Hop: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"+
		"Upgrade: h2c\r\nX-Two: 1\r\nX-Two: 2\r\nGate451-Reference: R\r\nDate: Sat, 20 Jul 2024 04:00:00 GMT\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00")})
	res := g.do(t, "GET", "/", nil)
	want := http.Header{"X-Two": {"1", "2"}, "Gate451-Reference": {"R"}, "Date": {"Sat, 20 Jul 2024 04:00:00 GMT"},
		"Content-Encoding": {"gzip"}, "Content-Length": {"3"}}
	if diff := cmp.Diff(want, res.Header); res.StatusCode != 404 || diff != "" {
		t.Errorf("%s (-want +got):\n%s", res.Status, diff)
	}
	if body := readAll(t, res.Body); body != "\x1f\x8b\x00" {
		t.Errorf("body %q", body)
	}
}

func TestInvalidAnswers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, cause string }{
		"two lengths":         {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", CauseProtocol},
		"bad length":          {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxx", CauseProtocol},
		"bad coding":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx", CauseProtocol},
		"bad name":            {"HTTP/1.1 200 OK\r\nA B: c\r\nContent-Length: 0\r\n\r\n", CauseProtocol},
		"bad value":           {"HTTP/1.1 200 OK\r\nA: \x00\r\nContent-Length: 0\r\n\r\n", CauseProtocol},
		"bad line":            {"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", CauseProtocol},
		"no HTTP":             {"SSH-2.0-OpenSSH\r\n\r\n", CauseProtocol},
		"impossible code":     {"HTTP/1.1 042 No\r\nContent-Length: 0\r\n\r\n", CauseProtocol},
		"uncalled-for switch": {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", CauseProtocol},
		"nothing":             {"", CauseClosed},
		"half a header":       {"HTTP/1.1 200 OK\r\nA: b\r\n", CauseClosed},
		"endless header":      {"HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", headerBytes) + "\r\n\r\n", CauseProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, []string{says(t, tt.text)})
			res := g.do(t, "GET", "/", nil)
			if body := readAll(t, res.Body); res.StatusCode != 502 || body != texts[502] || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %s %q", res.Status, body)
			}
			g.wait(t, tt.cause+":1")
			if log := g.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "cause="+tt.cause) || !strings.Contains(log, "upstream=127.0.0.1:") {
				t.Errorf("logged %q", log)
			}
		})
	}
}

func TestOwnAnswerToHeadHasNoBody(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{refused(t)})
	_, br := g.dial(t, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.1 502 ") || !strings.HasSuffix(answer, "\r\n\r\n") {
		t.Errorf("answered %q", answer)
	}
	g.wait(t, "connect:1")
}

func TestHeadKeepsLength(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")})
	if res := g.do(t, "HEAD", "/", nil); res.ContentLength != 1234 || res.Header["Content-Type"] != nil {
		t.Errorf("length %d, header %v", res.ContentLength, res.Header)
	}
}

func TestKeepPrivate(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"":                               "private",
		"max-age=60":                     "max-age=60, private",
		"public":                         "private",
		"Public, max-age=60,s-maxage=90": "max-age=60, private",
		"no-store":                       "no-store, private",
		"private":                        "private",
		`private="Set-Cookie, X", no-cache="a, b"`: `no-cache="a, b", private`,
		`x="\", public", S-MAXAGE = 1`:             `x="\", public", private`,
		",, must-revalidate ,":                     "must-revalidate, private",
		"max-age=1|public|immutable":               "max-age=1, immutable, private",
		`x="open, public`:                          `x="open, public, private`,
	} {
		h := http.Header{"Surrogate-Control": {"x"}, "Cdn-Cache-Control": {"x"}, "Cloudflare-Cdn-Cache-Control": {"x"}, "Edge-Control": {"x"},
			"X-Accel-Expires": {"9"}, "X-Litespeed-Cache-Control": {"x"}, "Expires": {"0"}}
		if said != "" {
			h["Cache-Control"] = strings.Split(said, "|")
		}
		keepPrivate(h)
		if diff := cmp.Diff(http.Header{"Cache-Control": {want}, "Expires": {"0"}}, h); diff != "" {
			t.Errorf("%s (-want +got):\n%s", said, diff)
		}
	}
}

func TestPrivateCacheAlsoOnNotModified(t *testing.T) {
	t.Parallel()
	for _, private := range []bool{true, false} {
		g := newGate(t, []string{says(t, "HTTP/1.1 304 Not Modified\r\nCache-Control: public, max-age=60\r\nCDN-Cache-Control: max-age=600\r\nETag: \"x\"\r\n\r\n")},
			withMeta(Meta{PrivateCache: private}))
		h := g.do(t, "GET", "/", nil).Header
		got := h.Get("Cache-Control") + "|" + h.Get("CDN-Cache-Control") + "|" + h.Get("ETag")
		if want := map[bool]string{true: `max-age=60, private||"x"`, false: `public, max-age=60|max-age=600|"x"`}[private]; got != want {
			t.Errorf("private %v: %s, want %s", private, got, want)
		}
	}
}

func TestResponseTrailers(t *testing.T) {
	t.Parallel()
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/announced" {
			w.Header().Set("Trailer", "X-Sum")
		}
		send(w, "hello")
		w.(http.Flusher).Flush()
		name := "X-Sum"
		if r.URL.Path != "/announced" {
			name = http.TrailerPrefix + name
		}
		w.Header().Set(name, "42")
	})
	for _, options := range [][]gateOption{nil, {withTLS}} {
		g := newGate(t, []string{shop}, options...)
		for _, path := range []string{"/announced", "/not"} {
			res := g.do(t, "GET", path, nil, "Te", "trailers")
			if body := readAll(t, res.Body); body != "hello" || res.Trailer.Get("X-Sum") != "42" {
				t.Errorf("%s %s: body %q, trailer %v", res.Proto, path, body, res.Trailer)
			}
		}
	}
}

// committing is a writer for which a status is an answer, as frameworks have.
type committing struct {
	http.ResponseWriter
	codes *[]int
}

func (c committing) Unwrap() http.ResponseWriter { return c.ResponseWriter }
func (c committing) WriteHeader(code int) {
	*c.codes = append(*c.codes, code)
	c.ResponseWriter.WriteHeader(code)
}

func TestInterimAnswers(t *testing.T) {
	t.Parallel()
	shop := says(t, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: a\r\n\r\n"+
		"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Final: y\r\n\r\nok")
	for _, options := range [][]gateOption{nil, {withTLS}} {
		var codes []int
		options = append(options, withWriter(func(w http.ResponseWriter) http.ResponseWriter {
			w.Header().Set("X-Outer", "kept")
			return committing{w, &codes}
		}))
		g := newGate(t, []string{shop}, options...)
		var interim []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			interim = append(interim, fmt.Sprint(code, h))
			return nil
		}})
		req, err := http.NewRequestWithContext(ctx, "GET", g.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := g.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := readAll(t, res.Body)
		res.Body.Close()
		if diff := cmp.Diff([]string{"103 map[Link:[</a.css>; rel=preload]]", "102 map[]"}, interim); diff != "" {
			t.Errorf("%s interim (-want +got):\n%s", res.Proto, diff)
		}
		if body != "ok" || res.Header.Get("X-Outer") != "kept" || res.Header.Get("Link") != "" || res.Header.Get("X-Final") != "y" {
			t.Errorf("%s %q %v", res.Proto, body, res.Header)
		}
		receive(t, g.done)
		if diff := cmp.Diff([]int{200}, codes); diff != "" {
			t.Errorf("the wrapping writer saw (-want +got):\n%s", diff)
		}
	}
}

func TestNoInterimAnswerForHTTP10(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")})
	_, br := g.dial(t, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.0 200 ") || !strings.HasSuffix(answer, "\r\n\r\nok") {
		t.Errorf("answered %q", answer)
	}
}

func TestBrokenAnswerIsSeenBroken(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		for _, options := range [][]gateOption{nil, {withTLS}} {
			g := newGate(t, []string{says(t, text)}, options...)
			res := g.do(t, "GET", "/", nil)
			body, err := io.ReadAll(res.Body)
			if err == nil || string(body) != "hello" {
				t.Errorf("%s over %s: read %q, %v", name, res.Proto, body, err)
			}
			g.wait(t, "body:1")
		}
		t.Run(name+" HTTP/1.0", func(t *testing.T) {
			g := newGate(t, []string{says(t, text)})
			_, br := g.dial(t, "GET / HTTP/1.0\r\n\r\n")
			if answer, err := io.ReadAll(br); !errors.Is(err, syscall.ECONNRESET) && strings.Contains(name, "chunked") {
				t.Errorf("read %q, %v", answer, err)
			}
		})
	}
}

// TestBrokenAnswerOverTLSToHTTP10 must not end in the alert that says that all is well.
func TestBrokenAnswerOverTLSToHTTP10(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")}, withTLS)
	conn, err := tls.Dial("tcp", g.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err == nil {
		t.Errorf("read %q as if it were all", answer)
	}
}

// wrapped is a connection as a PROXY protocol listener gives it.
type wrapped struct{ net.Conn }

func (w wrapped) Raw() net.Conn { return w.Conn }

func TestBareConnection(t *testing.T) {
	t.Parallel()
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if got := bare(wrapped{one}); got != one {
		t.Errorf("the connection under the connection is %v", got)
	}
}

func TestAbortWithoutMeansPanics(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")})
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("recovered %v", err)
		}
	}()
	g.proxy.Forward(discard{}, &http.Request{Method: "GET", RequestURI: "/", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, Meta{})
	t.Error("a broken answer looked whole")
}

// TestAnswerToAnUnreadBody has clients go on sending what nobody reads any more. A reset would take the answer from
// those whose system drops what they have not read yet.
func TestAnswerToAnUnreadBody(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{refused(t)})
	var err error
	for range 5 { // the server waits half a second, which a busy machine may sleep through
		if err = sendOn(t, g.Listener.Addr().String()); err == nil {
			return
		}
	}
	t.Error(err)
}

// sendOn returns why a client cannot send what is left of its request's body once it has the whole answer.
func sendOn(t *testing.T, address string) error {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 20000))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text := readAll(t, res.Body); res.StatusCode != 502 || !res.Close || !strings.HasPrefix(text, "502 Bad Gateway") {
		t.Errorf("answered %s %q, connection to be closed: %t", res.Status, text, res.Close)
	}
	for range 3 {
		time.Sleep(20 * time.Millisecond) // a reset takes a moment to come
		if _, err := io.WriteString(conn, strings.Repeat("x", 1000)); err != nil {
			return err
		}
	}
	return nil
}
