package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const plainRequest = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// TestKept shows that a connection serves one request after the other, whatever body they have and whether it was read.
func TestKept(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		ok(w, r)
	}, nil)
	nc, in := s.say(t, "")
	for _, path := range []string{"/read", "/unread"} {
		for _, body := range []string{
			"\r\n", "Content-Length: 0\r\n\r\n", "Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			"Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 100000), "Transfer-Encoding: chunked\r\n\r\n20000\r\n" + strings.Repeat("x", 0x20000) + "\r\n0\r\nX: y\r\n\r\n",
		} {
			for _, more := range []string{"", "Connection: keep-alive\r\n"} {
				tell(t, nc, "POST "+path+" HTTP/1.1\r\nHost: shop.example\r\n"+more+body)
				if res, text := hear(t, in, http.MethodPost); res.StatusCode != 200 || text != "ok" || res.Close || res.ContentLength != 2 {
					t.Fatalf("%s with %.40q: %d %q, closed %v", path, body, res.StatusCode, text, res.Close)
				}
			}
		}
	}
}

// TestAnswers shows how answers are framed, in the versions that there are.
func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long", 5000)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		h, rc := w.Header(), http.NewResponseController(w)
		h["Date"] = []string{"today"}
		switch r.URL.Path {
		case "/nothing":
		case "/silent":
			h["Content-Length"] = []string{"3"}
			w.WriteHeader(200)
		case "/declared":
			h["Content-Length"] = []string{"2"}
			ok(w, r)
		case "/misdeclared":
			h["Content-Length"] = []string{"two"}
			ok(w, r)
		case "/none":
			h["Content-Length"], h["Content-Type"] = []string{"2"}, []string{"x/y"}
			w.WriteHeader(304)
			if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("a body where there is none: %v", err)
			}
		case "/long":
			_, _ = io.WriteString(w, long)
		case "/parts":
			for range 3 {
				_, _ = io.WriteString(w, "part")
				_, _ = w.Write(nil)
			}
			_ = rc.Flush()
			_, _ = io.WriteString(w, "last")
			_, _ = w.Write([]byte(long))
			_, _ = io.WriteString(w, "end")
		case "/trailers":
			h["Trailer"] = []string{"X-One, Content-Length"}
			_, _ = io.WriteString(w, "body")
			h["X-One"], h[http.TrailerPrefix+"X-Two"] = []string{"1"}, []string{"2"}
			_ = rc.Flush()
		case "/odd":
			h["X-Broken"], h["Not A Name"], h["X-Nul"] = []string{"a\r\nX-Smuggled: b"}, []string{"c"}, []string{"\x00d "}
			h["Transfer-Encoding"], h["Connection"] = []string{"gzip"}, []string{"x-y"}
			ok(w, r)
		case "/status":
			w.WriteHeader(599)
		case "/hints":
			h["Link"] = []string{"</style>"}
			w.WriteHeader(103)
			h["Link"] = nil
			ok(w, r)
		case "/much":
			h["Content-Length"] = []string{"2"}
			if _, err := io.WriteString(w, "three"); !errors.Is(err, http.ErrContentLength) {
				t.Errorf("more than was declared: %v", err)
			}
			ok(w, r)
		case "/twice":
			w.WriteHeader(200)
			w.WriteHeader(500)
			ok(w, r)
		}
	}, nil)
	const date = "Date: today\r\n"
	chunked := func(parts ...string) string {
		text := "Transfer-Encoding: chunked\r\n\r\n"
		for _, part := range parts {
			text += fmt.Sprintf("%x\r\n%s\r\n", len(part), part)
		}
		return text
	}
	for _, c := range []struct{ line, want string }{
		{"GET /nothing HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 0\r\n\r\n"},
		{"GET /nothing HTTP/1.0", "HTTP/1.0 200 OK\r\n" + date + "Content-Length: 0\r\n\r\n"},
		{"HEAD /nothing HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "\r\n"},
		{"HEAD /silent HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 3\r\n\r\n"},
		{"GET /silent HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 3\r\n\r\n"},
		{"GET /declared HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\nok"},
		{"HEAD /declared HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\n"},
		{"GET /misdeclared HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\nok"},
		{"GET /none HTTP/1.1", "HTTP/1.1 304 Not Modified\r\n" + date + "\r\n"},
		{"GET /long HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + chunked(long) + "0\r\n\r\n"},
		{"HEAD /long HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "\r\n"},
		{"GET /long HTTP/1.0", "HTTP/1.0 200 OK\r\n" + date + "\r\n" + long},
		{"GET /parts HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + chunked("partpartpart", "last", long, "end") + "0\r\n\r\n"},
		{"GET /parts HTTP/1.0", "HTTP/1.0 200 OK\r\n" + date + "\r\npartpartpartlast" + long + "end"},
		{"HEAD /parts HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "\r\n"},
		{"GET /trailers HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Trailer: X-One, Content-Length\r\n" + chunked("body") + "0\r\nX-Two: 2\r\nX-One: 1\r\n\r\n"},
		{"GET /odd HTTP/1.1", "HTTP/1.1 200 OK\r\nConnection: x-y\r\n" + date + "X-Broken: a  X-Smuggled: b\r\nX-Nul:  d\r\nContent-Length: 2\r\n\r\nok"},
		{"GET /status HTTP/1.1", "HTTP/1.1 599 \r\n" + date + "Content-Length: 0\r\n\r\n"},
		{"GET /hints HTTP/1.1", "HTTP/1.1 103 Early Hints\r\n" + date + "Link: </style>\r\n\r\nHTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\nok"},
		{"GET /much HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\n"},
		{"GET /twice HTTP/1.1", "HTTP/1.1 200 OK\r\n" + date + "Content-Length: 2\r\n\r\nok"},
	} {
		nc, in := s.say(t, c.line+"\r\nHost: shop.example\r\n\r\n")
		_ = nc.CloseWrite()
		if text, err := io.ReadAll(in); err != nil || string(text) != c.want {
			t.Errorf("%s: %.500q, %v; want %.500q", c.line, text, err, c.want)
		}
	}
}

// TestOldClients shows that a client of HTTP/1.0 keeps its connection if it asks for it and the answer has a length.
func TestOldClients(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
		}
		ok(w, r)
	}, nil)
	nc, in := s.say(t, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
	if res, text := hear(t, in, "GET"); text != "ok" || res.Header.Get("Connection") != "keep-alive" {
		t.Errorf("%q %v", text, res.Header)
	}
	tell(t, nc, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if rest, err := io.ReadAll(in); err != nil || !strings.HasSuffix(string(rest), "\r\n\r\nok") || strings.Contains(string(rest), "onnection") {
		t.Errorf("%q %v", rest, err)
	}
}

// TestContinue shows when a client is asked for a body that it keeps back.
func TestContinue(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/itself":
			w.WriteHeader(100)
		case "/late":
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
		case "/refuse":
			w.WriteHeader(403)
			return
		}
		text, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v", text, err)
	}, nil)
	for _, c := range []struct {
		path, proto string
		codes       string
		asked       bool
	}{{"/read", "1.1", "100 200", true}, {"/itself", "1.1", "100 200", true}, {"/refuse", "1.1", "403", false}, {"/read", "1.0", "200", false}} {
		nc, in := s.say(t, "POST "+c.path+" HTTP/"+c.proto+"\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
		var codes []string
		if c.asked {
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			codes = append(codes, fmt.Sprint(res.StatusCode))
		}
		if c.path != "/refuse" {
			tell(t, nc, "abc")
		}
		res, text := hear(t, in, "POST")
		codes = append(codes, fmt.Sprint(res.StatusCode))
		if got := strings.Join(codes, " "); got != c.codes || c.path != "/refuse" && text != "abc <nil>" || res.Close != (c.path == "/refuse" || c.proto == "1.0") {
			t.Errorf("%s: %s %q closed %v, want %s", c.path, got, text, res.Close, c.codes)
		}
	}
	_, in := s.say(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: miracles\r\n\r\nabc")
	if res, _ := hear(t, in, "POST"); res.StatusCode != 417 || !res.Close {
		t.Errorf("%d closed %v", res.StatusCode, res.Close)
	}
}

// TestUnreadBody shows that an answer arrives whole though its client goes on sending, that nobody waits for a body that does not
// come, and that a large one ends the connection.
func TestUnreadBody(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		}
		w.WriteHeader(403)
		_, _ = io.WriteString(w, strings.Repeat("no", 50000))
	}, nil)
	for _, c := range []struct{ path, framing, sent string }{
		{"/large", "Content-Length: 10000000", strings.Repeat("x", 10000000)}, {"/chunks", "Transfer-Encoding: chunked", "400000\r\n" + strings.Repeat("x", 0x400000) + "\r\n0\r\n\r\n"},
		{"/slow", "Content-Length: 10", "x"}, {"/slow", "Transfer-Encoding: chunked", "5\r\nx"}, {"/broken", "Transfer-Encoding: chunked", "z\r\n\r\n"},
	} {
		nc, in := s.say(t, "POST "+c.path+" HTTP/1.1\r\nHost: a\r\n"+c.framing+"\r\n\r\n")
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.WriteString(nc, c.sent) // it may be cut off
		}()
		res, text := hear(t, in, "POST")
		if res.StatusCode != 403 || len(text) != 100000 || !res.Close {
			t.Errorf("%s: %d, %d bytes, closed %v", c.path, res.StatusCode, len(text), res.Close)
		}
		if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: behind the answer %v", c.path, err)
		}
		nc.Close()
		<-sent
	}
}

// TestLimits shows the ends of headers that are too long, or too slow.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := serve(t, ok, func(c *Config) { c.HeaderTimeout, c.IdleTimeout = 50*time.Millisecond, 50*time.Millisecond })
	for _, c := range []struct{ text, status string }{
		{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 8<<10) + "\r\n\r\n", "200"}, {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 13<<10) + "\r\n\r\n", "431"},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: x", ""}, {"", ""}, {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200"}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\n", "200"},
		{"\x16\x03\x01\r\n", "400"}, {"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET", "200"},
	} {
		_, in := s.say(t, c.text)
		text, err := io.ReadAll(in) // until the server ends it
		if err != nil || !strings.HasPrefix(string(text), strings.TrimSpace("HTTP/1.1 "+c.status)) && c.status != "" || c.status == "" && len(text) > 0 {
			t.Errorf("%.40q: %q, %v; want %s", c.text, text, err, c.status)
		}
	}
}

// TestPanics shows that a handler's panic ends its connection, and is told unless it is meant.
func TestPanics(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = []string{"10"}
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/meant" {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path == "/hijacked" {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
			}
			defer nc.Close()
		}
		panic("oops")
	}, nil)
	for _, path := range []string{"/meant", "/oops", "/hijacked"} {
		if s.log.has("a handler panicked") && path != "/hijacked" {
			t.Errorf("before %s it was told", path)
		}
		_, in := s.say(t, "POST "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\n")
		text, err := io.ReadAll(in)
		if err != nil || !strings.HasSuffix(string(text), "\r\n\r\nhalf") {
			t.Errorf("%q, %v", text, err)
		}
	}
	eventually(t, "it is told", func() bool { return s.log.has("a handler panicked") })
}

// TestWrongStatus shows that a status which is none is the handler's fault.
func TestWrongStatus(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) }, nil)
	_, in := s.say(t, plainRequest)
	if text, err := io.ReadAll(in); err != nil || len(text) > 0 {
		t.Errorf("%q, %v", text, err)
	}
	eventually(t, "it is told", func() bool { return s.log.has("a handler panicked") })
}

// TestHijack shows that a handler gets the connection with what was sent ahead, and that everything else lets go of it.
func TestHijack(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if r.URL.Path == "/begun" {
			_, _ = io.WriteString(w, "begun")
		}
		_ = rc.SetReadDeadline(time.Unix(1, 0))
		nc, rw, err := rc.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		if _, _, err := rc.Hijack(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("a second time: %v", err)
		}
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("writing: %v", err)
		}
		if err := rc.Flush(); !errors.Is(err, http.ErrHijacked) {
			t.Errorf("flushing: %v", err)
		}
		w.WriteHeader(200)
		if n := rw.Reader.Buffered(); n < 5 {
			t.Errorf("%d bytes ahead", n)
		}
		line, err := rw.ReadString('\n')
		fmt.Fprintf(rw, "%d %v", len(line), err)
		_ = rw.Flush()
	}, nil)
	for _, ahead := range []string{"ahead", strings.Repeat("ahead", 1000)} {
		nc, in := s.say(t, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 5000)+"\r\n\r\n"+ahead)
		time.Sleep(time.Millisecond)
		tell(t, nc, "later\n")
		if text, err := io.ReadAll(in); err != nil || string(text) != fmt.Sprint(len(ahead)+6, " <nil>") {
			t.Errorf("%q, %v", text, err)
		}
	}
	nc, in := s.say(t, "GET /begun HTTP/1.1\r\nHost: a\r\n\r\nahead")
	tell(t, nc, "\n")
	if text, err := io.ReadAll(in); err != nil || !strings.Contains(string(text), "5\r\nbegun\r\n6 <nil>") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestShutdown shows that requests under way finish and unused connections do not wait, and what comes last is answered.
func TestShutdown(t *testing.T) {
	t.Parallel()
	enter, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			enter <- struct{}{}
			<-leave
		}
		ok(w, r)
	}, nil)
	_, unused := s.say(t, plainRequest)
	hear(t, unused, "GET")
	fresh, freshIn := s.say(t, "")
	_, held := s.say(t, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	<-enter
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	if _, err := unused.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the unused connection: %v", err)
	}
	tell(t, fresh, plainRequest)
	if res, text := hear(t, freshIn, "GET"); text != "ok" || !res.Close {
		t.Errorf("the last to speak: %q closed %v", text, res.Close)
	}
	select {
	case err := <-ended:
		t.Errorf("it did not wait: %v", err)
	default:
	}
	close(leave)
	if res, text := hear(t, held, "GET"); text != "ok" || !res.Close {
		t.Errorf("%q closed %v", text, res.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if nc, err := net.Dial("tcp", s.at); err == nil {
		nc.Close()
		t.Error("it listens")
	}
}

// TestShutdownGivesUp shows that it waits no longer than it may, and that closing ends everything but what was upgraded.
func TestShutdownGivesUp(t *testing.T) {
	t.Parallel()
	enter := make(chan error, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/upgrade" {
			nc, _, err := http.NewResponseController(w).Hijack()
			enter <- err
			<-r.Context().Done()
			_, _ = io.WriteString(nc, "upgraded")
			nc.Close()
			return
		}
		enter <- nil
		<-r.Context().Done()
	}, nil)
	_, held := s.say(t, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	_, upgraded := s.say(t, "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n")
	for range 2 {
		if err := <-enter; err != nil {
			t.Error(err)
		}
	}
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(limit); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	_ = s.Close()
	if _, err := held.ReadByte(); err == nil {
		t.Error("it is not cut off")
	}
	s.cancel() // as the end of the base does
	if text, err := io.ReadAll(upgraded); err != nil || string(text) != "upgraded" {
		t.Errorf("%q, %v", text, err)
	}
}

// failing is a listener that fails.
type failing struct {
	net.Listener
	errs chan error
}

type temporary struct{}

func (temporary) Error() string   { return "for a moment" }
func (temporary) Temporary() bool { return true }

func (f failing) Accept() (net.Conn, error) {
	select {
	case err := <-f.errs:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

// TestAccept shows that what passes does not end the server, and what does not, does.
func TestAccept(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 3)
	errs <- temporary{}
	errs <- temporary{}
	s := serveOn(t, failing{ln, errs}, ok, nil)
	_, in := s.say(t, plainRequest)
	hear(t, in, "GET")
	lost := errors.New("lost")
	errs <- lost
	s.say(t, "")
	eventually(t, "it ends", func() bool {
		select {
		case err := <-s.ends:
			s.ends <- err
			return errors.Is(err, lost)
		default:
			return false
		}
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(other); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("a stopped server: %v", err)
	}
}

// TestReadFrom shows that bodies which the kernel may pass on arrive, whatever the answer is.
func TestReadFrom(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("content", 10000)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := w.(io.ReaderFrom)
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", fmt.Sprint(len(content)+3))
			_, _ = io.WriteString(w, "and")
		case "/short":
			w.Header().Set("Content-Length", "10")
		case "/none":
			w.WriteHeader(204)
		}
		n, err := to.ReadFrom(io.LimitReader(strings.NewReader(content), int64(len(content))))
		if n != int64(len(content)) && r.URL.Path == "/length" || err != nil && r.URL.Path != "/none" {
			t.Errorf("%s: %d, %v", r.URL.Path, n, err)
		}
	}, nil)
	for path, want := range map[string]string{"/length": "and" + content, "/short": content[:10], "/chunks": content, "/none": ""} {
		_, in := s.say(t, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if _, text := hear(t, in, "GET"); text != want {
			t.Errorf("%s: %d bytes, want %d", path, len(text), len(want))
		}
	}
}

// TestWriteAll shows that a whole answer is as good as one in parts, and given only where there is none yet.
func TestWriteAll(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		all := w.(interface {
			WriteAll(status int, fields, body []byte) bool
		})
		if r.URL.Path == "/begun" {
			w.Header().Set("X", "y")
		}
		fmt.Fprint(io.Discard, all.WriteAll(451, []byte("A: b\r\nDate-Not: c\r\n"), []byte("text")) == (r.URL.Path == "/begun"))
		if all.WriteAll(200, nil, nil) {
			t.Error("a second answer")
		}
	}, nil)
	for line, want := range map[string]string{"GET /": "text", "HEAD /": ""} {
		_, in := s.say(t, line+" HTTP/1.1\r\nHost: a\r\n\r\n")
		res, text := hear(t, in, strings.Fields(line)[0])
		if res.StatusCode != 451 || text != want || res.ContentLength != 4 || res.Header.Get("A") != "b" || res.Header.Get("Date") == "" {
			t.Errorf("%s: %d %q %v", line, res.StatusCode, text, res.Header)
		}
	}
	_, in := s.say(t, "GET /begun HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, _ := hear(t, in, "GET"); res.StatusCode != 200 || res.Header.Get("X") != "y" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// TestDuplex shows that a handler may answer while it reads, if it says so.
func TestDuplex(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		one := make([]byte, 1)
		for {
			n, err := r.Body.Read(one)
			_, _ = w.Write(one[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	}, nil)
	nc, in := s.say(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	one := make([]byte, 1)
	for _, c := range []string{"b", "c"} {
		if _, err := io.ReadFull(res.Body, one); err != nil {
			t.Fatal(err)
		}
		tell(t, nc, "1\r\n"+c+"\r\n")
	}
	tell(t, nc, "0\r\n\r\n")
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "c" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestWriteDeadline shows that a client which reads nothing can be given up.
func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	var failed atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		if r.URL.Path == "/small" {
			ok(w, r)
			return
		}
		piece := make([]byte, 1<<20)
		for range 100 {
			if _, err := w.Write(piece); err != nil {
				failed.Store(r.Context().Err() != nil && rc.Flush() != nil)
				return
			}
		}
	}, nil)
	nc, in := s.say(t, "GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
	hear(t, in, "GET")
	time.Sleep(30 * time.Millisecond) // a deadline that has passed is nobody's afterwards
	tell(t, nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	eventually(t, "writing fails", failed.Load)
	_, _ = io.Copy(io.Discard, bufio.NewReader(nc))
}

// TestSlowReader shows that answers wait for a client that asks a lot before it reads, and that one which goes instead takes nothing
// else along.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const requests, length = 1000, 6 << 10
	text := strings.Repeat("x", length)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(length))
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, text)
	}, nil)
	for _, stays := range []bool{true, false} {
		nc := s.dial(t)
		asked := make(chan error, 1)
		go func() {
			_, err := io.WriteString(nc, strings.Repeat(plainRequest, requests))
			asked <- err
		}()
		if !stays {
			if err := <-asked; err != nil {
				t.Fatal(err)
			}
			_ = nc.SetLinger(0)
			nc.Close()
			continue
		}
		in := bufio.NewReader(nc)
		for range requests {
			if _, got := hear(t, in, "GET"); got != text {
				t.Fatalf("%d bytes", len(got))
			}
		}
		if err := <-asked; err != nil {
			t.Error(err)
		}
		nc.Close()
	}
	eventually(t, "both have ended", func() bool { return len(s.all()) == 0 })
}
