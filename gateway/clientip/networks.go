package clientip

import (
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/gaissmai/bart"
)

// The widest networks that may be trusted. Nobody's proxies fill more than an IPv4 /8, the size of 10.0.0.0/8,
// or more than an IPv6 /20, which is what registries give to the largest providers; unique local addresses
// (RFC 4193) and link-local ones (RFC 4291, section 2.5.6) are the operator's own, however many.
const (
	minBits4 = 8
	minBits6 = 20
	// Translators write every IPv4 address into the last 32 bits behind nat64.
	minBitsNAT64 = 96 + minBits4
)

// The largest share of all IPv4 addresses, and of the global unicast addresses of IPv6 (2000::/3), that may be
// trusted together. No cloud holds a tenth of the former.
const maxShare = 1.0 / 4

var (
	nat64       = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052, section 2.1
	uniqueLocal = netip.MustParsePrefix("fc00::/7")
	linkLocal   = netip.MustParsePrefix("fe80::/10")
)

// newNetworks returns a table of the prefixes. The error lists, under the key of the configuration that
// they come from, all that are unfit to be trusted.
func newNetworks(key string, prefixes []netip.Prefix) (*bart.Lite, error) {
	var errs []error
	table := new(bart.Lite)
	for _, p := range prefixes {
		p, err := network(p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
			continue
		}
		table.Insert(p)
	}
	table.Aggregate()
	if share(table, 0) > maxShare || share(table, 3) > maxShare {
		errs = append(errs, fmt.Errorf("%s: together the networks hold more than a quarter of the Internet; name the proxies' own networks", key))
	}
	return table, errors.Join(errs...)
}

// network returns the prefix in the form in which addresses are looked up: IPv4 rather than IPv4-mapped.
func network(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, errors.New("invalid network; expected one such as 10.0.0.0/8 or 2001:db8::/32")
	}
	written := p
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	least := minBits6
	switch {
	case p.Addr().Is4():
		least = minBits4
	case within(p, uniqueLocal), within(p, linkLocal):
		least = 1
	case p.Overlaps(nat64):
		least = minBitsNAT64
	}
	switch {
	case p.Bits() == 0:
		return p, fmt.Errorf("%s would trust everybody; name the proxies' own networks, such as 10.0.0.0/8", written)
	case p.Bits() < least:
		return p, fmt.Errorf("%s is too wide; a network of proxies is /%d or longer", p, least)
	case p != p.Masked():
		return p, fmt.Errorf("%s has host bits set; write %s for the network or %s for the one address",
			written, p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	}
	return p, nil
}

// within reports whether all of p is in q.
func within(p, q netip.Prefix) bool { return p.Bits() >= q.Bits() && q.Contains(p.Addr()) }

// share returns the part of an address space that the aggregated table covers: of all IPv4 addresses if
// spaceBits is 0, or else of the global unicast addresses of IPv6, which are a /spaceBits.
func share(table *bart.Lite, spaceBits int) float64 {
	all := table.All4()
	if spaceBits != 0 {
		all = table.All6()
	}
	sum := 0.0
	for p := range all {
		if !within(p, uniqueLocal) && !within(p, linkLocal) {
			sum += math.Ldexp(1, spaceBits-p.Bits())
		}
	}
	return sum
}
