package rules

import "net/netip"

// Request is what a client asks for, in every reading that an upstream might make of it. Whoever reads
// the wire fills it in; Decide only looks at it.
type Request struct {
	// Host is the host asked for: lower case, without port and without a trailing dot.
	Host string
	// Paths are the readings of the target's path, the plain one first. Each begins with a slash and
	// is decoded; letters are in the case in which they came, because matching folds case itself.
	Paths []string
	// Query is the target's query as it came, without the question mark.
	Query string
	// Undetermined says that the request may concern products which could not be read out of it.
	Undetermined bool
	// Carried is what was read of the carriers that Wanted named: of the same policy, whose numbers they bear. What is left
	// out counts as not asked for.
	Carried []Carried
}

// Origin is where a request comes from: the client's address and what is known of it. The zero Origin
// is an unknown country. An origin without a country that has others is still unknown: it is judged as such, and by the others
// as well.
type Origin struct {
	// Client is the client's address, unmapped; invalid if none could be established.
	Client netip.Addr
	// Country is where the address is; zero if that is unknown.
	Country Country
	// Others are further countries that count as well, where several sources are asked.
	Others []Country
	// Subdivisions are ISO 3166-2 codes, such as UA-43, of any of the countries. Where a country has none here, a rule that
	// lists a part of it is judged as if the country were unknown.
	Subdivisions []string
	// Source names what told the country: the operator's override or a database.
	Source string
	// Database is the build of the database that told the country, or, where none did, of the first that was asked; empty
	// if none was.
	Database string
	// Traits are what else is to be said about the address.
	Traits Traits
	// Token is the one that the client shows; zero if it shows none.
	Token Token
}

// Traits are properties of an origin that a policy may judge before the country.
type Traits uint8

// The traits of an origin, in the order in which they are judged.
const (
	// UnusableClient says that the client's address could not be established.
	UnusableClient Traits = 1 << iota
	// PrivateNetwork says that the address is not a public one (RFC 6890) and no override names its country.
	PrivateNetwork
	// StaleDatabase says that the database that told the country is older than the operator allows.
	StaleDatabase
	// Anonymized says that the address belongs to a VPN, proxy, relay or hosting service.
	Anonymized
	// AlsoAnonymized says that somebody who may only add to what is known takes the client for anonymized. Rules are judged by
	// where the origin is all the same.
	AlsoAnonymized
	// AlsoUnknown says that somebody who may only add to what is known has said something that cannot be read: the country may
	// be another one, too. Rules are judged by where the origin is all the same.
	AlsoUnknown
)

// traits are those that are judged in place of the country where a rule says so, in the order in which they are.
var traits = [...]Traits{UnusableClient, PrivateNetwork, StaleDatabase, Anonymized}

// oddAnonymized is the place of Anonymized among them.
const oddAnonymized = len(traits) - 1

// Has reports whether all the given traits are present.
func (t Traits) Has(other Traits) bool { return t&other == other }
