package gateway_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// restricted is a policy under which one country may not buy. Its version names the rule that lets everybody else.
func restricted(version, country string) string {
	return `version: 1
activities:
  sale: [{paths: [/cart]}]
rules:
  - {id: block-` + version + `, activity: sale, countries: [` + country + `]}
  - id: version-` + version + `
    activity: sale
    countries: [US, DE]
    except: [{networks: [50.114.0.0/16, 85.214.0.0/16, 93.0.0.0/16]}]
`
}

const (
	reloadOK   = "gate451_policy_last_reload_successful"
	notMended  = "policy not reloaded, the one in force stays"
	nowInForce = "policy in force"
)

// inForce waits until the policy decides by which the American or the German may not buy.
func (g *gate) inForce(t *testing.T, country string) {
	t.Helper()
	want := map[string][2]int{"US": {451, 200}, "DE": {200, 451}}[country]
	eventually(t, country+" is refused", func() bool {
		return [2]int{g.get(t, american, "http://shop.example/cart").StatusCode, g.get(t, german, "http://shop.example/cart").StatusCode} == want
	})
}

// TestPolicyFile shows that a bad policy changes nothing and says so once, and that a good one after it takes effect,
// in whichever way the file is changed.
func TestPolicyFile(t *testing.T) {
	t.Parallel()
	inPlace := func(t *testing.T, g *gate, text string) { writeFile(t, g.file("policy.yaml"), []byte(text)) }
	renamed := func(t *testing.T, g *gate, text string) { g.replace(t, "policy.yaml", []byte(text)) }
	for name, save := range map[string]func(t *testing.T, g *gate, text string){"in place": inPlace, "renamed over": renamed, "ConfigMap": swapData} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup{upstream: newShop(t, ok), policy: restricted("a", "US")}
			if name == "ConfigMap" {
				s.config = "policy: mounted/policy.yaml\n"
			}
			g := startMounted(t, s)
			g.inForce(t, "US")
			save(t, g, "version: 1\nrulez: []\n")
			eventually(t, "the failure is told", func() bool { return g.metric(t, reloadOK) == "0" })
			for range 3 { // as often as the watcher tries again
				if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "policy.yaml:2:1: ") {
					t.Errorf("reload says %v", err)
				}
			}
			g.inForce(t, "US")
			if lines := g.log.lines(t, notMended); len(lines) != 1 || !strings.Contains(lines[0], "rulez") {
				t.Errorf("the failure is logged %d times, want once: %q", len(lines), lines)
			}
			save(t, g, restricted("b", "DE"))
			g.inForce(t, "DE")
			eventually(t, "the success is told", func() bool { return g.metric(t, reloadOK) == "1" })
			if lines := g.log.lines(t, nowInForce); len(lines) != 2 {
				t.Errorf("policies in force: %q", lines)
			}
		})
	}
}

// startMounted starts a gateway whose folder "mounted" is laid out as Kubernetes mounts a ConfigMap.
func startMounted(t *testing.T, s setup) *gate {
	t.Helper()
	if !strings.Contains(s.config, "mounted/") {
		return start(t, s)
	}
	dir := t.TempDir()
	mount(t, dir, "1", s.policy)
	if err := os.Symlink("..data/policy.yaml", dir+"/policy.yaml"); err != nil {
		t.Fatal(err)
	}
	s.config = strings.Replace(s.config, "mounted/policy.yaml", dir+"/policy.yaml", 1)
	g := start(t, s)
	if err := os.Symlink(dir, g.file("mounted")); err != nil {
		t.Fatal(err)
	}
	return g
}

// mount writes a version of a ConfigMap and lets ..data point to it, at once.
func mount(t *testing.T, dir, version, policy string) {
	t.Helper()
	if err := os.Mkdir(dir+"/.."+version, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/.."+version+"/policy.yaml", []byte(policy))
	if err := os.Symlink(".."+version, dir+"/..data_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+"/..data_tmp", dir+"/..data"); err != nil {
		t.Fatal(err)
	}
}

func swapData(t *testing.T, g *gate, policy string) {
	t.Helper()
	dir, err := os.Readlink(g.file("mounted"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.Readlink(dir + "/..data")
	if err != nil {
		t.Fatal(err)
	}
	mount(t, dir, strings.TrimPrefix(old, "..")+"1", policy)
}

// TestSameFailure shows that another failure is told as well, and that mending by the old text is told, too.
func TestSameFailure(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: restricted("a", "US")})
	for _, text := range []string{"version: 2\n", "version: 2\n", "version: 3\n", restricted("a", "US"), "version: 3\n"} {
		g.replace(t, "policy.yaml", []byte(text))
		if err := g.Reload(); (err == nil) != strings.HasPrefix(text, "version: 1") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if lines := g.log.lines(t, notMended); len(lines) != 3 {
		t.Errorf("failures: %q", lines)
	}
	if lines := g.log.lines(t, nowInForce); len(lines) != 2 {
		t.Errorf("policies in force: %q", lines)
	}
}

// TestReloadByHTTP shows who may reload.
func TestReloadByHTTP(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		policy: restricted("a", "US"), upstream: newShop(t, ok), files: map[string][]byte{"admin.token": []byte("sesame\n")},
		config: `admin: {listen: "127.0.0.1:0", token_file: admin.token}`,
	})
	g.replace(t, "policy.yaml", []byte("version: 2\n"))
	eventually(t, "the watcher has seen the bad policy", func() bool { return g.metric(t, reloadOK) == "0" })
	for _, c := range []struct {
		name, method string
		headers      []string
		status       int
		text         string
	}{
		{"no token", "POST", nil, 401, "the token of admin.token_file is needed; send it as Authorization: Bearer TOKEN\n"},
		{"wrong token", "POST", []string{"Authorization", "Bearer sesam"}, 401, "the token of admin.token_file is needed; send it as Authorization: Bearer TOKEN\n"},
		{"a page elsewhere", "POST", []string{"Authorization", "Bearer sesame", "Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"a page of another origin", "POST", []string{"Authorization", "Bearer sesame", "Origin", "https://evil.example"}, 403, ""},
		{"reading", "GET", []string{"Authorization", "Bearer sesame"}, 405, ""},
		{"a bad policy", "POST", []string{"Authorization", "Bearer sesame"}, 500, g.file("policy.yaml") + ":1:10: "},
	} {
		a := g.admin(t, c.method, "/-/reload", c.headers...)
		if a.StatusCode != c.status || !strings.HasPrefix(a.text, c.text) {
			t.Errorf("%s: %d %q, want %d %q", c.name, a.StatusCode, a.text, c.status, c.text)
		}
		if c.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", c.name)
		}
	}
	g.inForce(t, "US")
	g.replace(t, "policy.yaml", []byte(restricted("b", "DE")))
	if a := g.admin(t, http.MethodPost, "/-/reload", "Authorization", "Bearer sesame"); a.StatusCode != 200 || a.text != "reloaded\n" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q", a.StatusCode, a.text)
	}
	if a := g.get(t, german, "http://shop.example/cart"); a.StatusCode != 451 {
		t.Errorf("after the reload a German is answered %d", a.StatusCode)
	}
	if lines := g.log.lines(t, notMended); len(lines) != 1 {
		t.Errorf("failures: %q", lines)
	}
	if strings.Contains(g.log.String(), "sesame") {
		t.Error("the log tells the token")
	}
}

var built = time.Date(2024, 12, 1, 0, 0, 0, 0, time.UTC)

// TestDatabaseFile shows that a bad database changes nothing and says so once, and that a good one takes effect.
func TestDatabaseFile(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		policy: restricted("a", "US"), upstream: newShop(t, ok), config: "geoip: {databases: [geo.mmdb]}\n",
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE"})},
	})
	g.inForce(t, "US")
	const refused = `gate451_geoip_reloads_total{database="geo.mmdb",result="refused"}`
	g.replace(t, "geo.mmdb", []byte("no database"))
	eventually(t, "the watcher has refused the database", func() bool { return g.metric(t, refused) != "" })
	for range 2 {
		if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "geo.mmdb: not a sound MaxMind DB file") {
			t.Errorf("reload says %v", err)
		}
	}
	g.inForce(t, "US")
	if lines := g.log.lines(t, "geoip databases not reloaded, the loaded ones stay in use"); len(lines) != 1 {
		t.Errorf("failures: %q", lines)
	}
	g.replace(t, "geo.mmdb", database(t, built.Add(time.Hour), map[string]string{"50.114.0.0/16": "DE", "85.214.0.0/16": "US"}))
	g.inForce(t, "DE") // who was German is American now
	if got := g.metric(t, `gate451_geoip_build_timestamp_seconds{database="geo.mmdb"}`); got != "1.7330148e+09" {
		t.Errorf("build time %s", got)
	}
}
