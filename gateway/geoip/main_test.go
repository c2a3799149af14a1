package geoip

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gate451/rules"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// built is when the databases of the tests were built.
var built = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// record is what a test database says of a network.
type record = mmdbtype.Map

func inCountry(code string, subdivisions ...string) record {
	said := record{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("A name")}}}
	if len(subdivisions) > 0 {
		var all mmdbtype.Slice
		for _, code := range subdivisions {
			all = append(all, mmdbtype.Map{"iso_code": mmdbtype.String(code)})
		}
		said["subdivisions"] = all
	}
	return said
}

// inFields makes a record in which each field names a country, or none if the code is empty; the country has the subdivisions.
func inFields(country, registered, represented string, subdivisions ...string) record {
	said := record{}
	if country != "" {
		said = inCountry(country, subdivisions...)
	}
	for field, code := range map[mmdbtype.String]string{"registered_country": registered, "represented_country": represented} {
		if code != "" {
			said[field] = mmdbtype.Map{"iso_code": mmdbtype.String(code), "type": mmdbtype.String("military")}
		}
	}
	return said
}

func flagged(flags ...string) record {
	said := record{}
	for _, flag := range flags {
		said[mmdbtype.String(flag)] = mmdbtype.Bool(true)
	}
	return said
}

// content describes a test database. The zero type is GeoLite2-City, the zero epoch built, the zero
// version 6. Of networks that contain others the smallest counts.
type content struct {
	databaseType string
	epoch        time.Time
	ipVersion    int
	records      map[string]record
}

func (c content) bytes(tb testing.TB) []byte {
	tb.Helper()
	options := mmdbwriter.Options{
		DatabaseType: "GeoLite2-City", BuildEpoch: built.Unix(), IPVersion: 6, RecordSize: 24,
		Description: map[string]string{"en": "A test database"}, Languages: []string{"en"}, IncludeReservedNetworks: true,
	}
	if c.databaseType != "" {
		options.DatabaseType = c.databaseType
	}
	if !c.epoch.IsZero() {
		options.BuildEpoch = c.epoch.Unix()
	}
	if c.ipVersion != 0 {
		options.IPVersion = c.ipVersion
	}
	tree, err := mmdbwriter.New(options)
	if err != nil {
		tb.Fatal(err)
	}
	for _, prefix := range c.networks() {
		if err := tree.InsertRange(prefix.Addr().AsSlice(), lastOf(prefix).AsSlice(), c.records[prefix.String()]); err != nil {
			tb.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// networks returns the networks, those that contain others before them.
func (c content) networks() []netip.Prefix {
	var all []netip.Prefix
	for network := range c.records {
		all = append(all, netip.MustParsePrefix(network))
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return (a.Bits() - a.Addr().BitLen()) - (b.Bits() - b.Addr().BitLen())
	})
	return all
}

// write writes a test database to a file and returns its path.
func (c content) write(tb testing.TB, path ...string) string {
	tb.Helper()
	return writeFile(tb, c.bytes(tb), path...)
}

func writeFile(tb testing.TB, data []byte, path ...string) string {
	tb.Helper()
	file := filepath.Join(path...)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func lastOf(prefix netip.Prefix) netip.Addr {
	last := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(last)
	return addr
}

func open(tb testing.TB, cfg Config, opts Options) *Locator {
	tb.Helper()
	l, err := Open(cfg, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func country(code string) rules.Country { return rules.CountryOf(code) }

func place(code string) Place { return Place{Country: country(code)} }

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }
