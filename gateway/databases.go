package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"gate451/config"
	"gate451/gateway/geoip"
)

// Database describes a loaded database.
type Database = geoip.Info

// Whereabouts is everything that the databases and overrides know of an address.
type Whereabouts = geoip.Report

// DatabaseNotice says what the embedded database is, where it comes from and under which licence.
func DatabaseNotice() string { return geoip.Notice() }

// Databases describes the databases that a configuration names; without one, the embedded database.
func Databases(cfg *config.Config, now time.Time) ([]Database, error) {
	places, err := openPlaces(cfg, geoip.Options{Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	return places.Databases(), nil
}

// Locate tells what the databases and overrides that a configuration names know of an address.
func Locate(cfg *config.Config, addr netip.Addr, now time.Time) (Whereabouts, error) {
	places, err := openPlaces(cfg, geoip.Options{Now: func() time.Time { return now }})
	if err != nil {
		return Whereabouts{}, err
	}
	return places.Lookup(addr, now), nil
}

// BuildReport says what BuildDatabase has made.
type BuildReport = geoip.BuildReport

// BuildDatabase makes a country database out of the IPFire Location data in the text form in which Tor distributes it.
// Either file may be empty, not both. The database appears under its name when it is whole, or not at all.
func BuildDatabase(ipv4File, ipv6File, to string) (report BuildReport, err error) {
	var sources geoip.BuildSources
	for _, s := range []struct {
		file   string
		source *geoip.Source
	}{{ipv4File, &sources.IPv4}, {ipv6File, &sources.IPv6}} {
		if s.file == "" {
			continue
		}
		f, err := os.Open(s.file)
		if err != nil {
			return report, fmt.Errorf("%w; Debian's package tor-geoipdb has the files geoip and geoip6 in /usr/share/tor", err)
		}
		defer f.Close()
		*s.source = geoip.Source{Name: s.file, Reader: f}
	}
	return report, writeWhole(to, func(w io.Writer) (err error) {
		report, err = geoip.Build(w, sources)
		return err
	})
}

// writeWhole writes a file under another name and gives it its own only when it is whole.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there is nothing to remove once it has its own name
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
