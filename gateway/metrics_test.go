package gateway_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"gate451/gateway"
)

// scripted starts a gateway to which everything happens that is counted, and returns it with its registry.
func scripted(t *testing.T) (*gate, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewRegistry()
	policy := packPolicy + "rules:\n  - {id: watched, activity: sale, countries: [DE], mode: shadow, until: 2030-01-01}\n"
	g := start(t, setup{
		policy: policy, at: time.Date(2024, 12, 24, 18, 0, 0, 0, time.UTC),
		config: `geoip: {databases: [geo.mmdb], overrides: {203.0.113.0/24: FR}}
limits: {body_bytes: 8}
routes:
  - {name: shop, hosts: [shop.example, updates.example], upstreams: ["` + newShop(t, ok) + `"]}
  - {name: down, hosts: [down.example], upstreams: ["http://127.0.0.1:1"]}
`,
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE"})},
		options: func(o *gateway.Options) {
			o.Registry, o.Build = registry, gateway.Build{Version: "1.2.3", Revision: "abc"}
		},
	})
	for _, r := range []struct{ buyer, method, url string }{
		{american, "GET", "http://shop.example/about"},
		{american, "GET", "http://shop.example/cart"},
		{american, "POST", "http://shop.example/cart"},
		{american, "GET", "http://updates.example/updates/x"},
		{german, "GET", "http://shop.example/cart"},
		{german, "MKCALENDAR", "http://shop.example/cart"},
		{"203.0.113.9", "GET", "http://shop.example/cart"},
		{nowhere, "GET", "http://shop.example/cart"},
		{private, "GET", "http://shop.example/cart"},
		{nobody, "GET", "http://shop.example/cart"},
		{german, "GET", "http://down.example/"},
		{german, "GET", "http://unheard-of.example/"},
		{german, "GET", "http://shop.example/%00"},
		{german, "XYZZY", "http://unheard-of.example/secret-path"},
	} {
		g.send(t, r.buyer, r.method, r.url, nil)
	}
	g.send(t, german, http.MethodPost, "http://shop.example/cart", strings.NewReader("too long for this shop"))
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	return g, registry
}

// TestMetrics compares what a scripted run counts, but for times that are measured, with a golden file.
func TestMetrics(t *testing.T) {
	t.Parallel()
	g, _ := scripted(t)
	var text strings.Builder
	for line := range strings.Lines(g.admin(t, http.MethodGet, "/metrics").text) {
		name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")
		if strings.HasPrefix(name, "gate451_") && !strings.Contains(name, "_duration_seconds") && !strings.HasPrefix(name, "gate451_build_info{") {
			text.WriteString(line)
		}
	}
	golden(t, "metrics.golden", text.String())
}

// TestMetricsHygiene looks for names that Prometheus advises against, and for labels that a client has chosen.
func TestMetricsHygiene(t *testing.T) {
	t.Parallel()
	g, registry := scripted(t)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	text := g.admin(t, http.MethodGet, "/metrics").text
	for _, chosen := range []string{"unheard-of", "secret-path", "MKCALENDAR", "XYZZY", "/cart", "shop.example", american, german, nowhere, private, "203.0.113"} {
		if strings.Contains(text, chosen) {
			t.Errorf("the metrics tell %q", chosen)
		}
	}
	if !strings.Contains(text, `gate451_build_info{goversion="go`) || !strings.Contains(text, `revision="abc",version="1.2.3"} 1`) {
		t.Error("the metrics do not tell the build")
	}
	promtool(t, text)
}

// promtool asks Prometheus' own tool.
func promtool(t *testing.T, text string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal("promtool is not installed")
		}
		t.Skip("promtool is not installed")
	}
	check := exec.CommandContext(t.Context(), path, "check", "metrics")
	check.Stdin = strings.NewReader(text)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}
