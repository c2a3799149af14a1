// Package geoip answers: where are they? It turns a client's address into a rules.Origin, from databases
// in the MaxMind DB format and from the operator's overrides.
//
// Each field of a database that counts is a source, in the order of the configuration: the first that names a country decides,
// or a country counts if any names it. What a proxy in front says is one more, which can only add: see Heard.
//
// A country database is embedded, so that the program works without any file; Notice says where it
// comes from and under which licence. Build makes such a database.
//
// An address that carries an IPv4 address within it (IPv4-mapped, 6to4, Teredo, NAT64, IPv4-compatible)
// is judged by that IPv4 address, because a country rule that an IPv6 transition mechanism walks around
// would be none. An address that is not a public one has no country, whatever a database says of it.
//
// Locate takes no lock and, once a record has been seen, allocates nothing: all that it reads hangs on
// one atomic pointer, which a reload replaces as a whole.
package geoip
