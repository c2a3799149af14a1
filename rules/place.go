package rules

import (
	"fmt"
	"slices"
	"strings"
)

// usTerritories are the inhabited territories of the United States and its minor outlying islands. ISO 3166-1
// gives them codes of their own, and address databases answer with these, while U.S. law that speaks of the
// United States includes them: 15 CFR 772.1, "United States"; 15 CFR 791.2.
var usTerritories = []string{"AS", "GU", "MP", "PR", "UM", "VI"}

// euMembers are the member states of the European Union since 1 February 2020: Article 52 of the Treaty on
// European Union without the United Kingdom.
var euMembers = []string{
	"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL",
	"PT", "RO", "SE", "SI", "SK",
}

// ofacComprehensive are the countries and regions under comprehensive U.S. sanctions as of 1 November 2026: Cuba
// (31 CFR part 515), Iran (part 560), North Korea (part 510); Crimea, with Sevastopol, whose code is its own
// (Executive Order 13685), Donetsk and Luhansk (Executive Order 14065). Syria has left the list with Executive
// Order 14312 of 30 June 2025.
var ofacComprehensive = []string{"CU", "IR", "KP", "UA-09", "UA-14", "UA-40", "UA-43"}

// builtInJurisdictions are the jurisdictions that every policy may name.
func builtInJurisdictions() map[string][]string {
	return map[string][]string{
		"us-jurisdiction":    append([]string{"US"}, usTerritories...),
		"eu":                 euMembers,
		"eea":                append([]string{"IS", "LI", "NO"}, euMembers...), // Agreement on the European Economic Area, Article 126
		"ofac-comprehensive": ofacComprehensive,
	}
}

// parsePlace reads a country, a subdivision or the name of a jurisdiction and returns the codes it stands
// for, and what is doubtful about it.
func parsePlace(text string, jurisdictions map[string][]string) (codes []string, doubt string, err error) {
	if codes, ok := jurisdictions[strings.ToLower(text)]; ok {
		return codes, "", nil
	}
	if code := strings.ToUpper(text); subdivisionCode.MatchString(code) {
		doubt, err := iso3166().check(code)
		return []string{code}, doubt, err
	}
	country, err := ParseCountry(text)
	if err == nil {
		return []string{country.String()}, "", nil
	}
	if near := closest(text, names(jurisdictions)); near != "" && meant(text) == 0 {
		return nil, "", fmt.Errorf("unknown country or jurisdiction %q; did you mean %s?", text, near)
	}
	return nil, "", err
}

// ParsePlace reads an ISO 3166-1 code, or one of ISO 3166-2 such as UA-43, in any case. The subdivision is empty where a
// country is named. The error says which code would be right.
func ParsePlace(text string) (country Country, subdivision string, err error) {
	codes, _, err := parsePlace(text, nil)
	if err != nil {
		return 0, "", err
	}
	if isSubdivision(codes[0]) {
		subdivision = codes[0]
	}
	return CountryOf(codes[0][:2]), subdivision, nil
}

// unknownPlace is what is written for the country of somebody who could be anywhere.
const unknownPlace = "unknown"

// OriginIn returns an origin of which nothing is known but the place: a country by its ISO 3166-1 code, a part of one by its
// ISO 3166-2 code, such as UA-43, or unknown. The error says what would be right.
func OriginIn(place string) (Origin, error) {
	if place == unknownPlace {
		return Origin{}, nil
	}
	country, subdivision, err := ParsePlace(place)
	if err != nil {
		return Origin{}, err
	}
	from := Origin{Country: country}
	if subdivision != "" {
		from.Subdivisions = []string{subdivision}
	}
	return from, nil
}

// missingTerritories returns the U.S. territories that a list of codes with the United States leaves out.
func missingTerritories(codes []string) []string {
	return slices.DeleteFunc(slices.Clone(usTerritories), func(code string) bool { return slices.Contains(codes, code) })
}
