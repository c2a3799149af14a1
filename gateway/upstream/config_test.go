package upstream

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]Config{
		"no upstreams; name at least one, such as http://10.0.0.5:3000": {},
		"upstream 1: no URL; expected one such as http://10.0.0.5:3000": {Upstreams: []*url.URL{nil}},
		`upstream 1: "ftp://a": unknown scheme "ftp"; expected http or https, as in http://10.0.0.5:3000` + "\n" +
			`upstream 2: "http:" names no host; expected one, as in http://10.0.0.5:3000` + "\n" +
			`upstream 3: "http://u:xxxxx@a" has user information, which would not be sent; leave it out` + "\n" +
			`upstream 4: "http://a/base" has more than a host; targets are forwarded as they come, so write "http://a"` + "\n" +
			`upstream 5: "https://a:1/?q" has more than a host; targets are forwarded as they come, so write "https://a:1"` + "\n" +
			`upstream 6: "http://a:70000": no such port as 70000; expected 1 to 65535` + "\n" +
			`upstream 7: "http:a" names no host; expected one, as in http://10.0.0.5:3000` + "\n" +
			`upstream 8: "http://:80" names no host; expected one, as in http://10.0.0.5:3000`: {Upstreams: []*url.URL{
			mustURL(t, "ftp://a"), {Scheme: "http"}, mustURL(t, "http://u:p@a"), mustURL(t, "http://a/base"), mustURL(t, "https://a:1/?q"),
			mustURL(t, "http://a:70000"), mustURL(t, "http:a"), mustURL(t, "http://:80")}},
		"a CA file is given but no upstream is https; write https:// or leave the file out": {Upstreams: []*url.URL{mustURL(t, "http://a")}, CAFile: empty},
		"CA file " + empty + " holds no certificate; expected PEM, beginning with -----BEGIN CERTIFICATE-----": {
			Upstreams: []*url.URL{mustURL(t, "https://a")}, CAFile: empty},
		"CA file: open " + empty + "x: no such file or directory": {Upstreams: []*url.URL{mustURL(t, "https://a")}, CAFile: empty + "x"},
		"connect timeout -1s is negative; leave it out for 5s\nidle limit of streams -1s is negative; leave it out for 1h0m0s": {
			Upstreams: []*url.URL{mustURL(t, "https://a")}, ConnectTimeout: -time.Second, IdleStream: -time.Second},
		`"http://xn--a%C3%BC": no such host: idna: invalid label "aü"`: {Upstreams: []*url.URL{mustURL(t, "http://xn--aü")}},
	} {
		_, err := New(cfg, Options{})
		if err == nil {
			t.Errorf("no error, want %q", want)
		} else if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := Config{Upstreams: []*url.URL{mustURL(t, "http://[::1]:80/")}, IdleBody: time.Second}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	got.Upstreams = nil
	want := Config{ConnectTimeout: 5 * time.Second, HeaderTimeout: time.Minute, ContinueTimeout: 3 * time.Second,
		IdleTimeout: 4 * time.Second, IdleBody: time.Second, IdleStream: time.Hour}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p, err := New(Config{Upstreams: []*url.URL{mustURL(t, "http://a")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.report(p.balancer.all[0], CauseConnect, errTarget) // Without logger and callback.
	p.Close()
}

// newSecureShop starts an https upstream and writes its certificate to a file.
func newSecureShop(t *testing.T, h http.HandlerFunc) (address, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, ca
}

func TestSecureUpstream(t *testing.T) {
	t.Parallel()
	shop, ca := newSecureShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 || r.TLS == nil || r.Host != "shop.example" {
			t.Errorf("%s, TLS %v, Host %q", r.Proto, r.TLS != nil, r.Host)
		}
	})
	g := newGate(t, []string{shop}, withConfig(func(c *Config) { c.CAFile = ca }))
	_, br := g.dial(t, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 200 OK" {
		t.Errorf("client saw %q, %v", head, err)
	}

	// Of another authority, or under another name, it is not believed. A body is kept for the next one.
	g = newGate(t, []string{shop})
	if res := g.do(t, "POST", "/", strings.NewReader("x")); res.StatusCode != 502 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "tls:1")
	g = newGate(t, []string{strings.Replace(shop, "127.0.0.1", "localhost", 1)}, withConfig(func(c *Config) { c.CAFile = ca }))
	if res := g.do(t, "GET", "/", nil); res.StatusCode != 502 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "tls:1")
}

func TestSlowHandshake(t *testing.T) {
	t.Parallel()
	silent := newRaw(t, func(_ net.Conn, br *bufio.Reader) { drain(br) })
	g := newGate(t, []string{strings.Replace(silent, "http:", "https:", 1)}, withConfig(func(c *Config) { c.ConnectTimeout = short }))
	if res := g.do(t, "POST", "/", strings.NewReader("x")); res.StatusCode != 504 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "connect_timeout:1")
}

func TestNotTLS(t *testing.T) {
	t.Parallel()
	plain := newShop(t, func(http.ResponseWriter, *http.Request) {})
	g := newGate(t, []string{strings.Replace(plain, "http:", "https:", 1)})
	if res := g.do(t, "GET", "/", nil); res.StatusCode != 502 {
		t.Errorf("answered %s", res.Status)
	}
	g.wait(t, "tls:1")
}

// TestHostsOfUpstreams shows where an upstream is sought, and which Host a request bears that names none.
func TestHostsOfUpstreams(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://shop.example": "shop.example", "https://shop.example:8443": "shop.example:8443", "http://münchen.example": "xn--mnchen-3ya.example",
		"http://[::1]": "[::1]", "http://[fe80::1%25lo]:80": "[fe80::1]:80", "http://[fe80::1%25lo]": "[fe80::1]",
	} {
		d, err := newDialer(Config{ConnectTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if u, err := newUpstream(mustURL(t, raw), d, time.Second, nil); err != nil || u.host != want {
			t.Errorf("%s: %q, %v, want %q", raw, u.host, err, want)
		}
	}
	// Without a port, the scheme's own is meant.
	for scheme, want := range map[string]string{"http": ":80", "https": ":443"} {
		for _, host := range []string{"127.0.0.1", "[::1]"} {
			var asked string
			d := dialer{Dialer: net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
				asked = address
				return errTarget
			}}, tls: &tls.Config{MinVersion: tls.VersionTLS12}}
			if _, err := d.to(scheme, host)(t.Context()); !errors.Is(err, errTarget) || asked != host+want {
				t.Errorf("%s://%s is sought at %q: %v", scheme, host, asked, err)
			}
		}
	}
}
