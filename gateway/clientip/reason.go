package clientip

import (
	"fmt"
	"net/netip"
	"slices"
)

// Reason says in one word why there is no client address. The words are few and fixed, so that they can be
// a metric's label.
type Reason string

// The reasons, all there are.
const (
	// NoAddress: the peer has no address. It is a balancer that announced none by PROXY protocol (its
	// own health check, usually), or a socket that is not TCP.
	NoAddress Reason = "no_address"
	// Missing: the header is absent, or a Forwarded element has no for parameter.
	Missing Reason = "missing"
	// Empty: an element of the header is empty, as the last one of "192.0.2.1," is.
	Empty Reason = "empty"
	// Malformed: an element is not an address, or not what RFC 7239 allows.
	Malformed Reason = "malformed"
	// Zone: an address has a zone, as fe80::1%eth0 has; it means nothing on another machine.
	Zone Reason = "zone"
	// Unknown: a proxy says "unknown" (RFC 7239, section 6.2).
	Unknown Reason = "unknown"
	// Obfuscated: a proxy conceals the address behind an identifier such as _hidden (RFC 7239, section 6.3).
	Obfuscated Reason = "obfuscated"
	// Unspecified: the address is 0.0.0.0 or ::, which nobody has.
	Unspecified Reason = "unspecified"
	// Repeated: a header that holds one address occurs more than once.
	Repeated Reason = "repeated"
	// List: a header that holds one address holds several.
	List Reason = "list"
	// TooLong: the header is longer than 8 KiB, or names more than 32 trusted proxies.
	TooLong Reason = "too_long"
	// OnlyTrusted: every address is a trusted proxy's.
	OnlyTrusted Reason = "only_trusted"
)

var reasons = [...]Reason{
	NoAddress, Missing, Empty, Malformed, Zone, Unknown, Obfuscated, Unspecified, Repeated, List, TooLong, OnlyTrusted,
}

// Reasons returns all reasons.
func Reasons() []Reason { return slices.Clone(reasons[:]) }

// remedy says what is wrong and what the operator could do about it. The header is where it went wrong.
func (r Reason) remedy(header string) string {
	switch r {
	case NoAddress:
		return "the connection has no address; clients must come by TCP, or be announced by PROXY protocol"
	case Missing:
		return "names no client; the proxy must set it on every request, to the address that it was called from"
	case Empty:
		return "is empty; the proxy must add the address that it was called from"
	case Malformed:
		if header == forwarded {
			return `does not follow RFC 7239; expected one such as for=192.0.2.1 or for="[2001:db8::1]:4711"`
		}
		return "is not an address; expected one such as 192.0.2.1, 192.0.2.1:4711 or [2001:db8::1]:4711"
	case Zone:
		return "has a zone; the proxy must be called by an address that is not link-local"
	case Unknown:
		return "is unknown to the proxy; it must tell the address that it was called from"
	case Obfuscated:
		return "is concealed by the proxy; it must tell the address that it was called from"
	case Unspecified:
		return "is the unspecified address, which nobody has"
	case Repeated:
		return "occurs more than once; the proxy must replace what the client sent"
	case List:
		return "holds a list; the proxy must replace what the client sent, or client_ip.header be X-Forwarded-For"
	case TooLong:
		return "is longer than 8 KiB or 32 proxies; expected one address for each proxy on the way"
	case OnlyTrusted:
		return "holds trusted proxies only; leave the clients' own networks out of client_ip.trusted_proxies"
	}
	return string(r)
}

// Error is why there is no client address. It holds nothing that the client wrote.
type Error struct {
	// Reason is the cause.
	Reason Reason
	// Peer is the address of the proxy whose header is at fault; invalid if the reason is NoAddress.
	Peer netip.Addr
	// Header is the header at fault; empty if it is the peer itself.
	Header string
	// Hop is the position at fault, counted from the right end of the header and from 1; 0 if it is the
	// header as a whole.
	Hop int
}

// Error names the place, what is wrong with it and what would be right.
func (e *Error) Error() string {
	switch {
	case e.Reason == NoAddress:
		return e.Reason.remedy(e.Header)
	case e.Header == "":
		return "peer " + e.Reason.remedy(e.Header)
	case e.Hop == 0 || e.Reason == TooLong || e.Reason == OnlyTrusted:
		return fmt.Sprintf("%s from %s %s", e.Header, e.Peer, e.Reason.remedy(e.Header))
	}
	return fmt.Sprintf("%s from %s: hop %d from the right %s", e.Header, e.Peer, e.Hop, e.Reason.remedy(e.Header))
}
