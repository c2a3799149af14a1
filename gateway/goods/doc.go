// Package goods answers one question: which goods do they ask for? It reads the ids of products out of requests, at
// the places that the carriers of a policy name.
//
// Shops are lenient, each in the way of its language: PHP rewrites the names of parameters and reads "43abc" as 43,
// JavaScript reads "0x2b" as 43, GraphQL hides an id in a variable's default. An id that the shop understands and
// the gateway does not is a sale that should not have been. So this package reads whatever any reading of the place
// holds, and returns all of it: one id too many is harmless, for no other request carries it. What it must not do is
// read other places, for there are the look-alikes: a search for the product, its page, its place on a wish list.
//
// What cannot be read is said to be undetermined and never taken for nothing. Whoever asks has to weigh that even for a
// carrier in whose fields nothing was found: a body that could not be read is no proof that it was empty.
//
// A persisted query names its document by a digest. What came with its digest is remembered for it (Documents), which is all
// that one request leaves behind for another.
//
// Where a request names no product but a cart, its id or the keys of its rows are read the same way, and TakeCart reads the
// products out of what the shop answers when it is asked for that cart.
//
// Bodies are read only if some field may be in one of the request's method and type, at most to a given size, decoded in
// memory and given on byte for byte. Nothing here changes what the upstream is sent.
package goods
