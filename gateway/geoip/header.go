package geoip

import (
	"slices"
	"strings"

	"gate451/rules"
)

// SourceHeader is what the header of a proxy in front is called as a source.
const SourceHeader = "header"

// Heard is what a proxy in front says of where a client is. Whoever uses it has made sure that it is the proxy's word.
//
// Add adds it to an origin, and it can do no more than add: with it, no request passes that would be blocked without. So a
// client who manages to write the header himself gains nothing, whatever he writes.
type Heard struct {
	first      rules.Country
	more       []rules.Country // further ones, which no honest proxy sends
	lines      []string
	anonymized bool
	unreadable bool
}

// Hear reads the lines of a header in which a proxy names the client's country by its ISO 3166-1 code, such as CF-IPCountry.
// Blanks around a code and its case do not matter. Of several codes, in one line or in several, each counts: one of them is
// the proxy's. T1, which is Tor to Cloudflare, and A1 say that the client hides where it is. Two characters that are no
// country, such as XX or EU, name none. Anything else cannot be read.
func Hear(lines []string) Heard {
	h := Heard{lines: lines}
	var seen countrySet
	for _, line := range lines {
		for more := true; more; {
			var code string
			code, line, more = strings.Cut(line, ",")
			h.hear(strings.Trim(code, " \t"), &seen)
		}
	}
	return h
}

// countrySet has a bit for every country. A header as long as a client can make one has thousands of codes.
type countrySet [len(single) / 64]uint64

// add reports whether a country is new.
func (s *countrySet) add(country rules.Country) bool {
	word, bit := &s[country/64], uint64(1)<<(country%64)
	was := *word & bit
	*word |= bit
	return was == 0
}

func (h *Heard) hear(code string, seen *countrySet) {
	switch {
	case code == "":
	case len(code) != 2:
		h.unreadable = true
	case code[1] == '1' && (upper(code[0]) == 'T' || upper(code[0]) == 'A'):
		h.anonymized = true
	default:
		country := rules.CountryOf(string([]byte{upper(code[0]), upper(code[1])}))
		switch {
		case country == 0 || !seen.add(country):
		case h.first == 0:
			h.first = country
		default:
			h.more = append(h.more, country)
		}
	}
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// Result says in one word of a closed list what was heard: country, several, anonymized, none, unreadable, or absent if there
// is no such header.
func (h *Heard) Result() string {
	switch {
	case len(h.lines) == 0:
		return "absent"
	case h.unreadable:
		return "unreadable"
	case h.anonymized:
		return "anonymized"
	case len(h.more) > 0:
		return "several"
	case h.first != 0:
		return "country"
	}
	return "none"
}

// HeardResults are the words that Result returns.
func HeardResults() []string {
	return []string{"country", "several", "anonymized", "none", "unreadable", "absent"}
}

// single holds every country, to cut lists of one out of it.
var single = func() (all [1 << 10]rules.Country) {
	for i := range all {
		all[i] = rules.Country(i)
	}
	return all
}()

// Add adds what was heard to an origin, unless the operator's override has settled it. A country that no database knows stays
// unknown, and that of the header counts beside it. It allocates only for a third country.
func (h *Heard) Add(o *rules.Origin) {
	if o.Source == sourceOverride {
		return
	}
	o.Others = slices.Clip(o.Others) // what lies behind is others'
	if len(h.more) > 0 {
		o.Others = slices.Grow(o.Others, 1+len(h.more))
	}
	addTo(o, h.first)
	for _, country := range h.more {
		addTo(o, country)
	}
	if h.anonymized {
		o.Traits |= rules.AlsoAnonymized
	}
	if h.unreadable {
		o.Traits |= rules.AlsoUnknown
	}
}

func addTo(o *rules.Origin, country rules.Country) {
	switch {
	case country == 0 || country == o.Country || slices.Contains(o.Others, country):
	case cap(o.Others) == 0:
		o.Others = single[country : country+1 : country+1]
	default:
		o.Others = append(o.Others, country)
	}
}

// Finding returns what was heard as what a source says, for people who ask why.
func (h *Heard) Finding() Finding {
	f := Finding{Source: SourceHeader, Found: len(h.lines) > 0, Country: h.first, Said: slices.Clone(h.lines)}
	if h.anonymized {
		f.Traits |= rules.AlsoAnonymized
	}
	if h.unreadable {
		f.Traits |= rules.AlsoUnknown
	}
	return f
}
