// Package acme answers: is it really that host? It has an authority issue certificates (RFC 8555) for the hosts that a
// gateway serves, renews them in good time, and hands them to whoever connects.
//
// The authority finds out that a host is the gateway's by connecting to it with TLS and a protocol of its own, tls-alpn-01
// (RFC 8737). No HTTP is spoken on such a connection, so that no request, of whatever path, is treated otherwise than it
// would be without: the way past the rules that a challenge on a path would be does not exist. Port 443 of every host has
// to lead to the gateway, or to something that passes TLS on as it comes.
//
// Keys and certificates are kept in a folder, or in a Store that replicas share, where one of them at a time asks for a
// certificate, any of them answers the authority, and all of them use it. What is there stays in use until something newer
// is: an authority, or a Store, that does not answer takes nothing away.
package acme
