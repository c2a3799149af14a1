package geoip

import (
	"net/netip"
	"testing"
	"time"

	"gate451/rules"

	"github.com/google/go-cmp/cmp"
)

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func lookupLocator(t *testing.T) *Locator {
	dir := t.TempDir()
	cities := content{records: map[string]record{
		"50.114.0.0/16": inCountry("US", "CA"), "2.0.0.0/24": inCountry("EU"), "198.18.0.0/15": inCountry("JP"),
	}}.write(t, dir, "cities.mmdb")
	second := content{epoch: built.AddDate(-1, 0, 0), ipVersion: 4, databaseType: "GeoLite2-Country",
		records: map[string]record{"50.0.0.0/8": inCountry("DE")}}.write(t, dir, "second.mmdb")
	anonymous := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{
		"50.114.0.0/24": flagged("is_anonymous", "is_tor_exit_node"),
	}}.write(t, dir, "anonymous.mmdb")
	return open(t, Config{
		Databases: []string{cities, second}, Anonymous: anonymous, MaxAge: 100 * 24 * time.Hour,
		Overrides: map[netip.Prefix]Place{prefix("50.114.9.0/24"): place("FR"), prefix("2002:3272:900::/40"): place("SE")},
	}, Options{Now: func() time.Time { return moment }})
}

func TestLookup(t *testing.T) {
	t.Parallel()
	l := lookupLocator(t)
	anonymous := Finding{Source: "anonymous.mmdb", Network: prefix("50.114.0.0/24"), Found: true,
		Said: []string{"is_anonymous", "is_tor_exit_node"}, Traits: rules.Anonymized}
	second := Finding{Source: "second.mmdb", Network: prefix("50.0.0.0/8"), Found: true, Country: country("DE"), Said: []string{"DE"}, Traits: rules.StaleDatabase}
	cities := Finding{Source: "cities.mmdb", Network: prefix("50.114.0.0/16"), Found: true, Country: country("US"), Said: []string{"US"}, Subdivisions: []string{"US-CA"}}
	for _, test := range []struct {
		addr string
		want Report
	}{
		{"2002:3272:1::1", Report{Judged: addr("50.114.0.1"), Carrier: "6to4", Findings: []Finding{cities, second, anonymous}}},
		{"50.114.9.1", Report{Judged: addr("50.114.9.1"), Findings: []Finding{
			{Source: "override", Network: prefix("50.114.9.0/24"), Found: true, Country: country("FR")}, cities, second,
			{Source: "anonymous.mmdb", Network: prefix("50.114.8.0/21")}}}},
		{"2002:3272:901::", Report{Judged: addr("50.114.9.1"), Carrier: "6to4", Findings: []Finding{
			{Source: "override", Network: prefix("2002:3272:900::/40"), Found: true, Country: country("SE")}, cities, second,
			{Source: "anonymous.mmdb", Network: prefix("50.114.8.0/21")}}}},
		{"64:ff9b::50.114.9.1", Report{Judged: addr("50.114.9.1"), Carrier: "NAT64", Findings: []Finding{
			{Source: "override", Network: prefix("50.114.9.0/24"), Found: true, Country: country("FR")}, cities, second,
			{Source: "anonymous.mmdb", Network: prefix("50.114.8.0/21")}}}},
		{"2.0.0.1", Report{Judged: addr("2.0.0.1"), Findings: []Finding{
			{Source: "cities.mmdb", Network: prefix("2.0.0.0/24"), Found: true, Said: []string{"EU"}},
			{Source: "second.mmdb", Network: prefix("0.0.0.0/3"), Traits: rules.StaleDatabase},
			{Source: "anonymous.mmdb", Network: prefix("0.0.0.0/3")}}}},
		{"198.18.0.1", Report{Judged: addr("198.18.0.1"), NonPublic: prefix("198.18.0.0/15"), Findings: []Finding{
			{Source: "cities.mmdb", Network: prefix("198.18.0.0/15"), Found: true, Country: country("JP"), Said: []string{"JP"}},
			{Source: "second.mmdb", Network: prefix("128.0.0.0/1"), Traits: rules.StaleDatabase},
			{Source: "anonymous.mmdb", Network: prefix("128.0.0.0/1")}}}},
		{"2a01::1", Report{Judged: addr("2a01::1"), Findings: []Finding{
			{Source: "cities.mmdb", Network: prefix("2800::/5")},
			{Source: "second.mmdb", Traits: rules.StaleDatabase},
			{Source: "anonymous.mmdb", Network: prefix("2800::/5")}}}},
	} {
		got := l.Lookup(addr(test.addr), moment)
		test.want.Origin = l.Locate(addr(test.addr), moment)
		if diff := cmp.Diff(test.want, got, sameOrigin, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("Lookup(%s): %s", test.addr, diff)
		}
	}
	if got := l.Lookup(netip.Addr{}, moment); got.Origin.Traits != rules.UnusableClient || got.Findings != nil || got.Judged.IsValid() {
		t.Errorf("Lookup of an invalid address: %+v", got)
	}
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	l := lookupLocator(t)
	paths := l.cfg.paths()
	got := l.Databases()
	for i := range got {
		if got[i].Size < 200 || got[i].NodeCount < 8 {
			t.Errorf("%s has %d bytes and %d nodes", got[i].Name, got[i].Size, got[i].NodeCount)
		}
		got[i].Size, got[i].NodeCount = 0, 0
	}
	en := []string{"en"}
	if diff := cmp.Diff([]Info{
		{Name: "cities.mmdb", Path: paths[0], Type: "GeoLite2-City", Description: "A test database", Build: "cities.mmdb 2026-06-01T12:00:00Z", Built: built, IPVersion: 6, Languages: en},
		{Name: "second.mmdb", Path: paths[1], Type: "GeoLite2-Country", Description: "A test database", Build: "second.mmdb 2025-06-01T12:00:00Z", Built: built.AddDate(-1, 0, 0), IPVersion: 4, Languages: en, Stale: true},
		{Name: "anonymous.mmdb", Path: paths[2], Anonymous: true, Type: "GeoIP2-Anonymous-IP", Description: "A test database", Build: "anonymous.mmdb 2026-06-01T12:00:00Z", Built: built, IPVersion: 6, Languages: en},
	}, got); diff != "" {
		t.Error(diff)
	}

	info := open(t, Config{}, Options{}).Databases()
	if len(info) != 1 || info[0].Name != "embedded" || info[0].Path != "" || info[0].Type != BuildType || info[0].Size != len(embedded) {
		t.Errorf("embedded: %+v", info)
	}
}

func TestDescription(t *testing.T) {
	t.Parallel()
	for want, texts := range map[string]map[string]string{
		"": nil, "a": {"en": "a", "de": "b"}, "b": {"fr": "c", "de": "b"},
	} {
		if got := description(texts); got != want {
			t.Errorf("description(%v) = %q, want %q", texts, got, want)
		}
	}
}
