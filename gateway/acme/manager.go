package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
)

// Config says who is to issue certificates for what.
type Config struct {
	// Hosts are the names that need a certificate. Whoever connects without a name is shown that of the first.
	Hosts []string
	// Email is whom the authority writes to. To give it is to accept the authority's terms of service.
	Email string
	// DirectoryURL is where the authority's directory is.
	DirectoryURL string
	// Roots verify the authority's own server; nil means those of the system.
	Roots *x509.CertPool
	// Dir is where everything is kept or, with a Store, a copy of the certificates. It is made if it is not there.
	Dir string
	// Secret encrypts what is kept in the Store; empty means that it is kept as it is.
	Secret string
	// Listen is the address on which the connections arrive that TLS is for. It must be listened on before Run.
	Listen net.Addr
}

// Options are what a Manager takes from its surroundings. The zero Options are usable.
type Options struct {
	// Logger is told what changes and what fails; nil means nobody is.
	Logger *slog.Logger
	// Store is where certificates are kept for all replicas; nil means in the folder.
	Store Store
	// Random returns numbers from 0 to below 1, which spread the times at which replicas try again; nil means math/rand.
	Random func() float64
}

// Manager has certificates issued and renewed.
type Manager struct {
	hosts  []string
	log    *slog.Logger
	random func() float64
	config *certmagic.Config
	cache  *certmagic.Cache
	first  time.Duration // pause after a failure
}

const (
	firstPause = time.Minute // after a failure; each one more doubles it
	lastPause  = 6 * time.Hour
)

// New returns a Manager, which has no certificate before Run. Whoever is done with it calls Close. Its error says what is
// wrong with the configuration.
func New(cfg Config, opts Options) (*Manager, error) {
	return newManager(cfg, opts, certmagic.CacheOptions{})
}

func newManager(cfg Config, opts Options, timing certmagic.CacheOptions) (*Manager, error) {
	at, ok := cfg.Listen.(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("certificates cannot be issued for %v, which is no TCP port; listen on one", cfg.Listen)
	}
	m := &Manager{hosts: cfg.Hosts, log: opts.Logger, random: opts.Random, first: firstPause}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.random == nil {
		m.random = rand.Float64
	}
	logger := bridge(m.log)
	host := at.IP.String()
	if at.Zone != "" {
		host += "%" + at.Zone
	}
	settings := certmagic.Config{
		DefaultServerName: cfg.Hosts[0], Logger: logger, Storage: &certmagic.FileStorage{Path: cfg.Dir},
		// What OCSP told, renewal information (RFC 9773) tells now; one host less to ask.
		OCSP: certmagic.OCSPConfig{DisableStapling: true},
	}
	if opts.Store != nil {
		settings.LocalCache = settings.Storage
		shared, err := newShared(opts.Store, cfg.Secret)
		if err != nil {
			return nil, err
		}
		settings.Storage = shared
	}
	timing.GetConfigForCert = func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil }
	timing.Logger = logger
	m.cache = certmagic.NewCache(timing)
	m.config = certmagic.New(m.cache, settings)
	m.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: cfg.DirectoryURL, Email: cfg.Email, Agreed: true, TrustedRoots: cfg.Roots, Logger: logger, DisableHTTPChallenge: true,
		// The library would listen there itself, if nobody did.
		ListenHost: host, AltTLSALPNPort: at.Port,
	})}
	return m, nil
}

// Roots reads the certificates by which an authority's server is verified; without a file it returns nil, for those of the
// system.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name a readable file of CA certificates", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in it; it must hold CA certificates as PEM", file)
	}
	return pool, nil
}

// Close ends what watches over the certificates, which can be used until they expire. Run must have ended.
func (m *Manager) Close() { m.cache.Stop() }

// Run loads the certificates that are kept, has those that are missing issued, and all of them renewed, until the context
// ends.
func (m *Manager) Run(ctx context.Context) {
	var open []*pending
	for _, host := range m.hosts {
		open = append(open, &pending{host: host})
	}
	for pause := m.first; ; pause = min(2*pause, lastPause) {
		open = slices.DeleteFunc(open, func(p *pending) bool { return m.manage(ctx, p) })
		if len(open) == 0 {
			<-ctx.Done() // what is managed is renewed by the library
			return
		}
		timer := time.NewTimer(time.Duration(float64(pause) * (0.9 + 0.2*m.random())))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// pending is a host that has no good certificate yet.
type pending struct {
	host  string
	tries int
	said  string // what was last wrong
}

// manage tries to have a host's certificate in use. It reports whether the library sees to the rest.
func (m *Manager) manage(ctx context.Context, p *pending) bool {
	if m.has(p.host) && !m.good(p.host, time.Now()) {
		m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: p.host}}) // or else nothing would be done, as there is one
	}
	// The library tries less and less, told how often it has: in the end without saying which certificate is replaced, which
	// an authority may not know.
	tries := p.tries
	p.tries++
	err := m.config.ManageSync(context.WithValue(ctx, certmagic.AttemptsCtxKey, &tries), []string{p.host})
	good := m.good(p.host, time.Now())
	if err != nil && ctx.Err() == nil && p.said != err.Error() {
		p.said = err.Error()
		consequence := "nobody can connect to this host, and it is tried again"
		if good {
			consequence = "the certificate in use stays, and it is tried again"
		}
		m.log.Error("certificate not issued", slog.String("host", p.host), slog.String("consequence", consequence), slog.Any("error", err))
	}
	if good {
		m.log.Info("certificate in use", slog.String("host", p.host), slog.Time("expires", m.notAfter(p.host)))
	}
	return good || ctx.Err() != nil
}

// challengeProtocol is what an authority asks for to see that a host is the gateway's (RFC 8737 section 6.2).
const challengeProtocol = "acme-tls/1"

// Certificate is a certificate in use.
type Certificate struct {
	Host string
	// NotAfter is when it expires; zero if there is none.
	NotAfter time.Time
}

// Certificates returns one for each of the hosts, in their order.
func (m *Manager) Certificates() []Certificate {
	all := make([]Certificate, len(m.hosts))
	for i, host := range m.hosts {
		all[i] = Certificate{host, m.notAfter(host)}
	}
	return all
}

// Missing returns the first host without a certificate that is good at an instant; ok is false if there is none such.
func (m *Manager) Missing(now time.Time) (host string, ok bool) {
	for _, host := range m.hosts {
		if !m.good(host, now) {
			return host, true
		}
	}
	return "", false
}

func (m *Manager) has(host string) bool { return len(m.cache.AllMatchingCertificates(host)) > 0 }

func (m *Manager) good(host string, now time.Time) bool { return m.notAfter(host).After(now) }

// notAfter is when the last of a host's certificates expires; zero if there is none.
func (m *Manager) notAfter(host string) (last time.Time) {
	for _, c := range m.cache.AllMatchingCertificates(host) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(last) {
			last = c.Leaf.NotAfter
		}
	}
	return last
}

// TLS returns what a listener speaks. A connection on which the authority looks whether the host is the gateway's speaks
// nothing else, and net/http has nothing to say on it.
func (m *Manager) TLS() *tls.Config {
	challenge := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{challengeProtocol}, GetCertificate: m.certificate}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: m.certificate,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if slices.Equal(hello.SupportedProtos, challenge.NextProtos) {
				return challenge, nil
			}
			return nil, nil
		},
	}
}

var errStranger = errors.New("there is no certificate for this name")

// certificate finds that of a host. Whoever asks for another name, of which there is no end, causes no work.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" && !slices.Contains(m.hosts, lower(hello.ServerName)) {
		return nil, errStranger
	}
	return m.config.GetCertificate(hello)
}
