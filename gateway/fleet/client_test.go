package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{Addrs: []string{"127.0.0.1:1"}, Replica: "gate"}
	broken := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(broken, []byte("no certificate"), 0o600))
	for want, change := range map[string]func(*Config){
		"no address of Redis; give at least one host:port":                                                                func(c *Config) { c.Addrs = nil },
		`replica "../x"; a name has 1 to 128 letters, digits, dots, dashes and underscores, and no dot first`:             func(c *Config) { c.Replica = "../x" },
		`replica ""; a name has 1 to 128 letters, digits, dots, dashes and underscores, and no dot first`:                 func(c *Config) { c.Replica = "" },
		"database 3 in a cluster; a cluster has only 0":                                                                   func(c *Config) { c.DB, c.Cluster = 3, true },
		`key prefix "a{b"; it has letters, digits, dots, dashes, underscores and colons, and may have one part in braces`: func(c *Config) { c.KeyPrefix = "a{b" },
		"redis: open /no/such/file: no such file or directory; name a readable file of CA certificates":                   func(c *Config) { c.TLS = &TLS{CAFile: "/no/such/file"} },
		"redis: " + broken + ": no certificate in it; it must hold CA certificates as PEM":                                func(c *Config) { c.TLS = &TLS{CAFile: broken} },
		"redis: open /no/such/file: no such file or directory; name a certificate and its key as PEM":                     func(c *Config) { c.TLS = &TLS{CertFile: "/no/such/file", KeyFile: broken} },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg, Options{}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestKeysAreInOneSlot(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"gate451": "{gate451}:policy", "{a}:b": "{a}:b:policy"} {
		if got := newKeys(prefix).policy; got != want {
			t.Errorf("%s gives %s, want %s", prefix, got, want)
		}
	}
}

func TestOutageIsToldOnce(t *testing.T) {
	t.Parallel()
	e := alone(t)
	var log logged
	f := e.replica(t, "gate", Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Poll: 30 * time.Millisecond, Beat: 30 * time.Millisecond,
		Flush: 30 * time.Millisecond, Source: newRecord()}, func(c *Config) { c.Timeout = time.Second }) // a killed server refuses at once
	if f.Up() {
		t.Error("up before anybody asked")
	}
	running(t, f)
	eventually(t, 5*time.Second, "redis to be up", f.Up)
	for range 2 {
		e.owner().kill()
		eventually(t, 5*time.Second, "redis to be away", func() bool { return !f.Up() })
		time.Sleep(1500 * time.Millisecond) // in which many commands fail
		e.owner().start()
		eventually(t, 5*time.Second, "redis to be back", f.Up)
	}
	time.Sleep(300 * time.Millisecond)
	if away, back := log.count("redis does not answer, the replica goes on"), log.count("redis answers"); away != 2 || back != 3 {
		t.Errorf("%d times away, %d times back: %s", away, back, log.String())
	}
	if n := strings.Count(log.String(), "\n"); n != 5 {
		t.Errorf("%d lines in all:\n%s", n, log.String())
	}
}

func TestBreakerSparesADeadRedis(t *testing.T) {
	t.Parallel()
	op := nowhere(t).operator(t)
	for range failuresToOpen {
		_, _ = op.Status(context.Background())
	}
	begin, refused := time.Now(), 0
	for range 2000 {
		if _, err := op.Status(context.Background()); unanswered(err) && strings.Contains(err.Error(), errOpen.Error()) {
			refused++
		}
	}
	// Each half second one may try.
	if tries := 2000 - refused; tries > 1+int(time.Since(begin)/openFor) {
		t.Errorf("%d of 2000 commands were sent in %s", tries, time.Since(begin))
	}
}

func TestUserWithRestrictedRights(t *testing.T) {
	t.Parallel()
	e := alone(t)
	const secret = "s3cr3t-pass"
	e.owner().do("ACL", "SETUSER", "gate", "on", ">"+secret, "~{gate451}:*", "&{gate451}:*", "-@all",
		"+@read", "+@write", "+@stream", "+@pubsub", "+@scripting", "+@connection", "+time")
	var log logged
	opts := Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Source: newRecord(), Flush: 50 * time.Millisecond}
	as := func(password string) func(*Config) {
		return func(c *Config) { c.Username, c.Password = "gate", password }
	}
	f := e.replica(t, "gate", opts, as(secret))
	running(t, f)
	opts.Source.(*record).add("a line")
	f.Count("r", "US", "block", 1)
	must(t, f.PutCheckpoint([]byte("checkpoint")))
	push(t, f, "a policy")
	eventually(t, 3*time.Second, "the policy", has(f, 1, "a policy"))
	into := newCopies()
	eventually(t, 5*time.Second, "the line", func() bool {
		must(t, f.Collect(context.Background(), Collection{Open: into.open, Once: true}))
		return len(into.lines("gate")) == 1
	})
	eventually(t, 3*time.Second, "the rest", func() bool {
		counts, err := f.Counters(context.Background(), 1, 1)
		checkpoints, err2 := f.Checkpoints(context.Background())
		return err == nil && err2 == nil && len(counts) == 1 && len(checkpoints) == 1
	})
	if strings.Contains(log.String(), "out of order") {
		t.Errorf("its rights do not suffice: %s", log.String())
	}

	wrong := e.replica(t, "other", opts, as("wr0ng-pass"))
	running(t, wrong)
	eventually(t, 5*time.Second, "the wrong password to be told", func() bool { return log.count("redis does not answer, the replica") == 1 })
	_, err := wrong.Status(context.Background())
	if all := log.String() + err.Error(); strings.Contains(all, secret) || strings.Contains(all, "wr0ng-pass") || !strings.Contains(all, "WRONGPASS") {
		t.Errorf("it is told as %s", all)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	s := newServer(t, "--tls-port", freePortText(t), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert)
	e := &engine{config: Config{Addrs: []string{"127.0.0.1:" + s.args[index(s.args, "--tls-port")+1]}}}
	secure := func(tls *TLS) func(*Config) { return func(c *Config) { c.TLS, c.Timeout = tls, time.Second } }
	f := e.replica(t, "gate", Options{}, secure(&TLS{CAFile: cert, CertFile: cert, KeyFile: key, ServerName: "redis.example"}))
	defer func() { must(t, f.Close()) }()
	push(t, f, "a policy")
	for name, wrong := range map[string]*TLS{
		"a stranger's certificate": {CertFile: cert, KeyFile: key, ServerName: "redis.example"},
		"another name":             {CAFile: cert, CertFile: cert, KeyFile: key, ServerName: "other.example"},
		"no certificate to show":   {CAFile: cert, ServerName: "redis.example"},
	} {
		f := e.replica(t, "gate", Options{}, secure(wrong))
		if _, err := f.Status(context.Background()); !unanswered(err) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, f.Close())
	}
}

func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis.example"}, DNSNames: []string{"redis.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	must(t, err)
	secretDER, err := x509.MarshalPKCS8PrivateKey(secret)
	must(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretDER}), 0o600))
	return cert, key
}
