package geoip

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// special holds the networks of the IANA special-purpose address registries (RFC 6890), of which the
// longest that contains an address tells whether the address is globally reachable. Addresses in none
// of them are. Those that carry an IPv4 address are absent: inner has replaced them.
var special = buildSpecial()

type specialNetworks struct {
	table bart.Table[bool]
	// ipv4 and ipv6 tell with which bytes a network begins. Few do, so that most addresses need not be
	// looked up.
	ipv4, ipv6 [256]bool
}

func (s *specialNetworks) insert(network string, reachable bool) {
	prefix := netip.MustParsePrefix(network)
	s.table.Insert(prefix, reachable)
	begins, first := &s.ipv6, prefix.Addr().AsSlice()[0]
	if prefix.Addr().Is4() {
		begins = &s.ipv4
	}
	for i := range 1 << max(0, 8-prefix.Bits()) {
		begins[int(first)+i] = true
	}
}

// lookup reports whether a special-purpose network contains the address, and if so, whether it is
// globally reachable nevertheless.
func (s *specialNetworks) lookup(addr netip.Addr) (reachable, found bool) {
	if addr.Is4() && !s.ipv4[addr.As4()[0]] || addr.Is6() && !s.ipv6[addr.As16()[0]] {
		return false, false
	}
	return s.table.Lookup(addr)
}

func buildSpecial() *specialNetworks {
	s := new(specialNetworks)
	for _, network := range [...]string{
		"0.0.0.0/8",       // this network, RFC 791
		"10.0.0.0/8",      // private, RFC 1918
		"100.64.0.0/10",   // shared by carriers' NAT, RFC 6598
		"127.0.0.0/8",     // loopback, RFC 1122
		"169.254.0.0/16",  // link-local, RFC 3927
		"172.16.0.0/12",   // private, RFC 1918
		"192.0.0.0/24",    // IETF protocol assignments, RFC 6890
		"192.0.2.0/24",    // documentation, RFC 5737
		"192.88.99.2/32",  // 6a44 relays, RFC 6751
		"192.168.0.0/16",  // private, RFC 1918
		"198.18.0.0/15",   // benchmarking, RFC 2544
		"198.51.100.0/24", // documentation, RFC 5737
		"203.0.113.0/24",  // documentation, RFC 5737
		"224.0.0.0/4",     // multicast, RFC 5771
		"240.0.0.0/4",     // reserved, RFC 1112, and limited broadcast, RFC 8190
		"::/128",          // unspecified, RFC 4291
		"::1/128",         // loopback, RFC 4291
		"64:ff9b:1::/48",  // NAT64 of local use, RFC 8215
		"100::/64",        // discarded, RFC 6666
		"100:0:0:1::/64",  // dummy, RFC 9780
		"2001::/23",       // IETF protocol assignments, RFC 2928
		"2001:db8::/32",   // documentation, RFC 3849
		"3fff::/20",       // documentation, RFC 9637
		"5f00::/16",       // segment routing identifiers, RFC 9602
		"fc00::/7",        // unique local, RFC 4193
		"fe80::/10",       // link-local, RFC 4291
		"fec0::/10",       // site-local, RFC 3879
		"ff00::/8",        // multicast, RFC 4291
	} {
		s.insert(network, false)
	}
	for _, network := range [...]string{
		"192.0.0.9/32",    // Port Control Protocol anycast, RFC 7723
		"192.0.0.10/32",   // TURN anycast, RFC 8155
		"2001:1::1/128",   // Port Control Protocol anycast, RFC 7723
		"2001:1::2/128",   // TURN anycast, RFC 8155
		"2001:1::3/128",   // DNS-SD registration anycast, RFC 9665
		"2001:3::/32",     // multicast tunnelling, RFC 7450
		"2001:4:112::/48", // AS112, RFC 7535
		"2001:20::/28",    // ORCHIDv2, RFC 7343
		"2001:30::/28",    // drone identifiers, RFC 9374
	} {
		s.insert(network, true)
	}
	return s
}

// public reports whether an address that inner returned is globally reachable.
func public(addr netip.Addr) bool {
	reachable, found := special.lookup(addr)
	return reachable || !found
}

// nonPublic returns the network because of which an address is not globally reachable, or the zero
// Prefix if it is.
func nonPublic(addr netip.Addr) netip.Prefix {
	network, reachable, found := special.table.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen()))
	if !found || reachable {
		return netip.Prefix{}
	}
	return network
}
