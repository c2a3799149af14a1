package gateway_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"gate451/config"
	"gate451/gateway"
)

// TestWithoutAnAuthority begins with no certificate, and an authority that is not there: the gateway runs, is not ready and
// serves nobody.
func TestWithoutAnAuthority(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok),
		config:   `tls: {acme: {email: webmaster@shop.example, directory_url: "https://127.0.0.1:1/dir"}}` + "\n",
	})
	eventually(t, "it is said that there is no certificate", func() bool { return len(g.log.lines(t, "certificate not issued")) > 0 })
	if a := g.admin(t, http.MethodGet, "/readyz"); a.StatusCode != 503 || a.text != "no certificate for shop.example\n" {
		t.Errorf("readyz: %d %q", a.StatusCode, a.text)
	}
	const worry = "No certificate has been issued for shop.example yet"
	if a := g.admin(t, http.MethodGet, "/"); a.StatusCode != 200 || !strings.Contains(a.text, worry) {
		t.Errorf("the console: %d, without %q", a.StatusCode, worry)
	}
	if a := g.admin(t, http.MethodGet, "/healthz"); a.StatusCode != 200 {
		t.Errorf("healthz: %d", a.StatusCode)
	}
	for _, host := range []string{"shop.example", "updates.example"} {
		if got := g.metric(t, `gate451_tls_certificate_expiry_timestamp_seconds{host="`+host+`"}`); got != "0" {
			t.Errorf("%s: the certificate expires at %s", host, got)
		}
	}
	conn, err := g.dial(german)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, &tls.Config{ServerName: "shop.example", InsecureSkipVerify: true}).Handshake(); err == nil {
		t.Error("somebody is served without a certificate")
	}
	if info, err := os.Stat(g.file("acme")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the keys: %v, %v", info, err)
	}
	g.stop()
	if err := g.end(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestAuthoritiesThatCannotBeVerified are found at load, and so is a socket to which no authority can connect.
func TestAuthoritiesThatCannotBeVerified(t *testing.T) {
	t.Parallel()
	load := func(acme string) *config.Config {
		s := setup{config: "tls: {acme: {email: webmaster@shop.example" + acme + "}}\n"}
		cfg, err := config.Load(s.write(t, t.TempDir()), nil)
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	if _, _, err := gateway.Check(load(", ca_file: none.pem"), gateway.Options{}); err == nil || !strings.Contains(err.Error(), "gateway.yaml:1:54: open ") {
		t.Errorf("no CA file: %v", err)
	}
	dir, err := os.MkdirTemp("", "gate451") // t.TempDir may be too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ln, err := net.Listen("unix", dir+"/public")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.New(load(""), gateway.Options{Public: ln}); err == nil || !strings.Contains(err.Error(), "gateway.yaml:1:13: certificates cannot be issued for ") {
		t.Errorf("a socket of another kind: %v", err)
	}
}
