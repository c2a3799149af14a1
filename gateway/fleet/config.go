package fleet

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"
)

// Config says where Redis is and who this replica is.
type Config struct {
	// Addrs are host:port. One is a server alone, several are nodes of a cluster, or sentinels if MasterName is given.
	Addrs []string
	// MasterName is the name under which the sentinels know the server.
	MasterName string
	// Cluster says that a single address is a node of a cluster.
	Cluster bool
	// Username and Password are for Redis; the others for the sentinels. None of them is ever logged.
	Username, Password                 string
	SentinelUsername, SentinelPassword string
	// TLS is how to speak TLS; nil means not to.
	TLS *TLS
	// DB is the number of the database. A cluster has only 0.
	DB int
	// KeyPrefix begins every key and channel, as a hash tag, so that a fleet's keys are in one slot; empty means gate451.
	// All replicas of a fleet have the same.
	KeyPrefix string
	// Timeout is how long an answer may take; 0 means 100 ms. Connecting may take twice, and a command with everything
	// around it four times as long.
	Timeout time.Duration
	// Replica names this replica among the fleet: letters, digits, dot, dash and underscore. No two may have the same.
	Replica string
	// Version is the build of the program, for others to see.
	Version string
	// StateFile is where the last good policy is kept for a start without Redis; empty means nowhere.
	StateFile string
	// StreamLines is how many lines of evidence wait in Redis for the collector at most; 0 means 100,000.
	StreamLines int
}

// TLS is how to speak TLS to Redis. Every field may be empty.
type TLS struct {
	// CAFile has the certificates to trust instead of the system's.
	CAFile string
	// CertFile and KeyFile are what this replica shows of itself.
	CertFile, KeyFile string
	// ServerName is the name to expect in the certificate instead of the address's host.
	ServerName string
}

// Options are what a Fleet takes from its surroundings. The zero Options are usable.
type Options struct {
	// Logger is told what changes; nil means nobody is.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now. Waiting is always done by the real clock.
	Now func() time.Time
	// Random is where the ids come from; nil means crypto/rand.
	Random io.Reader
	// Apply puts what was published into force. It is called by New with what was kept, if anything was, and by Run,
	// never twice at once. A Published without Text has pauses only. An error changes nothing and is reported; the same
	// generation is not offered again, unless Again is called. Nil means that every policy is good.
	Apply func(Published) error
	// Running says what this replica runs, for others to see; nil means what was last applied.
	Running func() Running
	// Source is where the lines of evidence come from; nil means that none are shipped.
	Source Source
	// Poll is how often Redis is asked for the policy though it announced none, and for its place in the evidence; 0
	// means every second.
	Poll time.Duration
	// Beat is how often a replica shows that it is there; 0 means every second. It is gone after five without.
	Beat time.Duration
	// Flush is how often counts are written; 0 means every two seconds.
	Flush time.Duration
}

// Running is what a replica runs.
type Running struct {
	// Digest is the digest of the policy that decides, wherever it came from.
	Digest string
	// Database says which build of the country database is in use.
	Database string
}

const (
	defaultPrefix      = "gate451"
	defaultTimeout     = 100 * time.Millisecond
	defaultStreamLines = 100_000
	beatsToLive        = 5
)

var (
	names    = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)
	prefixes = regexp.MustCompile(`^[A-Za-z0-9._:-]*(\{[A-Za-z0-9._:-]+\})?[A-Za-z0-9._:-]*$`)
)

func (c Config) withDefaults() Config {
	if c.KeyPrefix == "" {
		c.KeyPrefix = defaultPrefix
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.StreamLines <= 0 {
		c.StreamLines = defaultStreamLines
	}
	return c
}

func (c Config) check() error {
	var wrong []error
	if len(c.Addrs) == 0 {
		wrong = append(wrong, errors.New("no address of Redis; give at least one host:port"))
	}
	if !names.MatchString(c.Replica) {
		wrong = append(wrong, fmt.Errorf("replica %q; a name has 1 to 128 letters, digits, dots, dashes and underscores, and no dot first", c.Replica))
	}
	if c.DB != 0 && (c.Cluster || len(c.Addrs) > 1 && c.MasterName == "") {
		wrong = append(wrong, fmt.Errorf("database %d in a cluster; a cluster has only 0", c.DB))
	}
	if !prefixes.MatchString(c.KeyPrefix) {
		wrong = append(wrong, fmt.Errorf("key prefix %q; it has letters, digits, dots, dashes, underscores and colons, and may have one part in braces", c.KeyPrefix))
	}
	return errors.Join(wrong...)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Apply == nil {
		o.Apply = func(Published) error { return nil }
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Beat <= 0 {
		o.Beat = time.Second
	}
	if o.Flush <= 0 {
		o.Flush = 2 * time.Second
	}
	return o
}

func (t *TLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w; name a readable file of CA certificates", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in it; it must hold CA certificates as PEM", t.CAFile)
		}
	}
	if t.CertFile != "" || t.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w; name a certificate and its key as PEM", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// keys are the names of everything in Redis.
type keys struct{ prefix, policy, announced, replicas, checkpoints, evidence string }

func newKeys(prefix string) keys {
	if !strings.Contains(prefix, "{") {
		prefix = "{" + prefix + "}"
	}
	prefix += ":"
	return keys{
		prefix: prefix, policy: prefix + "policy", announced: prefix + "policy:announced", replicas: prefix + "replicas",
		checkpoints: prefix + "checkpoints", evidence: prefix + "evidence",
	}
}

func (k keys) stream(replica string) string { return k.prefix + "evidence:" + replica }
func (k keys) lease(replica string) string  { return k.prefix + "collector:" + replica }
func (k keys) counters(day Day) string      { return k.prefix + "counters:" + day.String() }
