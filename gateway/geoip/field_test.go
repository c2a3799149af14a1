package geoip

import (
	"net/netip"
	"slices"
	"testing"

	"gate451/rules"

	"github.com/google/go-cmp/cmp"
)

// TestFields has an American base in Germany, and others of whom the fields of a record say different things.
func TestFields(t *testing.T) {
	t.Parallel()
	path := content{databaseType: "GeoIP2-Country", records: map[string]record{
		"1.0.0.0/24": inFields("DE", "US", "US", "RP"), // a base
		"1.0.1.0/24": inFields("DE", "DE", "", "BY"),
		"1.0.2.0/24": inFields("", "FR", ""),
		"1.0.3.0/24": inFields("EU", "AP", "GB"),
		"1.0.4.0/24": inFields("FR", "DE", "US"),
		"1.0.5.0/24": inFields("", "", ""),
	}}.write(t, t.TempDir(), "c.mmdb")
	at := func(source string, codes ...string) rules.Origin {
		o := rules.Origin{Source: source}
		for i, code := range codes {
			switch {
			case len(code) > 2:
				o.Subdivisions = append(o.Subdivisions, code)
			case i == 0:
				o.Country = country(code)
			default:
				o.Others = append(o.Others, country(code))
			}
		}
		return o
	}
	const registered, represented = "c.mmdb:registered_country", "c.mmdb:represented_country"
	all := []Field{Country, RegisteredCountry, RepresentedCountry}
	for _, test := range []struct {
		fields []Field
		decide Mode
		want   [6]rules.Origin
	}{
		{nil, Any, [6]rules.Origin{at("c.mmdb", "DE", "DE-RP"), at("c.mmdb", "DE", "DE-BY"), {}, {}, at("c.mmdb", "FR"), {}}},
		{all, Any, [6]rules.Origin{at("c.mmdb", "DE", "US", "DE-RP"), at("c.mmdb", "DE", "DE-BY"), at(registered, "FR"), at(represented, "GB"), at("c.mmdb", "FR", "DE", "US"), {}}},
		{all, First, [6]rules.Origin{at("c.mmdb", "DE", "DE-RP"), at("c.mmdb", "DE", "DE-BY"), at(registered, "FR"), at(represented, "GB"), at("c.mmdb", "FR"), {}}},
		{[]Field{RepresentedCountry, Country}, First, [6]rules.Origin{at(represented, "US"), at("c.mmdb", "DE", "DE-BY"), {}, at(represented, "GB"), at(represented, "US"), {}}},
		{[]Field{RegisteredCountry}, First, [6]rules.Origin{at(registered, "US"), at(registered, "DE", "DE-BY"), at(registered, "FR"), {}, at(registered, "DE"), {}}},
	} {
		l := open(t, Config{Databases: []string{path}, Fields: test.fields, Decide: test.decide}, Options{})
		for i, want := range test.want {
			want.Client = netip.AddrFrom4([4]byte{1, 0, byte(i), 1})
			for range 2 {
				if diff := cmp.Diff(want, l.Locate(want.Client, moment), sameOrigin); diff != "" {
					t.Errorf("%v, %s, %s: %s", test.fields, test.decide, want.Client, diff)
				}
			}
		}
	}
	l := open(t, Config{Databases: []string{path}, Fields: all, Decide: Any}, Options{})
	net := prefix("1.0.0.0/24")
	if diff := cmp.Diff([]Finding{
		{Source: "c.mmdb", Network: net, Found: true, Country: country("DE"), Said: []string{"DE"}, Subdivisions: []string{"DE-RP"}},
		{Source: registered, Network: net, Found: true, Country: country("US"), Said: []string{"US"}},
		{Source: represented, Network: net, Found: true, Country: country("US"), Said: []string{"US"}},
	}, l.Lookup(addr("1.0.0.1"), moment).Findings, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestFieldsOfSeveralDatabases: the sources are asked database by database.
func TestFieldsOfSeveralDatabases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := content{records: map[string]record{"1.0.0.0/24": inFields("", "US", ""), "1.0.1.0/24": inFields("DE", "", "US")}}.write(t, dir, "a.mmdb")
	b := content{records: map[string]record{"1.0.0.0/24": inFields("FR", "", "GB"), "1.0.1.0/24": inFields("DE", "US", "JP")}}.write(t, dir, "b.mmdb")
	for mode, want := range map[Mode][2]string{First: {"US", "DE"}, Any: {"US FR GB", "DE US JP"}} {
		l := open(t, Config{Databases: []string{a, b}, Fields: allFields[:], Decide: mode}, Options{})
		for i, want := range want {
			o := l.Locate(netip.AddrFrom4([4]byte{1, 0, byte(i), 1}), moment)
			got := o.Country.String()
			for _, other := range o.Others {
				got += " " + other.String()
			}
			if got != want {
				t.Errorf("%s, %d: %s, want %s", mode, i, got, want)
			}
		}
	}
}

func TestOverridesNameSubdivisions(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Overrides: map[netip.Prefix]Place{prefix("50.114.0.0/24"): {country("UA"), "UA-43"}, prefix("50.114.1.0/24"): place("UA")}}, Options{})
	for text, want := range map[string]rules.Origin{
		"50.114.0.1": {Country: country("UA"), Subdivisions: []string{"UA-43"}, Source: "override"},
		"50.114.1.1": {Country: country("UA"), Source: "override"},
	} {
		want.Client = addr(text)
		if diff := cmp.Diff(want, l.Locate(addr(text), moment), sameOrigin); diff != "" {
			t.Error(diff)
		}
		if f := l.Lookup(addr(text), moment).Findings[0]; f.Country != country("UA") || !cmp.Equal(f.Subdivisions, want.Subdivisions) {
			t.Errorf("%+v", f)
		}
	}
	_, err := Open(Config{
		Fields: []Field{"city", Country, Country}, Header: true,
		Overrides: map[netip.Prefix]Place{prefix("1.2.3.0/24"): {country("UA"), "UA-43"}, prefix("1.2.3.4/24"): place("UA")},
	}, Options{})
	const want = `unknown geoip.fields "city"; expected country, registered_country or represented_country
geoip.fields name country twice; expected each once
geoip.header adds a country to that of the databases, and geoip.decide has the first that is known count alone; expected decide: any
overrides give network 1.2.3.0/24 both UA-43 and UA; expected one place`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// FuzzFields reads records that name anything in any field, and holds what counts of them against the meaning of the choice:
// the first field with a country, or all of them, in the order in which they were chosen.
func FuzzFields(f *testing.F) {
	for _, codes := range [][3]string{{"DE", "US", "US"}, {"", "FR", ""}, {"EU", "us", "GB"}, {"US", "US", "US"}, {"", "", ""}, {"\xff\xfe", "A1", "USA"}} {
		for order := range byte(6) {
			f.Add(codes[0], codes[1], codes[2], "BY", order, order%2 == 0)
		}
	}
	orders := [][]Field{{Country}, {RegisteredCountry}, {Country, RegisteredCountry}, {RepresentedCountry, Country}, {Country, RegisteredCountry, RepresentedCountry}, {RepresentedCountry, RegisteredCountry, Country}}
	f.Fuzz(func(t *testing.T, own, registered, represented, part string, order byte, first bool) {
		c := choice{fields: orders[int(order)%len(orders)], first: first}
		said := map[Field]string{Country: own, RegisteredCountry: registered, RepresentedCountry: represented}
		var want []rules.Country
		for _, field := range c.fields {
			if code := rules.CountryOf(said[field]); code != 0 && !slices.Contains(want, code) && (len(want) == 0 || !first) {
				want = append(want, code)
			}
		}
		got := c.of(spoken{codes: [3]string{own, registered, represented}, subdivisions: []string{own + "-" + part}})
		var all []rules.Country
		if got.country != 0 {
			all = append([]rules.Country{got.country}, got.others...)
		}
		if !slices.Equal(all, want) {
			t.Errorf("%v of %v: %v, want %v", c.fields, said, all, want)
		}
		if (len(got.subdivisions) > 0) != (slices.Contains(want, rules.CountryOf(own)) && rules.CountryOf(own) != 0) {
			t.Errorf("%v of %v: parts %v", c.fields, said, got.subdivisions)
		}
		if len(want) > 0 && rules.CountryOf(said[c.fields[got.field]]) != want[0] {
			t.Errorf("%v of %v: told by %s", c.fields, said, c.fields[got.field])
		}
	})
}
