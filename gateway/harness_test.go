package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gate451/config"
	"gate451/gateway"
)

func TestMain(m *testing.M) {
	// net/http holds a connection that it has closed for half a second, so that its last answer is not destroyed; that
	// is longer than goleak waits.
	// What keeps a lock on the folder of the certificates looks every five seconds whether it still has to.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"), goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

var update = flag.Bool("update", false, "write the golden files anew")

// patience bounds every wait; no test expects to reach it.
const patience = 30 * time.Second

// Buyers, by addresses that the embedded database knows, or does not.
const (
	american    = "50.114.0.1"
	puertoRican = "66.50.0.1"
	guamanian   = "202.128.1.1"
	german      = "85.214.132.117"
	nowhere     = "2a0e:ffff::1" // a public address of no known country
	private     = "192.168.1.1"
	nobody      = "UNKNOWN" // whom the balancer announces without an address
)

// theSentence is what the vendor's own shop told its buyers.
const theSentence = "For legal compliance purposes, Kaspersky products cannot be purchased from your country."

// theOtherSentence is what buyers are told of whom it is not known whether the law forbids them anything.
const theOtherSentence = "For legal compliance purposes, this request was refused. Your country could not be determined"

const packPolicy = `version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /checkout, /buy]}]
  update: [{hosts: [updates.example], paths: [/updates]}]
products:
  kaspersky: [{all: true}]
`

// setup says which gateway a test wants. The zero setup has the pack, after both of its dates, and no upstream.
type setup struct {
	config   string            // lines of gateway.yaml; a default stands for each key that they leave out
	policy   string            // policy.yaml
	files    map[string][]byte // further files beside gateway.yaml
	upstream string            // URL
	at       time.Time         // where the clock stands
	options  func(*gateway.Options)
}

// defaults are the lines of gateway.yaml for the keys that a setup leaves out. Every connection is announced by PROXY
// protocol, so that a test can come from anywhere.
func (s *setup) defaults() map[string]string {
	return map[string]string{
		"listen":    `listen: "127.0.0.1:0"`,
		"admin":     `admin: {listen: "127.0.0.1:0"}`,
		"client_ip": `client_ip: {proxy_protocol: [127.0.0.1/32], trusted_proxies: [10.0.0.0/8]}`,
		"routes":    `routes: [{name: shop, hosts: [shop.example, updates.example], upstreams: ["` + s.upstream + `"]}]`,
		"policy":    `policy: policy.yaml`,
	}
}

// write writes the files of a setup to a folder and returns the path of gateway.yaml.
func (s *setup) write(t testing.TB, dir string) string {
	t.Helper()
	if s.upstream == "" {
		s.upstream = "http://127.0.0.1:1"
	}
	if s.policy == "" {
		s.policy = packPolicy
	}
	for key, line := range s.defaults() {
		if !regexp.MustCompile(`(?m)^` + key + `:`).MatchString(s.config) {
			s.config += "\n" + line + "\n"
		}
	}
	writeFile(t, filepath.Join(dir, "policy.yaml"), []byte(s.policy))
	for name, content := range s.files {
		writeFile(t, filepath.Join(dir, name), content)
	}
	file := filepath.Join(dir, "gateway.yaml")
	writeFile(t, file, []byte(s.config))
	return file
}

// gate is a gateway that runs.
type gate struct {
	*gateway.Gateway
	t    testing.TB
	dir  string
	now  clock
	log  logbook
	tls  *tls.Config // of its clients; nil for plain HTTP
	ends chan error

	stop, kill context.CancelFunc
	announced  bool // by PROXY protocol

	mu      sync.Mutex
	clients map[string]*http.Client
}

// start runs a gateway until the test ends.
func start(t testing.TB, s setup) *gate {
	t.Helper()
	g := &gate{t: t, dir: t.TempDir(), ends: make(chan error, 1), clients: map[string]*http.Client{}}
	if s.at.IsZero() {
		s.at = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	g.now.set(s.at)
	cfg, err := config.Load(s.write(t, g.dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	g.announced = len(cfg.ClientIP.ProxyProtocol) > 0
	opts := gateway.Options{Logger: g.log.logger(), Now: g.now.now}
	if s.options != nil {
		s.options(&opts)
	}
	if g.Gateway, err = gateway.New(cfg, opts); err != nil {
		t.Fatal(err)
	}
	var stop, kill context.Context
	stop, g.stop = context.WithCancel(context.Background())
	kill, g.kill = context.WithCancel(context.Background())
	go func() { g.ends <- g.Run(stop, kill) }()
	t.Cleanup(func() {
		for _, c := range g.clients {
			c.CloseIdleConnections()
		}
		g.stop()
		g.kill()
		_ = g.end() // a test that cares has asked
	})
	return g
}

// end waits until the gateway has ended and returns what Run returned.
func (g *gate) end() error {
	g.t.Helper()
	select {
	case err := <-g.ends:
		g.ends <- err // for whoever asks again
		return err
	case <-time.After(patience):
		g.t.Fatal("the gateway does not end")
		return nil
	}
}

// dial connects as a buyer.
func (g *gate) dial(buyer string) (net.Conn, error) {
	conn, err := net.Dial("tcp", g.PublicAddr().String())
	if err != nil || !g.announced {
		return conn, err
	}
	line := "PROXY TCP4 " + buyer + " 127.0.0.1 40000 80\r\n"
	switch {
	case buyer == nobody:
		line = "PROXY UNKNOWN\r\n"
	case strings.Contains(buyer, ":"):
		line = "PROXY TCP6 " + buyer + " ::1 40000 80\r\n"
	}
	if _, err = io.WriteString(conn, line); err != nil {
		return nil, err
	}
	return conn, nil
}

// raw connects as a buyer and sends a text.
func (g *gate) raw(t testing.TB, buyer, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := g.dial(buyer)
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

// client returns a buyer's client, which follows nothing, decompresses nothing and keeps connections.
func (g *gate) client(buyer string) *http.Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.clients[buyer] == nil {
		g.clients[buyer] = &http.Client{
			Transport: &http.Transport{
				DialContext:        func(context.Context, string, string) (net.Conn, error) { return g.dial(buyer) },
				DisableCompression: true, TLSClientConfig: g.tls, ForceAttemptHTTP2: g.tls != nil, MaxIdleConnsPerHost: 16,
				ExpectContinueTimeout: patience,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       patience,
		}
	}
	return g.clients[buyer]
}

// answer is a whole answer.
type answer struct {
	*http.Response
	text string
}

// get asks as a buyer; headers are names and values in turn.
func (g *gate) get(t testing.TB, buyer, url string, headers ...string) answer {
	t.Helper()
	return g.send(t, buyer, http.MethodGet, url, nil, headers...)
}

func (g *gate) send(t testing.TB, buyer, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	return exchange(t, g.client(buyer), method, url, body, headers...)
}

// admin asks the admin port.
func (g *gate) admin(t testing.TB, method, path string, headers ...string) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	return exchange(t, client, method, "http://"+g.AdminAddr().String()+path, nil, headers...)
}

func exchange(t testing.TB, client *http.Client, method, url string, body io.Reader, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: after %d bytes: %v", method, url, len(text), err)
	}
	return answer{res, string(text)}
}

// metric returns the value of a metric, by its name and labels as /metrics has them; empty if it is not there.
func (g *gate) metric(t testing.TB, name string) string {
	t.Helper()
	for line := range strings.Lines(g.admin(t, http.MethodGet, "/metrics").text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// file returns the path of a file of the gateway.
func (g *gate) file(name string) string { return filepath.Join(g.dir, name) }

// replace puts a file in another's place as a whole.
func (g *gate) replace(t testing.TB, name string, content []byte) {
	t.Helper()
	writeFile(t, g.file(name+".new"), content)
	if err := os.Rename(g.file(name+".new"), g.file(name)); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("in vain: " + what)
		}
	}
}

// golden compares with a file under testdata, or writes it.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		writeFile(t, path, []byte(got))
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew)\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

// clock stands until it is set.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) set(at time.Time) { c.at.Store(&at) }

func (c *clock) now() time.Time { return *c.at.Load() }

// logbook keeps all that is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logger writes JSON without the time.
func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}}))
}

// lines returns the lines with a message.
func (l *logbook) lines(t testing.TB, message string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(l.String()) {
		var said struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if said.Msg == message {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
