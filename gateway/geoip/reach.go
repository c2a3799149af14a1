package geoip

import "gate451/rules"

// reach is what a database knows of at all.
type reach struct {
	named   map[rules.Country]bool // countries that a record is about
	divided map[rules.Country]bool // those of them of which a record names a subdivision
}

// lookThrough reads every record once. What a database calls itself does not tell: some name subdivisions without a code, and
// some have only those of a few countries.
func (d *database) lookThrough() reach {
	r := reach{named: make(map[rules.Country]bool), divided: make(map[rules.Country]bool)}
	if d.kind != countryKind {
		return r
	}
	seen := make(map[uintptr]struct{})
	for network := range d.reader.Networks() {
		if _, again := seen[network.Offset()]; again {
			continue
		}
		seen[network.Offset()] = struct{}{}
		_, said, err := d.read(network)
		if country := rules.CountryOf(said.codes[0]); err == nil && country != 0 {
			r.named[country] = true
			r.divided[country] = r.divided[country] || len(said.subdivisions) > 0
		}
	}
	return r
}

// divides reports whether those databases that count tell in which part of a country an address is. Where the first that
// knows the country decides alone, another that would know the part is not asked.
func (s *state) divides(country rules.Country) bool {
	for _, d := range s.countries {
		switch r := d.reach(); {
		case r.divided[country]:
			return true
		case s.first && r.named[country]:
			return false
		}
	}
	return false
}

// Divides reports whether the loaded databases tell in which part of a country an address is, for some addresses at least.
// The first question reads every record of a database, which takes a second for a large one.
func (l *Locator) Divides(country rules.Country) bool { return l.current.Load().divides(country) }

// Divided counts the countries of which each loaded database names subdivisions, in the order of Databases.
func (l *Locator) Divided() []int {
	var counts []int
	for _, d := range l.current.Load().all() {
		n := 0
		for _, divided := range d.reach().divided {
			if divided {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts
}
