package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

var unknownKey = regexp.MustCompile(`^unknown key "([a-z_]+)";`)

// FuzzParse checks that every problem lies within the file, that unknown keys are where it says, and that
// what is accepted is usable and accepted by the schema as well.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml", "gateway.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("/etc/gate451/gateway.yaml", src, nil)
		if err == nil {
			usable(t, c)
			if why := schemaRefuses(t, src); why != "" {
				t.Errorf("the schema refuses what Parse accepts: %s", why)
			}
			return
		}
		var all Errors
		if c != nil || !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("Parse = %v, %v", c, err)
		}
		lines := strings.Split(strings.ReplaceAll(string(src), "\r\n", "\n"), "\n")
		for _, p := range all {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Fatalf("%v is outside the file", p)
			}
			if strings.ContainsAny(p.Message, "\n\r") || !strings.Contains(p.Message, "; ") {
				t.Errorf("message %q", p.Message)
			}
			if key := unknownKey.FindStringSubmatch(p.Message); key != nil {
				at := string([]rune(lines[p.Line-1])[p.Column-1:])
				if !strings.HasPrefix(at, key[1]) && !strings.HasPrefix(at, `"`) && !strings.HasPrefix(at, "'") && !strings.HasPrefix(at, "|") && !strings.HasPrefix(at, ">") {
					t.Errorf("%v, but there is %q", p, at)
				}
			}
		}
	})
}

func usable(t *testing.T, c *Config) {
	t.Helper()
	if len(c.Routes) == 0 || !filepath.IsAbs(c.Policy) || c.Listen == "" || c.CountryHeader == "" || c.GeoIP.MaxAge <= 0 ||
		c.Limits.HeaderBytes < 4096 || c.Limits.HeaderTimeout <= 0 || c.Shutdown.Timeout <= 0 || c.Log.Format == "" {
		t.Errorf("accepted: %+v", c)
	}
	for _, r := range c.Routes {
		if r.Name == "" || len(r.Hosts) == 0 || len(r.Upstreams) == 0 || r.ConnectTimeout <= 0 || r.HeaderTimeout <= 0 || r.IdleTimeout <= 0 {
			t.Errorf("accepted: %+v", r)
		}
		for _, u := range r.Upstreams {
			if u == nil || u.Host == "" || u.Path != "" || u.Scheme != "http" && u.Scheme != "https" {
				t.Errorf("accepted upstream: %v", u)
			}
		}
	}
	for _, network := range append(c.ClientIP.TrustedProxies, c.ClientIP.ProxyProtocol...) {
		if !network.IsValid() || network.Bits() == 0 || network != network.Masked() || network.Addr().Is4In6() {
			t.Errorf("accepted network: %v", network)
		}
	}
	for network, place := range c.GeoIP.Overrides {
		if !network.IsValid() || network != network.Masked() || !formats["place"].pattern.MatchString(place) {
			t.Errorf("accepted override: %v %q", network, place)
		}
	}
	if c.GeoIP.Header != "" && (c.GeoIP.Decide != "any" || len(c.ClientIP.TrustedProxies) == 0 || c.ForwardAuth.Listen != "" || c.GeoIP.Header == c.CountryHeader) {
		t.Errorf("accepted geoip.header %q: %+v", c.GeoIP.Header, c)
	}
}
