package gateway_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway"
)

// TestRefusalLog compares the lines of refusals with a golden file: a client is told as its network only.
func TestRefusalLog(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		at: time.Date(2024, 12, 24, 18, 0, 0, 0, time.UTC), config: "geoip: {databases: [geo.mmdb]}\n",
		files:   map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"50.114.0.0/16": "US", "2600:1f00::/32": "US", "85.214.0.0/16": "DE"})},
		options: func(o *gateway.Options) { o.Random = bytes.NewReader(bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, 5)) },
	})
	for _, r := range []struct{ buyer, method, url string }{
		{"50.114.77.99", "GET", "http://shop.example/cart/add?sku=1"},
		{"2600:1f00:0:beef:1:2:3:4", "POST", "http://updates.example//updates/./bases%2edat"},
		{nowhere, "MKCALENDAR", "http://shop.example/buy"},
		{private, "HEAD", "http://shop.example/buy"},
		{nobody, "GET", "http://shop.example/checkout"},
		{"50.114.77.99", "GET", "http://shop.example/about"},
		{german, "GET", "http://shop.example/%00secret"},
	} {
		g.send(t, r.buyer, r.method, r.url, nil)
	}
	text := g.log.String()
	for _, address := range []string{"50.114.77.99", "beef", nowhere, german} {
		if strings.Contains(text, address) {
			t.Errorf("the log tells %s:\n%s", address, text)
		}
	}
	golden(t, "refusals.golden", strings.Join(append(g.log.lines(t, "request refused"), g.log.lines(t, "request rejected")...), "\n")+"\n")
}

// TestWarnings shows that what looks like a missing word in the configuration is told, once each.
func TestWarnings(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: "client_ip: {trusted_proxies: [10.0.0.0/8], proxy_protocol: [127.0.0.1/32]}\n"})
	g.get(t, "10.0.0.1", "http://shop.example/cart", "X-Forwarded-For", "192.168.3.4") // a private buyer behind a proxy that is known
	const fromPrivate = "a request came from a private address; if that is a balancer or proxy, name it under client_ip.trusted_proxies, or every buyer is judged by its address"
	if lines := g.log.lines(t, fromPrivate); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
	for range 3 {
		g.get(t, private, "http://shop.example/cart")
		g.get(t, "192.168.1.2", "http://shop.example/about")
		g.get(t, "10.0.0.1", "http://shop.example/cart")
	}
	if lines := g.log.lines(t, fromPrivate); len(lines) != 1 || !strings.Contains(lines[0], `"level":"WARN"`) || !strings.Contains(lines[0], `"peer":"`+private+`"`) {
		t.Errorf("%q", lines)
	}
	const unusable = "a request's client address could not be established; the policy's client_address decides about such requests"
	if lines := g.log.lines(t, unusable); len(lines) != 1 || !strings.Contains(lines[0], `"reason":"missing"`) || !strings.Contains(lines[0], "X-Forwarded-For from 10.0.0.1 names no client") {
		t.Errorf("%q", lines)
	}
}

// TestStartErrors shows that everything which cannot be loaded is reported at once, each thing with its place.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	const text = `listen: "127.0.0.1:0"
tls: {cert_file: no.crt, key_file: no.key}
client_ip:
  trusted_proxies: [0.0.0.0/1, 10.0.0.0/8, 2000::/3]
  proxy_protocol: [16.0.0.0/4]
  header: X-Forwarded-Host
routes:
  - hosts: [shop.example]
    upstreams: ["https://127.0.0.1:1"]
    ca_file: no.pem
policy: no.yaml
geoip:
  databases: [one.mmdb, two.mmdb]
  anonymous: three.mmdb
  overrides: {203.0.113.0/24: XX, 198.51.100.0/24: YY}
refusal: {blocked_by: "https://shop_example/"}
`
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	writeFile(t, file, []byte(text))
	writeFile(t, filepath.Join(dir, "two.mmdb"), []byte("no database"))
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := gateway.New(cfg, gateway.Options{}); err == nil {
		g.Close()
		t.Fatal("it starts")
	} else if _, _, checked := gateway.Check(cfg, gateway.Options{}); checked == nil || checked.Error() != err.Error() {
		t.Errorf("Check says %v\nNew says %v", checked, err)
	} else {
		golden(t, "start.golden", strings.ReplaceAll(err.Error(), dir+"/", "")+"\n")
	}

	writeFile(t, filepath.Join(dir, "no.yaml"), []byte("version: 2\nrules: 1\n"))
	_, err = gateway.NewEnforcer(cfg, gateway.Options{})
	if err == nil || strings.Count(err.Error(), filepath.Join(dir, "no.yaml")+":") != 2 {
		t.Errorf("a policy with two mistakes: %v", err)
	}
}

// TestTakenAddress shows the error for an address on which somebody else listens, and that what was opened is closed.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	s := setup{config: `listen: "` + g.PublicAddr().String() + "\"\nadmin: {listen: \"" + g.AdminAddr().String() + "\"}\n"}
	file := s.write(t, t.TempDir())
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = gateway.New(cfg, gateway.Options{})
	if err == nil {
		t.Fatal("two gateways listen on one address")
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if want := file + [...]string{":1:9: cannot listen: ", ":2:17: cannot listen: "}[i]; !strings.HasPrefix(line, want) || !strings.HasSuffix(line, "; name a free address of this machine") {
			t.Errorf("%q", line)
		}
	}
	if a := g.admin(t, http.MethodGet, "/healthz"); a.StatusCode != 200 {
		t.Errorf("the first gateway: %d", a.StatusCode)
	}
	if policy, databases, err := gateway.Check(cfg, gateway.Options{}); err != nil || len(policy.Rules()) != 2 || len(databases) != 1 || databases[0].Name != "embedded" {
		t.Errorf("Check: %v, %v, %v", policy, databases, err)
	}
}
