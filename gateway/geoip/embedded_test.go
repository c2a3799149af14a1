package geoip

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

func embeddedReader(tb testing.TB) *maxminddb.Reader {
	tb.Helper()
	reader, err := maxminddb.OpenBytes(embedded)
	if err != nil {
		tb.Fatal(err)
	}
	return reader
}

func TestEmbeddedIsSound(t *testing.T) {
	t.Parallel()
	reader := embeddedReader(t)
	if err := reader.Verify(); err != nil {
		t.Error(err)
	}
	if reader.Metadata.DatabaseType != BuildType {
		t.Errorf("database type %q, want %q", reader.Metadata.DatabaseType, BuildType)
	}
	for _, said := range []string{"IPFire Location database", "https://location.ipfire.org/", "tor-geoipdb", "CC BY-SA 4.0",
		"https://creativecommons.org/licenses/by-sa/4.0/", reader.Metadata.BuildTime().UTC().Format(generatedLayout)} {
		if !strings.Contains(Notice(), said) {
			t.Errorf("the notice does not say %q", said)
		}
	}
}

func TestEmbeddedKnownAddresses(t *testing.T) {
	t.Parallel()
	l := open(t, Config{}, Options{})
	for address, want := range map[string]string{
		"50.114.0.1": "US", "2600:1f00::1": "US", "85.214.132.117": "DE", "2a01:4f8::1": "DE", "66.50.0.1": "PR",
		"2002:3272:1::1": "US", "64:ff9b::66.50.0.1": "PR", "::ffff:85.214.132.117": "DE",
	} {
		if got := l.Locate(addr(address), moment); got.Country.String() != want || got.Source != "embedded" || got.Traits != 0 {
			t.Errorf("Locate(%s) = %+v, want %s", address, got, want)
		}
	}
}

// torFiles are where Debian's tor-geoipdb installs the data.
var torFiles = [...]string{"/usr/share/tor/geoip", "/usr/share/tor/geoip6"}

// installed reads the data that is installed on this machine, or skips the test if there is none.
func installed(t *testing.T) (texts [2]string) {
	t.Helper()
	for i, path := range torFiles {
		text, err := os.ReadFile(path)
		if err != nil {
			if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
				t.Fatalf("%v; expected the package tor-geoipdb to be installed", err)
			}
			t.Skipf("package tor-geoipdb is not installed: %v", err)
		}
		texts[i] = string(text)
	}
	return texts
}

// TestEmbeddedAgreesWithSource compares with the text, range by range, the embedded database if it was
// made from the installed text, or else one that is made of it now.
func TestEmbeddedAgreesWithSource(t *testing.T) {
	t.Parallel()
	texts := installed(t)
	var files [2]ipfireFile
	var ranges [2][]addressRange
	for i, text := range texts {
		files[i] = ipfireFile{source: Source{Name: torFiles[i], Reader: strings.NewReader(text)}, version: 4 + 2*i}
		var err error
		if ranges[i], err = files[i].ranges(); err != nil {
			t.Fatal(err)
		}
	}
	reader := embeddedReader(t)
	same := reader.Metadata.BuildTime().Equal(files[0].generated)
	if !same {
		t.Logf("the installed data is of %s, the embedded database of %s", files[0].generated, reader.Metadata.BuildTime())
		var file bytes.Buffer
		if _, err := Build(&file, sample(texts[0], texts[1])); err != nil {
			t.Fatal(err)
		}
		var err error
		if reader, err = maxminddb.OpenBytes(file.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range ranges {
		checkRanges(t, reader, ranges[i])
	}
	if same {
		checkLocate(t, slices.Concat(ranges[0], ranges[1]))
	}
}

// checkLocate compares what Locate says of public addresses that carry no other address, for some of the
// ranges: all of them were found in the database itself.
func checkLocate(t *testing.T, ranges []addressRange) {
	t.Helper()
	l := open(t, Config{}, Options{})
	const every = 13
	looked, checked := 0, 0
	for i := 0; i < len(ranges); i += every {
		r := ranges[i]
		for _, address := range [...]netip.Addr{r.first, middle(r), r.last} {
			looked++
			if judged, _ := inner(address); judged != address || !public(address) {
				continue
			}
			checked++
			if got := l.Locate(address, moment).Country; got != country(r.code) {
				t.Fatalf("Locate(%s) is in %q, but the source says %q", address, got, r.code)
			}
		}
	}
	if checked < looked*9/10 {
		t.Errorf("only %d of %d addresses were compared", checked, looked)
	}
}

// TestEmbeddedIsReproducible makes the embedded database again.
func TestEmbeddedIsReproducible(t *testing.T) {
	if testing.Short() || racing {
		t.Skip("making the whole database takes seconds, and half a minute with the race detector, which finds nothing in a single goroutine")
	}
	t.Parallel()
	texts := installed(t)
	var file bytes.Buffer
	report, err := Build(&file, sample(texts[0], texts[1]))
	if err != nil {
		t.Fatal(err)
	}
	if !report.Generated.Equal(embeddedReader(t).Metadata.BuildTime()) {
		t.Skipf("the installed data is of %s, the embedded database is not", report.Generated)
	}
	if !bytes.Equal(file.Bytes(), embedded) {
		t.Error("Build makes other bytes than those embedded; expected the embedded database to be made again after Build changes")
	}
	codes := slices.Sorted(maps.Keys(report.LeftOut))
	last := len(codes) - 1
	if list := strings.Join(codes[:last], ", ") + " and " + codes[last]; !strings.Contains(Notice(), "no country: "+list+".") {
		t.Errorf("the notice does not say that %s are left out", list)
	}
}

func BenchmarkOpenEmbedded(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		open(b, Config{}, Options{})
	}
}

func BenchmarkVerifyEmbedded(b *testing.B) {
	reader := embeddedReader(b)
	for b.Loop() {
		if err := reader.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLocate(b *testing.B) {
	l := open(b, Config{MaxAge: time.Hour}, Options{})
	overridden := open(b, Config{Overrides: benchmarkOverrides()}, Options{})
	random := rand.New(rand.NewPCG(1, 2))
	ipv4, ipv6 := make([]netip.Addr, 1<<16), make([]netip.Addr, 1<<16)
	for i := range ipv4 {
		ipv4[i] = netip.AddrFrom4([4]byte{byte(random.IntN(223) + 1), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		ipv6[i] = netip.AddrFrom16([16]byte{0x2a, byte(random.IntN(16)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
	}
	for _, run := range []struct {
		name      string
		l         *Locator
		addresses []netip.Addr
	}{
		{"IPv4/hot", l, []netip.Addr{addr("50.114.0.1")}},
		{"IPv4/random", l, ipv4},
		{"IPv4/overrides", overridden, []netip.Addr{addr("50.114.0.1")}},
		{"IPv4/private", l, []netip.Addr{addr("10.0.0.1")}},
		{"IPv6/hot", l, []netip.Addr{addr("2600:1f00::1")}},
		{"IPv6/random", l, ipv6},
		{"6to4", l, []netip.Addr{addr("2002:3272:1::1")}},
	} {
		b.Run(run.name, func(b *testing.B) {
			b.ReportAllocs()
			i, mask := 0, len(run.addresses)-1
			for b.Loop() {
				run.l.Locate(run.addresses[i&mask], moment)
				i++
			}
		})
	}
}

// benchmarkOverrides are a thousand networks.
func benchmarkOverrides() map[netip.Prefix]Place {
	networks := make(map[netip.Prefix]Place)
	for i := range 1000 {
		networks[netip.PrefixFrom(netip.AddrFrom4([4]byte{50, byte(i / 256), byte(i), 0}), 24)] = place("DE")
	}
	return networks
}
