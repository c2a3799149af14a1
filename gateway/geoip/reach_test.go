package geoip

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"gate451/rules"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// TestDivides finds out from the records which countries a database tells the parts of, whatever it calls itself.
func TestDivides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	city := content{databaseType: "GeoLite2-City", records: map[string]record{
		"1.0.0.0/24": inCountry("UA", "43"), "1.0.1.0/24": inCountry("UA"), "1.0.2.0/24": inCountry("DE"), "1.0.3.0/24": inCountry("GB", "ENG", "OXF"),
	}}.write(t, dir, "city.mmdb")
	enterprise := content{databaseType: "GeoIP2-Enterprise", records: map[string]record{"1.0.0.0/24": inCountry("US", "NY")}}.write(t, dir, "enterprise.mmdb")
	countries := content{databaseType: "GeoLite2-City", records: map[string]record{"1.0.0.0/24": inCountry("UA")}}.write(t, dir, "countries.mmdb")
	// As some free databases do, it names subdivisions and has no codes for them.
	nameless := content{databaseType: "DBIP-City-Lite", records: map[string]record{
		"1.0.0.0/24": {"country": mmdbtype.Map{"iso_code": mmdbtype.String("US")}, "subdivisions": mmdbtype.Slice{mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("California")}}}},
	}}.write(t, dir, "nameless.mmdb")
	odd := content{records: map[string]record{
		"1.0.0.0/24": inCountry("US"), "1.0.1.0/24": inCountry("EU", "43"), "2.0.0.0/8": {"country": mmdbtype.String("FR"), "subdivisions": mmdbtype.Slice{}},
	}}.write(t, dir, "odd.mmdb")
	built := builtFromText(t, dir)
	for _, test := range []struct {
		databases []string
		decide    Mode
		want      string // of UA, US, GB and DE, those that are divided
	}{
		{nil, First, ""},
		{[]string{city}, First, "UA GB"},
		{[]string{enterprise}, First, "US"},
		{[]string{countries}, First, ""},
		{[]string{nameless}, First, ""},
		{[]string{odd}, First, ""},
		{[]string{built}, First, ""},
		{[]string{countries, city}, First, "GB"}, // the first knows UA and decides alone
		{[]string{city, countries}, First, "UA GB"},
		{[]string{countries, city}, Any, "UA GB"},
		{[]string{city, enterprise, nameless}, First, "UA US GB"},
	} {
		l := open(t, Config{Databases: test.databases, Decide: test.decide}, Options{})
		var got []string
		for _, code := range []string{"UA", "US", "GB", "DE"} {
			if l.Divides(country(code)) {
				got = append(got, code)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%v, %s: %v, want %s", test.databases, test.decide, got, test.want)
		}
	}
	anonymous := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{"1.0.0.0/24": flagged("is_anonymous")}}.write(t, dir, "anonymous.mmdb")
	l := open(t, Config{Databases: []string{city, enterprise}, Anonymous: anonymous}, Options{})
	if got := l.Divided(); !slices.Equal(got, []int{2, 1, 0}) {
		t.Errorf("divided: %v", got)
	}
}

// builtFromText builds a database as the command geoip build does.
func builtFromText(t *testing.T, dir string) string {
	t.Helper()
	var file strings.Builder
	_, err := Build(&file, BuildSources{IPv4: Source{"geoip", strings.NewReader("# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n16777216,16777471,UA\n")}})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, []byte(file.String()), dir, "built.mmdb")
}

// TestReplaceDecides has databases that lack what is needed refused, and those in use stay.
func TestReplaceDecides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	city, plain := content{records: map[string]record{"1.0.0.0/8": inCountry("UA", "43")}}, content{records: map[string]record{"1.0.0.0/8": inCountry("UA")}}
	path := city.write(t, dir, "c.mmdb")
	lacking := errors.New("it tells no parts of UA")
	var told []error
	l := open(t, Config{Databases: []string{path}}, Options{
		Replace: func(divides func(rules.Country) bool, replace func()) error {
			if !divides(country("UA")) {
				return lacking
			}
			replace()
			return nil
		},
		OnReload: func(database string, err error) {
			if database != "c.mmdb" {
				t.Errorf("told of %s", database)
			}
			told = append(told, err)
		},
	})
	plain.write(t, path)
	if err := l.Reload(); !errors.Is(err, lacking) || !slices.Equal(told, []error{lacking}) {
		t.Errorf("%v, told %v", err, told)
	}
	if got := l.Locate(addr("1.0.0.1"), moment).Subdivisions; !slices.Equal(got, []string{"UA-43"}) {
		t.Errorf("in use: %v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	city.write(t, path)
	told = nil
	if err := l.Reload(); err != nil || !slices.Equal(told, []error{nil}) {
		t.Errorf("%v, told %v", err, told)
	}
}
