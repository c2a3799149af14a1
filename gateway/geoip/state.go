package geoip

import (
	"net/netip"
	"time"

	"gate451/rules"
)

// state is all the databases as they were at one moment. A reload replaces it as a whole.
type state struct {
	choice
	countries []*database
	anonymous *database
	answers   *answers
}

// openState opens every database of a configuration, or none and says what is wrong with each.
func openState(cfg Config) (*state, []error) {
	s := &state{choice: cfg.choice(), answers: newAnswers()}
	var wrong []error
	of := func(k kind) terms { return terms{kind: k, choice: s.choice, maxAge: cfg.MaxAge, known: s.answers} }
	open := func(path string, k kind) *database {
		d, err := openDatabase(path, of(k))
		if err != nil {
			wrong = append(wrong, err)
		}
		return d
	}
	for _, path := range cfg.Databases {
		s.countries = append(s.countries, open(path, countryKind))
	}
	if len(cfg.Databases) == 0 {
		d, err := openEmbedded(of(countryKind))
		if err != nil {
			wrong = append(wrong, err)
		}
		s.countries = append(s.countries, d)
	}
	if cfg.Anonymous != "" {
		s.anonymous = open(cfg.Anonymous, anonymousKind)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return s, nil
}

// all returns every database, in the order of the configuration.
func (s *state) all() []*database {
	if s.anonymous == nil {
		return s.countries
	}
	return append(s.countries[:len(s.countries):len(s.countries)], s.anonymous)
}

// locate completes an origin with what the databases say of a public address.
func (s *state) locate(origin *rules.Origin, addr netip.Addr, now time.Time) {
	var told *answer
	var staleTold, staleUnknown bool
	for _, d := range s.countries {
		said := d.find(addr)
		if origin.Database == "" || told == nil && said.country != 0 {
			origin.Database = d.build
		}
		if said.country == 0 {
			staleUnknown = staleUnknown || d.stale(now)
			continue
		}
		staleTold = staleTold || d.stale(now)
		if told == nil {
			told, origin.Source = said, d.sources[said.field]
		} else {
			told = s.answers.merge(told, said)
		}
		if s.first {
			break
		}
	}
	stale := staleUnknown
	if told != nil {
		origin.Country, origin.Others, origin.Subdivisions = told.country, told.others, told.subdivisions
		stale = staleTold
	}
	if s.anonymous != nil {
		if s.anonymous.find(addr).anonymized {
			origin.Traits |= rules.Anonymized
		}
		stale = stale || s.anonymous.stale(now)
	}
	if stale {
		origin.Traits |= rules.StaleDatabase
	}
}
