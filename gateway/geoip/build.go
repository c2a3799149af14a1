package geoip

import (
	"errors"
	"fmt"
	"io"
	"time"

	"gate451/rules"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Source is a text to read, and its name for messages.
type Source struct {
	Name   string
	Reader io.Reader
}

// BuildSources are the IPFire Location database in the text form in which Tor distributes it. One of
// them may be left out.
type BuildSources struct {
	// IPv4 is Tor's file geoip: decimal first and last address and country, separated by commas.
	IPv4 Source
	// IPv6 is Tor's file geoip6: the same with IPv6 addresses as they are usually written.
	IPv6 Source
}

// BuildReport says what Build has made.
type BuildReport struct {
	// Generated is when the data was generated, of the older source if they differ. It is the build time
	// of the database.
	Generated time.Time
	// IPv4Ranges and IPv6Ranges count the ranges that are in the database.
	IPv4Ranges, IPv6Ranges int
	// Countries counts the different countries.
	Countries int
	// LeftOut counts the ranges that are not in the database by their code, which is no country.
	LeftOut map[string]int
	// Bytes is the size of the database.
	Bytes int64
}

// BuildType is the database_type of the databases that Build makes.
const BuildType = "gate451-IPFire-Country"

// recordSize is the smallest there is. It holds 16 million nodes and bytes of data; all the networks
// that are announced today need about 1.3 million.
const recordSize = 24

// Build writes a country database in the MaxMind DB format, with records that GeoIP2's Country type
// reads. The same sources give the same bytes. Addresses that the data gives to no country are not in the
// database. An error says file and line and what would be right; part of a database may have been
// written by then.
func Build(w io.Writer, sources BuildSources) (BuildReport, error) {
	b := builder{report: BuildReport{LeftOut: make(map[string]int)}, records: make(map[string]mmdbtype.DataType)}
	ipv4, err := b.read(sources.IPv4, 4)
	if err != nil {
		return BuildReport{}, err
	}
	ipv6, err := b.read(sources.IPv6, 6)
	if err != nil {
		return BuildReport{}, err
	}
	if b.report.Generated.IsZero() {
		return BuildReport{}, errors.New("no sources to build a geoip database from; expected Tor's files geoip and geoip6")
	}
	if err := b.write(w, ipv4, ipv6); err != nil {
		return BuildReport{}, fmt.Errorf("building a geoip database: %w", err)
	}
	return b.report, nil
}

type builder struct {
	report  BuildReport
	records map[string]mmdbtype.DataType
}

func (b *builder) read(source Source, version int) ([]addressRange, error) {
	if source.Reader == nil {
		return nil, nil
	}
	file := ipfireFile{source: source, version: version}
	ranges, err := file.ranges()
	if err != nil {
		return nil, err
	}
	if b.report.Generated.IsZero() || file.generated.Before(b.report.Generated) {
		b.report.Generated = file.generated
	}
	return ranges, nil
}

func (b *builder) write(w io.Writer, ipv4, ipv6 []addressRange) error {
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		BuildEpoch:   b.report.Generated.Unix(),
		DatabaseType: BuildType,
		Description: map[string]string{"en": fmt.Sprintf("Countries of IP addresses, made from the IPFire Location database "+
			"(https://location.ipfire.org/) of %s, licensed under CC BY-SA 4.0 (https://creativecommons.org/licenses/by-sa/4.0/)",
			b.report.Generated.Format(time.DateOnly))},
		Languages:  []string{"en"},
		IPVersion:  6,
		RecordSize: recordSize,
		// Whoever looks an address up unwraps it before, and knows which addresses are not public. So the
		// data can be kept as it is: it has entries for 2002::/16 and for reserved networks.
		DisableIPv4Aliasing:     true,
		IncludeReservedNetworks: true,
	})
	if err != nil {
		return err
	}
	if b.report.IPv4Ranges, err = b.insert(tree, ipv4); err != nil {
		return err
	}
	if b.report.IPv6Ranges, err = b.insert(tree, ipv6); err != nil {
		return err
	}
	b.report.Countries = len(b.records)
	b.report.Bytes, err = tree.WriteTo(w)
	return err
}

// insert puts the ranges of countries into the tree and counts them.
func (b *builder) insert(tree *mmdbwriter.Tree, ranges []addressRange) (int, error) {
	inserted := 0
	for _, r := range ranges {
		if rules.CountryOf(r.code) == 0 {
			b.report.LeftOut[r.code]++
			continue
		}
		if err := tree.InsertRange(r.first.AsSlice(), r.last.AsSlice(), b.record(r.code)); err != nil {
			return inserted, fmt.Errorf("range %s to %s: %w", r.first, r.last, err)
		}
		inserted++
	}
	return inserted, nil
}

func (b *builder) record(code string) mmdbtype.DataType {
	if b.records[code] == nil {
		b.records[code] = mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
	}
	return b.records[code]
}
