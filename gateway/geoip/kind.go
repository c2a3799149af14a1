package geoip

import (
	"strings"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
)

// kind is what a database is asked for.
type kind uint8

const (
	countryKind   kind = iota // a country and perhaps subdivisions: GeoIP2 Country, City, Enterprise
	anonymousKind             // whether an address hides whose it is: GeoIP2 Anonymous IP
)

// spoken is what a record says in its own words.
type spoken struct {
	codes        [len(allFields)]string // of countries, in the order of allFields
	subdivisions []string               // of the first of them
	flags        []string               // of an anonymous network
}

// decode reads what a record says.
func (k kind) decode(result maxminddb.Result) (spoken, error) {
	if k == anonymousKind {
		return decodeAnonymous(result)
	}
	return decodeCountry(result)
}

// remedy says what an operator can do about a database that is missing or cannot be used.
func (k kind) remedy() string {
	if k == anonymousKind {
		return "fetch a GeoIP2 Anonymous IP database with \"gate451 geoip update\" or by hand, or leave geoip.anonymous out"
	}
	return "fetch a country or city database with \"gate451 geoip update\" or by hand, make one with \"gate451 geoip build\", " +
		"or leave geoip.databases out to use the embedded one"
}

// says completes the sentence "a database in which no record".
func (k kind) says() string {
	if k == anonymousKind {
		return "has any of the flags is_anonymous, is_anonymous_vpn, is_hosting_provider, is_public_proxy, " +
			"is_residential_proxy and is_tor_exit_node"
	}
	return "names a country as country.iso_code"
}

func anonymousName(databaseType string) bool { return strings.Contains(databaseType, "Anonymous") }

// named is what names a country in a record.
type named struct {
	ISOCode string `maxminddb:"iso_code"`
}

// decodeCountry reads what GeoIP2's City and Enterprise schemas have of countries and subdivisions, of which the Country
// schema is a part. Only that is read: when a database is looked through, all of its records are.
func decodeCountry(result maxminddb.Result) (spoken, error) {
	var record struct {
		Country      named   `maxminddb:"country"`
		Registered   named   `maxminddb:"registered_country"`
		Represented  named   `maxminddb:"represented_country"`
		Subdivisions []named `maxminddb:"subdivisions"`
	}
	if err := result.Decode(&record); err != nil {
		return spoken{}, err
	}
	var s spoken
	for i, place := range [...]named{record.Country, record.Registered, record.Represented} {
		s.codes[i] = strings.Clone(place.ISOCode)
	}
	for _, subdivision := range record.Subdivisions {
		if isSubdivision(subdivision.ISOCode) {
			s.subdivisions = append(s.subdivisions, s.codes[0]+"-"+subdivision.ISOCode)
		}
	}
	return s, nil
}

// isSubdivision reports whether a code can be the second part of an ISO 3166-2 code: one to three
// letters or digits.
func isSubdivision(code string) bool {
	for _, c := range []byte(code) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(code) >= 1 && len(code) <= 3
}

func decodeAnonymous(result maxminddb.Result) (spoken, error) {
	var record geoip2.AnonymousIP
	if err := result.Decode(&record); err != nil {
		return spoken{}, err
	}
	var s spoken
	for _, flag := range [...]struct {
		name string
		set  bool
	}{
		{"is_anonymous", record.IsAnonymous},
		{"is_anonymous_vpn", record.IsAnonymousVPN},
		{"is_hosting_provider", record.IsHostingProvider},
		{"is_public_proxy", record.IsPublicProxy},
		{"is_residential_proxy", record.IsResidentialProxy},
		{"is_tor_exit_node", record.IsTorExitNode},
	} {
		if flag.set {
			s.flags = append(s.flags, flag.name)
		}
	}
	return s, nil
}
