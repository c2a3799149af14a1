package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait in these tests; none of them expects to reach it.
const patience = 10 * time.Second

// witness collects what a Proxy reports.
type witness struct {
	mu     sync.Mutex
	causes map[string]int
	log    bytes.Buffer
}

func (w *witness) onError(cause string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.causes == nil {
		w.causes = map[string]int{}
	}
	w.causes[cause]++
}

func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *witness) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// count returns the causes so far as "cause:n cause:n".
func (w *witness) count() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(w.causes)) {
		parts = append(parts, fmt.Sprintf("%s:%d", cause, w.causes[cause]))
	}
	return strings.Join(parts, " ")
}

func (w *witness) wait(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(patience); w.count() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("causes %q, want %q", w.count(), want)
		}
	}
}

// gate is a running server that forwards everything.
type gate struct {
	*httptest.Server
	witness
	proxy *Proxy
	meta  Meta
	done  chan struct{} // Receives once per request that has been handled.
}

type gateOption func(*Config, *Options, *gate)

func withMeta(m Meta) gateOption { return func(_ *Config, _ *Options, g *gate) { g.meta = m } }

func withConfig(f func(*Config)) gateOption { return func(c *Config, _ *Options, _ *gate) { f(c) } }

func withClock(now func() time.Time) gateOption {
	return func(_ *Config, o *Options, _ *gate) { o.Now = now }
}

func withWriter(wrap func(http.ResponseWriter) http.ResponseWriter) gateOption {
	return func(_ *Config, _ *Options, g *gate) {
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.serve(wrap(w), r) })
	}
}

// withTLS makes the gateway speak HTTP/2.
func withTLS(_ *Config, _ *Options, g *gate) { g.EnableHTTP2 = true }

func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		select {
		case g.done <- struct{}{}:
		default:
		}
	}()
	g.proxy.Forward(w, r, g.meta)
}

func newGate(t testing.TB, upstreams []string, options ...gateOption) *gate {
	t.Helper()
	g := &gate{done: make(chan struct{}, 1000)}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(g.serve))
	g.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	g.Config.DisableGeneralOptionsHandler = true // Or else the server would answer OPTIONS * itself.
	cfg, opts := Config{}, Options{OnError: g.onError, Logger: slog.New(slog.NewTextHandler(&g.witness, nil))}
	for _, u := range upstreams {
		cfg.Upstreams = append(cfg.Upstreams, mustURL(t, u))
	}
	for _, option := range options {
		option(&cfg, &opts, g)
	}
	p, err := New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	g.proxy = p
	if g.EnableHTTP2 {
		g.StartTLS()
	} else {
		g.Start()
	}
	g.Client().Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(func() {
		g.Client().CloseIdleConnections()
		g.CloseClientConnections()
		p.Close()
		g.Close()
		p.Close()
	})
	return g
}

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// newShop starts an upstream that is a net/http server.
func newShop(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// newRaw starts an upstream that is a function of a connection, which is closed when it returns.
func newRaw(t testing.TB, serve func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			all.Go(func() {
				defer conn.Close()
				serve(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// refused returns the URL of an address at which nobody listens.
func refused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// readHead returns a message's header, line by line, without the empty line.
func readHead(br *bufio.Reader) ([]string, error) {
	var lines []string
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return lines, err
		}
		if line = strings.TrimSuffix(line, "\r\n"); line == "" {
			return lines, nil
		}
		lines = append(lines, line)
	}
}

// dial connects to the gateway and sends raw text.
func (g *gate) dial(t testing.TB, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// reply is an answer whose body is closed when the test ends.
type reply struct{ *http.Response }

// do sends a request with the gateway's own client, which follows nothing and decompresses nothing.
func (g *gate) do(t testing.TB, method, path string, body io.Reader, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := g.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return reply{res}
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

// send writes what an end that may be gone already need not get; what it does get is what is tested.
func send(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// drain reads what nobody wants, until it ends in whichever way.
func drain(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

// pass copies until either end has had enough.
func pass(dst io.Writer, src io.Reader) { _, _ = io.Copy(dst, src) }

// skipHead reads a request's header, whatever it says.
func skipHead(br *bufio.Reader) { _, _ = readHead(br) }

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

var buyer = Meta{
	Client: netip.MustParseAddr("203.0.113.9"), Proto: "https", CountryHeader: "X-Country-Code", HeardHeader: "Shop-Edge-Country", Country: "DE", Decision: "allow",
}
