// Package gateway is one request's way through gate451.
//
//	listener   accepts the connection; clientip reads PROXY protocol from the peers that send it
//	server     reads the request, as net/http would or not at all; HTTP/2 is left to net/http
//	observe    counts and times the request, and contains a panic
//	Enforce    judges it, before any routing, so that no route, method or encoding slips beside:
//	canonical    every reading of what is asked; what no honest client sends is answered 400
//	clientip     who asks
//	geoip        where they are, by databases and, where one is trusted, by what a proxy adds
//	goods        which products it carries, where a rule could block one of them
//	rules        Policy.Decide: may they have it?
//	evidence   writes it down, before anything is answered
//	refusal    answers 451 where they may not, and the upstream learns nothing of it; a client whose persisted query
//	           lacks only its document is asked for that
//	look       shows an auditor who has the token what a buyer elsewhere, or at another instant, is refused; of what has passed
//	           until here it can stop a request, and let none by
//	forward    finds the route of the host (421 if there is none) and hands the request to upstream
//
// A proxy in front that asks before it forwards (forward_auth) describes a request, which goes the same way from Enforce on: it is
// answered 200 in place of being forwarded.
//
// Beside it, the console shows the operator what is decided and why; no request waits for anybody who looks.
//
// Nothing on that way waits for anything but the upstream, the disk that keeps the evidence, and a body that names a
// product. The policy hangs on one atomic pointer and the databases
// on another: each request takes both once, and a reload replaces them as a whole.
package gateway
