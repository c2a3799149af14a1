package rules

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Country is an ISO 3166-1 alpha-2 country code, held in two bytes so that comparing and indexing
// cost nothing. The zero Country is no country: where somebody is remains unknown.
type Country uint16

// countryCodes is one more than the largest Country, for tables indexed by Country.
const countryCodes = 26*26 + 1

// kosovo is user-assigned in ISO 3166-1, yet every address database names it and so must a policy be able to.
const kosovo = "XK"

// CountryOf returns the Country of a two-letter code in upper case, as address databases write it. It
// returns the zero Country for anything that is not two upper-case letters or that ISO 3166-1 does not
// assign to a country (such as EU, AP, A1 and ??), with the one exception of XK, Kosovo.
func CountryOf(code string) Country {
	if len(code) != 2 || code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z' {
		return 0
	}
	c := Country(code[0]-'A')*26 + Country(code[1]-'A') + 1
	if !assigned[c] {
		return 0
	}
	return c
}

// ParseCountry reads an ISO 3166-1 alpha-2 code in any case. Its error says which code would be right
// where the text is a common mistake: a three-letter code, a country's English name, or an alias such
// as UK.
func ParseCountry(text string) (Country, error) {
	if c := CountryOf(strings.ToUpper(text)); c != 0 {
		return c, nil
	}
	if c := meant(text); c != 0 {
		return 0, fmt.Errorf("unknown country %q; %s is %s", text, c.Name(), c)
	}
	return 0, fmt.Errorf("unknown country %q; expected an ISO 3166-1 code of two letters, such as DE", text)
}

// String returns the two-letter code, or the empty string for the zero Country.
func (c Country) String() string {
	if c == 0 || c >= countryCodes {
		return ""
	}
	return codes[2*(c-1) : 2*c]
}

// Name returns the country's English name as the Unicode CLDR has it, with its article where English
// wants one.
func (c Country) Name() string {
	if c == 0 {
		return "an unknown country"
	}
	name := display.English.Regions().Name(language.MustParseRegion(c.String()))
	switch {
	case strings.HasPrefix(name, "United "), strings.HasSuffix(name, " Islands"), strings.HasSuffix(name, " Republic"),
		strings.HasSuffix(name, "Territories"), name == "Netherlands", name == "Philippines", name == "Bahamas", name == "Gambia":
		return "the " + name
	}
	return name
}

// notCountries are region codes that golang.org/x/text counts as countries and ISO 3166-1 reserves
// without assigning them (Ascension, Clipperton, Sark, Diego Garcia, Ceuta and Melilla, the Canaries,
// Tristan da Cunha, the eurozone, the United Nations) or has withdrawn.
const notCountries = " AC AN CP CQ CS DG EA EZ FQ IC NT PC SU TA UN YU "

var assigned, codes = buildCountries()

// buildCountries asks golang.org/x/text about every pair of letters, once.
func buildCountries() (*[countryCodes]bool, string) {
	var known [countryCodes]bool
	var all strings.Builder
	for a := byte('A'); a <= 'Z'; a++ {
		for b := byte('A'); b <= 'Z'; b++ {
			code := string([]byte{a, b})
			all.WriteString(code)
			if strings.Contains(notCountries, " "+code+" ") {
				continue
			}
			region, err := language.ParseRegion(code)
			known[Country(a-'A')*26+Country(b-'A')+1] = err == nil && region.IsCountry() && region.String() == code &&
				region.Canonicalize() == region && (code[0] != 'X' || code == kosovo)
		}
	}
	return &known, all.String()
}

// meant guesses which country a text that is no country code stands for.
func meant(text string) Country {
	text = strings.TrimSpace(text)
	if region, err := language.ParseRegion(text); err == nil {
		if c := CountryOf(region.Canonicalize().String()); c != 0 {
			return c
		}
	}
	names := display.English.Regions()
	for i := range Country(countryCodes - 1) {
		if c := i + 1; assigned[c] && strings.EqualFold(names.Name(language.MustParseRegion(c.String())), text) {
			return c
		}
	}
	return 0
}
