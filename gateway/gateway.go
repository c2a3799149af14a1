package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
	"gate451/gateway/acme"
	"gate451/gateway/console"
	"gate451/gateway/upstream"
	"gate451/gateway/watch"
	"gate451/rules"
)

// Gateway is the whole program but for its command line: what New makes, Run serves.
type Gateway struct {
	*Enforcer
	registry *prometheus.Registry
	routes   *routes
	certs    *certificates // nil without files of one
	issued   *acme.Manager // nil without an authority
	tracer   *tracer       // nil if nothing is traced

	public, admin net.Listener
	neighbours    net.Listener // nil without forward_auth
	forwardAuth   forwardAuth
	ready         atomic.Bool
	running       atomic.Int64   // exchanges, upgraded ones too
	roots         *x509.CertPool // by which an authority is verified
	watched       []watched
	renew         func(context.Context) // keeps the databases current until the context ends
	serving       func()                // told once
	door          *console.Door
	build         Build
}

// watched are files, and what reads them again.
type watched struct {
	*watch.Watcher
	load func() error
}

// New loads all that the configuration names and opens both sockets, so that nothing is left to fail once it runs. Its
// error says everything that is wrong, and what would be right. Whoever does not call Run calls Close.
func New(cfg *config.Config, opts Options) (*Gateway, error) {
	if opts.Registry == nil {
		opts.Registry = newRegistry()
	}
	opts = opts.withDefaults()
	g := &Gateway{registry: opts.Registry, public: opts.Public, admin: opts.Admin, serving: opts.Serving, build: opts.Build}
	policy, databases, certs := watchers(cfg, opts)
	catalogues := watch.New(nil, watch.Options{Logger: opts.Logger, Poll: databasePoll, Also: func() []string {
		if g.Enforcer == nil {
			return nil // nothing is loaded yet
		}
		return g.policy.catalogueFiles()
	}})
	err := g.load(cfg, opts)
	if err == nil {
		g.latest, g.door = new(console.Feed), console.NewDoor(string(cfg.Admin.Token), opts.Random, opts.Logger)
		g.policy.renamed = catalogues.Look
		g.watched = []watched{{policy, g.policy.load}, {catalogues, g.policy.load}, {databases, g.places.Reload}}
		if g.certs != nil {
			g.watched = append(g.watched, watched{certs, g.certs.load})
		}
		var stale error
		g.renew, stale = g.renewDatabases(opts)
		if err = errors.Join(stale, g.listen(cfg), g.keep(opts), g.trace(opts)); err == nil {
			if err = g.join(opts); err == nil {
				err = g.certify()
			}
		}
	}
	if err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// Check loads all that New would and listens on nothing. It returns the policy, and the databases' descriptions.
func Check(cfg *config.Config, opts Options) (*rules.Policy, []Database, error) {
	if opts.Registry == nil {
		opts.Registry = newRegistry()
	}
	g := &Gateway{registry: opts.Registry}
	defer g.Close()
	if err := g.load(cfg, opts.withDefaults()); err != nil {
		return nil, nil, err
	}
	return g.policy.current.Load(), g.places.Databases(), nil
}

func (g *Gateway) load(cfg *config.Config, opts Options) error {
	var errs [3]error
	if g.Enforcer, errs[0] = NewEnforcer(cfg, opts); g.Enforcer == nil {
		g.Enforcer = &Enforcer{cfg: cfg, log: opts.Logger} // so that the rest can be looked at as well
	}
	g.routes, errs[1] = newRoutes(cfg, func(name string) upstream.Options {
		return upstream.Options{Logger: opts.Logger.With(slog.String("route", name)), OnError: func(cause string) {
			if cause == upstream.CauseTooLarge {
				g.metrics.rejected.WithLabelValues("body_size").Inc()
				return
			}
			g.metrics.upstreamErrors.WithLabelValues(name, cause).Inc()
		}}
	})
	if g.routes != nil {
		g.carts = &carts{routes: g.routes, country: cfg.CountryHeader, heard: cfg.GeoIP.Header, metrics: g.metrics, log: opts.Logger}
	}
	if cfg.TLS.CertFile != "" {
		g.certs, errs[2] = loadCertificates(cfg, opts.Logger)
	}
	if cfg.TLS.ACME.On() {
		g.roots, errs[2] = authority(cfg)
	}
	return errors.Join(errs[:]...)
}

func (g *Gateway) listen(cfg *config.Config) (err error) {
	open := func(ln net.Listener, address string, key *string) (net.Listener, error) {
		if ln != nil {
			return ln, nil
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return nil, cfg.Problem(key, fmt.Sprintf("cannot listen: %v; name a free address of this machine", err))
		}
		return ln, nil
	}
	var errs [3]error
	g.public, errs[0] = open(g.public, cfg.Listen, &cfg.Listen)
	g.admin, errs[1] = open(g.admin, cfg.Admin.Listen, &cfg.Admin.Listen)
	if cfg.ForwardAuth.Listen != "" {
		g.neighbours, errs[2] = open(nil, cfg.ForwardAuth.Listen, &cfg.ForwardAuth.Listen)
	}
	return errors.Join(errs[:]...)
}

// Close gives back what a Gateway holds that does not run.
func (g *Gateway) Close() {
	for _, ln := range []net.Listener{g.public, g.admin, g.neighbours} {
		if ln != nil {
			_ = ln.Close() // nothing was served on it
		}
	}
	if g.routes != nil {
		g.routes.close()
	}
	if g.issued != nil {
		g.issued.Close()
	}
	if g.Enforcer != nil {
		if g.fleet != nil {
			_ = g.fleet.Close() // nothing was shared
		}
		_ = g.recorder.close() // nothing was decided
	}
	g.tracer.close(context.Background()) // nothing was traced
}

// PublicAddr returns the address on which buyers are served.
func (g *Gateway) PublicAddr() net.Addr { return g.public.Addr() }

// AdminAddr returns the address on which the operator is served.
func (g *Gateway) AdminAddr() net.Addr { return g.admin.Addr() }

// ForwardAuthAddr returns the address on which proxies in front are answered; nil if there is none.
func (g *Gateway) ForwardAuthAddr() net.Addr {
	if g.neighbours == nil {
		return nil
	}
	return g.neighbours.Addr()
}

// databasePoll is how often databases and catalogues are looked at where the operating system reports no change. Reading and checking
// a large one takes a while, so that a bad one should not be tried again every few seconds.
const databasePoll = 30 * time.Second

// watchers note the state of the files before they are loaded, so that no change is lost.
func watchers(cfg *config.Config, opts Options) (policy, databases, certs *watch.Watcher) {
	files := func(poll time.Duration, paths ...string) *watch.Watcher {
		named := slices.DeleteFunc(paths, func(path string) bool { return path == "" })
		return watch.New(named, watch.Options{Logger: opts.Logger, Poll: poll})
	}
	policyFile := cfg.Policy
	if opts.Policy != nil {
		policyFile = ""
	}
	return files(0, policyFile), files(databasePoll, append(slices.Clone(cfg.GeoIP.Databases), cfg.GeoIP.Anonymous)...),
		files(0, cfg.TLS.CertFile, cfg.TLS.KeyFile)
}

// Reload reads the policy, its catalogues, the databases and the certificate again. What is bad changes nothing; the error says what
// that is.
func (g *Gateway) Reload() error {
	err := g.Enforcer.Reload()
	if g.certs != nil {
		err = errors.Join(err, g.certs.load())
	}
	return err
}
