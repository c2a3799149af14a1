package gateway

import (
	"net/http"

	"gate451/rules"
)

// tokenHeader is where a client shows the token that exempts it. Its name is the gateway's own, because what it is called is never
// forwarded, in no spelling, and no policy can so withhold a field that the shop lives by.
const tokenHeader = "Gate451-Token"

// tokenOf returns the token that a request shows; none if it shows several, one of which somebody on the way has added.
func tokenOf(h http.Header) rules.Token {
	if lines := h[tokenHeader]; len(lines) == 1 {
		return rules.TokenOf(lines[0])
	}
	return rules.Token{}
}
