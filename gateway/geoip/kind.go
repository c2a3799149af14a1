package geoip

import (
	"strings"

	"gate451/rules"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
)

// kind is what a database is asked for.
type kind uint8

const (
	countryKind   kind = iota // a country and perhaps subdivisions: GeoIP2 Country, City, Enterprise
	anonymousKind             // whether an address hides whose it is: GeoIP2 Anonymous IP
)

// decode reads what a record says, and the words in which it says it.
func (k kind) decode(result maxminddb.Result) (answer, []string, error) {
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

// decodeCountry reads country and subdivisions as the GeoIP2 City schema has them, of which the
// Country schema is a part. A record whose code is no country says nothing.
func decodeCountry(result maxminddb.Result) (answer, []string, error) {
	var record geoip2.City
	if err := result.Decode(&record); err != nil {
		return answer{}, nil, err
	}
	code := strings.Clone(record.Country.ISOCode)
	if code == "" {
		return answer{}, nil, nil
	}
	content := answer{country: rules.CountryOf(code)}
	if content.country == 0 {
		return content, []string{code}, nil
	}
	for _, subdivision := range record.Subdivisions {
		if isSubdivision(subdivision.ISOCode) {
			content.subdivisions = append(content.subdivisions, code+"-"+subdivision.ISOCode)
		}
	}
	return content, []string{code}, nil
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

func decodeAnonymous(result maxminddb.Result) (answer, []string, error) {
	var record geoip2.AnonymousIP
	if err := result.Decode(&record); err != nil {
		return answer{}, nil, err
	}
	var flags []string
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
			flags = append(flags, flag.name)
		}
	}
	return answer{anonymized: len(flags) > 0}, flags, nil
}
