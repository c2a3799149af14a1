package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// net/http, with which this server is compared, holds a connection that it has closed for half a second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience bounds every wait; no test expects to reach it.
const patience = 30 * time.Second

// serving is a server that runs until the test ends.
type serving struct {
	*Server
	t    testing.TB
	at   string
	log  *reasons
	ends chan error
}

// serve runs a server with a handler; change, if not nil, changes its configuration.
func serve(t testing.TB, handler http.HandlerFunc, change func(*Config)) *serving {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, handler, change)
}

func serveOn(t testing.TB, ln net.Listener, handler http.HandlerFunc, change func(*Config)) *serving {
	t.Helper()
	log := new(reasons)
	base, end := context.WithCancel(context.Background())
	cfg := Config{
		Handler: handler, HeaderTimeout: patience, IdleTimeout: patience, HeaderBytes: 8 << 10, HTTP2Streams: 10, Base: base, Logger: slog.New(log),
	}
	if change != nil {
		change(&cfg)
	}
	s := &serving{Server: New(cfg), t: t, at: ln.Addr().String(), log: log, ends: make(chan error, 1)}
	go func() { s.ends <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		end()
		select {
		case err := <-s.ends:
			if err == nil {
				t.Error("the server ends without a reason")
			}
		case <-time.After(patience):
			t.Error("the server does not end")
		}
	})
	return s
}

// dial connects to the server.
func (s *serving) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", s.at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return nc.(*net.TCPConn)
}

// say connects and sends a text.
func (s *serving) say(t testing.TB, text string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	nc := s.dial(t)
	tell(t, nc, text)
	return nc, bufio.NewReader(nc)
}

func tell(t testing.TB, nc io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
}

// heard is an answer, of which the body has been read.
type heard struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
	Close         bool
}

// hear reads an answer to a request with a method, and its body.
func hear(t testing.TB, in *bufio.Reader, method string) (heard, string) {
	t.Helper()
	res, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("after %q: %v", text, err)
	}
	return heard{res.StatusCode, res.Header, res.ContentLength, res.Close}, string(text)
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("in vain: " + what)
		}
	}
}

// reasons is a log that keeps why requests were refused, and what else was said.
type reasons struct {
	mu   sync.Mutex
	whys []string
	said []string
}

func (r *reasons) Enabled(context.Context, slog.Level) bool { return true }
func (r *reasons) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *reasons) WithGroup(string) slog.Handler            { return r }

func (r *reasons) Handle(_ context.Context, line slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, line.Message)
	line.Attrs(func(a slog.Attr) bool {
		if a.Key == "why" {
			r.whys = append(r.whys, a.Value.String())
		}
		return true
	})
	return nil
}

// take returns why requests were refused since the last time.
func (r *reasons) take() (whys []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	whys, r.whys = r.whys, nil
	return whys
}

// has reports whether something was said.
func (r *reasons) has(message string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, said := range r.said {
		if said == message {
			return true
		}
	}
	return false
}
