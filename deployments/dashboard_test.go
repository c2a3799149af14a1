package deployments_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// dashboard is what the tests read of Grafana's.
type dashboard struct {
	UID    string
	Panels []struct {
		ID          int
		Type, Title string
		Description string
		GridPos     struct{ H, W, X, Y int }
		Targets     []struct{ RefID, Expr string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboards/gate451.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboardPanelsDoNotOverlap also holds that each says what it shows.
func TestDashboardPanelsDoNotOverlap(t *testing.T) {
	t.Parallel()
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("%s has no description, or nothing to show", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%s lies over %s, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// watchedPolicy has a rule of every kind that a panel shows: in force, in shadow mode, and to come.
const watchedPolicy = `version: 1
time_zone: UTC
activities:
  sale: [{paths: [/cart]}]
  update: [{paths: [/updates]}]
rules:
  - {id: sales, activity: sale, countries: [us-jurisdiction], from: 2024-07-20}
  - {id: updates, activity: update, countries: [DE], from: 2024-07-20, mode: shadow}
  - {id: later, activity: update, countries: [FR], from: 2999-01-01}
`

// TestDashboardHasData starts a gateway with evidence and Redis, has buyers of many kinds ask it, has a real Prometheus scrape it,
// and asks that everything that the dashboard asks: every panel shows something.
func TestDashboardHasData(t *testing.T) {
	t.Parallel()
	redis := need(t, "redis-server", "")
	prometheus := need(t, "prometheus", "")
	need(t, "promtool", "")
	redisAt, admin := freeAddress(t), ""
	begin(t, exec.Command(redis, "--port", redisAt[strings.LastIndexByte(redisAt, ':')+1:], "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()), "Ready to accept connections")
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "shop") }))
	t.Cleanup(shop.Close)

	dir := t.TempDir()
	write(t, filepath.Join(dir, "policy.yaml"), watchedPolicy)
	write(t, filepath.Join(dir, "gateway.yaml"), fmt.Sprintf(`listen: "127.0.0.1:0"
admin: {listen: "127.0.0.1:0"}
client_ip: {trusted_proxies: [127.0.0.1/32], header: X-Forwarded-For}
routes:
  - {hosts: [shop.example], upstreams: [%q]}
  - {hosts: [away.example], upstreams: ["http://%s"]}
policy: policy.yaml
geoip: {decide: any, header: CF-IPCountry}
evidence: {dir: evidence}
replica: gate-1
redis: {addrs: [%q]}
`, shop.URL, freeAddress(t), redisAt))
	program := buildProgram(t)
	said := begin(t, exec.Command(program, "serve", "--config", filepath.Join(dir, "gateway.yaml")), `"msg":"serving"`, `"msg":"redis answers"`)
	var public string
	for line := range strings.Lines(said) {
		var entry struct{ Msg, Public, Admin string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
			public, admin = entry.Public, entry.Admin
		}
	}
	write(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(
		"global: {scrape_interval: 500ms}\nscrape_configs: [{job_name: gate451, static_configs: [{targets: [%q]}]}]\n", admin))
	at := freeAddress(t)
	begin(t, exec.Command(prometheus, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+at), "Server is ready to receive web requests")

	var ended atomic.Bool
	buyers := make(chan error, 1)
	go func() { buyers <- buy(public, &ended) }()
	defer func() {
		ended.Store(true)
		if err := <-buyers; err != nil {
			t.Error(err)
		}
	}()
	limit := time.Now().Add(time.Minute)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5s", "$instance", ".*").Replace(target.Expr)
			for {
				n, err := samples(at, expr)
				if err != nil {
					t.Fatalf("%s: %s: %v", p.Title, expr, err)
				}
				if n > 0 {
					break
				}
				if time.Now().After(limit) {
					t.Fatalf("%s has no data: %s", p.Title, expr)
				}
				time.Sleep(200 * time.Millisecond)
			}
		}
	}
}

// buy asks a gateway as buyers from several countries do, on all paths, and now and then as nobody honest does.
func buy(gateway string, ended *atomic.Bool) error {
	for !ended.Load() {
		for _, request := range []string{
			"GET /cart HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 50.114.0.1\r\nCF-IPCountry: PR\r\n", "GET /cart HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 88.64.0.1\r\n",
			"GET /updates HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 88.64.0.1\r\n", "GET /about HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 88.64.0.1\r\n",
			"GET /cart HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 192.0.2.1\r\n", "GET /about HTTP/1.1\r\nHost: away.example\r\nX-Forwarded-For: 88.64.0.1\r\n",
			"GET /../../cart HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 88.64.0.1\r\n",
		} {
			if err := exchange(gateway, request+"Connection: close\r\n\r\n"); err != nil {
				return err
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func exchange(address, request string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("%.40q: %w", request, err)
	}
	return resp.Body.Close()
}

// samples asks Prometheus and returns how many numbers came back.
func samples(address, expr string) (int, error) {
	resp, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	n := 0
	for _, r := range answer.Data.Result {
		if r.Value[1] != "NaN" {
			n++
		}
	}
	return n, nil
}

// TestGrafanaFindsItsFiles follows each path and name from the file that uses it to the one that has it.
func TestGrafanaFindsItsFiles(t *testing.T) {
	t.Parallel()
	type source struct {
		Name, UID, Type, URL string
		IsDefault            bool `yaml:"isDefault"`
	}
	sources := decode[struct{ Datasources []source }](t, "grafana/provisioning/datasources/prometheus.yaml").Datasources
	if len(sources) != 1 || sources[0].URL != "http://prometheus:9090" || !sources[0].IsDefault {
		t.Errorf("the data sources are %+v", sources)
	}
	compose := decode[composeFile](t, "compose/compose.yaml")
	folder := decode[struct {
		Providers []struct{ Options struct{ Path string } }
	}](t, "grafana/provisioning/dashboards/gate451.yaml").Providers[0].Options.Path
	mounted := strings.Join(compose.Services["grafana"].Volumes, "\n")
	for _, want := range []string{"../grafana/dashboards:" + folder + ":ro", "../grafana/provisioning:/etc/grafana/provisioning:ro"} {
		if !strings.Contains(mounted, want) {
			t.Errorf("compose mounts %q, which lacks %s", mounted, want)
		}
	}
	if _, ok := compose.Services["prometheus"]; !ok {
		t.Error("compose has no Prometheus")
	}
	if _, err := os.Stat("grafana/dashboards/gate451.json"); err != nil {
		t.Error(err)
	}
}
