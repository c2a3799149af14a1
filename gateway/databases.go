package gateway

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"gate451/config"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// Database describes a loaded database.
type Database = geoip.Info

// DatabaseNotice says what the embedded database is, where it comes from and under which licence.
func DatabaseNotice() string { return geoip.Notice() }

// DatabaseRecord is the description of a loaded database, as geoip info writes it.
type DatabaseRecord struct {
	Name        string    `json:"name"`
	Path        string    `json:"path"`
	Type        string    `json:"type"`
	Description string    `json:"description"`
	Built       time.Time `json:"built"`
	Stale       bool      `json:"stale"`
	Anonymous   bool      `json:"anonymous"`
	// Divided counts the countries of which it names subdivisions.
	Divided   int `json:"divided_countries"`
	IPVersion int `json:"ip_version"`
	Nodes     int `json:"nodes"`
	Bytes     int `json:"bytes"`
	// Update is how it is kept current; it is left out if that is for the operator.
	Update *UpdateRecord `json:"update,omitempty"`
}

// Databases describes the databases that a configuration names; without any, the embedded database.
func Databases(cfg *config.Config, now time.Time) ([]DatabaseRecord, error) {
	places, err := openPlaces(cfg, geoip.Options{Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	records, updates := []DatabaseRecord{}, updateRecords(cfg)
	divided := places.Divided()
	for i, d := range places.Databases() {
		records = append(records, DatabaseRecord{
			Name: d.Name, Path: d.Path, Type: d.Type, Description: d.Description, Built: d.Built, Stale: d.Stale, Anonymous: d.Anonymous, Divided: divided[i],
			IPVersion: d.IPVersion, Nodes: d.NodeCount, Bytes: d.Size, Update: updates[d.Path],
		})
	}
	return records, nil
}

// AddressRecord is everything that is known of an address, as geoip lookup writes it.
type AddressRecord struct {
	Address string `json:"address"`
	// Judged is the address that counts: the address itself, or one that it carries by a transition mechanism.
	Judged string `json:"judged"`
	// Country is empty if it is unknown.
	Country      string   `json:"country"`
	Others       []string `json:"others"`
	Subdivisions []string `json:"subdivisions"`
	// Source is the name of the finding that told the country.
	Source   string          `json:"source"`
	Public   bool            `json:"public"`
	Findings []FindingRecord `json:"findings"`
}

// FindingRecord is what one database, or the overrides, say of an address.
type FindingRecord struct {
	Source       string   `json:"source"`
	Network      string   `json:"network"`
	Country      string   `json:"country"`
	Said         []string `json:"said"`
	Subdivisions []string `json:"subdivisions"`
	Stale        bool     `json:"stale"`
	Error        string   `json:"error,omitempty"`
	words        string
}

// String returns the finding in words.
func (f FindingRecord) String() string { return f.words }

// Locate tells what the databases and overrides that a configuration names know of an address.
func Locate(cfg *config.Config, addr netip.Addr, now time.Time) (AddressRecord, error) {
	places, err := openPlaces(cfg, geoip.Options{Now: func() time.Time { return now }})
	if err != nil {
		return AddressRecord{}, err
	}
	w := places.Lookup(addr, now)
	r := AddressRecord{
		Address: addr.String(), Judged: w.Judged.String(), Country: w.Origin.Country.String(), Others: []string{},
		Subdivisions: list(w.Origin.Subdivisions), Source: w.Origin.Source, Public: !w.NonPublic.IsValid(), Findings: []FindingRecord{},
	}
	for _, other := range w.Origin.Others {
		r.Others = append(r.Others, other.String())
	}
	for _, f := range w.Findings {
		r.Findings = append(r.Findings, findingRecord(f))
	}
	return r, nil
}

func findingRecord(f geoip.Finding) FindingRecord {
	r := FindingRecord{
		Source: f.Source, Country: f.Country.String(), Said: list(f.Said), Subdivisions: list(f.Subdivisions), Stale: f.Traits.Has(rules.StaleDatabase),
		words: findingWords(f),
	}
	if f.Network.IsValid() {
		r.Network = f.Network.String()
	}
	if f.Err != nil {
		r.Error = f.Err.Error()
	}
	return r
}

// list returns a list that JSON writes as one even if it is empty.
func list(texts []string) []string { return append([]string{}, texts...) }

// BuildReport says what BuildDatabase has made.
type BuildReport = geoip.BuildReport

// BuildDatabase makes a country database out of the IPFire Location data in the text form in which Tor distributes it.
// Either file may be empty, not both. The database appears under its name when it is whole, or not at all.
func BuildDatabase(ipv4File, ipv6File, to string) (BuildReport, error) {
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
			return BuildReport{}, fmt.Errorf("%w; Debian's package tor-geoipdb has the files geoip and geoip6 in /usr/share/tor", err)
		}
		defer f.Close()
		*s.source = geoip.Source{Name: s.file, Reader: f}
	}
	var report BuildReport
	err := writeWhole(to, func(w io.Writer) (err error) {
		report, err = geoip.Build(w, sources)
		return err
	})
	return report, err
}

// writeWhole writes a file under another name and gives it its own only when it is whole.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return cannotWrite(path, err)
	}
	defer os.Remove(f.Name()) // there is nothing to remove once it has its own name
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return cannotWrite(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// cannotWrite leaves the other name out, which nobody has asked for.
func cannotWrite(path string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	if at, ok := errors.AsType[*os.LinkError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("cannot write %s: %w; name a file in a folder that exists and can be written to", path, err)
}
