package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// divided is a place in the text at which subdivisions are named.
type divided struct {
	at    Problem
	text  string   // as it is written
	codes []string // the subdivisions
}

// divide notes which subdivisions a text names, by their codes or by a jurisdiction that comes with the program. One of the
// policy's own is noted where it is defined.
func (l *loader) divide(n ast.Node, text string, place []string) divided {
	d := divided{at: l.at(n, ""), text: text}
	if _, own := l.jurisdictions[strings.ToLower(text)]; own && builtInJurisdictions()[strings.ToLower(text)] == nil {
		return d
	}
	d.codes = slices.DeleteFunc(slices.Clone(place), func(code string) bool { return !isSubdivision(code) })
	return d
}

// needParts notes the subdivisions of a list of places of which somebody must tell who is there: of one whose country is on the
// list as a whole, nobody need.
func (l *loader) needParts(parts []divided, codes []string) {
	for _, d := range parts {
		d.codes = slices.DeleteFunc(d.codes, func(code string) bool { return slices.Contains(codes, code[:2]) })
		if len(d.codes) > 0 {
			l.divided = append(l.divided, d)
		}
	}
}

// Undecided returns where the policy names subdivisions of countries of which nobody can tell in which part a client is. For
// each country of which a subdivision is named, told says whether somebody can. The error is of type Problems.
func (p *Policy) Undecided(told func(Country) bool) error {
	var wrong Problems
	asked := make(map[Country]bool)
	for _, d := range p.divided {
		var lost, of []string
		for _, code := range d.codes {
			country := CountryOf(code[:2])
			if _, known := asked[country]; !known {
				asked[country] = told(country)
			}
			if !asked[country] {
				lost, of = append(lost, code), append(of, country.String())
			}
		}
		if len(lost) == 0 {
			continue
		}
		problem := d.at
		problem.Message = d.message(lost, slices.Compact(of))
		wrong = append(wrong, problem)
	}
	if len(wrong) == 0 {
		return nil
	}
	return wrong.sorted()
}

// message says that subdivisions are lost for want of a database, and what would be right.
func (d *divided) message(lost, of []string) string {
	countries := strings.Join(of, ", ")
	if strings.EqualFold(d.text, lost[0]) {
		return fmt.Sprintf("no database tells parts of %s, so that nobody is known to be in %s; name a city database, such as GeoLite2-City, under geoip.databases, or write %s", countries, lost[0], countries)
	}
	return fmt.Sprintf("%s has %s, and no database tells parts of %s; name a city database, such as GeoLite2-City, under geoip.databases, or list %s beside it",
		d.text, strings.Join(lost, ", "), countries, countries)
}
