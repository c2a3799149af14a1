package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// breaker counts requests and answers none of them.
func breaker(t testing.TB, count *atomic.Int32) string {
	return newRaw(t, func(_ net.Conn, br *bufio.Reader) {
		if head, err := readHead(br); err == nil && len(head) > 0 {
			count.Add(1)
		}
	})
}

// counter counts requests and answers all of them.
func counter(t testing.TB, count *atomic.Int32) string {
	return newShop(t, func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		pass(w, r.Body)
	})
}

func TestUnreachableUpstreamIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "DELETE"} {
		var count atomic.Int32
		g := newGate(t, []string{refused(t), refused(t), counter(t, &count)})
		for range 2 {
			res := g.do(t, method, "/", strings.NewReader("order"))
			if body := readAll(t, res.Body); res.StatusCode != 200 || body != "order" {
				t.Errorf("%s answered %s %q", method, res.Status, body)
			}
		}
		if n := count.Load(); n != 2 {
			t.Errorf("%s arrived %d times", method, n)
		}
	}
}

func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{refused(t), refused(t), refused(t), refused(t), refused(t)})
	if res := g.do(t, "POST", "/", strings.NewReader("order")); res.StatusCode != 502 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "connect:3")
	if n := strings.Count(g.logged(), "upstream failed"); n != 3 {
		t.Errorf("%d log lines, want 3:\n%s", n, g.logged())
	}
}

func TestOnlyWhatIsSafeIsRepeated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, body string
		header       []string
		want         int
	}{
		{"GET", "", nil, 3}, {"HEAD", "", nil, 3}, {"OPTIONS", "", nil, 3},
		{"GET", "body", nil, 1}, {"TRACE", "", nil, 1}, {"DELETE", "", nil, 1}, {"PUT", "x", nil, 1},
		{"POST", "", nil, 1}, {"POST", "order", nil, 1}, {"POST", "", []string{"Idempotency-Key", "1"}, 1},
	} {
		var counts [3]atomic.Int32
		g := newGate(t, []string{breaker(t, &counts[0]), breaker(t, &counts[1]), breaker(t, &counts[2])})
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		if res := g.do(t, tt.method, "/", body, tt.header...); res.StatusCode != 502 {
			t.Errorf("%s answered %s", tt.method, res.Status)
		}
		g.wait(t, fmt.Sprintf("closed:%d", tt.want))
		if got := counts[0].Load() + counts[1].Load() + counts[2].Load(); got != int32(tt.want) {
			t.Errorf("%s %q arrived %d times, want %d", tt.method, tt.body, got, tt.want)
		}
	}
}

// TestAnsweredIsNotRepeated has upstreams that begin to answer and break off.
func TestAnsweredIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200"} {
		g := newGate(t, []string{says(t, text), says(t, text)})
		if res := g.do(t, "GET", "/", nil); res.StatusCode != 502 {
			t.Errorf("answered %s", res.Status)
		}
		g.wait(t, "closed:1")
	}
}

// TestKeptConnectionThatIsClosed has an upstream answer one request per connection and drop the next one
// unanswered. A POST of which something arrived must not come twice; a GET must not suffer.
func TestKeptConnectionThatIsClosed(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "DELETE"} {
		for _, key := range []string{"X-Other", "Idempotency-Key", "X-Idempotency-Key"} {
			var seconds atomic.Int32
			g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
				skipHead(br)
				send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if _, err := readHead(br); err == nil {
					seconds.Add(1)
				}
			})})
			want := map[string]int{"GET": 200, "POST": 502, "DELETE": 502}[method]
			g.do(t, "GET", "/", nil)
			receive(t, g.done)
			if res := g.do(t, method, "/", nil, key, "1"); res.StatusCode != want {
				t.Errorf("%s with %s answered %s, want %d", method, key, res.Status, want)
			}
			if n := seconds.Load(); n != 1 {
				t.Errorf("%s with %s met %d kept connections, want 1", method, key, n)
			}
		}
	}
}

// brittle is a connection that takes no more bytes once it is broken.
type brittle struct {
	*net.TCPConn
	broken atomic.Bool
	writes atomic.Int32
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.broken.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	b.writes.Add(1)
	return b.TCPConn.Write(p)
}

// brittleLinks connects as the gateway does, and shows each connection.
func brittleLinks(g *gate, show func(*brittle)) func(context.Context) (*link, error) {
	plain := g.proxy.balancer.all[0].links.dial
	return func(ctx context.Context) (*link, error) {
		l, err := plain(ctx)
		if err != nil {
			return nil, err
		}
		b := &brittle{TCPConn: l.under.(*net.TCPConn)}
		show(b)
		return newLink(b, b), nil
	}
}

// TestPostOnKeptConnectionOfWhichNothingWasSent breaks the gateway's own end of a kept connection, so that
// a write fails before anything leaves.
func TestPostOnKeptConnectionOfWhichNothingWasSent(t *testing.T) {
	t.Parallel()
	var count atomic.Int32
	g := newGate(t, []string{counter(t, &count)})
	var conns []*brittle
	g.proxy.balancer.all[0].links.dial = brittleLinks(g, func(b *brittle) { conns = append(conns, b) })
	g.do(t, "GET", "/", nil)
	receive(t, g.done)
	conns[0].broken.Store(true)
	res := g.do(t, "POST", "/", nil)
	if res.StatusCode != 200 || count.Load() != 2 || len(conns) != 2 || g.count() != "" {
		t.Errorf("answered %s, arrived %d times over %d connections, causes %q", res.Status, count.Load(), len(conns), g.count())
	}
	receive(t, g.done)

	// And with a body, which is read only after the header has been sent.
	conns[1].broken.Store(true)
	res = g.do(t, "POST", "/", strings.NewReader("order"))
	if body := readAll(t, res.Body); res.StatusCode != 200 || body != "order" || count.Load() != 3 || g.count() != "" {
		t.Errorf("answered %s %q, arrived %d times, causes %q", res.Status, body, count.Load(), g.count())
	}
}

func TestUpstreamsTakeTurns(t *testing.T) {
	t.Parallel()
	var counts [3]atomic.Int32
	g := newGate(t, []string{counter(t, &counts[0]), counter(t, &counts[1]), counter(t, &counts[2])})
	for range 6 {
		g.do(t, "GET", "/", nil)
	}
	for i := range counts {
		if n := counts[i].Load(); n != 2 {
			t.Errorf("upstream %d had %d turns of 6", i, n)
		}
	}
}

func TestEjectedAndReturned(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	var good, back atomic.Int32
	bad := refused(t)
	g := newGate(t, []string{counter(t, &good), bad}, withClock(func() time.Time { return time.Unix(now.Load(), 0) }))
	get := func(n int) {
		t.Helper()
		for range n {
			if res := g.do(t, "GET", "/", nil); res.StatusCode != 200 {
				t.Fatalf("answered %s", res.Status)
			}
		}
	}
	get(40) // Half of them begin at the bad one, until it has failed three times.
	g.wait(t, "connect:3")
	for i, pause := range []int64{10, 20, 40, 60, 60} {
		now.Add(pause - 1)
		get(4)
		g.wait(t, fmt.Sprintf("connect:%d", 3+i))
		now.Add(1)
		get(4) // One of them is the probe.
		g.wait(t, fmt.Sprintf("connect:%d", 4+i))
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(bad, "http://"))
	if err != nil {
		t.Skipf("the address was taken meanwhile: %v", err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { back.Add(1) })}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	now.Add(60)
	get(10)
	if n := back.Load(); n < 4 {
		t.Errorf("the upstream that returned had %d of 10 turns", n)
	}
	if log := g.logged(); strings.Count(log, `msg="upstream ejected"`) != 6 || strings.Count(log, `msg="upstream returned"`) != 1 {
		t.Errorf("logged\n%s", log)
	}
}

func TestAllEjectedAreTriedAnyway(t *testing.T) {
	t.Parallel()
	still := time.Unix(0, 0)
	g := newGate(t, []string{refused(t), refused(t)}, withClock(func() time.Time { return still }))
	for i := range 10 {
		if res := g.do(t, "GET", "/", nil); res.StatusCode != 502 {
			t.Errorf("answered %s", res.Status)
		}
		g.wait(t, fmt.Sprintf("connect:%d", 2*(i+1)))
	}
	for _, u := range g.proxy.balancer.all {
		if u.until.Load() != still.Add(firstEjection).UnixNano() {
			t.Errorf("attempts at an ejected upstream prolong its ejection")
		}
	}
}

func TestSuccessForgetsFailures(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{refused(t), refused(t)})
	b := &g.proxy.balancer
	turns := turn{upstream: b.all[0]}
	for range 10 {
		b.failed(turns)
		b.failed(turns)
		b.succeeded(turns)
	}
	if b.all[0].until.Load() != 0 {
		t.Error("ejected without three failures in a row")
	}
}

func TestOnlyUpstreamIsNeverEjected(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{refused(t)})
	for i := range 5 {
		g.do(t, "GET", "/", nil)
		g.wait(t, fmt.Sprintf("connect:%d", i+1))
	}
	if strings.Contains(g.logged(), "ejected") {
		t.Errorf("logged\n%s", g.logged())
	}
}

// TestAnswersThatNobodyAskedFor has the upstream say another whole answer behind each. It is nobody's: every request,
// of however many at a time, gets its own answer or none.
func TestAnswersThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil || len(head) == 0 {
				return
			}
			path := strings.Fields(head[0])[1]
			send(conn, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers", len(path), path))
		}
	})})
	var going sync.WaitGroup
	var whole atomic.Int32
	for buyer := range 8 {
		going.Go(func() {
			for i := range 50 {
				path := fmt.Sprintf("/%d/%d", buyer, i)
				res := g.do(t, "GET", path, nil)
				switch body := readAll(t, res.Body); {
				case res.StatusCode == 200 && body == path:
					whole.Add(1)
				case res.StatusCode != http.StatusBadGateway:
					t.Errorf("%s is answered %s %q", path, res.Status, body)
				}
			}
		})
	}
	going.Wait()
	if n := whole.Load(); n < 200 {
		t.Errorf("%d of 400 requests were answered", n)
	}
}
