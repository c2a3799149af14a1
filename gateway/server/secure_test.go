package server

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// secured makes a server speak TLS with a certificate that its clients trust.
func secured(t testing.TB) (server func(*Config), client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	challenge := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"acme-tls/1"}, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	cfg := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: challenge.Certificates,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == "acme-tls/1" {
				return challenge, nil
			}
			return nil, nil
		},
	}
	return func(c *Config) { c.TLS = cfg }, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "shop.example"}
}

func protocol(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.Proto+" "+r.RemoteAddr)
	if r.TLS != nil {
		_, _ = io.WriteString(w, " "+r.TLS.ServerName+" "+r.TLS.NegotiatedProtocol)
	}
}

// TestTLS shows which protocols are spoken over TLS.
func TestTLS(t *testing.T) {
	t.Parallel()
	change, cfg := secured(t)
	s := serve(t, protocol, change)
	for _, c := range []struct{ offered, want string }{{"", "HTTP/1.1 ADDR shop.example "}, {"http/1.1", "HTTP/1.1 ADDR shop.example http/1.1"}} {
		own := cfg.Clone()
		if c.offered != "" {
			own.NextProtos = []string{c.offered}
		}
		nc := s.dial(t)
		secure := tls.Client(nc, own)
		in := bufio.NewReader(secure)
		for range 3 {
			tell(t, secure, plainRequest)
			if _, text := hear(t, in, "GET"); text != strings.Replace(c.want, "ADDR", nc.LocalAddr().String(), 1) {
				t.Errorf("%q: %q", c.offered, text)
			}
		}
	}
	own := cfg.Clone()
	own.NextProtos = []string{"acme-tls/1"}
	secure := tls.Client(s.dial(t), own)
	if err := secure.HandshakeContext(t.Context()); err != nil || secure.ConnectionState().NegotiatedProtocol != "acme-tls/1" {
		t.Errorf("an authority sees %v", err)
	}
	if _, err := secure.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("and then %v", err)
	}
	transport := &http.Transport{TLSClientConfig: cfg.Clone(), ForceAttemptHTTP2: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", s.at) }}
	defer transport.CloseIdleConnections()
	for range 2 {
		res, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://shop.example/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.HasPrefix(string(text), "HTTP/2.0 127.0.0.1:") || !strings.HasSuffix(string(text), " shop.example h2") {
			t.Errorf("%q, %v", text, err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(context.Background()) }()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestTLSAfterTheListener shows that connections which have been accepted are served though nothing more is, whatever they speak.
func TestTLSAfterTheListener(t *testing.T) {
	t.Parallel()
	change, cfg := secured(t)
	s := serve(t, protocol, change)
	var conns []net.Conn
	for range 2 {
		conns = append(conns, s.dial(t))
	}
	eventually(t, "they are accepted", func() bool { return len(s.all()) == len(conns) })
	s.mu.Lock()
	_ = s.listener.Close() // as whoever opened it may
	s.mu.Unlock()
	err := <-s.ends
	s.ends <- err
	for i, offered := range []string{"http/1.1", "h2"} {
		transport := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			own := cfg.Clone()
			own.NextProtos = []string{offered}
			secure := tls.Client(conns[i], own)
			return secure, secure.Handshake()
		}}
		res, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://shop.example/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		transport.CloseIdleConnections()
		if err != nil || !strings.HasSuffix(string(text), " "+offered) {
			t.Errorf("%s: %q, %v", offered, text, err)
		}
	}
}

// TestNoTLS shows what becomes of clients that speak no TLS where it is spoken.
func TestNoTLS(t *testing.T) {
	t.Parallel()
	change, _ := secured(t)
	s := serve(t, protocol, func(c *Config) {
		change(c)
		c.HeaderTimeout = 50 * time.Millisecond
	})
	for text, want := range map[string]string{plainRequest: "HTTP/1.0 400 Bad Request", "nonsense of any kind": "", "": ""} {
		_, in := s.say(t, text)
		got, _ := io.ReadAll(in) // it may be reset
		if !strings.HasPrefix(string(got), want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	eventually(t, "it is told", func() bool { return s.log.has("no TLS came about") })
}

// TestHTTP2Cleartext shows that a plain connection speaks HTTP/2 if it begins so, whole or in bites, and only where it may.
func TestHTTP2Cleartext(t *testing.T) {
	t.Parallel()
	for _, may := range []bool{true, false} {
		s := serve(t, protocol, func(c *Config) { c.HTTP2Cleartext = may })
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		client := &http.Client{Transport: transport, Timeout: patience}
		if res, err := client.Get("http://" + s.at + "/"); err == nil {
			text, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !may || !strings.HasPrefix(string(text), "HTTP/2.0 127.0.0.1:") {
				t.Errorf("allowed %v: %q", may, text)
			}
		} else if may {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		nc, in := s.say(t, prefaceHead)
		time.Sleep(time.Millisecond)
		tell(t, nc, "SM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		frame := make([]byte, 9)
		if _, err := io.ReadFull(in, frame); err != nil || may != (frame[3] == 4) || !may && string(frame) != "HTTP/1.1 " {
			t.Errorf("allowed %v: %q %v", may, frame, err)
		}
		nc.Close()
		for text, want := range map[string]string{prefaceHead + "XY\r\n\r\n" + plainRequest: "HTTP/1.1 400", plainRequest + preface: "HTTP/1.1 200"} {
			nc, in := s.say(t, text)
			_ = nc.CloseWrite()
			if got, err := io.ReadAll(in); err != nil || !strings.HasPrefix(string(got), want) || strings.Contains(string(got), "HTTP/2.0") {
				t.Errorf("%q: %q, %v", text, got, err)
			}
		}
		half, in := s.say(t, prefaceHead)
		_ = half.CloseWrite()
		if got, err := io.ReadAll(in); err != nil || may != (len(got) == 0) {
			t.Errorf("%q, %v", got, err)
		}
	}
}
