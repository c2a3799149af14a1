package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const short = 30 * time.Millisecond

func TestSlowHeader(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, func(_ net.Conn, br *bufio.Reader) { drain(br) })}, withConfig(func(c *Config) { c.HeaderTimeout = short }))
	for i, body := range []io.Reader{nil, strings.NewReader("hello")} {
		res := g.do(t, "POST", "/", body)
		if text := readAll(t, res.Body); res.StatusCode != 504 || text != texts[504] || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("answered %s %q", res.Status, text)
		}
		g.wait(t, fmt.Sprintf("header_timeout:%d", i+1))
	}
}

func TestSlowHeaderIsNotTriedElsewhere(t *testing.T) {
	t.Parallel()
	silent := func(_ net.Conn, br *bufio.Reader) { drain(br) }
	g := newGate(t, []string{newRaw(t, silent), newRaw(t, silent)}, withConfig(func(c *Config) { c.HeaderTimeout = short }))
	if res := g.do(t, "GET", "/", nil); res.StatusCode != 504 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "header_timeout:1")
}

// TestLongTransfers last longer than any of the limits, because none of them is on the whole.
func TestLongTransfers(t *testing.T) {
	t.Parallel()
	const steps, step, limit = 50, 50 * time.Millisecond, 2 * time.Second
	shop := newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		head, _ := readHead(br)
		if strings.HasPrefix(head[0], "POST") {
			_, _ = io.ReadFull(br, make([]byte, steps))
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", steps)
		for range steps {
			time.Sleep(step) // Not to synchronise: being slow is what this upstream is for.
			send(conn, "x")
		}
	})
	g := newGate(t, []string{shop}, withConfig(func(c *Config) {
		c.HeaderTimeout, c.IdleBody, c.IdleStream = limit, limit, limit
	}))
	t.Run("download", func(t *testing.T) {
		t.Parallel()
		if body := readAll(t, g.do(t, "GET", "/", nil).Body); body != strings.Repeat("x", steps) {
			t.Errorf("%q", body)
		}
	})
	t.Run("upload and download", func(t *testing.T) {
		t.Parallel()
		slow, w := io.Pipe()
		go func() {
			for range steps {
				time.Sleep(step)
				send(w, "x")
			}
			w.Close()
		}()
		req, err := http.NewRequest("POST", g.URL, slow)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = steps
		res, err := g.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body := readAll(t, res.Body); body != strings.Repeat("x", steps) {
			t.Errorf("%q", body)
		}
	})
}

func TestUpstreamStalls(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
			skipHead(br)
			send(conn, text)
			drain(br)
		})}, withConfig(func(c *Config) { c.IdleBody, c.IdleStream = short, 2*short }))
		res := g.do(t, "GET", "/", nil)
		if body, err := io.ReadAll(res.Body); err == nil || string(body) != "hello" {
			t.Errorf("%s: read %q, %v", name, body, err)
		}
		g.wait(t, "body:1")
	}
}

// TestStreamMayBeSilent outlasts IdleBody, which is not meant for streams.
func TestStreamMayBeSilent(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		time.Sleep(3 * short) // Not to synchronise: silence is what is tested.
		send(w, "late")
	})}, withConfig(func(c *Config) { c.IdleBody = short }))
	if body := readAll(t, g.do(t, "GET", "/", nil).Body); body != "late" {
		t.Errorf("read %q", body)
	}
}

func TestUpstreamDoesNotReadBody(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	g := newGate(t, []string{newRaw(t, func(net.Conn, *bufio.Reader) { <-stop })}, withConfig(func(c *Config) { c.IdleBody = 20 * short }))
	t.Cleanup(func() { close(stop) })
	conn, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
	go func() {
		body := endless(1000000000)
		pass(conn, &body)
	}()
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 504 Gateway Timeout" {
		t.Errorf("client saw %q, %v", head, err)
	}
	g.wait(t, "header_timeout:1")
}

func TestClientStopsSending(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	g := newGate(t, []string{newRaw(t, func(_ net.Conn, br *bufio.Reader) {
		drain(br)
		close(gone)
	})}, withConfig(func(c *Config) { c.IdleBody = short }))
	_, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
	if answer := readAll(t, br); !strings.HasPrefix(answer, "HTTP/1.1 408 ") || !strings.HasSuffix(answer, texts[408]) {
		t.Errorf("client saw %q", answer)
	}
	receive(t, gone)
	g.wait(t, "client_gone:1")
}

func TestClientStopsReading(t *testing.T) {
	t.Parallel()
	for _, head := range []string{"Content-Length: 1000000000", "Connection: close"} {
		gone := make(chan struct{})
		g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
			skipHead(br)
			send(conn, "HTTP/1.1 200 OK\r\n"+head+"\r\n\r\n")
			body := endless(1000000000)
			if _, err := io.Copy(conn, &body); err == nil {
				t.Error("all was taken from the upstream for a client that reads nothing")
			}
			close(gone)
		})}, withConfig(func(c *Config) { c.IdleBody = 20 * short }))
		g.dial(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		receive(t, gone)
		g.wait(t, "client_gone:1")
	}
}

func TestHTTP2ClientStopsReading(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		body := endless(1000000000)
		pass(conn, &body)
		close(gone)
	})}, withTLS, withConfig(func(c *Config) { c.IdleBody = 20 * short }))
	res := g.do(t, "GET", "/", nil)
	receive(t, gone)
	if n, err := io.Copy(io.Discard, res.Body); err == nil || n >= 1000000000 || res.ProtoMajor != 2 {
		t.Errorf("%s: read %d bytes, %v", res.Proto, n, err)
	}
	g.wait(t, "client_gone:1")
}

func TestWatch(t *testing.T) {
	t.Parallel()
	overdue := make(chan slot, 1)
	var w watch
	w.init(func(s slot) { overdue <- s })
	w.expect(request, time.Hour)
	w.expect(answer, short) // Earlier than what the timer waits for.
	if s := receive(t, overdue); s != answer {
		t.Errorf("slot %d is overdue", s)
	}
	w.stop()

	var settled watch
	settled.init(func(s slot) { t.Errorf("slot %d is overdue", s) })
	settled.expect(request, time.Millisecond)
	settled.settle(request)
	settled.expect(answer, time.Hour)
	time.Sleep(5 * time.Millisecond) // For the timer to come and go; the test holds without.
	settled.stop()
	settled.expect(reading, time.Nanosecond)
	settled.tick()
}

func TestWatchAllocatesNothingOnTheWay(t *testing.T) {
	var w watch
	w.init(func(slot) { t.Error("overdue") })
	defer w.stop()
	w.expect(request, time.Hour)
	if n := testing.AllocsPerRun(100, func() {
		w.expect(answer, 2*time.Hour)
		w.settle(answer)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
