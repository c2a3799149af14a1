package canonical

import (
	"net/http"
	"strings"
)

// longestMethod is well beyond the longest registered method, UPDATEREDIRECTREF.
const longestMethod = 32

// checkMethod refuses methods that are no tokens, those that make a server show or open what is behind it,
// and those that some servers take for a standard method and others do not.
func checkMethod(method string) error {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return nil
	case "":
		return malformed(CauseMethod, "the method is missing; expected one such as GET")
	}
	if len(method) > longestMethod {
		m := malformed(CauseMethod, "the method %s is longer than %d bytes", excerpt(method), longestMethod)
		m.Status = http.StatusNotImplemented // RFC 9112, section 3.
		return m
	}
	for i := range len(method) {
		if !isTokenByte(method[i]) {
			return malformed(CauseMethod, "the method %s is no token (RFC 9110, section 5.6.2)", excerpt(method))
		}
	}
	switch standard := strings.ToUpper(method); standard {
	case http.MethodTrace, http.MethodConnect, "TRACK":
		m := malformed(CauseMethod, "the method %s is not forwarded", standard)
		m.Status = http.StatusMethodNotAllowed
		return m
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return malformed(CauseMethod, "the method %s is not in upper case; methods are case-sensitive, %s would be right", excerpt(method), standard)
	}
	return nil
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
