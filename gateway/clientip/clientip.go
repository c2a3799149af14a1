package clientip

import (
	"errors"
	"net/http"
	"net/netip"

	"github.com/gaissmai/bart"
)

// Config says whom to believe. The zero Config believes nobody: the connection's address is the client's.
type Config struct {
	// TrustedProxies are the networks of the proxies whose Header is believed.
	TrustedProxies []netip.Prefix
	// Header is where trusted proxies write the address that they were called from: X-Forwarded-For,
	// which is meant when it is empty, Forwarded (RFC 7239), or a header that holds one address, such as
	// CF-Connecting-IP.
	Header string
	// ProxyProtocol are the networks of the balancers that begin each connection with a PROXY protocol
	// header, version 1 or 2. They must send it, and nobody else may.
	ProxyProtocol []netip.Prefix
}

// Resolver finds out the client's address. It is immutable and may be used by any number of goroutines.
type Resolver struct {
	trusted   *bart.Lite
	announced *bart.Lite // peers that speak PROXY protocol; nil if there are none
	header    string     // in canonical form, as http.Header has it
	last      lastHop
}

// New returns a Resolver for the configuration, or an error that names everything that is wrong with it:
// networks so wide that strangers would be trusted, networks with host bits set, and a header that is no
// header or carries no address.
func New(c Config) (*Resolver, error) {
	trusted, errTrusted := newNetworks("trusted_proxies", c.TrustedProxies)
	announced, errAnnounced := newNetworks("proxy_protocol", c.ProxyProtocol)
	header, errHeader := headerName(c.Header)
	if err := errors.Join(errTrusted, errHeader, errAnnounced); err != nil {
		return nil, err
	}
	r := &Resolver{trusted: trusted, header: header, last: hopReader(header)}
	if len(c.ProxyProtocol) > 0 {
		r.announced = announced
	}
	return r, nil
}

// Client is who is asking, and how that was found out.
type Client struct {
	// Addr is the client's address: unmapped, without a zone and outside of all trusted networks. It is
	// the zero Addr if Resolve returned an error.
	Addr netip.Addr
	// Peer is the address at the other end of the connection, or the one that a balancer announced by
	// PROXY protocol. It is the zero Addr if the reason is NoAddress.
	Peer netip.Addr
	// Trusted says that the peer is a trusted proxy, so that what else it says of the request, such as
	// X-Forwarded-Proto, may be believed. It holds even if Resolve returned an error.
	Trusted bool
	// Header is where Addr was read; empty if the peer itself is the client.
	Header string
	// Hop is the position of Addr in Header, counted from its right end and from 1; 0 if the peer itself
	// is the client.
	Hop int
}

// Resolve returns the client of a request that came from the given peer, an address and port as
// http.Request.RemoteAddr has them, with the given headers. Its error is an *Error.
//
// Neither an unusable peer nor an unusable header is ever made up for by another address. The headers of a
// peer that is not trusted are not looked at, and neither is anything to the left of the client.
func (r *Resolver) Resolve(peer string, h http.Header) (Client, error) {
	addrPort, err := netip.ParseAddrPort(peer)
	if err != nil {
		return Client{}, &Error{Reason: NoAddress}
	}
	// A link-local peer has a zone, which is ours and says nothing about it.
	addr := addrPort.Addr().WithZone("").Unmap()
	if addr.IsUnspecified() {
		return Client{Peer: addr}, &Error{Reason: Unspecified, Peer: addr}
	}
	if !r.trusted.Contains(addr) {
		return Client{Addr: addr, Peer: addr}, nil
	}
	found, hop, reason := r.walk(h[r.header])
	if reason != "" {
		return Client{Peer: addr, Trusted: true}, &Error{Reason: reason, Peer: addr, Header: r.header, Hop: hop}
	}
	return Client{Addr: found, Peer: addr, Trusted: true, Header: r.header, Hop: hop}, nil
}

// The bounds of a header. Thirty-two proxies in a row are a loop, and eight kilobytes hold a Forwarded
// element of the longest useful kind for each of them.
const (
	maxHops  = 32
	maxBytes = 8 << 10
)

// walk returns the rightmost address in the lines of a header that is not a trusted proxy's, and its
// position. If there is none, the position is the one at which the walk ended, or 0 if it never began.
func (r *Resolver) walk(lines []string) (addr netip.Addr, hop int, reason Reason) {
	if len(lines) == 0 {
		return netip.Addr{}, 0, Missing
	}
	if tooLong(lines) {
		return netip.Addr{}, 0, TooLong
	}
	if len(lines) > 1 && !isList(r.header) {
		return netip.Addr{}, 0, Repeated
	}
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; {
			if hop == maxHops {
				return netip.Addr{}, hop, TooLong
			}
			hop++
			addr, line, more, reason = r.last(line)
			if reason != "" {
				return netip.Addr{}, hop, reason
			}
			if !r.trusted.Contains(addr) {
				return addr, hop, ""
			}
		}
	}
	return netip.Addr{}, hop, OnlyTrusted
}

// tooLong reports whether the lines, joined by commas, are longer than maxBytes.
func tooLong(lines []string) bool {
	n := len(lines) - 1
	for _, line := range lines {
		if n += len(line); n > maxBytes {
			return true
		}
	}
	return false
}
