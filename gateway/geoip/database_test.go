package geoip

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gate451/rules"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

const (
	countryRemedy   = `; fetch a country or city database with "gate451 geoip update" or by hand, make one with "gate451 geoip build", or leave geoip.databases out to use the embedded one`
	anonymousRemedy = `; fetch a GeoIP2 Anonymous IP database with "gate451 geoip update" or by hand, or leave geoip.anonymous out`
)

func TestOpenRefusesFiles(t *testing.T) {
	t.Parallel()
	good := content{records: map[string]record{"1.0.0.0/8": inCountry("AU")}}.bytes(t)
	asn := content{databaseType: "GeoLite2-ASN", records: map[string]record{"1.0.0.0/8": {"autonomous_system_number": mmdbtype.Uint32(7)}}}.bytes(t)
	flat := content{databaseType: "flat", records: map[string]record{"1.0.0.0/8": {"country": mmdbtype.String("AU")}}}.bytes(t)
	flags := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{"1.0.0.0/8": flagged("is_anonymous")}}.bytes(t)
	const unsound, noCountry = "not a sound MaxMind DB file (", ", in which no record names a country as country.iso_code" + countryRemedy
	for _, test := range []struct {
		name      string
		data      []byte
		anonymous bool
		want      string
	}{
		{"empty", nil, false, unsound + "error opening database: invalid MaxMind DB file)" + countryRemedy},
		{"text", []byte("<html>Sign in"), false, unsound + "error opening database: invalid MaxMind DB file)" + countryRemedy},
		{"text", []byte("<html>Sign in"), true, unsound + "error opening database: invalid MaxMind DB file)" + anonymousRemedy},
		{"half", good[:len(good)/2], false, unsound + "error opening database: invalid MaxMind DB file)" + countryRemedy},
		{"tail", good[len(good)/2:], false, unsound},
		{"ASN", asn, false, `a "GeoLite2-ASN" database` + noCountry},
		{"anonymous", flags, false, `a "GeoIP2-Anonymous-IP" database` + noCountry},
		{"no records", content{}.bytes(t), false, `a "GeoLite2-City" database` + noCountry},
		{"no countries", content{records: map[string]record{"1.0.0.0/8": inCountry("EU")}}.bytes(t), false, `a "GeoLite2-City" database` + noCountry},
		{"flat", flat, false, `a "flat" database whose record for 1.0.0.0/8 cannot be read (`},
		{"country", good, true, `a "GeoLite2-City" database, in which no record has any of the flags is_anonymous, is_anonymous_vpn, ` +
			`is_hosting_provider, is_public_proxy, is_residential_proxy and is_tor_exit_node` + anonymousRemedy},
	} {
		path := writeFile(t, test.data, t.TempDir(), test.name+".mmdb")
		cfg := Config{Databases: []string{path}}
		if test.anonymous {
			cfg = Config{Anonymous: path}
		}
		_, err := Open(cfg, Options{})
		if want := "geoip database " + path + ": " + test.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got:  %v\nwant: %s", test.name, err, want)
		}
	}
}

func TestOpenNamesEveryFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, folder := filepath.Join(dir, "missing.mmdb"), filepath.Join(dir, "folder.mmdb")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Config{Databases: []string{missing}, Anonymous: folder}, Options{})
	want := "geoip database " + missing + ": no such file or directory" + countryRemedy + "\n" +
		"geoip database " + folder + ": not a regular file" + anonymousRemedy
	if err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestEmptyAnonymousDatabase(t *testing.T) {
	t.Parallel()
	path := content{databaseType: "GeoIP2-Anonymous-IP"}.write(t, t.TempDir(), "empty.mmdb")
	l := open(t, Config{Anonymous: path}, Options{})
	if got := l.Locate(addr("50.114.0.1"), moment); got.Traits != 0 || got.Country != country("US") {
		t.Errorf("Locate = %+v", got)
	}
}

// TestUnreadableAnonymousRecord has a network listed as anonymous in a way that cannot be read: no answer is no leave.
func TestUnreadableAnonymousRecord(t *testing.T) {
	t.Parallel()
	path := content{databaseType: "GeoIP2-Anonymous-IP", records: map[string]record{
		"50.114.0.0/24": flagged("is_anonymous"), "50.114.1.0/24": {"is_anonymous": mmdbtype.String("yes")},
	}}.write(t, t.TempDir(), "mixed.mmdb")
	l := open(t, Config{Anonymous: path}, Options{})
	for text, want := range map[string]rules.Traits{"50.114.0.1": rules.Anonymized, "50.114.1.1": rules.Anonymized, "50.114.2.1": 0} {
		finding := l.Lookup(addr(text), moment).Findings[1]
		if got := l.Locate(addr(text), moment); got.Traits != want || finding.Traits != want || (finding.Err != nil) != (text == "50.114.1.1") {
			t.Errorf("Locate(%s) = %+v, finding %+v", text, got, finding)
		}
	}
}

// TestStaleAnonymousDatabase: that an address is not on an old list says little, so that the origin is stale as a whole.
func TestStaleAnonymousDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	places := content{records: map[string]record{"1.0.0.0/8": inCountry("AU")}}.write(t, dir, "places.mmdb")
	list := content{databaseType: "GeoIP2-Anonymous-IP", epoch: built.Add(-time.Hour), records: map[string]record{"1.1.0.0/16": flagged("is_tor_exit_node")}}.write(t, dir, "list.mmdb")
	l := open(t, Config{Databases: []string{places}, Anonymous: list, MaxAge: time.Hour, Overrides: map[netip.Prefix]Place{prefix("1.2.0.0/16"): place("DE")}}, Options{})
	for _, test := range []struct {
		addr string
		now  time.Time
		want rules.Traits
	}{
		{"1.0.0.1", built, 0}, {"1.1.0.1", built, rules.Anonymized}, {"1.0.0.1", built.Add(1), rules.StaleDatabase},
		{"1.1.0.1", built.Add(1), rules.StaleDatabase | rules.Anonymized}, {"1.2.0.1", built.Add(1), 0}, {"2.0.0.1", built.Add(1), rules.StaleDatabase},
	} {
		if got := l.Locate(addr(test.addr), test.now).Traits; got != test.want {
			t.Errorf("%s at %s: %b, want %b", test.addr, test.now, got, test.want)
		}
	}
}

// TestUnreadableRecord has one record of another shape than the rest, which says nothing.
func TestUnreadableRecord(t *testing.T) {
	t.Parallel()
	path := content{records: map[string]record{"1.0.0.0/8": inCountry("AU"), "2.0.0.0/8": {"country": mmdbtype.String("FR")}}}.write(t, t.TempDir(), "mixed.mmdb")
	l := open(t, Config{Databases: []string{path}}, Options{})
	for range 2 {
		if got := l.Locate(addr("2.0.0.1"), moment); got.Country != 0 || got.Source != "" {
			t.Errorf("Locate = %+v", got)
		}
	}
	finding := l.Lookup(addr("2.0.0.1"), moment).Findings[0]
	if finding.Err == nil || !finding.Found || finding.Network != netip.MustParsePrefix("2.0.0.0/8") {
		t.Errorf("finding: %+v", finding)
	}
}

// FuzzOpen opens damaged databases: they are refused, or answer without a panic.
func FuzzOpen(f *testing.F) {
	good := content{records: map[string]record{
		"1.0.0.0/8": inCountry("AU"), "2a01::/16": inCountry("GB", "ENG"), "2.0.0.0/8": inFields("", "US", ""), "2a02::/16": inFields("DE", "DE", "US", "BY"),
	}}.bytes(f)
	f.Add(good, uint16(0), byte(0))
	for at := 0; at < len(good); at += 7 {
		f.Add(good, uint16(at), byte(0x41))
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16, flip byte) {
		data = append([]byte(nil), data...)
		if int(at) < len(data) {
			data[at] ^= flip
		}
		for _, k := range []kind{countryKind, anonymousKind} {
			d, err := soundDatabase("fuzz", data, terms{kind: k, choice: choice{fields: allFields[:]}, known: newAnswers()})
			if err != nil {
				continue
			}
			for _, text := range []string{"1.0.0.1", "2.0.0.1", "255.255.255.255", "2a01::1", "2a02::1", "::1"} {
				found, findings := d.find(addr(text)), d.findings(addr(text), moment)
				if again := d.find(addr(text)); found != again {
					t.Errorf("%s: %+v, then %+v", text, found, again)
				}
				var first rules.Country
				for i, finding := range findings {
					if first == 0 {
						first = finding.Country
					}
					if finding.Country != 0 && !found.counts(finding.Country) || found.said != nil && k == countryKind && found.said[i] != finding.Country {
						t.Errorf("%s: %+v, but %+v", text, found, findings)
					}
				}
				if found.country != first || found.anonymized != findings[0].Traits.Has(rules.Anonymized) {
					t.Errorf("%s: %+v, but %+v", text, found, findings)
				}
				for _, code := range found.subdivisions {
					if !found.counts(country(code[:2])) {
						t.Errorf("%s: %s is in none of the countries of %+v", text, code, found)
					}
				}
			}
		}
	})
}
