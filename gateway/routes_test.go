package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gate451/config"
	"gate451/gateway"
)

// TestRoutes shows which route a host takes: its own, or else that of the nearest domain above it, or else that of any host.
func TestRoutes(t *testing.T) {
	t.Parallel()
	named := func(name string) string {
		return newShop(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	var lines strings.Builder
	for name, host := range map[string]string{"exact": "shop.example", "below": "*.example", "nearer": "*.eu.example"} {
		lines.WriteString("  - {name: " + name + ", hosts: [\"" + host + "\"], upstreams: [\"" + named(name) + "\"]}\n")
	}
	narrow := start(t, setup{config: "routes:\n" + lines.String()})
	wide := start(t, setup{config: "routes:\n" + lines.String() + "  - {name: any, hosts: [\"*\"], upstreams: [\"" + named("any") + "\"]}\n"})
	for host, want := range map[string]string{
		"shop.example": "exact", "SHOP.Example.": "exact", "shop.example:8080": "exact", "www.example": "below", "a.b.example": "below", "www.eu.example": "nearer", "a.www.eu.example": "nearer",
		"eu.example": "below", "example": "", "shop.example.org": "", "[2001:db8::1]": "", "203.0.113.7": "",
	} {
		if a := narrow.get(t, german, "http://"+host+"/"); a.StatusCode == 200 && a.text != want || a.StatusCode != 200 && (want != "" || a.StatusCode != 421) {
			t.Errorf("%s: %d %q, want %q", host, a.StatusCode, a.text, want)
		}
		if want == "" {
			want = "any"
		}
		if a := wide.get(t, german, "http://"+host+"/"); a.text != want {
			t.Errorf("%s: %d %q, want %q", host, a.StatusCode, a.text, want)
		}
	}
	if got := wide.metric(t, `gate451_http_requests_total{code="200",method="GET",route="any"}`); got != "4" {
		t.Errorf("any is counted %q times", got)
	}
}

// TestTraits shows that a database which is too old, and an address that hides its owner's, are judged and counted.
func TestTraits(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), config: "geoip: {databases: [geo.mmdb], anonymous: anonymous.mmdb, max_age: 30d}\n", at: built.Add(29 * 24 * time.Hour),
		policy: "version: 1\nactivities:\n  sale: [{paths: [/cart]}]\nrules:\n  - {id: us, activity: sale, countries: [US]}\ndefaults: {anonymized: block, stale_database: block}\n",
		files: map[string][]byte{
			"geo.mmdb":       database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE"}),
			"anonymous.mmdb": databaseOf(t, built.Add(24*time.Hour), "GeoIP2-Anonymous-IP", map[string]mmdbtype.Map{"85.214.7.0/24": {"is_tor_exit_node": mmdbtype.Bool(true)}}),
		},
	})
	reason := func(buyer string) string {
		a := g.get(t, buyer, "http://shop.example/cart", "Accept", "application/json")
		_, rest, _ := strings.Cut(a.text, `"reason":"`)
		reason, _, _ := strings.Cut(rest, `"`)
		return reason
	}
	for buyer, want := range map[string]string{american: "listed_country", german: "", "85.214.7.7": "anonymized"} {
		if got := reason(buyer); got != want {
			t.Errorf("%s: %q, want %q", buyer, got, want)
		}
	}
	g.now.set(built.Add(31 * 24 * time.Hour))
	for buyer, want := range map[string]string{american: "stale_database", german: "stale_database", "85.214.7.7": "stale_database"} {
		if got := reason(buyer); got != want {
			t.Errorf("later, %s: %q, want %q", buyer, got, want)
		}
	}
	for trait, want := range map[string]string{"anonymized": "2", "stale_database": "3"} {
		if got := g.metric(t, `gate451_geoip_traits_total{trait="`+trait+`"}`); got != want {
			t.Errorf("%s is counted %q times, want %s", trait, got, want)
		}
	}
}

// TestServingEnds shows that a gateway which loses its socket says so.
func TestServingEnds(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(o *gateway.Options) net.Listener{
		"public": func(o *gateway.Options) net.Listener { return o.Public },
		"admin":  func(o *gateway.Options) net.Listener { return o.Admin },
	} {
		var opts gateway.Options
		g := start(t, setup{options: func(o *gateway.Options) {
			var errs [2]error
			o.Public, errs[0] = net.Listen("tcp", "127.0.0.1:0")
			o.Admin, errs[1] = net.Listen("tcp", "127.0.0.1:0")
			if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			opts = *o
		}})
		if g.PublicAddr() != opts.Public.Addr() || g.AdminAddr() != opts.Admin.Addr() {
			t.Error("it does not listen where it was told to")
		}
		lose(&opts).Close()
		if err := g.end(); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serving ended by itself: ") {
			t.Errorf("%s: Run: %v", name, err)
		}
	}
}

// TestSilentServer shows that what clients do to connections is told to whoever debugs, and to nobody else.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, 1)
	g := start(t, setup{config: "tls: {cert_file: tls.crt, key_file: tls.key}\n", files: map[string][]byte{"tls.crt": cert, "tls.key": key}})
	conn, err := g.dial(german)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, &tls.Config{ServerName: "shop.example"}).HandshakeContext(t.Context()); err == nil {
		t.Error("the client trusts the tests' certificate")
	}
	eventually(t, "the failed handshake is told", func() bool { return len(g.log.lines(t, "no TLS came about")) > 0 })
	for _, line := range g.log.lines(t, "no TLS came about") {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			t.Errorf("%s", line)
		}
	}
}

// TestHealthy shows what a health check says.
func TestHealthy(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	url := "http://" + g.AdminAddr().String()
	if err := gateway.Healthy(client, url+"/healthz"); err != nil {
		t.Error(err)
	}
	if err := gateway.Healthy(client, url+"/nothing"); err == nil || err.Error() != url+"/nothing answered 404 Not Found" {
		t.Errorf("%v", err)
	}
	g.stop()
	if err := g.end(); err != nil {
		t.Error(err)
	}
	if err := gateway.Healthy(client, url+"/healthz"); err == nil {
		t.Error("a gateway that has ended is healthy")
	}
}

// TestTwoGateways shows that two gateways run side by side in one program, and one that never runs leaves nothing.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	upstream := newShop(t, ok)
	one, other := start(t, setup{upstream: upstream, policy: restricted("a", "US")}), start(t, setup{upstream: upstream, policy: restricted("b", "DE")})
	one.inForce(t, "US")
	other.inForce(t, "DE")
	s := setup{}
	cfg, err := config.Load(s.write(t, t.TempDir()), nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := g.PublicAddr().String()
	g.Close()
	if conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", address); err == nil {
		conn.Close()
		t.Error("a closed gateway listens")
	}
}
