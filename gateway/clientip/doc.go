// Package clientip answers one question: who is asking? It turns the connection's peer and what trusted
// proxies say about it into one netip.Addr, or into an error with a reason, and never into a guess.
//
// A Resolver starts at the peer. A peer that is not a trusted proxy is the client, whatever its headers
// claim. A trusted proxy's header is read from the right, where each proxy adds the address that it was
// called from, through further trusted proxies to the first address that is not one of them. That is the
// client. What stands to its left was written by the client itself and is never looked at:
//
//	X-Forwarded-For: 1.1.1.1, 50.114.0.1, 10.9.9.9    from the peer 10.1.2.3, trusting 10.0.0.0/8
//	                 forged   the client  a proxy
//
// Anything unusable on that way is an error. Falling back to the proxy's own address would let whoever can
// spoil the header choose to be seen as somebody in the proxy's country.
//
// Only the one configured header is read. X-Real-IP, True-Client-IP, CF-Connecting-IP and their like pass
// through a proxy that does not set them itself, so the client may have written them.
//
// Balancers that speak PROXY protocol instead are served by Listen: the address that they announce becomes
// the connection's RemoteAddr, and hence the peer that Resolve starts at.
package clientip
