package config

import (
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write testdata/bad/*.want anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const minimal = "routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:3000\"]}]\npolicy: policy.yaml\n"

func TestEveryMistakeIsReportedWhereItIs(t *testing.T) {
	t.Parallel()
	fixtures, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, fixture := range fixtures {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(fixture)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse("gateway.yaml", src, nil)
			var all Errors
			if c != nil || !errors.As(err, &all) {
				t.Fatalf("Parse = %v, %v; want Errors alone", c, err)
			}
			golden := strings.TrimSuffix(fixture, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, readErr := os.ReadFile(golden)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			for _, p := range all {
				if wrong, right, ok := strings.Cut(p.Message, "; "); !ok || wrong == "" || right == "" {
					t.Errorf("%q does not say what would be right", p.Message)
				}
			}
		})
	}
}

func parse(t *testing.T, src string, environ ...string) *Config {
	t.Helper()
	c, err := Parse("/etc/gate451/gateway.yaml", []byte(src), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func diff(want, got *Config) string {
	return cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }))
}

// defaults is what the minimal file means.
var (
	letsEncrypt = &url.URL{Scheme: "https", Host: "acme-v02.api.letsencrypt.org", Path: "/directory"}
	maxmind     = &url.URL{Scheme: "https", Host: "download.maxmind.com"}
)

func defaults() *Config {
	return &Config{
		Listen:   ":8080",
		TLS:      TLS{ACME: ACME{DirectoryURL: letsEncrypt, Dir: "/etc/gate451/acme"}},
		ClientIP: ClientIP{Header: "X-Forwarded-For"},
		Routes: []Route{{
			Name: "*", Hosts: []string{"*"}, Upstreams: []*url.URL{{Scheme: "http", Host: "127.0.0.1:3000"}},
			ConnectTimeout: 5 * time.Second, HeaderTimeout: time.Minute, IdleTimeout: 4 * time.Second,
		}},
		Policy:        "/etc/gate451/policy.yaml",
		GeoIP:         GeoIP{Decide: "first", MaxAge: 60 * 24 * time.Hour, Update: Update{Dir: "/etc/gate451", Every: 24 * time.Hour, URL: maxmind}},
		CountryHeader: "X-Country-Code",
		GovernedCache: "private",
		Refusal: Refusal{
			Colors: Colors{"#ffffff", "#1b1f24", "#0a5bd3"}, DarkColors: DarkColors{"#14171b", "#e8eaed", "#8ab4f8"}, Language: "en",
		},
		Admin:    Admin{Listen: "127.0.0.1:9451"},
		Evidence: Evidence{Durability: "strict", Allows: "all", Client: "truncated", SegmentSize: 64 << 20},
		Redis:    Redis{KeyPrefix: "gate451", Timeout: 100 * time.Millisecond, StateFile: "/etc/gate451/fleet.state"},
		Tracing:  Tracing{Sample: 0.01},
		Limits:   Limits{HeaderBytes: 32 << 10, HeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ReadBytes: 256 << 10, HTTP2Streams: 100},
		Shutdown: Shutdown{Timeout: time.Minute},
		Log:      Log{Level: slog.LevelInfo, Format: "json"},
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal)
	if d := diff(defaults(), c); d != "" {
		t.Errorf("minimal configuration (-want +got):\n%s", d)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings: %v", c.Warnings())
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listen: "0.0.0.0:8443",
		TLS:    TLS{CertFile: "/etc/gate451/tls.crt", KeyFile: "/etc/gate451/tls.key", ACME: defaults().TLS.ACME},
		ClientIP: ClientIP{
			TrustedProxies: prefixes("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"),
			Header:         "X-Forwarded-For",
			ProxyProtocol:  prefixes("10.0.0.0/8"),
		},
		Routes: []Route{
			{
				Name: "shop.example", Hosts: []string{"shop.example", "*.shop.example"},
				Upstreams:      []*url.URL{{Scheme: "https", Host: "10.0.0.5:3443"}, {Scheme: "https", Host: "[2001:db8::5]:3443"}},
				ConnectTimeout: 250 * time.Millisecond, HeaderTimeout: 90 * time.Second, IdleTimeout: time.Hour, CAFile: "/etc/gate451/ca/upstream.pem",
			},
			{
				Name: "rest", Hosts: []string{"*", "192.0.2.1", "[2001:db8::1]", "under_score.example"},
				Upstreams:      []*url.URL{{Scheme: "http", Host: "app_1:3000"}},
				ConnectTimeout: 5 * time.Second, HeaderTimeout: time.Minute, IdleTimeout: 4 * time.Second,
			},
		},
		Policy: "/etc/gate451/rules/policy.yaml",
		GeoIP: GeoIP{
			Databases: []string{"/etc/gate451/a.mmdb", "/var/lib/b.mmdb"}, Decide: "any", Fields: []string{"country", "represented_country"},
			Overrides: map[netip.Prefix]string{
				netip.MustParsePrefix("203.0.113.0/24"): "UA-43", netip.MustParsePrefix("198.51.100.1/32"): "NO", netip.MustParsePrefix("2001:db8::/32"): "DE",
			},
			Anonymous: "/etc/gate451/anon.mmdb", MaxAge: 14*24*time.Hour + 12*time.Hour, Update: defaults().GeoIP.Update,
		},
		CountryHeader: "X-Country",
		GovernedCache: "untouched",
		ForwardAuth:   Forward{Listen: "10.0.0.1:9453"},
		Refusal: Refusal{
			BlockedBy: &url.URL{Scheme: "https", Host: "shop.example", Path: "/legal", RawQuery: "a=b", Fragment: "c"},
			Name:      "Läden & Söhne: das Beste", Logo: "/etc/gate451/logo.svg", LogoDark: "/srv/logo-dark.png",
			Colors: Colors{"#fff", "#000000", "#0A5bd3"}, DarkColors: DarkColors{"#14171b", "#e8eaed", "#abc"},
			Contact: "https://shop.example/contact",
			Alternatives: []Alternative{
				{"Others", &url.URL{Scheme: "https", Host: "shop.example", Path: "/others"}}, {"More", &url.URL{Scheme: "http", Host: "shop.example"}},
			},
			Language: "pt-BR", Messages: map[string]string{"de": "/etc/gate451/messages/de.yaml", "zh-Hant-TW": "/srv/zh.yaml"},
			Template: "/etc/gate451/refusal.html",
		},
		Admin:   Admin{Listen: "[::1]:9452"},
		Replica: "gate-1.eu",
		Evidence: Evidence{
			Dir: "/var/lib/gate451/evidence", Durability: "best_effort", Allows: "governed_country", Client: "hmac", ClientKeyFile: "/etc/gate451/c.key",
			SignKeyFile: "/etc/gate451/s.key", SegmentSize: 1 << 20, Retention: 400 * 24 * time.Hour,
		},
		Redis: Redis{
			Addrs: []string{"a.example:26379", "[2001:db8::1]:26379"}, MasterName: "gate451", Username: "gateway", SentinelUsername: "watcher",
			TLS:       RedisTLS{Enabled: true, CAFile: "/etc/gate451/ca.pem", CertFile: "/etc/gate451/c.pem", KeyFile: "/etc/gate451/k.pem", ServerName: "redis.internal"},
			KeyPrefix: "shop", Timeout: 50 * time.Millisecond, StateFile: "/var/lib/gate451/fleet", StreamLines: 100_000,
		},
		Tracing:  Tracing{Endpoint: &url.URL{Scheme: "https", Host: "otlp.example:4318", Path: "/in"}, Sample: 0.25},
		Limits:   Limits{HeaderBytes: 64 << 10, HeaderTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, BodyBytes: 8 << 20, ReadBytes: 64 << 10, HTTP2Streams: 250, Connections: 64},
		Shutdown: Shutdown{Delay: 5 * time.Second, Timeout: 2 * time.Minute},
		Log:      Log{Level: slog.LevelDebug, Format: "text"},
	}
	c := parse(t, string(src))
	if d := diff(want, c); d != "" {
		t.Errorf("full configuration (-want +got):\n%s", d)
	}
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings: %v", c.Warnings())
	}
}

func TestASwitchIsReadWithAndWithoutQuotes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"true": true, "false": false, `"true"`: true, "'false'": false} {
		if c := parse(t, minimal+"http2_cleartext: "+text+"\n"); c.HTTP2Cleartext != want {
			t.Errorf("%s means %v", text, c.HTTP2Cleartext)
		}
	}
	if c := parse(t, minimal, "GATE451_HTTP2_CLEARTEXT=true"); !c.HTTP2Cleartext {
		t.Error("the variable is not read")
	}
}

func TestLineEndsOfWindowsMeanTheSame(t *testing.T) {
	t.Parallel()
	if d := diff(defaults(), parse(t, "# a comment\r\n"+strings.ReplaceAll(minimal, "\n", "\r\n"))); d != "" {
		t.Errorf("with CRLF (-want +got):\n%s", d)
	}
}

func TestLoadReadsAFile(t *testing.T) {
	t.Parallel()
	c, err := Load("testdata/good/minimal.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := filepath.Abs("testdata/good/policy.yaml")
	if err != nil || c.Policy != want {
		t.Errorf("policy = %q, want %q (%v)", c.Policy, want, err)
	}
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(minimal+strings.Repeat("#\n", maxBytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	const remedy = "; name an existing gateway.yaml, or write one with gate451 init"
	for file, want := range map[string]string{
		"testdata/none.yaml": "testdata/none.yaml: cannot be read: no such file or directory" + remedy,
		"testdata":           "testdata: cannot be read: is a directory" + remedy,
		large:                large + ": cannot be read: it has more than 1048576 bytes" + remedy,
	} {
		c, err := Load(file, nil)
		if c != nil || err == nil || err.Error() != want {
			t.Errorf("Load(%q) = %v, %v; want %s", file, c, err, want)
		}
		if missing := strings.Contains(want, "no such file"); errors.Is(err, fs.ErrNotExist) != missing {
			t.Errorf("Load(%q): errors.Is(%v, fs.ErrNotExist) is not %t", file, err, missing)
		}
	}
}
