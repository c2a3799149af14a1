// Package server answers the question: how do requests come in?
//
// A [Server] speaks HTTP/1.0 and HTTP/1.1 itself, plain and over TLS. A request is read, handled and answered on the one goroutine of
// its connection, and a plain connection that waits for its next request has neither a buffer nor a timer of its own beside the
// deadline. HTTP/2 is net/http's: the connection is handed to it as soon as it is known that it speaks that.
//
// What it takes for a request net/http takes for the same one. What two programs could understand in two ways is refused, also where
// net/http chooses a meaning: whoever stands in front may have chosen the other, and what follows would be a request that nobody in
// front has seen, with addresses in it that nobody in front has written.
package server
