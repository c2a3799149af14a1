package geoip

import (
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"

	"gate451/rules"
)

// disputes count how often each pair of sources has named different countries. The sources are those of the configuration, so
// that all there can ever be is laid out before the first request.
type disputes struct {
	sources []string
	counts  []atomic.Uint64 // of the pair i, j at i*len(sources)+j
}

// newDisputes returns nil where one source decides alone: then no two are asked.
func newDisputes(cfg Config) *disputes {
	if cfg.Decide != Any {
		return nil
	}
	databases := []string{sourceEmbedded}
	if len(cfg.Databases) > 0 {
		databases = databases[:0]
		for _, path := range cfg.Databases {
			databases = append(databases, filepath.Base(path))
		}
	}
	d := new(disputes)
	for _, name := range databases {
		d.sources = append(d.sources, cfg.choice().sources(name)...)
	}
	if cfg.Header {
		d.sources = append(d.sources, SourceHeader)
	}
	d.counts = make([]atomic.Uint64, len(d.sources)*len(d.sources))
	return d
}

// Disagreement is how often two sources have named different countries for a client.
type Disagreement struct {
	// A and B are the names of the sources, as Origin.Source gives them, in the order of the configuration.
	A, B string
	// N counts the clients.
	N uint64
}

// Disagreements returns every pair of sources that are asked together.
func (l *Locator) Disagreements() []Disagreement {
	if l.disputes == nil {
		return nil
	}
	d := l.disputes
	var all []Disagreement
	for i, a := range d.sources {
		for j := i + 1; j < len(d.sources); j++ {
			all = append(all, Disagreement{a, d.sources[j], d.counts[i*len(d.sources)+j].Load()})
		}
	}
	return all
}

// Dispute counts who disagrees about a client, of whom more than one country counts: it is not asked where the sources agree,
// which is nearly always. It allocates nothing.
func (l *Locator) Dispute(client netip.Addr, heard *Heard) {
	d := l.disputes
	if d == nil {
		return
	}
	s := l.current.Load()
	judged, _ := inner(client)
	for i := range d.sources {
		for j := i + 1; j < len(d.sources); j++ {
			if s.differ(judged, i, j, heard) {
				d.counts[i*len(d.sources)+j].Add(1)
			}
		}
	}
}

// differ reports whether two sources each name a country, and not the same.
func (s *state) differ(addr netip.Addr, i, j int, heard *Heard) bool {
	a, b := s.said(addr, i), rules.Country(0)
	if j == len(s.countries)*len(s.fields) {
		return a != 0 && heard.first != 0 && (a != heard.first || len(heard.more) > 0)
	}
	b = s.said(addr, j)
	return a != 0 && b != 0 && a != b
}

// said returns the country that a source names: of the databases, in the order of the configuration, each for every field.
func (s *state) said(addr netip.Addr, source int) rules.Country {
	a := s.countries[source/len(s.fields)].find(addr)
	switch {
	case len(s.fields) == 1:
		return a.country
	case a.said == nil: // there is no record
		return 0
	}
	return a.said[source%len(s.fields)]
}

// Sources tells which source says which country of a client, for the record: "a.mmdb DE, header US".
func (l *Locator) Sources(client netip.Addr, heard *Heard) string {
	s := l.current.Load()
	judged, _ := inner(client)
	var told []string
	for i, d := range s.countries {
		for j, source := range d.sources {
			if country := s.said(judged, i*len(s.fields)+j); country != 0 {
				told = append(told, source+" "+country.String())
			}
		}
	}
	for _, country := range append([]rules.Country{heard.first}, heard.more...) {
		if country != 0 {
			told = append(told, SourceHeader+" "+country.String())
		}
	}
	if heard.anonymized || heard.unreadable {
		told = append(told, SourceHeader+" "+heard.Result())
	}
	return strings.Join(told, ", ")
}
