package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

var (
	hostPattern = regexp.MustCompile(`^(\*|(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\])$`)
	namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*$`)
)

// parseHost checks a host pattern: a host name, *.example for all hosts below example, or * for any.
func parseHost(text string) (string, error) {
	host := strings.TrimSuffix(strings.ToLower(text), ".")
	if !hostPattern.MatchString(host) {
		return "", fmt.Errorf("%q is no host; expected a name without scheme, port and path, such as shop.example or *.shop.example", text)
	}
	return host, nil
}

// parsePath checks a path pattern: whole segments, in any case, with * for any part of one and ** for any
// number of them. What can never match, because requests are compared decoded and tidied, is an error.
func parsePath(text string) (string, error) {
	if !strings.HasPrefix(text, "/") {
		return "", fmt.Errorf("path %q does not begin with /; write %q", text, "/"+text)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return strings.ContainsRune(`%?#;\`, r) || unicode.IsControl(r) }); i >= 0 {
		return "", fmt.Errorf("path %q holds %q; write the path decoded, without query and parameters", text, text[i:i+1])
	}
	path := strings.TrimSuffix(text, "/")
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case segment == "" && path != "", segment == ".", segment == "..":
			return "", fmt.Errorf("path %q has an empty, . or .. segment; write it without", text)
		case strings.Contains(segment, "**") && segment != "**":
			return "", fmt.Errorf("path %q has ** inside a segment; use * within one segment, or ** as a whole one", text)
		}
	}
	if path == "" {
		return "/", nil
	}
	return path, nil
}

// parseNetwork reads an address prefix, or a single address.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, fmt.Errorf("%q is no network; expected a prefix such as 198.51.100.0/24, or an address", text)
	case prefix.Addr().Is4In6() && prefix.Bits() >= 96:
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	switch {
	case prefix.Bits() == 0:
		return prefix, errors.New("an exception for all addresses lifts the whole rule; use mode: shadow, or leave the rule out")
	case prefix != prefix.Masked():
		return prefix, fmt.Errorf("%q has bits behind its length; did you mean %s?", text, prefix.Masked())
	}
	return prefix, nil
}
