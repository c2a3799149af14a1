package clientip

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded"
)

// headerName returns the canonical form of a configured header.
func headerName(name string) (string, error) {
	if name == "" {
		return forwardedFor, nil
	}
	const right = "expected X-Forwarded-For, Forwarded or a header of one address that the proxy sets, such as CF-Connecting-IP"
	for i := range len(name) {
		if !isTokenChar(name[i]) {
			return "", fmt.Errorf("header: %q is not a header name; %s", name, right)
		}
	}
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection", "Content-Length",
		"Content-Type", "Cookie", "Date", "Expect", "Host", "Keep-Alive", "Origin", "Proxy-Authorization", "Range",
		"Referer", "Set-Cookie", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via",
		"X-Country-Code", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto":
		return "", fmt.Errorf("header: %s does not hold the client's address; %s", name, right)
	case "Cloudfront-Viewer-Address":
		return "", errors.New("header: CloudFront-Viewer-Address has ports behind IPv6 addresses without brackets," +
			" so that they cannot be told apart; use X-Forwarded-For, which CloudFront sets as well")
	}
	return name, nil
}

// isList reports whether a header holds an address for every proxy on the way, rather than one.
func isList(header string) bool { return header == forwardedFor || header == forwarded }

// lastHop reads the rightmost element of a header's line. What stands to the left of it is returned as rest;
// more says that there is such, be it empty.
type lastHop func(line string) (addr netip.Addr, rest string, more bool, reason Reason)

func hopReader(header string) lastHop {
	switch header {
	case forwardedFor:
		return lastAddress
	case forwarded:
		return lastForwarded
	}
	return onlyAddress
}

// lastAddress reads a line of X-Forwarded-For.
func lastAddress(line string) (addr netip.Addr, rest string, more bool, reason Reason) {
	element := line
	if i := strings.LastIndexByte(line, ','); i >= 0 {
		rest, element, more = line[:i], line[i+1:], true
	}
	addr, reason = parseNode(trimSpace(element), plain)
	return addr, rest, more, reason
}

// onlyAddress reads a line that holds one address.
func onlyAddress(line string) (addr netip.Addr, rest string, more bool, reason Reason) {
	if strings.IndexByte(line, ',') >= 0 {
		return netip.Addr{}, "", false, List
	}
	addr, reason = parseNode(trimSpace(line), plain)
	return addr, "", false, reason
}

// grammar is a way of writing down an address.
type grammar uint8

const (
	// plain is what proxies write to X-Forwarded-For: an address, with or without brackets and port.
	plain grammar = iota
	// node is the grammar of RFC 7239, section 6: IPv6 addresses are always in brackets, ports may be obfuscated.
	node
)

// parseNode reads one address.
func parseNode(s string, g grammar) (netip.Addr, Reason) {
	switch {
	case s == "":
		return netip.Addr{}, Empty
	case s[0] == '_':
		return netip.Addr{}, Obfuscated
	}
	host, ok := cutPort(s, g)
	switch {
	case !ok:
		return netip.Addr{}, Malformed
	case strings.EqualFold(host, "unknown"):
		return netip.Addr{}, Unknown
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return netip.Addr{}, Malformed
	case addr.Zone() != "":
		return netip.Addr{}, Zone
	case addr.IsUnspecified() || addr.Unmap().IsUnspecified():
		return netip.Addr{}, Unspecified
	}
	return addr.Unmap(), ""
}

// cutPort returns the host of host, host:port, [IPv6] or [IPv6]:port.
func cutPort(s string, g grammar) (host string, ok bool) {
	colon := strings.IndexByte(s, ':')
	if s[0] == '[' {
		end := strings.IndexByte(s, ']')
		if colon < 0 || colon > end { // brackets are for IPv6 only
			return "", false
		}
		host, tail := s[1:end], s[end+1:]
		return host, tail == "" || tail[0] == ':' && isPort(tail[1:], g)
	}
	switch {
	case colon < 0:
		return s, true
	case colon == strings.LastIndexByte(s, ':'):
		return s[:colon], isPort(s[colon+1:], g)
	}
	return s, g == plain
}

// isPort reports whether s is a port of up to five digits or, in RFC 7239, an obfuscated one.
func isPort(s string, g grammar) bool {
	if g == node && len(s) > 1 && s[0] == '_' {
		return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == ""
	}
	if s == "" || len(s) > 5 {
		return false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// trimSpace removes the optional white space of RFC 9110, section 5.6.3, and nothing else.
func trimSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return trimSpaceRight(s)
}

func trimSpaceRight(s string) string {
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// isTokenChar reports whether c may be part of a token (RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
