package geoip

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"gate451/rules"
)

// answer is what one or several databases say of an address. Answers are shared and never change.
type answer struct {
	id           uint32
	country      rules.Country
	others       []rules.Country
	subdivisions []string
	anonymized   bool
	field        int             // which of the chosen ones told the country
	said         []rules.Country // what each of them says; nil if only one is chosen
}

// counts reports whether a country counts.
func (a *answer) counts(country rules.Country) bool {
	return country == a.country || slices.Contains(a.others, country)
}

// count has a country count.
func (a *answer) count(country rules.Country) {
	switch {
	case a.country == 0:
		a.country = country
	case !a.counts(country):
		a.others = append(a.others, country)
	}
}

// answers interns: two answers of equal content are the same pointer. Databases have millions of
// records, but few thousand different answers.
type answers struct {
	mu     sync.Mutex
	byText map[string]*answer
	merged memo
}

func newAnswers() *answers { return &answers{byText: make(map[string]*answer)} }

// of returns the one answer of this content. It keeps the slices.
func (as *answers) of(content answer) *answer {
	text := content.text()
	as.mu.Lock()
	defer as.mu.Unlock()
	if known := as.byText[text]; known != nil {
		return known
	}
	content.id = uint32(len(as.byText))
	as.byText[text] = &content
	return &content
}

func (a *answer) text() string {
	var text strings.Builder
	text.WriteString(a.country.String())
	for _, country := range a.others {
		text.WriteString("," + country.String())
	}
	for _, subdivision := range a.subdivisions {
		text.WriteString("|" + subdivision)
	}
	if a.anonymized {
		text.WriteString("!")
	}
	for _, country := range a.said {
		text.WriteString(";" + country.String())
	}
	if a.field > 0 {
		text.WriteString("#" + strconv.Itoa(a.field))
	}
	return text.String()
}

// merge returns the answer that counts every country and subdivision of both; the country of the
// first stays the country. Both must know one.
func (as *answers) merge(first, second *answer) *answer {
	if first == second {
		return first
	}
	key := uint64(first.id)<<32 | uint64(second.id)
	if known := as.merged.get(key); known != nil {
		return known
	}
	sum := answer{
		country:      first.country,
		others:       slices.Clone(first.others),
		subdivisions: slices.Clone(first.subdivisions),
		field:        first.field,
	}
	for _, country := range append([]rules.Country{second.country}, second.others...) {
		sum.count(country)
	}
	for _, subdivision := range second.subdivisions {
		if !slices.Contains(sum.subdivisions, subdivision) {
			sum.subdivisions = append(sum.subdivisions, subdivision)
		}
	}
	merged := as.of(sum)
	as.merged.put(key, merged)
	return merged
}
