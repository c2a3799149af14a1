package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWhatIsKeptCurrent reads what has databases and certificates come by themselves.
func TestWhatIsKeptCurrent(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/good/current.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	c, err := Parse(at("gateway.yaml"), src, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantUpdate := Update{
		AccountID: "999999", LicenseKeyFile: at("secret"), LicenseKey: "s3cret", Editions: []string{"GeoLite2-City", "GeoIP2-Anonymous-IP"},
		Dir: at("data"), Every: 12 * time.Hour, URL: &url.URL{Scheme: "http", Host: "127.0.0.1:8080", Path: "/mirror"},
	}
	wantACME := ACME{
		Email: "webmaster@shop.example", DirectoryURL: &url.URL{Scheme: "https", Host: "127.0.0.1:14000", Path: "/dir"}, CAFile: at("pebble.pem"),
		Dir: "/var/lib/gate451/acme", SecretFile: at("secret"), Secret: "s3cret",
	}
	if d := cmp.Diff(wantUpdate, c.GeoIP.Update) + cmp.Diff(wantACME, c.TLS.ACME); d != "" {
		t.Error(d)
	}
	if !c.TLS.On() || !c.TLS.ACME.On() || !c.GeoIP.Update.On() || len(c.Warnings()) > 0 {
		t.Errorf("on: %v %v %v, warnings %v", c.TLS.On(), c.TLS.ACME.On(), c.GeoIP.Update.On(), c.Warnings())
	}
	for old, test := range map[string]struct{ to, want string }{
		", secret_file: secret":              {"", ":1:13: the private keys of certificates are kept in Redis for whoever can read there; name a file under tls.acme.secret_file"},
		`redis: {addrs: ["127.0.0.1:6379"]}`: {"", ":1:153: tls.acme.secret_file encrypts what is kept in Redis, and there is none; leave it out"},
		"databases: [data/":                  {"databases: [other/", ":5:71: GeoLite2-City is fetched, and nothing asks " + at("data/GeoLite2-City.mmdb") + "; name that file under geoip.databases or geoip.anonymous"},
		"redis: {":                           {"http2_cleartext: true\nredis: {", ":6:18: http2_cleartext makes no difference with a certificate, as nothing is cleartext then; leave it out"},
	} {
		text := strings.Replace(string(src), old, test.to, 1)
		c, err := Parse(at("gateway.yaml"), []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if all := c.Warnings(); len(all) != 1 || all[0].Error() != at("gateway.yaml")+test.want {
			t.Errorf("without %q: %v, want %q", old, all, test.want)
		}
	}
	if none := parse(t, minimal); none.TLS.On() || none.GeoIP.Update.On() {
		t.Error("something is on that nobody asked for")
	}
}
