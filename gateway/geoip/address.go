package geoip

import "net/netip"

// plain returns the address without a zone, and as IPv4 if it is an IPv4-mapped one (RFC 4291, section
// 2.5.5.2).
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// inner returns the address by which a client is judged, and the name of what carries it: the IPv4
// address inside an IPv6 address of a transition mechanism, otherwise the client's own and no name.
// The client must be plain.
func inner(client netip.Addr) (judged netip.Addr, carrier string) {
	if client.Is4() {
		return client, ""
	}
	b := client.As16()
	switch {
	case b[0] == 0x20 && b[1] == 0x02: // 2002::/16, RFC 3056 section 2
		return netip.AddrFrom4([4]byte(b[2:6])), "6to4"
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0: // 2001::/32, RFC 4380 section 4
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), "Teredo"
	case [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b}: // 64:ff9b::/96, RFC 6052 section 2.1
		return netip.AddrFrom4([4]byte(b[12:])), "NAT64"
	case [12]byte(b[:12]) == [12]byte{} && [4]byte(b[12:]) != [4]byte{} && [4]byte(b[12:]) != [4]byte{3: 1}:
		return netip.AddrFrom4([4]byte(b[12:])), "IPv4-compatible" // RFC 4291 section 2.5.5.1
	}
	return client, ""
}
