package geoip

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"gate451/rules"
)

// Report is everything that is known of an address, for people who ask why.
type Report struct {
	// Origin is what Locate says.
	Origin rules.Origin
	// Judged is the address by which the client is judged: its own, or the IPv4 address inside it.
	Judged netip.Addr
	// Carrier names the mechanism by which the client's address carries the judged one: 6to4, Teredo,
	// NAT64 or IPv4-compatible. It is empty if they are the same.
	Carrier string
	// NonPublic is the special-purpose network because of which the address is not a public one; the zero
	// Prefix if it is.
	NonPublic netip.Prefix
	// Findings are what each source says by itself, whether or not it was asked for the Origin: an
	// override if there is one, then the databases in the order of the configuration, each for every field that is chosen.
	Findings []Finding
}

// Finding is what one source says of an address.
type Finding struct {
	// Source is the name that Origin.Source would give.
	Source string
	// Network is the network that matched; the zero Prefix if the source has no such addresses.
	Network netip.Prefix
	// Found tells whether the source has a record for the network.
	Found bool
	// Country is zero if the source names none.
	Country rules.Country
	// Said is what the record says in its own words: a country code, which need not be a country, or the
	// flags of an anonymous network.
	Said []string
	// Subdivisions are ISO 3166-2 codes.
	Subdivisions []string
	// Traits are Anonymized and StaleDatabase as they apply to this source alone.
	Traits rules.Traits
	// Err says why the record could not be read.
	Err error
}

// Lookup tells where an address is, as Locate does, and what led to it.
func (l *Locator) Lookup(addr netip.Addr, now time.Time) Report {
	report := Report{Origin: l.Locate(addr, now)}
	if !addr.IsValid() {
		return report
	}
	client := report.Origin.Client
	report.Judged, report.Carrier = inner(client)
	report.NonPublic = nonPublic(report.Judged)
	if network, said := l.overrides.network(client, report.Judged); said != nil {
		report.Findings = append(report.Findings, Finding{
			Source: sourceOverride, Network: network, Found: true, Country: said.country, Subdivisions: said.subdivisions,
		})
	}
	for _, d := range l.current.Load().all() {
		report.Findings = append(report.Findings, d.findings(report.Judged, now)...)
	}
	return report
}

// findings are what a database says as each of the sources that it is.
func (d *database) findings(addr netip.Addr, now time.Time) []Finding {
	var whole Finding
	if d.stale(now) {
		whole.Traits |= rules.StaleDatabase
	}
	var said spoken
	if d.covers(addr) {
		result := d.reader.Lookup(addr)
		whole.Network, whole.Found = result.Prefix(), result.Found()
		var content answer
		if content, said, whole.Err = d.read(result); content.anonymized && whole.Found {
			whole.Traits |= rules.Anonymized
		}
	}
	var all []Finding
	for i, source := range d.sources {
		finding := whole
		finding.Source = source
		if d.kind == anonymousKind {
			finding.Said = said.flags
		} else {
			finding.name(said, d.choice.fields[i])
		}
		all = append(all, finding)
	}
	return all
}

// name fills in what a field of a record names.
func (f *Finding) name(said spoken, field Field) {
	code := said.codes[slices.Index(allFields[:], field)]
	if code == "" {
		return
	}
	f.Said, f.Country = []string{code}, rules.CountryOf(code)
	if f.Country != 0 && field == Country {
		f.Subdivisions = said.subdivisions
	}
}

// Info describes a loaded database.
type Info struct {
	// Name is the file name without directories, or "embedded".
	Name string
	// Path is the file's path as configured; empty for the embedded database.
	Path string
	// Anonymous tells a database of anonymous networks from one of countries.
	Anonymous bool
	// Type is what the database calls itself, such as GeoLite2-Country.
	Type string
	// Description is the English description, or else any.
	Description string
	// Build names this build of the database, as Origin.Database does.
	Build string
	// Built is when the database was built, in UTC.
	Built time.Time
	// IPVersion is 4 or 6; the latter has both.
	IPVersion int
	// NodeCount is the size of the search tree, Size the size of the file in bytes.
	NodeCount, Size int
	// Languages are the locales of the names in the database.
	Languages []string
	// Stale tells whether the database is older than Config.MaxAge now.
	Stale bool
}

// Databases describes the loaded databases in the order of the configuration, the anonymous one last.
func (l *Locator) Databases() []Info {
	now := l.opts.Now()
	var infos []Info
	for _, d := range l.current.Load().all() {
		infos = append(infos, d.info(now))
	}
	return infos
}

func (d *database) info(now time.Time) Info {
	metadata := &d.reader.Metadata
	return Info{
		Name: d.name, Path: d.path, Anonymous: d.kind == anonymousKind,
		Type: metadata.DatabaseType, Description: description(metadata.Description),
		Build: d.build, Built: metadata.BuildTime().UTC(), IPVersion: int(metadata.IPVersion),
		NodeCount: int(metadata.NodeCount), Size: d.size,
		Languages: slices.Clone(metadata.Languages), Stale: d.stale(now),
	}
}

func description(texts map[string]string) string {
	if english := texts["en"]; english != "" {
		return english
	}
	for _, language := range slices.Sorted(maps.Keys(texts)) {
		return texts[language]
	}
	return ""
}
