package geoip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gate451/rules"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// moment is when the tests locate: a month after their databases were built.
var moment = built.AddDate(0, 1, 0)

// sameOrigin compares origins but for the builds of their databases, which TestDatabaseOfAnOrigin is about.
var sameOrigin = cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.IgnoreFields(rules.Origin{}, "Database")}

func TestLocate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cities := content{records: map[string]record{
		"50.114.0.0/16":    inCountry("US", "CA"),
		"91.210.0.0/24":    inCountry("UA", "43"),
		"91.210.1.0/24":    inCountry("GB", "ENG", "OXF"),
		"91.210.2.0/24":    inCountry("UA", "Krym", "x", "", "LONG", "14"),
		"2.0.0.0/24":       inCountry("EU"),
		"2.0.1.0/24":       {"continent": record{}},
		"2.0.2.0/24":       {"registered_country": record{}},
		"198.18.0.0/15":    inCountry("JP"),
		"2a01:4f8::/32":    inCountry("DE"),
		"fd00:9002::/32":   inCountry("DE"),
		"64:ff9b:1::/48":   inCountry("DE"),
		"::/97":            inCountry("FR"),
		"100.64.0.0/10":    inCountry("FR"),
		"2001:db8:7::/48":  inCountry("FR"),
		"185.199.108.0/24": inCountry("NL"),
	}}.write(t, dir, "cities.mmdb")
	anonymous := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{
		"50.114.1.0/24":    flagged("is_anonymous", "is_anonymous_vpn"),
		"185.199.108.0/32": flagged("is_anonymous"),
		"185.199.108.1/32": flagged("is_anonymous_vpn"),
		"185.199.108.2/32": flagged("is_hosting_provider"),
		"185.199.108.3/32": flagged("is_public_proxy"),
		"185.199.108.4/32": flagged("is_residential_proxy"),
		"185.199.108.5/32": flagged("is_tor_exit_node"),
		"185.199.108.6/32": flagged("is_something_else"),
		"10.0.0.0/8":       flagged("is_anonymous"),
		"45.0.0.0/24":      flagged("is_anonymous"),
	}}.write(t, dir, "anonymous.mmdb")
	l := open(t, Config{
		Databases: []string{cities},
		Anonymous: anonymous,
		MaxAge:    45 * 24 * time.Hour,
		Overrides: map[netip.Prefix]Place{
			netip.MustParsePrefix("50.114.2.0/23"):                  place("CU"),
			netip.MustParsePrefix("50.114.3.0/24"):                  place("DE"),
			netip.MustParsePrefix("::ffff:50.114.4.0/120"):          place("FR"),
			netip.MustParsePrefix("10.1.2.3/16"):                    place("US"),
			netip.MustParsePrefix("2002:3272:300::/40"):             place("SE"),
			netip.MustParsePrefix("2a01:4f8:1::/48"):                place("AT"),
			netip.MustParsePrefix("185.199.108.3/32"):               place("CH"),
			netip.MustParsePrefix("fe80::/64"):                      place("NO"),
			netip.MustParsePrefix("2001:0:4136:e378::/64"):          place("FI"),
			netip.MustParsePrefix("255.255.255.255/32"):             place("IS"),
			netip.MustParsePrefix("64:ff9b::50.114.2.255/128"):      place("IT"),
			netip.MustParsePrefix("0.0.0.0/32"):                     place("ES"),
			netip.MustParsePrefix("2001:0:0:1:8000::203.0.0.0/128"): place("PT"),
		},
	}, Options{})

	for _, test := range []struct {
		addr string
		want rules.Origin
	}{
		{"50.114.0.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},
		{"91.210.0.1", rules.Origin{Country: country("UA"), Subdivisions: []string{"UA-43"}, Source: "cities.mmdb"}},
		{"91.210.1.1", rules.Origin{Country: country("GB"), Subdivisions: []string{"GB-ENG", "GB-OXF"}, Source: "cities.mmdb"}},
		{"91.210.2.1", rules.Origin{Country: country("UA"), Subdivisions: []string{"UA-14"}, Source: "cities.mmdb"}},
		{"2a01:4f8::1", rules.Origin{Country: country("DE"), Source: "cities.mmdb"}},
		{"2a01:4f8::1%eth0", rules.Origin{Client: addr("2a01:4f8::1"), Country: country("DE"), Source: "cities.mmdb"}},

		{"::ffff:50.114.0.1", rules.Origin{Client: addr("50.114.0.1"), Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},
		{"64:ff9b::50.114.0.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},
		{"2002:3272:1::1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},
		{"2001:0:4136:e379:8000:63bf:cd8d:fffe", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},
		{"::50.114.0.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb"}},

		{"8.8.8.8", rules.Origin{Country: country("FR"), Source: "cities.mmdb"}},
		{"200.0.0.1", rules.Origin{}},
		{"2a02::1", rules.Origin{}},
		{"2.0.0.1", rules.Origin{}},
		{"2.0.1.1", rules.Origin{}},
		{"2.0.2.1", rules.Origin{}},

		{"10.0.0.1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"::ffff:10.0.0.1", rules.Origin{Client: addr("10.0.0.1"), Traits: rules.PrivateNetwork}},
		{"64:ff9b::10.0.0.1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"2002:a00:1::", rules.Origin{Traits: rules.PrivateNetwork}},
		{"64:ff9b:1::1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"100.64.0.1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"198.18.0.1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"fd00:9002::1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"2001:db8:7::1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"::", rules.Origin{Traits: rules.PrivateNetwork}},
		{"::1", rules.Origin{Traits: rules.PrivateNetwork}},
		{"127.0.0.1", rules.Origin{Traits: rules.PrivateNetwork}},

		{"50.114.2.1", rules.Origin{Country: country("CU"), Source: "override"}},
		{"50.114.3.1", rules.Origin{Country: country("DE"), Source: "override"}},
		{"50.114.4.1", rules.Origin{Country: country("FR"), Source: "override"}},
		{"::ffff:50.114.4.1", rules.Origin{Client: addr("50.114.4.1"), Country: country("FR"), Source: "override"}},
		{"64:ff9b::50.114.3.1", rules.Origin{Country: country("DE"), Source: "override"}},
		{"64:ff9b::50.114.2.255", rules.Origin{Country: country("IT"), Source: "override"}},
		{"2002:3272:301::1", rules.Origin{Country: country("SE"), Source: "override"}},
		{"2001:0:4136:e378:8000:63bf:cd8d:fffe", rules.Origin{Country: country("FI"), Source: "override"}},
		{"10.1.0.1", rules.Origin{Country: country("US"), Source: "override"}},
		{"2002:a01:1::", rules.Origin{Country: country("US"), Source: "override"}},
		{"2a01:4f8:1::1", rules.Origin{Country: country("AT"), Source: "override"}},
		{"fe80::1%eth0", rules.Origin{Client: addr("fe80::1"), Country: country("NO"), Source: "override"}},
		{"255.255.255.255", rules.Origin{Country: country("IS"), Source: "override"}},
		{"185.199.108.3", rules.Origin{Country: country("CH"), Source: "override"}},

		{"50.114.1.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"2002:3272:101::1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.0", rules.Origin{Country: country("NL"), Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.1", rules.Origin{Country: country("NL"), Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.2", rules.Origin{Country: country("NL"), Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.4", rules.Origin{Country: country("NL"), Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.5", rules.Origin{Country: country("NL"), Source: "cities.mmdb", Traits: rules.Anonymized}},
		{"185.199.108.6", rules.Origin{Country: country("NL"), Source: "cities.mmdb"}},
		{"45.0.0.1", rules.Origin{Country: country("FR"), Source: "cities.mmdb", Traits: rules.Anonymized}},
	} {
		if !test.want.Client.IsValid() {
			test.want.Client = addr(test.addr)
		}
		for range 2 { // the second answer comes from memory
			got := l.Locate(addr(test.addr), moment)
			if diff := cmp.Diff(test.want, got, sameOrigin); diff != "" {
				t.Errorf("Locate(%s): %s", test.addr, diff)
			}
			if diff := cmp.Diff(got, l.Lookup(addr(test.addr), moment).Origin, sameOrigin); diff != "" {
				t.Errorf("Lookup(%s).Origin: %s", test.addr, diff)
			}
		}
	}
	if diff := cmp.Diff(rules.Origin{Traits: rules.UnusableClient}, l.Locate(netip.Addr{}, moment), sameOrigin); diff != "" {
		t.Errorf("Locate of an invalid address: %s", diff)
	}
}

// knows makes a database in which these countries have 1.1.1.0/24, 1.1.2.0/24 and so on; "-" is a
// network without a record.
func knows(t *testing.T, dir, name string, age time.Duration, records ...record) string {
	t.Helper()
	c := content{epoch: moment.Add(-age), records: map[string]record{}}
	for i, said := range records {
		if said != nil {
			c.records[netip.PrefixFrom(netip.AddrFrom4([4]byte{1, 1, byte(i + 1), 0}), 24).String()] = said
		}
	}
	return c.write(t, dir, name)
}

func TestSeveralDatabases(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	dir := t.TempDir()
	us, de, fr := inCountry("US", "CA"), inCountry("DE"), inCountry("FR")
	fresh := knows(t, dir, "fresh.mmdb", 10*day, us, us, us, us, nil, inCountry("EU"), nil, us)
	old := knows(t, dir, "old.mmdb", 10*day+1*time.Second, us, de, inCountry("US", "CA", "NV"), inCountry("DE", "BY"), de, de, nil, fr)
	third := knows(t, dir, "third.mmdb", 10*day, us, de, inCountry("US", "NY"), inCountry("US", "TX"), fr, inCountry("AP"), nil, fr)
	stale := rules.StaleDatabase
	for _, test := range []struct {
		addr       string
		first, any rules.Origin
	}{
		{"1.1.1.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb"},
			rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb", Traits: stale}},
		{"1.1.2.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb"},
			rules.Origin{Country: country("US"), Others: []rules.Country{country("DE")}, Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb", Traits: stale}},
		{"1.1.3.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb"},
			rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA", "US-NV", "US-NY"}, Source: "fresh.mmdb", Traits: stale}},
		{"1.1.4.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb"},
			rules.Origin{Country: country("US"), Others: []rules.Country{country("DE")}, Subdivisions: []string{"US-CA", "DE-BY", "US-TX"}, Source: "fresh.mmdb", Traits: stale}},
		{"1.1.5.1", rules.Origin{Country: country("DE"), Source: "old.mmdb", Traits: stale},
			rules.Origin{Country: country("DE"), Others: []rules.Country{country("FR")}, Source: "old.mmdb", Traits: stale}},
		{"1.1.6.1", rules.Origin{Country: country("DE"), Source: "old.mmdb", Traits: stale},
			rules.Origin{Country: country("DE"), Source: "old.mmdb", Traits: stale}},
		{"1.1.7.1", rules.Origin{Traits: stale}, rules.Origin{Traits: stale}},
		{"1.1.8.1", rules.Origin{Country: country("US"), Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb"},
			rules.Origin{Country: country("US"), Others: []rules.Country{country("FR")}, Subdivisions: []string{"US-CA"}, Source: "fresh.mmdb", Traits: stale}},
	} {
		for mode, want := range map[Mode]rules.Origin{"": test.first, First: test.first, Any: test.any} {
			l := open(t, Config{Databases: []string{fresh, old, third}, Decide: mode, MaxAge: 10 * day}, Options{})
			want.Client = addr(test.addr)
			for range 2 {
				if diff := cmp.Diff(want, l.Locate(addr(test.addr), moment), sameOrigin); diff != "" {
					t.Errorf("%s, %q: %s", test.addr, mode, diff)
				}
			}
		}
	}
}

// TestDatabaseOfAnOrigin shows whose build an origin names: that of the database which told the country, or of the first
// that was asked.
func TestDatabaseOfAnOrigin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := content{records: map[string]record{"1.1.1.0/24": inCountry("US"), "9.0.0.0/8": inCountry("FR")}}.write(t, dir, "first.mmdb")
	second := content{records: map[string]record{"1.1.0.0/16": inCountry("DE")}, epoch: built.AddDate(0, 0, 1)}.write(t, dir, "second.mmdb")
	for _, mode := range []Mode{First, Any} {
		l := open(t, Config{Databases: []string{first, second}, Decide: mode, Overrides: map[netip.Prefix]Place{prefix("8.8.8.8/32"): place("US")}}, Options{})
		for address, want := range map[string]string{
			"1.1.1.1": l.Databases()[0].Build, "1.1.2.1": l.Databases()[1].Build, "2.2.2.2": l.Databases()[0].Build, "8.8.8.8": "", "10.0.0.1": "",
		} {
			if got := l.Locate(addr(address), moment).Database; got != want {
				t.Errorf("%s, %s: %q, want %q", mode, address, got, want)
			}
		}
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	path := content{records: map[string]record{"1.0.0.0/8": inCountry("AU")}}.write(t, t.TempDir(), "one.mmdb")
	aged := open(t, Config{Databases: []string{path}, MaxAge: time.Hour}, Options{Now: func() time.Time { return built.Add(time.Hour) }})
	ageless := open(t, Config{Databases: []string{path}}, Options{})
	for _, test := range []struct {
		now   time.Time
		stale bool
	}{
		{built.Add(-time.Hour), false}, {built.Add(time.Hour), false}, {built.Add(time.Hour + 1), true}, {built.AddDate(50, 0, 0), true},
	} {
		for _, address := range []string{"1.0.0.1", "2.0.0.1"} {
			if got := aged.Locate(addr(address), test.now).Traits.Has(rules.StaleDatabase); got != test.stale {
				t.Errorf("%s at %s: stale is %t", address, test.now, got)
			}
			if ageless.Locate(addr(address), test.now).Traits.Has(rules.StaleDatabase) {
				t.Errorf("%s at %s is stale without a limit", address, test.now)
			}
		}
		if aged.Locate(addr("10.0.0.1"), test.now).Traits != rules.PrivateNetwork {
			t.Errorf("no database was asked for a private address, but one is stale")
		}
	}
	if aged.Databases()[0].Stale {
		t.Error("Databases calls a database of exactly the greatest age stale")
	}
}

func TestIPv4OnlyDatabase(t *testing.T) {
	t.Parallel()
	path := content{ipVersion: 4, databaseType: "GeoLite2-Country", records: map[string]record{"1.0.0.0/8": inCountry("AU")}}.write(t, t.TempDir(), "four.mmdb")
	l := open(t, Config{Databases: []string{path}}, Options{})
	for address, want := range map[string]string{"1.0.0.1": "AU", "2002:100:1::": "AU", "2a01::1": ""} {
		if got := l.Locate(addr(address), moment).Country.String(); got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	if finding := l.Lookup(addr("2a01::1"), moment).Findings[0]; finding.Network.IsValid() || finding.Found || finding.Err != nil {
		t.Errorf("an IPv4 database says of an IPv6 address: %+v", finding)
	}
}

func TestLocateAllocatesNothing(t *testing.T) {
	dir := t.TempDir()
	us := content{records: map[string]record{"::/0": inCountry("US", "CA")}}.write(t, dir, "us.mmdb")
	de := content{records: map[string]record{"::/0": inCountry("DE", "BY")}}.write(t, dir, "de.mmdb")
	anonymous := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{"::/0": flagged("is_anonymous")}}.write(t, dir, "an.mmdb")
	four := content{ipVersion: 4, records: map[string]record{"50.0.0.0/8": inCountry("US")}}.write(t, dir, "four.mmdb")
	overridden := map[netip.Prefix]Place{netip.MustParsePrefix("9.0.0.0/8"): place("FR"), netip.MustParsePrefix("2a09::/16"): place("FR")}
	for name, cfg := range map[string]Config{
		"embedded": {MaxAge: time.Hour},
		"IPv4":     {Databases: []string{four}},
		"any":      {Databases: []string{us, de}, Decide: Any, Anonymous: anonymous, MaxAge: time.Hour, Overrides: overridden},
	} {
		l := open(t, cfg, Options{})
		for _, text := range []string{"50.114.0.1", "2600:1f00::1", "::ffff:50.114.0.1", "2002:3272:1::", "2001:0:4136:e378:8000:63bf:cd8d:fffe",
			"64:ff9b::3272:1", "10.0.0.1", "fe80::1%eth0", "9.1.1.1", "2a09::1", "5.0.0.1"} {
			address := addr(text)
			var origin rules.Origin
			if allocations := testing.AllocsPerRun(100, func() { origin = l.Locate(address, moment) }); allocations > 0 {
				t.Errorf("%s: Locate(%s) = %+v: %v allocations", name, text, origin, allocations)
			}
		}
	}
}

func TestOpenRefusesConfiguration(t *testing.T) {
	t.Parallel()
	_, err := Open(Config{
		Databases: []string{"a/x.mmdb", "b/x.mmdb"},
		Anonymous: "c/x.mmdb",
		Decide:    "all",
		MaxAge:    -time.Second,
		Overrides: map[netip.Prefix]Place{
			{}:                                          place("DE"),
			netip.MustParsePrefix("10.0.0.0/8"):         {Country: 0},
			netip.MustParsePrefix("11.0.0.0/8"):         {Country: 65000},
			netip.MustParsePrefix("203.0.113.0/24"):     place("DE"),
			netip.MustParsePrefix("203.0.113.7/24"):     place("US"),
			netip.MustParsePrefix("::ffff:0.0.0.0/95"):  place("US"),
			netip.MustParsePrefix("::ffff:9.9.9.9/128"): place("US"),
			netip.MustParsePrefix("9.9.9.9/32"):         place("US"),
		},
	}, Options{})
	want := strings.Join([]string{
		`unknown geoip.decide "all"; expected first or any`,
		`geoip.max_age is -1s; expected a positive duration, or 0 for no limit`,
		`geoip databases a/x.mmdb and b/x.mmdb have the same file name; expected different ones, because records and metrics call a database by it`,
		`geoip databases b/x.mmdb and c/x.mmdb have the same file name; expected different ones, because records and metrics call a database by it`,
		`an override has an invalid network; expected CIDR notation such as 203.0.113.0/24`,
		`override 10.0.0.0/8 names no country; expected an ISO 3166-1 code such as DE`,
		`override 11.0.0.0/8 names no country; expected an ISO 3166-1 code such as DE`,
		`overrides give network 203.0.113.0/24 both DE and US; expected one place`,
		`override ::ffff:0.0.0.0/95 reaches beyond the IPv4-mapped addresses; expected an IPv4 network`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
