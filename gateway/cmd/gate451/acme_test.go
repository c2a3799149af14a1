package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// balancer hands connections to the servers behind it in turn.
type balancer struct {
	net.Listener
	behind []string
	next   atomic.Int32
}

func (b *balancer) serve() {
	for {
		from, err := b.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("tcp", b.behind[int(b.next.Add(1))%len(b.behind)])
			if err != nil {
				return
			}
			defer to.Close()
			go func() { _, _ = io.Copy(to, from); _ = to.(*net.TCPConn).CloseWrite() }()
			_, _ = io.Copy(from, to)
		}()
	}
}

// localCertificate writes a certificate of this machine that is its own authority, and its key, and returns it.
func localCertificate(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		text := pem.EncodeToMemory(block)
		pool.AppendCertsFromPEM(text)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// pebbleFor starts an authority that looks for hosts at a port, and returns it with where it is.
func pebbleFor(t *testing.T, dir string, port int) (authority *server, directory, manage string) {
	t.Helper()
	program := os.Getenv("PEBBLE")
	if program == "" {
		program = "pebble"
	}
	need(t, program)
	listen, management := freePort(t), freePort(t)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management, "certificate": filepath.Join(dir, "ca.pem"), "privateKey": filepath.Join(dir, "ca.key"),
		"httpPort": 1, "tlsPort": port, "retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"description": "of the test", "validityPeriod": 3600}},
	}})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "pebble.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-config", filepath.Join(dir, "pebble.json"))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	authority = startProcess(t, cmd)
	authority.stdout.waitFor(t, "ACME directory available")
	return authority, "https://" + listen + "/dir", "https://" + management
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestTwoReplicasHaveOneCertificate has two gateways behind a balancer, which share what an authority issues through Redis:
// one of them asks, both answer the authority, and both show the certificate.
func TestTwoReplicasHaveOneCertificate(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	dir := folder(t, map[string]string{"policy.yaml": policyClosed, "acme.secret": "s3cret"})
	own := localCertificate(t, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"))
	authority, directory, manage := pebbleFor(t, dir, ln.Addr().(*net.TCPAddr).Port)
	redis := redisFor(t)
	b := &balancer{Listener: ln}
	var replicas []*server
	var admins []string
	for _, name := range []string{"gate-1", "gate-2"} {
		file := filepath.Join(dir, name+".yaml")
		text := strings.Replace(minimalGateway, `hosts: ["*"]`, "hosts: [localhost]", 1) + "replica: " + name + "\nlog: {level: debug}\n" +
			"tls: {acme: {email: webmaster@shop.example, directory_url: \"" + directory + "\", ca_file: ca.pem, dir: acme-" + name + ", secret_file: acme.secret}}\n" +
			"redis: {addrs: [\"" + redis + "\"], state_file: " + name + ".state, timeout: 1s}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := spawn(t, nil, quoted(program(t))+" serve --config "+quoted(file))
		public, admin := s.addresses(t)
		replicas, b.behind, admins = append(replicas, s), append(b.behind, public), append(admins, admin)
	}
	go b.serve()

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own}, DisableKeepAlives: true}}
	answer, err := client.Get(manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	issuer := x509.NewCertPool()
	if err != nil || !issuer.AppendCertsFromPEM(text) {
		t.Fatalf("%v: %s", err, text)
	}
	serials := map[string]bool{}
	for i, s := range replicas {
		for limit := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			status, said := get(t, "http://"+admins[i]+"/readyz")
			if status == http.StatusOK {
				break
			}
			if time.Now().After(limit) {
				t.Fatalf("a replica does not become ready: %d %s\n%s", status, said, s.stderr)
			}
		}
		shop := &http.Client{Transport: &http.Transport{
			DialContext:     func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", b.behind[i]) },
			TLSClientConfig: &tls.Config{RootCAs: issuer}, DisableKeepAlives: true,
		}}
		answer, err := shop.Get("https://localhost/")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusUnavailableForLegalReasons { // judged like any request
			t.Errorf("replica %d: %d", i, answer.StatusCode)
		}
		serials[answer.TLS.PeerCertificates[0].SerialNumber.String()] = true
	}
	if orders := strings.Count(authority.stdout.String(), "Added order"); orders != 1 || len(serials) != 1 {
		t.Errorf("%d orders, %d certificates", orders, len(serials))
	}
	said := replicas[0].stderr.String() + replicas[1].stderr.String()
	if !strings.Contains(said, `"challenge":"tls-alpn-01","distributed":true`) {
		t.Errorf("the replica that did not ask has not answered:\n%s", said)
	}
	if strings.Contains(said, "s3cret") || strings.Contains(said, "PRIVATE KEY") {
		t.Errorf("a secret is in the log:\n%s", said)
	}
	for _, s := range replicas {
		s.signal(syscall.SIGTERM)
		if code := s.wait(t); code != exitDone {
			t.Errorf("exit %d: %s", code, s.stderr)
		}
	}
}
