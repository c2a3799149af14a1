package gateway_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTLS shows HTTP/2 with a refusal, and that certificates are swapped while serving, good ones only.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, 1)
	g := start(t, setup{
		upstream: newShop(t, ok), config: "tls: {cert_file: tls.crt, key_file: tls.key}\n",
		files: map[string][]byte{"tls.crt": cert, "tls.key": key},
	})
	g.tls = &tls.Config{InsecureSkipVerify: true}
	serial := func() int64 { // of the certificate for a new connection
		conn, err := g.dial(german)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		return secure.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	for buyer, want := range map[string]int{american: 451, german: 200} {
		a := g.get(t, buyer, "https://shop.example/cart")
		if a.ProtoMajor != 2 || a.StatusCode != want {
			t.Errorf("%s: %s %d", buyer, a.Proto, a.StatusCode)
		}
		if want == 451 && (!strings.HasPrefix(a.text, theSentence) || a.Header.Get("Link") != `<https://shop.example/>; rel="blocked-by"` || a.Header.Get("Connection") != "") {
			t.Errorf("%q %v", a.text, a.Header)
		}
	}
	// A body that nobody reads is refused at once as well, and its connection goes on.
	for range 2 {
		if a := g.send(t, american, http.MethodPost, "https://shop.example/cart", strings.NewReader(strings.Repeat("x", 1<<20))); a.StatusCode != 451 {
			t.Errorf("%d", a.StatusCode)
		}
	}

	const kept = "certificate not reloaded, the one in use stays"
	g.replace(t, "tls.crt", []byte("no certificate"))
	eventually(t, "the failure is logged", func() bool { return len(g.log.lines(t, kept)) > 0 })
	for range 2 {
		if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "the certificate cannot be used: ") {
			t.Errorf("reload says %v", err)
		}
	}
	if n := serial(); n != 1 {
		t.Errorf("certificate %d in use after a bad one, want 1", n)
	}
	if lines := g.log.lines(t, kept); len(lines) != 1 {
		t.Errorf("failures: %q", lines)
	}
	cert, key = certificate(t, 2)
	g.replace(t, "tls.key", key)
	g.replace(t, "tls.crt", cert)
	eventually(t, "the new certificate is in use", func() bool { return serial() == 2 })
	if a := g.get(t, german, "https://shop.example/cart"); a.StatusCode != 200 {
		t.Errorf("a connection from before: %d", a.StatusCode)
	}
}

// TestRefusalsOfAllProtocols shows that a refusal says the same whatever protocol it is told by: HTTP/1.1 takes it as a whole, HTTP/2
// field by field.
func TestRefusalsOfAllProtocols(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, 1)
	g := start(t, setup{config: "tls: {cert_file: tls.crt, key_file: tls.key}\n", files: map[string][]byte{"tls.crt": cert, "tls.key": key}})
	g.tls = &tls.Config{InsecureSkipVerify: true}
	one := &http.Client{Transport: &http.Transport{
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			conn, err := g.dial(american)
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"}), nil
		},
		DisableCompression: true, DisableKeepAlives: true,
	}, Timeout: patience}
	for _, accept := range []string{"text/html", "application/json", "text/plain", ""} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			first := exchange(t, one, method, "https://shop.example/cart", nil, "Accept", accept, "Accept-Language", "de")
			second := g.send(t, american, method, "https://shop.example/cart", nil, "Accept", accept, "Accept-Language", "de")
			for _, a := range []answer{first, second} {
				a.Header.Del("Date")
				if reference := a.Header.Get("Gate451-Reference"); len(reference) != 9 || method == http.MethodGet && !strings.Contains(a.text, reference) {
					t.Errorf("%s %q by %s: reference %q", method, accept, a.Proto, reference)
				}
				a.Header.Set("Gate451-Reference", "")
			}
			if first.ProtoMajor != 1 || second.ProtoMajor != 2 || first.StatusCode != 451 || first.ContentLength != second.ContentLength || !cmp.Equal(first.Header, second.Header) {
				t.Errorf("%s %q by %s and %s: %s", method, accept, first.Proto, second.Proto, cmp.Diff(first.Header, second.Header))
			}
		}
	}
}
