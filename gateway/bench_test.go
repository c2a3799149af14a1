package gateway

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/config"
	"gate451/gateway/console"
	"gate451/gateway/geoip"
	"gate451/rules"
)

const benchConfig = `listen: "127.0.0.1:0"
admin: {listen: "127.0.0.1:0"}
client_ip: {trusted_proxies: [127.0.0.0/8]}
routes: [{hosts: [shop.example], upstreams: ["UPSTREAM"]}]
policy: policy.yaml
`

const benchPolicy = `version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /checkout, /buy]}]
  update: [{hosts: [updates.example], paths: [/updates]}]
products:
  kaspersky: [{all: true}]
`

var benchNow = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func benchOptions() Options {
	return Options{Policy: []byte(benchPolicy), Now: func() time.Time { return benchNow }}
}

func benchEnforcer(tb testing.TB) *Enforcer {
	tb.Helper()
	cfg, err := config.Parse("gateway.yaml", []byte(strings.Replace(benchConfig, "UPSTREAM", "http://127.0.0.1:1", 1)), nil)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEnforcer(cfg, benchOptions())
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// benchRequest is a request from an American.
func benchRequest(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Host, r.RemoteAddr = "shop.example", "127.0.0.1:40000"
	r.Header.Set("X-Forwarded-For", "50.114.0.1")
	return r
}

// TestJudgeAllocates shows that judging costs no memory, and showing it to the operator neither: of plain requests, whoever
// asks and whatever is decided.
func TestJudgeAllocates(t *testing.T) {
	e := benchEnforcer(t)
	e.latest = new(console.Feed)
	for path, want := range map[string]rules.Reason{"/about/us": rules.ReasonUngoverned, "/cart": rules.ReasonListedCountry, "/buy/kaspersky-standard?id=1": rules.ReasonListedCountry} {
		r, j := benchRequest(path), new(judgement)
		if allocs := testing.AllocsPerRun(100, func() {
			if err := e.judge.judge(nil, r, j); err != nil {
				t.Error(err)
			}
			e.metrics.located(&j.origin)
			e.showLatest(r, j, true, nil)
		}); allocs != 0 {
			t.Errorf("%s: %v allocations", path, allocs)
		}
		if j.decision.Reason != want || j.decision.Country.String() != "US" {
			t.Errorf("%s: %v %v", path, j.decision.Reason, j.decision.Country)
		}
	}
}

// TestDecideWithLookupAllocates shows the same of the two steps that a library would take.
func TestDecideWithLookupAllocates(t *testing.T) {
	places, policy, request, addrs := benchDecide(t)
	i := 0
	if allocs := testing.AllocsPerRun(1000, func() {
		origin := places.Locate(addrs[i%len(addrs)], benchNow)
		if d := policy.Decide(&request, &origin, benchNow); !d.Governed() {
			t.Error("ungoverned")
		}
		i++
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func benchDecide(tb testing.TB) (*geoip.Locator, *rules.Policy, rules.Request, []netip.Addr) {
	tb.Helper()
	places, err := geoip.Open(geoip.Config{}, geoip.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	policy, err := rules.Parse("policy.yaml", []byte(benchPolicy))
	if err != nil {
		tb.Fatal(err)
	}
	var addrs []netip.Addr
	for _, text := range []string{"50.114.0.1", "85.214.132.117", "66.50.0.1", "2600:1f00::1", "2a01:4f8::1", "8.8.8.8"} {
		addrs = append(addrs, netip.MustParseAddr(text))
		places.Locate(addrs[len(addrs)-1], benchNow) // what a record says is decoded once
	}
	return places, policy, rules.Request{Host: "shop.example", Paths: []string{"/buy/kaspersky-standard"}}, addrs
}

func BenchmarkJudge(b *testing.B) {
	e := benchEnforcer(b)
	for name, path := range map[string]string{"ungoverned": "/about/us", "governed": "/cart/add?id=1", "odd": "/shop/..%2fcart;x//add"} {
		b.Run(name, func(b *testing.B) {
			r, j := benchRequest(path), new(judgement)
			b.ReportAllocs()
			for b.Loop() {
				if err := e.judge.judge(nil, r, j); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecideWithLookup(b *testing.B) {
	places, policy, request, addrs := benchDecide(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		origin := places.Locate(addrs[i%len(addrs)], benchNow)
		if d := policy.Decide(&request, &origin, benchNow); !d.Governed() {
			b.Fatal("ungoverned")
		}
		i++
	}
}

func BenchmarkDecideUngoverned(b *testing.B) {
	places, policy, request, addrs := benchDecide(b)
	origin := places.Locate(addrs[0], benchNow)
	request.Paths[0] = "/about/us"
	b.ReportAllocs()
	for b.Loop() {
		if d := policy.Decide(&request, &origin, benchNow); d.Governed() {
			b.Fatal("governed")
		}
	}
}

// benchServer is the whole compliance step with its answer, without a socket.
func benchServer(tb testing.TB) *echo.Echo {
	server := echo.New()
	server.Logger.SetOutput(io.Discard)
	server.Pre(Enforce(benchEnforcer(tb)))
	return server
}

// TestRefusedAllocates bounds what a refusal takes. Most of it is the header, which is the server's to keep, and what it says.
func TestRefusedAllocates(t *testing.T) {
	server, r := benchServer(t), benchRequest("/cart")
	var status int
	allocs := testing.AllocsPerRun(1000, func() {
		w := &nothing{header: make(http.Header)}
		server.ServeHTTP(w, r)
		status = w.status
	})
	if status != http.StatusUnavailableForLegalReasons || allocs > 22 { // 18, and more under the race detector, which empties pools
		t.Errorf("status %d, %v allocations", status, allocs)
	}
}

// BenchmarkRefused is what TestRefusedAllocates counts.
func BenchmarkRefused(b *testing.B) {
	server, r := benchServer(b), benchRequest("/cart")
	b.ReportAllocs()
	for b.Loop() {
		w := &nothing{header: make(http.Header)}
		server.ServeHTTP(w, r)
		if w.status != http.StatusUnavailableForLegalReasons {
			b.Fatal(w.status)
		}
	}
}

// nothing is a ResponseWriter that keeps the status only.
type nothing struct {
	header http.Header
	status int
}

func (n *nothing) Header() http.Header         { return n.header }
func (n *nothing) WriteHeader(status int)      { n.status = status }
func (n *nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n *nothing) Flush()                      {}

// BenchmarkExchange is a request on a kept connection through a running gateway: refused by it, or answered by an upstream.
func BenchmarkExchange(b *testing.B) {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok") // an error shows in the answer
	}))
	defer shop.Close()
	cfg, err := config.Parse("gateway.yaml", []byte(strings.Replace(benchConfig, "UPSTREAM", shop.URL, 1)), nil)
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(cfg, benchOptions())
	if err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Run(b.Context(), context.Background()) }()
	b.Cleanup(func() { // the first context has ended by then
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	for name, path := range map[string]string{"refused": "/cart", "proxied": "/about"} {
		b.Run(name, func(b *testing.B) { benchExchanges(b, g.PublicAddr().String(), path) })
	}
}

func benchExchanges(b *testing.B, address, path string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	request := []byte("GET " + path + " HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 50.114.0.1\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			b.Fatal(err)
		}
		res.Body.Close()
	}
}
