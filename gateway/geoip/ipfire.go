package geoip

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// addressRange is one line of the data: consecutive addresses, both ends included, and a country code.
type addressRange struct {
	first, last netip.Addr
	code        string
	line        int
}

// ipfireFile reads the IPFire Location database in the text form in which Tor distributes it: a header
// of lines that begin with #, then lines of first address, last address and country code, in ascending
// order. IPv4 addresses are decimal numbers there, IPv6 addresses are written as usual.
type ipfireFile struct {
	source    Source
	version   int
	generated time.Time
}

// The header line that dates the data.
const (
	generatedPrefix  = "# Generated:"
	generatedLayout  = "Mon, 02 Jan 2006 15:04:05 GMT"
	generatedExample = "Thu, 25 Jun 2026 04:33:59 GMT"
)

// ranges reads the file to its end or to the first error, which says file and line and what would be
// right.
func (f *ipfireFile) ranges() ([]addressRange, error) {
	var all []addressRange
	var previous addressRange
	lines := bufio.NewScanner(f.source.Reader)
	for number := 1; lines.Scan(); number++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			if err := f.comment(text); err != nil {
				return nil, f.wrong(number, err)
			}
			continue
		}
		next, err := f.parse(text)
		if err == nil {
			err = follows(previous, next)
		}
		if err != nil {
			return nil, f.wrong(number, err)
		}
		next.line = number
		all, previous = append(all, next), next
	}
	return all, f.complete(lines.Err(), len(all))
}

func (f *ipfireFile) wrong(line int, err error) error {
	return fmt.Errorf("%s:%d: %w", f.source.Name, line, err)
}

// comment takes the date out of the header.
func (f *ipfireFile) comment(text string) error {
	date, found := strings.CutPrefix(text, generatedPrefix)
	if !found {
		return nil
	}
	date = strings.TrimSpace(date)
	generated, err := time.Parse(generatedLayout, date)
	if err != nil {
		return fmt.Errorf("unreadable date %q; expected one such as %s", date, generatedExample)
	}
	f.generated = generated
	return nil
}

// complete reports a file that could not be read to its end, or that lacks its header or its data.
func (f *ipfireFile) complete(err error, ranges int) error {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%s: a line is too long; expected first,last,country", f.source.Name)
	case err != nil:
		return fmt.Errorf("%s: %w; expected a readable file", f.source.Name, err)
	case f.generated.IsZero():
		return fmt.Errorf("%s: no line says when the data was generated; expected %q",
			f.source.Name, generatedPrefix+" "+generatedExample)
	case ranges == 0:
		return fmt.Errorf("%s: no address ranges; expected lines of first,last,country", f.source.Name)
	}
	return nil
}

func (f *ipfireFile) parse(text string) (addressRange, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return addressRange{}, fmt.Errorf("%d fields; expected first,last,country", len(fields))
	}
	first, err := f.address(fields[0])
	if err != nil {
		return addressRange{}, err
	}
	last, err := f.address(fields[1])
	if err != nil {
		return addressRange{}, err
	}
	if last.Less(first) {
		return addressRange{}, fmt.Errorf("the range ends at %s, before it begins at %s; expected first,last,country", last, first)
	}
	if !isCode(fields[2]) {
		return addressRange{}, fmt.Errorf("unreadable country %q; expected two upper-case letters, or ?? for unknown", fields[2])
	}
	return addressRange{first: first, last: last, code: fields[2]}, nil
}

func (f *ipfireFile) address(text string) (netip.Addr, error) {
	if f.version == 4 {
		number, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("unreadable IPv4 address %q; expected a decimal number below 4294967296", text)
		}
		return netip.AddrFrom4([4]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)}), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("unreadable IPv6 address %q; expected one such as 2001:200::1", text)
	}
	if reservedIPv6.Contains(addr) {
		return netip.Addr{}, fmt.Errorf("IPv6 address %s is in the reserved network %s; expected none from there", addr, reservedIPv6)
	}
	return addr, nil
}

// reservedIPv6 holds no hosts (RFC 4291, section 4), but the IPv4 addresses of a MaxMind DB file and what
// carries IPv4 addresses.
var reservedIPv6 = netip.MustParsePrefix("::/8")

// follows reports a range that does not begin after the end of the one before it.
func follows(previous, next addressRange) error {
	if previous.line == 0 || previous.last.Less(next.first) {
		return nil
	}
	return fmt.Errorf("the range begins at %s, but line %d has already reached %s; expected ascending ranges that do not overlap",
		next.first, previous.line, previous.last)
}

// isCode reports whether a text looks like a country code, be it one of a country or not.
func isCode(code string) bool {
	if code == "??" {
		return true
	}
	for _, c := range []byte(code) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(code) == 2
}
