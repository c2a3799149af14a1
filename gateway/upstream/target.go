package upstream

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// errTarget is why a request is not forwarded: it could not be sent as it came.
var (
	errMethod  = errors.New("CONNECT asks for a tunnel")
	errTarget  = errors.New("the request target cannot be sent as it came")
	errHost    = errors.New("the Host cannot be sent as it came")
	errAbsence = errors.New("the request has no target")
)

// targetOf returns a URL, still without scheme and host, that http.Transport writes into the request line
// exactly as the client wrote the request's target. Of an absolute-form target (RFC 9112, section 3.2.2)
// that is the part from the path on; its host is the request's Host already.
//
// Targets that net/http cannot write unchanged are refused: those that would break the request line, which
// HTTP/2 lets through, and those that begin with two slashes and hold bytes that RFC 3986 does not allow
// in a path.
func targetOf(r *http.Request) (url.URL, error) {
	if r.Method == http.MethodConnect {
		return url.URL{}, errMethod
	}
	raw, err := originForm(r.Method, r.RequestURI)
	if err != nil {
		return url.URL{}, err
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] == 0x7f {
			return url.URL{}, errTarget
		}
	}
	// url.URL.RequestURI leaves an opaque URL alone unless it begins with two slashes, and a raw path
	// unless it is no valid encoding.
	if !strings.HasPrefix(raw, "//") {
		return url.URL{Opaque: raw}, nil
	}
	path, query, asked := strings.Cut(raw, "?")
	plain, err := url.PathUnescape(path)
	if err != nil {
		return url.URL{}, errTarget
	}
	u := url.URL{Path: plain, RawPath: path, RawQuery: query, ForceQuery: asked}
	if u.RequestURI() != raw {
		return url.URL{}, errTarget
	}
	return u, nil
}

// originForm returns the target as an origin server expects it.
func originForm(method, raw string) (string, error) {
	switch {
	case raw == "":
		return "", errAbsence
	case raw[0] == '/', raw == "*" && method == http.MethodOptions:
		return raw, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", errTarget
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	switch {
	case authority == "" || strings.ContainsRune(authority, '@'):
		return "", errTarget
	case rest == "" && method == http.MethodOptions:
		return "*", nil // RFC 9112, section 3.2.4.
	case rest == "" || rest[0] == '?':
		return "/" + rest, nil
	case rest[0] == '#':
		return "", errTarget
	}
	return rest, nil
}

// checkHost returns an error for a Host that http.Transport would change: an internationalised one, one
// with an IPv6 zone, one with needless brackets. An empty one is right: the upstream's own is sent then.
func checkHost(host string) error {
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == ':':
		default:
			return checkOddHost(host)
		}
	}
	return nil
}

func checkOddHost(host string) error {
	sent, err := httpguts.PunycodeHostPort(host)
	if err != nil || sent != host || !httpguts.ValidHostHeader(host) {
		return errHost
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, _, ok = strings.Cut(inner, "]")
		if addr, err := netip.ParseAddr(inner); !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return errHost
		}
	}
	return nil
}
