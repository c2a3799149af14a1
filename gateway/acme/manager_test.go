package acme

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func contextOf(testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.Background())
}

// TestIssuedAndKept has certificates issued, and used again without the authority.
func TestIssuedAndKept(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, time.Hour).start()
	dir := filepath.Join(t.TempDir(), "made", "anew")
	s := open(t, ln, a, dir, nil, nil, "one.example", "two.example")
	s.ready()
	roots := a.roots()
	for _, host := range []string{"one.example", "two.example"} {
		client := &http.Client{Transport: &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) },
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			ForceAttemptHTTP2: true, DisableKeepAlives: true,
		}, Timeout: patience}
		answer, err := client.Get("https://" + host + "/.well-known/acme-challenge/x")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(text) != "HTTP/2.0 /.well-known/acme-challenge/x" { // it is a path like any other
			t.Errorf("%s: %v, %q", host, err, text)
		}
	}
	if one, none := s.serial("one.example", roots), s.plainSerial(); one != none {
		t.Errorf("without a name, %s is shown and not %s", none, one)
	}
	for _, c := range s.Certificates() {
		if until := time.Until(c.NotAfter); until < 50*time.Minute || until > time.Hour {
			t.Errorf("%s: until %s", c.Host, c.NotAfter)
		}
	}
	if host, missing := s.Missing(time.Now().Add(2 * time.Hour)); !missing || host != "one.example" {
		t.Errorf("after they have expired: %q, %v", host, missing)
	}
	if n := a.orders(); n != 2 {
		t.Errorf("%d orders for two hosts", n)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder with the keys: %v, %v", info, err)
	}
	before := s.serial("two.example", roots)
	s.end()
	a.stop()

	// The authority is away, and the certificates are there.
	again := open(t, listen(t), a, dir, nil, nil, "one.example", "two.example")
	again.ready()
	if after := again.serial("two.example", roots); after != before {
		t.Errorf("after a restart certificate %s, want %s", after, before)
	}
}

// plainSerial is the serial of the certificate that is shown to a client that names no host.
func (s *site) plainSerial() string {
	s.t.Helper()
	conn, err := s.dial(&tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestChallengesOpenNoWay tries to be served on a connection of the authority's protocol, and under names that are no host.
func TestChallengesOpenNoWay(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, time.Hour).start()
	s := open(t, ln, a, t.TempDir(), nil, nil, "way.example")
	s.ready()
	for name, config := range map[string]*tls.Config{
		"a challenge that is not pending": {ServerName: "way.example", NextProtos: []string{challengeProtocol}},
		"a challenge for another host":    {ServerName: "other.example", NextProtos: []string{challengeProtocol}},
		"a challenge for no host":         {NextProtos: []string{challengeProtocol}},
		"another host":                    {ServerName: "other.example"},
		"a host below":                    {ServerName: "a.way.example"},
	} {
		config.InsecureSkipVerify = true
		conn, err := s.dial(config)
		if err != nil {
			continue
		}
		_, err = io.WriteString(conn, "GET /cart HTTP/1.1\r\nHost: way.example\r\n\r\n")
		if err == nil {
			var text []byte
			if text, err = io.ReadAll(conn); len(text) > 0 {
				t.Errorf("%s is answered %q", name, text)
			}
		}
		if config.NextProtos == nil {
			t.Errorf("%s has a certificate (%v)", name, err)
		}
		conn.Close()
	}
	// Who offers HTTP beside the authority's protocol speaks HTTP.
	conn, err := s.dial(&tls.Config{ServerName: "WAY.example.", InsecureSkipVerify: true, NextProtos: []string{challengeProtocol, "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if proto := conn.ConnectionState().NegotiatedProtocol; proto != "http/1.1" {
		t.Errorf("the protocol is %q", proto)
	}
}

// TestAnAuthorityThatIsAway begins without an authority, and without a certificate.
func TestAnAuthorityThatIsAway(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, time.Hour)
	s := open(t, ln, a, t.TempDir(), nil, nil, "away.example")
	eventually(t, "it is said that there is no certificate", func() bool { return strings.Contains(s.log.String(), "certificate not issued") })
	if host, missing := s.Missing(time.Now()); !missing || host != "away.example" {
		t.Errorf("missing: %q, %v", host, missing)
	}
	if conn, err := s.dial(&tls.Config{ServerName: "away.example", InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("there is a certificate")
	}
	a.start()
	s.ready()
	s.serial("away.example", a.roots())
	if n := strings.Count(s.log.String(), "certificate not issued"); n > 3 {
		t.Errorf("said %d times:\n%s", n, s.log.String())
	}
}

// TestAnExpiredCertificate is found at the start, with an authority that is away, and renewed once it is back.
func TestAnExpiredCertificate(t *testing.T) {
	t.Parallel()
	ln, again := listen(t), listen(t)
	dir := t.TempDir()
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, time.Second).start()
	s := open(t, ln, a, dir, nil, nil, "expired.example")
	eventually(t, "a certificate is issued", func() bool {
		kept, err := filepath.Glob(filepath.Join(dir, "certificates", "*", "expired.example", "expired.example.json"))
		return err == nil && len(kept) == 1
	})
	s.end()
	a.stop()
	time.Sleep(1100 * time.Millisecond)
	s = open(t, again, a, dir, nil, nil, "expired.example")
	eventually(t, "it is said that the certificate is not renewed", func() bool { return strings.Contains(s.log.String(), "certificate not issued") })
	if _, missing := s.Missing(time.Now()); !missing || strings.Contains(s.log.String(), "certificate in use") {
		t.Errorf("an expired certificate counts as one:\n%s", s.log.String())
	}
	text, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(`"validityPeriod":1`, `"validityPeriod":3600`, fmt.Sprintf(`"tlsPort":%d`, ln.Addr().(*net.TCPAddr).Port), fmt.Sprintf(`"tlsPort":%d`, again.Addr().(*net.TCPAddr).Port)).Replace(string(text))
	if err := os.WriteFile(a.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	a.start()
	s.ready()
}

// TestRenewed has certificates that are soon to be renewed, by an authority that is there and one that is not.
func TestRenewed(t *testing.T) {
	t.Parallel()
	ln := listen(t)
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, 100*time.Second).start()
	host := "renewed-" + strings.ToLower(rand.Text()) + ".example" // the library remembers for its process which names have failed
	s := open(t, ln, a, t.TempDir(), nil, func(m *Manager) { m.config.DisableARI, m.config.RenewalWindowRatio = true, 0.99 }, host)
	s.ready()
	roots := a.roots()
	first := s.serial(host, roots)
	eventually(t, "the certificate is renewed", func() bool { return s.serial(host, roots) != first })
	a.stop()
	eventually(t, "a renewal fails", func() bool { return strings.Contains(s.log.String(), "job failed") })
	s.serial(host, roots) // it has one that is good
	if _, missing := s.Missing(time.Now()); missing {
		t.Error("there is no certificate any more")
	}
}

func TestManagersThatCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tcp := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	if _, err := New(Config{Hosts: []string{"a.example"}, Listen: &net.UnixAddr{Name: "socket"}}, Options{}); err == nil || !strings.Contains(err.Error(), "which is no TCP port; listen on one") {
		t.Errorf("a socket of another kind: %v", err)
	}
	for file, want := range map[string]string{filepath.Join(dir, "none"): "name a readable file of CA certificates", empty: "has no certificate in it; it must hold"} {
		if _, err := Roots(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if roots, err := Roots(""); roots != nil || err != nil {
		t.Errorf("no file: %v, %v", roots, err)
	}
	m, err := New(Config{Listen: tcp, Hosts: []string{"a.example"}, Dir: dir, DirectoryURL: "https://127.0.0.1:1/dir", Email: "a@b.example"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextOf(t)
	cancel()
	m.Run(ctx) // it ends
	m.Close()
	if _, err := m.certificate(&tls.ClientHelloInfo{ServerName: "b.example"}); !errors.Is(err, errStranger) {
		t.Errorf("another host: %v", err)
	}
}
