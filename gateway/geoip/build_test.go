package geoip

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"
)

const sampleIPv4 = `# Location Database Export
# Generated: Thu, 25 Jun 2026 04:33:59 GMT
#
16777216,16777471,AU
16777472,16777473,CN

16777475,16777475,CN
16777476,16777476,EU
16777477,16777477,??
3325256704,3325256711,??
3758096384,3758096384,DE
`

const sampleIPv6 = "# Generated: Wed, 24 Jun 2026 04:33:59 GMT\r\n" +
	"2001:2::,2001:2:0:ffff:ffff:ffff:ffff:ffff,JP\r\n" +
	"2002::,2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff,JP\r\n" +
	"2003:8:1800:8000::,2003:8:1800:8000::1,US\r\n" +
	"2003:8:1800:8000::2,2003:8:1800:8000::2,AP\r\n"

func sample(ipv4, ipv6 string) BuildSources {
	var sources BuildSources
	if ipv4 != "" {
		sources.IPv4 = Source{Name: "geoip", Reader: strings.NewReader(ipv4)}
	}
	if ipv6 != "" {
		sources.IPv6 = Source{Name: "geoip6", Reader: strings.NewReader(ipv6)}
	}
	return sources
}

func TestBuild(t *testing.T) {
	t.Parallel()
	var file, again bytes.Buffer
	report, err := Build(&file, sample(sampleIPv4, sampleIPv6))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Build(&again, sample(sampleIPv4, sampleIPv6)); err != nil || !bytes.Equal(file.Bytes(), again.Bytes()) {
		t.Errorf("the same sources make different bytes (error %v)", err)
	}
	if diff := cmp.Diff(BuildReport{
		Generated: time.Date(2026, 6, 24, 4, 33, 59, 0, time.UTC), IPv4Ranges: 4, IPv6Ranges: 3, Countries: 5,
		LeftOut: map[string]int{"??": 2, "EU": 1, "AP": 1}, Bytes: int64(file.Len()),
	}, report); diff != "" {
		t.Error(diff)
	}

	reader, err := maxminddb.OpenBytes(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Verify(); err != nil {
		t.Error(err)
	}
	metadata := reader.Metadata
	if metadata.DatabaseType != "gate451-IPFire-Country" || metadata.IPVersion != 6 || metadata.RecordSize != 24 ||
		!metadata.BuildTime().Equal(report.Generated) || !cmp.Equal(metadata.Languages, []string{"en"}) {
		t.Errorf("metadata: %+v", metadata)
	}
	if want := "Countries of IP addresses, made from the IPFire Location database (https://location.ipfire.org/) of 2026-06-24, " +
		"licensed under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/)"; metadata.Description["en"] != want {
		t.Errorf("description: %q", metadata.Description["en"])
	}
	for address, want := range map[string]string{
		"0.255.255.255": "", "1.0.0.0": "AU", "1.0.0.255": "AU", "1.0.1.0": "CN", "1.0.1.1": "CN", "1.0.1.2": "", "1.0.1.3": "CN",
		"1.0.1.4": "", "1.0.1.5": "", "198.51.100.1": "", "224.0.0.0": "DE", "224.0.0.1": "",
		"2001:2::1": "JP", "2001:2:1::": "", "2002:102:304::": "JP", "::ffff:1.0.0.0": "", "2001:0:1:2:3:4::": "",
		"2003:8:1800:8000::": "US", "2003:8:1800:8000::1": "US", "2003:8:1800:8000::2": "", "2003:8:1800:8000::3": "",
	} {
		var record geoip2.Country
		if err := reader.Lookup(addr(address)).Decode(&record); err != nil || record.Country.ISOCode != want {
			t.Errorf("%s is in %q (error %v), want %q", address, record.Country.ISOCode, err, want)
		}
	}
}

func TestBuildOneSource(t *testing.T) {
	t.Parallel()
	for _, sources := range []BuildSources{sample(sampleIPv4, ""), sample("", sampleIPv6)} {
		report, err := Build(io.Discard, sources)
		if err != nil || report.IPv4Ranges+report.IPv6Ranges == 0 || report.IPv4Ranges*report.IPv6Ranges != 0 {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	const dated = "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n"
	for _, test := range []struct{ ipv4, ipv6, want string }{
		{"", "", "no sources to build a geoip database from; expected Tor's files geoip and geoip6"},
		{"1,2,DE\n", "", `geoip: no line says when the data was generated; expected "# Generated: Thu, 25 Jun 2026 04:33:59 GMT"`},
		{dated, "", "geoip: no address ranges; expected lines of first,last,country"},
		{"\n# Generated: today\n", "", `geoip:2: unreadable date "today"; expected one such as Thu, 25 Jun 2026 04:33:59 GMT`},
		{"# Generated: Thu, 25 Jun 2026 04:33:59 CEST\n", "", `geoip:1: unreadable date "Thu, 25 Jun 2026 04:33:59 CEST"; expected one such as Thu, 25 Jun 2026 04:33:59 GMT`},
		{dated + "1,2\n", "", "geoip:2: 2 fields; expected first,last,country"},
		{dated + "1,2,DE,\n", "", "geoip:2: 4 fields; expected first,last,country"},
		{dated + "1.0.0.0,2,DE\n", "", `geoip:2: unreadable IPv4 address "1.0.0.0"; expected a decimal number below 4294967296`},
		{dated + "1,4294967296,DE\n", "", `geoip:2: unreadable IPv4 address "4294967296"; expected a decimal number below 4294967296`},
		{dated + "-1,2,DE\n", "", `geoip:2: unreadable IPv4 address "-1"; expected a decimal number below 4294967296`},
		{dated + "16777217,16777216,DE\n", "", "geoip:2: the range ends at 1.0.0.0, before it begins at 1.0.0.1; expected first,last,country"},
		{dated + "1,2,de\n", "", `geoip:2: unreadable country "de"; expected two upper-case letters, or ?? for unknown`},
		{dated + "1,2,DEU\n", "", `geoip:2: unreadable country "DEU"; expected two upper-case letters, or ?? for unknown`},
		{dated + "1,2,\n", "", `geoip:2: unreadable country ""; expected two upper-case letters, or ?? for unknown`},
		{dated + "1,2,DE\n2,3,DE\n", "", "geoip:3: the range begins at 0.0.0.2, but line 2 has already reached 0.0.0.2; expected ascending ranges that do not overlap"},
		{dated + "# x\n9,9,DE\n1,2,DE\n", "", "geoip:4: the range begins at 0.0.0.1, but line 3 has already reached 0.0.0.9; expected ascending ranges that do not overlap"},
		{dated + strings.Repeat("1", 1<<17), "", "geoip: a line is too long; expected first,last,country"},
		{"", dated + "1,2,DE\n", `geoip6:2: unreadable IPv6 address "1"; expected one such as 2001:200::1`},
		{"", dated + "2001::,1.2.3.4,DE\n", `geoip6:2: unreadable IPv6 address "1.2.3.4"; expected one such as 2001:200::1`},
		{"", dated + "2001::%x,2001::1,DE\n", `geoip6:2: unreadable IPv6 address "2001::%x"; expected one such as 2001:200::1`},
		{"", dated + "::1,2001::1,DE\n", "geoip6:2: IPv6 address ::1 is in the reserved network ::/8; expected none from there"},
		{"", dated + "::ffff:1.2.3.4,::ffff:1.2.3.5,DE\n", "geoip6:2: IPv6 address ::ffff:1.2.3.4 is in the reserved network ::/8; expected none from there"},
	} {
		report, err := Build(io.Discard, sample(test.ipv4, test.ipv6))
		if err == nil || err.Error() != test.want {
			t.Errorf("got:  %v\nwant: %s", err, test.want)
		}
		if !cmp.Equal(report, BuildReport{}) {
			t.Errorf("%s: a report nevertheless: %+v", test.want, report)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestBuildPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := Build(io.Discard, BuildSources{IPv4: Source{Name: "geoip", Reader: iotest.ErrReader(broken)}})
	if !errors.Is(err, broken) || err.Error() != "geoip: broken; expected a readable file" {
		t.Errorf("reading: %v", err)
	}
	if _, err = Build(failingWriter{broken}, sample(sampleIPv4, "")); !errors.Is(err, broken) {
		t.Errorf("writing: %v", err)
	}
}

// FuzzBuild checks what Build makes of any text against the text itself.
func FuzzBuild(f *testing.F) {
	f.Add(sampleIPv4, sampleIPv6)
	f.Add("# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n0,4294967295,DE\n", "")
	f.Fuzz(func(t *testing.T, ipv4, ipv6 string) {
		var file bytes.Buffer
		if _, err := Build(&file, sample(ipv4, ipv6)); err != nil {
			return
		}
		reader, err := maxminddb.OpenBytes(file.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range []ipfireFile{{Source{"4", strings.NewReader(ipv4)}, 4, time.Time{}}, {Source{"6", strings.NewReader(ipv6)}, 6, time.Time{}}} {
			ranges, _ := source.ranges()
			checkRanges(t, reader, ranges)
		}
	})
}

// checkRanges looks the ends and the middle of every range up, and the addresses beside it.
func checkRanges(tb testing.TB, reader *maxminddb.Reader, ranges []addressRange) {
	tb.Helper()
	wrong := 0
	decoded := make(map[uintptr]string)
	check := func(address netip.Addr, code string) {
		result := reader.Lookup(address)
		said, known := decoded[result.Offset()]
		if !known {
			var record geoip2.Country
			if err := result.Decode(&record); err != nil {
				tb.Fatal(err)
			}
			said = record.Country.ISOCode
			decoded[result.Offset()] = said
		}
		if said != code {
			tb.Errorf("%s is in %q, want %q", address, said, code)
			if wrong++; wrong == 20 {
				tb.FailNow()
			}
		}
	}
	for i, r := range ranges {
		code := country(r.code).String()
		check(r.first, code)
		check(middle(r), code)
		check(r.last, code)
		if next := r.last.Next(); next.IsValid() && (i+1 == len(ranges) || ranges[i+1].first != next) {
			check(next, "")
		}
	}
}

// middle returns the address halfway between the ends of a range.
func middle(r addressRange) netip.Addr {
	first, last := r.first.AsSlice(), r.last.AsSlice()
	sum, carry := make([]byte, len(first)), 0
	for i := len(first) - 1; i >= 0; i-- {
		carry += int(first[i]) + int(last[i])
		sum[i] = byte(carry)
		carry >>= 8
	}
	for i := range sum {
		bit := carry
		carry = int(sum[i] & 1)
		sum[i] = sum[i]>>1 | byte(bit<<7)
	}
	addr, _ := netip.AddrFromSlice(sum)
	return addr
}
