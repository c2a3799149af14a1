// Package rules answers one question: may they have it? It holds the policy language and the engine
// that decides by it, and it is pure: it reads no clock, no network and no HTTP.
//
// A policy is a set of dated rules. Each blocks an activity (a sale, an update) with some products for
// some countries during a half-open interval of instants:
//
//	rules:
//	  - id: kaspersky-sales
//	    activity: sale
//	    products: [kaspersky]
//	    countries: [us-jurisdiction]
//	    from: 2024-07-20    # that day, 00:00, in the policy's time_zone
//
// All rules are evaluated and any enforced block wins, so the order in which they are written never
// matters. What is asked is judged in every reading that the request carries: a request is governed if
// any of its readings is, and exempt only if all are.
//
// Countries are those of ISO 3166-1 and parts of them those of ISO 3166-2. Where no more is known than the country, a rule that
// lists a part of it is judged as if the country were unknown. Undecided tells which parts nobody could ever be found to be in.
//
// A rule can be introduced in steps: in shadow mode, which blocks nobody; announced ahead of its beginning; and by a rollout that
// blocks a share of clients, always the same ones. Exceptions lift it for networks, products, paths or tokens.
//
// Where an activity says in which fields its requests carry products, Wanted names the fields that a request must be read
// for before it is decided; most need none read. What was found goes into the Request. One restricted product among many
// restricts it, and what could not be read counts as any product.
//
// Parse makes a Policy, which is immutable and may be used by any number of goroutines. Decide looks
// things up in tables that Parse has built, and allocates nothing. Explain walks the rules one by one, for
// people; it comes to the same decision by the longer way.
package rules
