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
	errMethod  = errors.New("the method is none, or asks for a tunnel")
	errTarget  = errors.New("the request target cannot be sent as it came")
	errHost    = errors.New("the Host cannot be sent as it came")
	errAbsence = errors.New("the request has no target")
)

// targetOf returns the target of the request that is sent, which is what the client wrote, byte for byte. Of an absolute-form
// target (RFC 9112, section 3.2.2) that is the part from the path on; its host is the request's Host already.
//
// A method or target that would break the request line, which HTTP/2 lets through, is refused, and so is a target that begins with
// two slashes, as the authority of a URL does, and holds bytes that RFC 3986 does not allow in a path.
func targetOf(r *http.Request) (string, error) {
	if r.Method == http.MethodConnect || !httpguts.ValidHeaderFieldName(r.Method) {
		return "", errMethod
	}
	raw, err := originForm(r.Method, r.RequestURI)
	if err != nil {
		return "", err
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] == 0x7f {
			return "", errTarget
		}
	}
	if !strings.HasPrefix(raw, "//") {
		return raw, nil
	}
	path, _, _ := strings.Cut(raw, "?")
	plain, err := url.PathUnescape(path)
	if u := (url.URL{Path: plain, RawPath: path}); err != nil || u.EscapedPath() != path {
		return "", errTarget
	}
	return raw, nil
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

// checkHost returns an error for a Host that could mean another one: an internationalised one, one
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
