package rules

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// subdivisionText has a line for each parent: "GB-ENG has BAS BDF ..." are its parts, "FR had A B ..." codes that ISO 3166-2
// no longer has, and "PR is US-PR" those for a country with a code of its own. The NOTICE beside it says where it comes from.
//
//go:embed iso3166/subdivisions.txt
var subdivisionText string

//go:embed iso3166/NOTICE
var subdivisionNotice string

// SubdivisionNotice returns where the table of ISO 3166-2 codes comes from and under which licence it may be passed on.
func SubdivisionNotice() string { return subdivisionNotice }

var subdivisionCode = regexp.MustCompile(`^[A-Z]{2}-[A-Z0-9]{1,3}$`)

// subdivisions are the codes of ISO 3166-2. A country is a parent, too.
type subdivisions struct {
	parent    map[string]string
	parts     map[string][]string // by parent, of one level
	withdrawn map[string]bool
	country   map[string]string // of a code that stands for a country
}

// iso3166 is read when the first subdivision is asked for: most policies name none.
var iso3166 = sync.OnceValue(func() *subdivisions {
	s := &subdivisions{parent: make(map[string]string), parts: make(map[string][]string), withdrawn: make(map[string]bool), country: make(map[string]string)}
	for line := range strings.Lines(subdivisionText) {
		words := strings.Fields(line)
		parent, is, rest := words[0], words[1], words[2:]
		for _, word := range rest {
			code := parent[:2] + "-" + word
			switch is {
			case "has":
				s.parent[code] = parent
				s.parts[parent] = append(s.parts[parent], code)
			case "had":
				s.withdrawn[code] = true
			case "is":
				s.country[word] = parent
			}
		}
	}
	return s
})

// check says what is wrong with a subdivision's code, or what is doubtful about it.
func (s *subdivisions) check(code string) (doubt string, err error) {
	if _, err := ParseCountry(code[:2]); err != nil {
		return "", err
	}
	switch country, known := s.country[code]; {
	case known:
		return "", fmt.Errorf("%s is a country of its own to ISO 3166-1 and to every database; write %s", code, country)
	case s.withdrawn[code]:
		return code + " is no longer in ISO 3166-2, and databases that are kept current do not name it; name what has taken its place as well", nil
	case s.parent[code] != "":
		return "", nil
	case len(s.parts[code[:2]]) == 0:
		return "", fmt.Errorf("unknown subdivision %q; ISO 3166-2 has none of %s, write %s", code, code[:2], code[:2])
	}
	near := closest(code, s.all(code[:2]))
	if near == "" {
		return "", fmt.Errorf("unknown subdivision %q; expected one that ISO 3166-2 has, such as %s", code, s.parts[code[:2]][0])
	}
	return "", fmt.Errorf("unknown subdivision %q; did you mean %s?", code, near)
}

// all returns the parts of a parent of every level, sorted.
func (s *subdivisions) all(parent string) []string {
	var all []string
	for _, part := range s.parts[parent] {
		all = append(append(all, part), s.all(part)...)
	}
	slices.Sort(all)
	return all
}

// around returns the parents of a subdivision up to its country, the nearest first.
func (s *subdivisions) around(code string) []string {
	var parents []string
	for parent := s.parent[code]; parent != ""; parent = s.parent[parent] {
		parents = append(parents, parent)
	}
	if len(parents) == 0 { // withdrawn
		return []string{code[:2]}
	}
	return parents
}

// tells reports whether a code says where in a parent somebody is: a part of it, of any level. A code that ISO 3166-2 does
// not have, or has no longer, tells nothing, because a part that has a code may have been where it was.
func (s *subdivisions) tells(code, parent string) bool {
	for code = s.parent[code]; code != ""; code = s.parent[code] {
		if code == parent {
			return true
		}
	}
	return false
}

// isSubdivision tells the code of a subdivision from that of a country.
func isSubdivision(code string) bool { return len(code) > 2 }

// covered returns the places that a list of codes means: the codes, and every part of a subdivision.
func covered(codes []string) []string {
	all := slices.Clone(codes)
	for _, code := range codes {
		if isSubdivision(code) {
			all = append(all, iso3166().all(code)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// partly returns the places of which a list of codes means a part: somebody of whom no more is known may be in it or not.
func partly(codes []string) []string {
	var all []string
	for _, code := range codes {
		if isSubdivision(code) {
			all = append(all, iso3166().around(code)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// within reports whether more is known of an origin than that it is in a place: in which part.
func (o *Origin) within(place string) bool {
	for _, code := range o.Subdivisions {
		if iso3166().tells(code, place) {
			return true
		}
	}
	return false
}
