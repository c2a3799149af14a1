package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"), // the library never ends them
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),             // it looks every five seconds whether it is still needed
		// Nor does the library close the connections to an authority: those end when the authority, or the process, does.
		goleak.IgnoreAnyFunction("net/http.(*http2ClientConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// patience bounds every wait; no test expects to reach it.
const patience = 60 * time.Second

// authority is a Pebble: a small ACME server for tests, which really connects to whom it issues certificates.
type authority struct {
	t       testing.TB
	dir     string
	config  string
	dns     string
	url     string
	manage  string
	log     logbook
	running *exec.Cmd
}

// pebble finds the program: $PEBBLE, or one that is installed.
func pebble(t testing.TB) string {
	t.Helper()
	name := os.Getenv("PEBBLE")
	if name == "" {
		name = "pebble"
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("pebble is not installed: %v; set PEBBLE to its path", err)
	default:
		t.Skipf("pebble is not installed: %v; set PEBBLE to its path", err)
	}
	return path
}

// newAuthority returns one that connects to hosts at a port, and that is not running. Its certificates are good for so long.
func newAuthority(t testing.TB, port int, good time.Duration) *authority {
	t.Helper()
	pebble(t)
	a := &authority{t: t, dir: t.TempDir(), dns: nameServer(t)}
	listen, manage := free(t), free(t)
	a.url, a.manage = "https://"+listen+"/dir", "https://"+manage
	own(t, a.file("ca.pem"), a.file("key.pem"))
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": a.file("ca.pem"), "privateKey": a.file("key.pem"),
		"httpPort": 1, "tlsPort": port, "retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "of the test", "validityPeriod": int(good.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	a.config = a.file("config.json")
	if err := os.WriteFile(a.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) start() *authority {
	a.t.Helper()
	a.running = exec.Command(pebble(a.t), "-config", a.config, "-dnsserver", a.dns)
	a.running.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	a.running.Stdout, a.running.Stderr = &a.log, &a.log
	if err := a.running.Start(); err != nil {
		a.t.Fatal(err)
	}
	running := a.running
	a.t.Cleanup(func() { stop(running) })
	eventually(a.t, "the authority runs", func() bool { return strings.Contains(a.log.String(), "ACME directory available") })
	return a
}

func (a *authority) stop() { stop(a.running) }

func stop(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGKILL) // it has nothing to lose
	_ = cmd.Wait()
}

// orders counts those that were made.
func (a *authority) orders() int { return strings.Count(a.log.String(), "Added order") }

// roots returns the certificate that the authority issues by, which is another one each time that it starts.
func (a *authority) roots() *x509.CertPool {
	a.t.Helper()
	own, err := Roots(a.file("ca.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own}, DisableKeepAlives: true}, Timeout: patience}
	answer, err := client.Get(a.manage + "/roots/0")
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatalf("%v: %s", err, text)
	}
	return pool
}

// own writes a certificate for this machine that is its own authority.
func own(t testing.TB, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// nameServer answers every question for an IPv4 address with this machine's, over TCP, as Pebble asks.
func nameServer(t testing.TB) string {
	t.Helper()
	ln := listen(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go answerNames(conn)
		}
	}()
	return ln.Addr().String()
}

// answerNames answers one question after another (RFC 1035 section 4.2.2).
func answerNames(conn net.Conn) {
	defer conn.Close()
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		text := make([]byte, length)
		var m dnsmessage.Message
		if _, err := io.ReadFull(conn, text); err != nil || m.Unpack(text) != nil || len(m.Questions) != 1 {
			return
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		text, err := m.AppendPack(make([]byte, 2))
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(text, uint16(len(text)-2))
		if _, err := conn.Write(text); err != nil {
			return
		}
	}
}

// free returns an address on which nobody listens.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// site is a web server with the certificates of a Manager.
type site struct {
	*Manager
	t   testing.TB
	ln  net.Listener
	log logbook
	end func()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// open serves hosts on a listener until the test, or the site, ends.
func open(t testing.TB, ln net.Listener, a *authority, dir string, store Store, change func(*Manager), hosts ...string) *site {
	t.Helper()
	s := &site{t: t, ln: ln}
	roots, err := Roots(a.file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	s.Manager, err = newManager(
		Config{Hosts: hosts, Email: "webmaster@" + hosts[0], DirectoryURL: a.url, Roots: roots, Dir: dir, Secret: "s3cret", Listen: ln.Addr()},
		Options{Logger: slog.New(slog.NewTextHandler(&s.log, nil)), Store: store}, certmagic.CacheOptions{RenewCheckInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.first = 50 * time.Millisecond
	if change != nil {
		change(s.Manager)
	}
	server := &http.Server{TLSConfig: s.TLS(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Proto, r.URL) })}
	server.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	go func() { _ = server.ServeTLS(ln, "", "") }()
	ctx, cancel := contextOf(t)
	ran := make(chan struct{})
	go func() { defer close(ran); s.Run(ctx) }()
	s.end = sync.OnceFunc(func() {
		cancel()
		<-ran
		s.Close()
		_ = server.Close()
	})
	t.Cleanup(s.end)
	return s
}

// ready waits until every host has a certificate.
func (s *site) ready() {
	s.t.Helper()
	eventually(s.t, "every host has a certificate", func() bool {
		_, missing := s.Missing(time.Now())
		return !missing
	})
}

// dial connects with TLS.
func (s *site) dial(config *tls.Config) (*tls.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.ln.Addr().String(), config)
}

// serial returns that of the certificate for a host.
func (s *site) serial(host string, roots *x509.CertPool) string {
	s.t.Helper()
	conn, err := s.dial(&tls.Config{ServerName: host, RootCAs: roots})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("in vain: " + what)
		}
	}
}

// logbook keeps what is written.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
