package geoip

import (
	"fmt"
	"slices"

	"gate451/rules"
)

// Field is a part of a record that names a country. Each that is chosen is a source of its own.
type Field string

// The fields that GeoIP2's schemas have.
const (
	// Country is where the address is used.
	Country Field = "country"
	// RegisteredCountry is where the owner of the network has registered it.
	RegisteredCountry Field = "registered_country"
	// RepresentedCountry is whom the users of the address represent where they are, as those of an embassy or a military
	// base do.
	RepresentedCountry Field = "represented_country"
)

var allFields = [...]Field{Country, RegisteredCountry, RepresentedCountry}

// choice is what of the records of country databases counts, and how.
type choice struct {
	fields []Field // at least one
	first  bool    // the first that names a country counts alone
}

func (cfg Config) choice() choice {
	c := choice{fields: cfg.Fields, first: cfg.Decide != Any}
	if len(c.fields) == 0 {
		c.fields = []Field{Country}
	}
	return c
}

// check reports fields that are none, or named twice.
func checkFields(fields []Field) []error {
	var wrong []error
	for i, field := range fields {
		if !slices.Contains(allFields[:], field) {
			wrong = append(wrong, fmt.Errorf("unknown geoip.fields %q; expected country, registered_country or represented_country", string(field)))
		} else if slices.Contains(fields[:i], field) {
			wrong = append(wrong, fmt.Errorf("geoip.fields name %s twice; expected each once", field))
		}
	}
	return wrong
}

// sources are what the fields of a database are called as sources: the database where it is asked for its country, as if
// there were no other.
func (c choice) sources(database string) []string {
	var names []string
	for _, field := range c.fields {
		name := database
		if field != Country {
			name += ":" + string(field)
		}
		names = append(names, name)
	}
	return names
}

// of returns what counts of a record. Subdivisions are those of the record's country, which may be counted by way of any
// field.
func (c choice) of(s spoken) answer {
	sum := answer{anonymized: len(s.flags) > 0}
	for i, field := range c.fields {
		country := rules.CountryOf(s.codes[slices.Index(allFields[:], field)])
		if len(c.fields) > 1 {
			sum.said = append(sum.said, country)
		}
		if country == 0 || c.first && sum.country != 0 {
			continue
		}
		if sum.country == 0 {
			sum.field = i
		}
		sum.count(country)
	}
	if own := rules.CountryOf(s.codes[0]); own != 0 && sum.counts(own) {
		sum.subdivisions = s.subdivisions
	}
	return sum
}
