package geoip

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gate451/rules"
)

// Mode says how several databases decide together.
type Mode string

// The modes. The empty Mode is First.
const (
	// First: the first database that knows a country decides.
	First Mode = "first"
	// Any: a country counts if any database names it.
	Any Mode = "any"
)

// Config says what knows where addresses are.
type Config struct {
	// Databases are the paths of MaxMind DB files with countries, or countries and subdivisions. Without
	// any the embedded database is used.
	Databases []string
	// Decide says which of several databases counts.
	Decide Mode
	// Fields are what counts of the databases' records, each as a source of its own; none means Country. The sources are asked
	// database by database, and of each in this order.
	Fields []Field
	// Header says that a proxy in front may name the country in a header; Hear and Add are for that. It may only with Any.
	Header bool
	// Overrides are stronger than any database and than the rule that a private network has no country.
	// They settle an origin entirely: it has no other traits then, and nothing is added to it.
	Overrides map[netip.Prefix]Place
	// Anonymous is the path of a GeoIP2 Anonymous IP database, or empty.
	Anonymous string
	// MaxAge is the age, counted from its build, beyond which a database is stale; 0 means never.
	MaxAge time.Duration
}

// Options are what a Locator needs of its surroundings. The zero Options are usable.
type Options struct {
	// Logger is told about loaded, refused and stale databases; nil means nobody is.
	Logger *slog.Logger
	// Now is the clock by which Databases judges staleness; nil means time.Now.
	Now func() time.Time
	// OnReload is called for each database after it was loaded again, and with an error for each database
	// that was refused. Calls do not overlap. It must not call Reload.
	OnReload func(database string, err error)
	// Replace is called when all the databases have been loaded again. It calls replace, upon which they are in use, or returns
	// an error: then the loaded ones stay. It is told for which countries the new ones tell parts. Nil replaces always.
	Replace func(divides func(rules.Country) bool, replace func()) error
}

// Locator knows where addresses are. Its methods may be called concurrently.
type Locator struct {
	cfg       Config
	opts      Options
	overrides *overrides
	current   atomic.Pointer[state]
	disputes  *disputes

	reloading   sync.Mutex
	lastFailure string
}

// Open loads all the databases. Its error names everything that is wrong with the configuration and the
// files, and what would be right; what in it is about a file has a method File() string.
func Open(cfg Config, opts Options) (*Locator, error) {
	l := &Locator{cfg: cfg, opts: opts.withDefaults()}
	l.cfg.Databases = slices.Clone(cfg.Databases)
	said, err := newOverrides(cfg.Overrides)
	if err := errors.Join(cfg.check(), err); err != nil {
		return nil, err
	}
	l.overrides, l.disputes = said, newDisputes(l.cfg)
	loaded, wrong := openState(l.cfg)
	if loaded == nil {
		return nil, errors.Join(wrong...)
	}
	l.current.Store(loaded)
	l.logLoaded(loaded)
	return l, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Replace == nil {
		o.Replace = func(_ func(rules.Country) bool, replace func()) error { replace(); return nil }
	}
	if o.OnReload == nil {
		o.OnReload = func(string, error) {}
	}
	return o
}

// check reports what is wrong with a configuration, apart from the overrides and the files themselves.
func (cfg Config) check() error {
	var wrong []error
	if cfg.Decide != "" && cfg.Decide != First && cfg.Decide != Any {
		wrong = append(wrong, fmt.Errorf("unknown geoip.decide %q; expected first or any", string(cfg.Decide)))
	}
	wrong = append(wrong, checkFields(cfg.Fields)...)
	if cfg.Header && cfg.Decide != Any {
		wrong = append(wrong, errors.New("geoip.header adds a country to that of the databases, and geoip.decide has the first that is known count alone; expected decide: any"))
	}
	if cfg.MaxAge < 0 {
		wrong = append(wrong, fmt.Errorf("geoip.max_age is %s; expected a positive duration, or 0 for no limit", cfg.MaxAge))
	}
	names := make(map[string]string)
	for _, path := range cfg.paths() {
		name := filepath.Base(path)
		if other, taken := names[name]; taken {
			wrong = append(wrong, fmt.Errorf("geoip databases %s and %s have the same file name; expected different ones, "+
				"because records and metrics call a database by it", other, path))
		}
		names[name] = path
	}
	return errors.Join(wrong...)
}

// paths returns the files of all the databases.
func (cfg Config) paths() []string {
	if cfg.Anonymous == "" {
		return cfg.Databases
	}
	return append(slices.Clone(cfg.Databases), cfg.Anonymous)
}

// Locate returns where an address is, to the best of what the databases know. The instant is the one at
// which the request is judged; a database may be stale by then. An invalid address yields an origin
// with the trait UnusableClient, and an address that nobody knows one without a country. The slices of
// the origin are shared: they must not be changed.
func (l *Locator) Locate(addr netip.Addr, now time.Time) (origin rules.Origin) {
	if !addr.IsValid() {
		origin.Traits = rules.UnusableClient
		return origin
	}
	client := plain(addr)
	origin.Client = client
	judged, _ := inner(client)
	if said := l.overrides.find(client, judged); said != nil {
		origin.Country, origin.Subdivisions, origin.Source = said.country, said.subdivisions, sourceOverride
		return origin
	}
	if !public(judged) {
		origin.Traits = rules.PrivateNetwork
		return origin
	}
	l.current.Load().locate(&origin, judged, now)
	return origin
}
