// Package upstream answers the question: where does a request go?
//
// A [Proxy] stands for the upstreams of one route. It forwards a request as it came, byte for byte in
// its target, to one of them in turn, and hands back what that one says as it says it: streamed, never
// buffered whole, never decompressed, never cached. It tells the upstream who asks and what was
// decided, in headers that a client can neither set nor strip.
//
// What it promises a shop that takes money: a request of which anything may have reached an upstream is
// repeated only if it is safe to repeat (GET, HEAD or OPTIONS without a body, nothing answered yet); one
// whose body has begun to be read never is. An answer that breaks off midway is seen to break off.
//
// It speaks HTTP/1.1 itself: a request is written and its answer read on the goroutine that handles it, and a connection that is kept
// for the next one costs neither a goroutine nor a buffer. An answer that two programs could understand in two ways is refused, and what
// an upstream says before it is asked is nobody's answer.
package upstream
