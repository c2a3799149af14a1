package refusal

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// checkBlockedBy returns an operator's URL in the form in which it can stand in a header.
func checkBlockedBy(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", &Fault{"blocked_by", fmt.Sprintf("blocked-by URL: %v; expected one such as https://shop.example/", err)}
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https", !plainHost(u.Host):
		return "", &Fault{"blocked_by", fmt.Sprintf("blocked-by URL %q is not absolute; expected one such as https://shop.example/", text)}
	case u.User != nil:
		return "", &Fault{"blocked_by", fmt.Sprintf("blocked-by URL of %s carries credentials; every buyer would read them, so leave them out", u.Host)}
	}
	return headerSafe(u.String()), nil
}

// headerSafe escapes what net/url leaves alone in queries and fragments and what would end the link, or a string of JSON.
func headerSafe(uri string) string {
	return strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", " ", "%20", `\`, "%5C").Replace(uri)
}

// What stands around the URL in the value of the Link header (RFC 8288) that names whoever blocks.
const (
	linkBegin = "<"
	linkEnd   = `>; rel="blocked-by"`
)

// linkToOrigin returns the link to the origin that r was sent to, or to "/" if its host is not a plain one. The relative
// reference means the same to every client, and repeats nothing.
func linkToOrigin(r *http.Request) string {
	switch {
	case !plainHost(r.Host):
		return linkBegin + "/" + linkEnd
	case r.TLS != nil || r.URL != nil && r.URL.Scheme == "https":
		return linkBegin + "https://" + r.Host + "/" + linkEnd
	}
	return linkBegin + "http://" + r.Host + "/" + linkEnd
}

// linked returns the URL of a link.
func linked(link string) string { return link[len(linkBegin) : len(link)-len(linkEnd)] }

// maxHost is the longest host that is repeated: the longest name that DNS has, and a port.
const maxHost = 253 + len(":65535")

// plainHost reports whether a Host header is a name, an IPv4 address or an IPv6 address in brackets, with or without a
// port, made of ASCII letters, digits, hyphens and dots only.
func plainHost(host string) bool {
	if len(host) > maxHost {
		return false
	}
	if address, ok := strings.CutPrefix(host, "["); ok {
		address, port, closed := strings.Cut(address, "]")
		ip, err := netip.ParseAddr(address)
		return closed && err == nil && ip.Is6() && ip.Zone() == "" && (port == "" || port[0] == ':' && isPort(port[1:]))
	}
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && !isPort(port) {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.':
		default:
			return false
		}
	}
	return name != "" && name[0] != '.' && name[0] != '-' && !strings.Contains(name, "..")
}

// isPort reports whether text is a port in decimal digits.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
