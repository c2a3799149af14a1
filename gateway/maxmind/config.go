package maxmind

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"time"
)

// Config says what to keep current, and where.
type Config struct {
	// URL is the server, https, or http on loopback. A path of it comes before those of the permalinks.
	URL *url.URL
	// AccountID and LicenseKey are who asks. Neither is ever logged.
	AccountID, LicenseKey string
	// Editions are MaxMind's names of the databases, such as GeoLite2-Country.
	Editions []string
	// Dir is the folder of the databases: each is EDITION.mmdb in it. It must exist.
	Dir string
	// Every is how often the server is asked.
	Every time.Duration
}

// Options are what an Updater takes from its surroundings. All but Check may be left out.
type Options struct {
	// Logger is told of new databases and of failures; nil means nobody is.
	Logger *slog.Logger
	// Now is the clock by which it is decided when to ask; nil means time.Now. Waiting is always done by the real clock.
	Now func() time.Time
	// Random returns numbers from 0 to below 1, which spread the times at which replicas ask; nil means math/rand.
	Random func() float64
	// Check opens a database file, tries it, and returns the type that it says it has and when it was built.
	Check func(path string) (databaseType string, built time.Time, err error)
	// OnResult is called for each edition that was asked for. Calls do not overlap.
	OnResult func(edition string, result Result)
	// Agent is how the program calls itself to the server; empty means gate451.
	Agent string
}

// editions are names that can be a part of a path and of a file's name without meaning anything there.
var editions = regexp.MustCompile(`^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$`)

func (cfg Config) check() error {
	var wrong []error
	if cfg.URL == nil || !private(cfg.URL) {
		wrong = append(wrong, errors.New("the license key would be sent without encryption; write a URL that begins with https, or one of this machine"))
	}
	if cfg.AccountID == "" || cfg.LicenseKey == "" {
		wrong = append(wrong, errors.New("account id or license key is missing; give both"))
	}
	if len(cfg.Editions) == 0 {
		wrong = append(wrong, errors.New("no edition; name at least one, such as GeoLite2-Country"))
	}
	for _, edition := range cfg.Editions {
		if !editions.MatchString(edition) {
			wrong = append(wrong, fmt.Errorf("edition %q; write letters and digits with hyphens between them, such as GeoLite2-Country", edition))
		}
	}
	if cfg.Every <= 0 {
		wrong = append(wrong, fmt.Errorf("every %s; write a positive duration", cfg.Every))
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
		o.Random = rand.Float64
	}
	if o.OnResult == nil {
		o.OnResult = func(string, Result) {}
	}
	if o.Agent == "" {
		o.Agent = "gate451"
	}
	return o
}

// private reports whether what is sent to a URL can be read by nobody on the way.
func private(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		addr, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && addr.Unmap().IsLoopback()
	}
	return false
}

// Path returns where the database of an edition is.
func (cfg Config) Path(edition string) string { return filepath.Join(cfg.Dir, edition+".mmdb") }

// limits bound what a server, or whoever pretends to be it, can have the Updater do. The largest databases of 2026 have
// some hundred MiB.
type limits struct {
	archive, database int64         // bytes
	entries           int           // of an archive
	patience          time.Duration // without a byte
	altogether        time.Duration // for one answer
}

var defaultLimits = limits{archive: 512 << 20, database: 1 << 30, entries: 100, patience: 30 * time.Second, altogether: time.Hour}
