// Package console answers one question: what does the operator see? It is a few web pages on the admin port: how things
// are, when rules begin and end, why a request was answered as it was, what is being decided now, and the policy in force.
//
// The pages are made on the server, charts too, and work without script; the one script there is appends to the list of
// decisions what a stream of events tells.
//
// # Who gets in
//
// With a token, a browser signs in with it and keeps a random value in its place: a cookie that is good for this process,
// from the address that signed in, and for some hours. Without one only this machine gets in, under a name that means
// this machine, and past no proxy: a page elsewhere that has its own name point here (DNS rebinding) is refused.
//
// What changes something is a POST. The caller puts http.CrossOriginProtection before all of this: it goes by what the
// browser itself says of where a request comes from, also from another port of the same host, which a cookie's
// SameSite=Strict lets through. A token in each form would hold against nothing that those two let pass, as whoever could
// read the form could read the token. A page of another origin can link here, and show or load nothing.
//
// # What a buyer can write
//
// Buyers choose paths, hosts and methods, and people read them here. They are cut to a length and written in printable
// ASCII, everything else as an escape, before html/template escapes them once more: nothing changes the direction of
// writing, looks like another letter, or hides. The script only ever sets text. The latest decisions stand in two rings
// of fixed size, so that a flood of what passes drives out no block.
package console
