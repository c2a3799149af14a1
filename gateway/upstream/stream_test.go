package upstream

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEventsArriveOneByOne(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"text/event-stream", "text/html"} {
		for _, options := range [][]gateOption{nil, {withTLS}} {
			next := make(chan struct{})
			g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", contentType)
				w.(http.Flusher).Flush()
				for range 3 {
					select {
					case <-next:
					case <-r.Context().Done():
						return
					}
					send(w, "data: x\n\n")
					w.(http.Flusher).Flush()
				}
			})}, options...)
			res := g.do(t, "GET", "/", nil) // The header arrives before anything of the body exists.
			for range 3 {
				next <- struct{}{}
				event := make([]byte, len("data: x\n\n"))
				if _, err := io.ReadFull(res.Body, event); err != nil {
					t.Fatal(err)
				}
			}
			if rest := readAll(t, res.Body); rest != "" {
				t.Errorf("rest %q", rest)
			}
		}
	}
}

func TestRequestBodyIsStreamed(t *testing.T) {
	t.Parallel()
	for _, options := range [][]gateOption{nil, {withTLS}} {
		got := make(chan string)
		g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil && r.ProtoMajor == 1 {
				t.Error(err)
			}
			w.WriteHeader(200)
			w.(http.Flusher).Flush() // The answer begins before the request has ended.
			buf := make([]byte, 10)
			for {
				n, err := r.Body.Read(buf)
				if n > 0 {
					got <- string(buf[:n])
				}
				if err != nil {
					return
				}
			}
		})}, options...)
		body, more := io.Pipe()
		go func() { send(more, "one") }()
		res := g.do(t, "POST", "/", body)
		if s := receive(t, got); s != "one" {
			t.Errorf("upstream read %q", s)
		}
		send(more, "two")
		if s := receive(t, got); s != "two" {
			t.Errorf("upstream read %q", s)
		}
		more.Close()
		if s := readAll(t, res.Body); s != "" {
			t.Errorf("body %q", s)
		}
	}
}

func TestContinueAccepted(t *testing.T) {
	t.Parallel()
	seen, call := make(chan string, 1), make(chan struct{})
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		head, _ := readHead(br)
		seen <- strings.Join(head, "\n")
		<-call
		send(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		body := make([]byte, 5)
		_, _ = io.ReadFull(br, body)
		seen <- string(body)
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})})
	conn, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if head := receive(t, seen); !strings.Contains(head, "\nExpect: 100-continue") {
		t.Errorf("upstream saw %q", head)
	}
	close(call)
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 100 Continue" {
		t.Fatalf("client saw %q, %v", head, err)
	}
	send(conn, "hello")
	if body := receive(t, seen); body != "hello" {
		t.Errorf("upstream read %q", body)
	}
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 200 OK" {
		t.Errorf("client saw %q, %v", head, err)
	}
}

func TestContinueRefused(t *testing.T) {
	t.Parallel()
	for _, more := range []string{"", "Connection: close\r\n"} {
		g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
			skipHead(br)
			send(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n"+more+"\r\nno")
			if b, err := br.ReadByte(); err == nil {
				t.Errorf("the upstream got a body that it had refused: %q", b)
			}
		})})
		_, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.1 401 ") || !strings.HasSuffix(answer, "\r\n\r\nno") {
			t.Errorf("client saw %q", answer)
		}
	}
}

func TestContinueIgnored(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		_, _ = io.ReadFull(br, make([]byte, 5)) // Waits for the body without calling for it.
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})}, withConfig(func(c *Config) { c.ContinueTimeout = time.Millisecond }))
	conn, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 100 Continue" {
		t.Fatalf("client saw %q, %v", head, err)
	}
	send(conn, "hello")
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 200 OK" {
		t.Errorf("client saw %q, %v", head, err)
	}
}

// TestEarlyAnswer has the upstream answer and hang up while the client is still sending.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		_, _ = br.ReadByte()
		send(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
		drain(br)
	})})
	_, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello") // And nothing more.
	if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.1 413 ") || !strings.Contains(answer, "\r\nConnection: close\r\n") ||
		!strings.HasSuffix(answer, "\r\n\r\nbig") {
		t.Errorf("client saw %q", answer)
	}
	receive(t, g.done)
}

func TestClientGoneCancelsUpstream(t *testing.T) {
	t.Parallel()
	for _, options := range [][]gateOption{nil, {withTLS}} {
		for _, begun := range []bool{false, true} {
			here, gone := make(chan struct{}), make(chan struct{})
			g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) {
				if begun {
					w.(http.Flusher).Flush()
				}
				close(here)
				<-r.Context().Done()
				close(gone)
			})}, options...)
			ctx, leave := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", g.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if res, err := g.Client().Do(req); err == nil {
					drain(res.Body)
					res.Body.Close()
				}
			}()
			receive(t, here)
			leave()
			receive(t, gone)
			receive(t, ended)
			g.wait(t, "client_gone:1")
			if log := g.logged(); log != "" {
				t.Errorf("logged %s", log)
			}
		}
	}
}

func TestClientThatBreaksItsBodyOff(t *testing.T) {
	t.Parallel()
	shop := newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		if all, err := io.ReadAll(br); err == nil && bytes.HasSuffix(all, []byte("\r\n0\r\n\r\n")) {
			t.Errorf("a broken body looked whole: %q", all)
		}
	})
	g := newGate(t, []string{shop})
	_, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n")
	if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		t.Errorf("client saw %q", answer)
	}
	conn, _ := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
	conn.Close()
	g.wait(t, "client_gone:2")
}

// endless is a body of n bytes that takes no memory.
type endless int64

func (e *endless) Read(p []byte) (int, error) {
	if *e == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), int64(*e))
	*e -= endless(n)
	return int(n), nil
}

func TestMemoryIsFlat(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			body := endless(size)
			_, _ = io.CopyBuffer(struct{ io.Writer }{w}, &body, make([]byte, 256<<10))
			return
		}
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, make([]byte, 256<<10))
		send(w, strconv.FormatInt(n, 10))
	})})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)

	res := g.do(t, "GET", "/", nil)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, res.Body, make([]byte, 256<<10))
	if err != nil || n != size {
		t.Errorf("read %d bytes of %d, %v", n, size, err)
	}
	up := endless(size / 4)
	res = g.do(t, "POST", "/", &up)
	if got := readAll(t, res.Body); got != strconv.FormatInt(size/4, 10) {
		t.Errorf("upstream read %s bytes", got)
	}

	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 { // the race detector has pools forget a quarter
		t.Errorf("%d MiB were allocated for %d MiB passed", grown>>20, (size+size/4)>>20)
	}
}

// TestCutExchangeTakesNoConnection shows that what has been given up does not begin again.
func TestCutExchangeTakesNoConnection(t *testing.T) {
	t.Parallel()
	l, err := silentLinks(t)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.drop()
	var x exchange
	x.cut()
	if x.hold(l) {
		t.Error("it has one")
	}
}

// TestClientsThatLeaveAtAnyPoint has clients hang up while the gateway shakes hands with an upstream, sends a body, waits for the
// rest of a header, or is in the middle of a chunk. The upstream's end of the connection is closed each time, and nothing is kept.
func TestClientsThatLeaveAtAnyPoint(t *testing.T) {
	t.Parallel()
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello"
	for name, tt := range map[string]struct{ ask, say, scheme string }{
		"handshake":       {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", "https:"},
		"body":            {post, "", "http:"},
		"body, answered":  {post, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "http:"},
		"header":          {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Sum", "http:"},
		"interim answers": {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "http:"},
		"chunk":           {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "http:"},
		"trailer":         {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Sum: 1\r\n", "http:"},
		"tunnel":          {handshake, switched, "http:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, gone := make(chan struct{}), make(chan struct{})
			shop := newRaw(t, func(conn net.Conn, br *bufio.Reader) {
				if _, err := br.ReadByte(); err != nil {
					return
				}
				send(conn, tt.say)
				close(here)
				drain(br)
				close(gone)
			})
			g := newGate(t, []string{strings.Replace(shop, "http:", tt.scheme, 1)})
			conn, _ := g.dial(t, tt.ask)
			receive(t, here)
			conn.Close()
			receive(t, gone)
			receive(t, g.done)
			if n := len(g.kept()); n != 0 {
				t.Errorf("%d connections are kept", n)
			}
			if name != "tunnel" {
				g.wait(t, "client_gone:1")
			}
		})
	}
}
