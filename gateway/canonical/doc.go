// Package canonical answers one question: what do they ask? It reads the target of a request in every
// way in which an upstream might read it, and refuses what no honest client sends.
//
// A gateway is bypassed where the form that it judges differs from the form that the upstream acts on. So
// there is not one normal form here but a set of readings: the path as it is once decoded, and whatever
// follows from it by decoding again, merging slashes, removing dot segments, path parameters, extensions,
// front controllers and the like, in any order and any number, until nothing new turns up. A request is
// governed if any of its readings is. What passes is forwarded as it came; nothing here is ever sent.
//
// Three bounds keep a hostile target cheap: the length of its path, the number of its readings and the
// number of bytes written for them. What exceeds one of them is refused, never judged in part.
//
// The query is checked for bytes that may not stand in a target and is otherwise left alone: no part of it
// becomes path, and none of it is decoded.
package canonical
