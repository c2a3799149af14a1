package clientip

import (
	"net/netip"
	"strings"
)

// lastForwarded reads the rightmost element of a line of Forwarded (RFC 7239, section 4).
//
// It reads backwards, from the end of what a trusted proxy has appended. Reading forwards would begin in what
// the client sent, where one opening quote swallows the proxy's element. Backwards, a quoted string that the
// proxy wrote is still found exactly: inside it every quote has an odd number of backslashes before it, and
// the quote that opens it has none, because an equals sign precedes it.
func lastForwarded(line string) (addr netip.Addr, rest string, more bool, reason Reason) {
	var client string
	var found, pairs bool
	for s := line; ; {
		s = trimSpaceRight(s)
		switch {
		case s == "" || s[len(s)-1] == ',':
			if s != "" {
				rest, more = s[:len(s)-1], true
			}
			switch {
			case !pairs:
				return netip.Addr{}, rest, more, Empty
			case !found:
				return netip.Addr{}, rest, more, Missing
			}
			addr, reason = parseNode(client, node)
			return addr, rest, more, reason
		case s[len(s)-1] == ';': // between pairs, or beside an empty one
			s = s[:len(s)-1]
			continue
		}
		name, value, before, ok := cutLastPair(s)
		if !ok || !endsPair(before) {
			return netip.Addr{}, "", false, Malformed
		}
		if strings.EqualFold(name, "for") {
			if found {
				return netip.Addr{}, "", false, Malformed
			}
			client, found = value, true
		}
		s, pairs = before, true
	}
}

// endsPair reports whether a pair may begin behind s.
func endsPair(s string) bool {
	s = trimSpaceRight(s)
	return s == "" || s[len(s)-1] == ',' || s[len(s)-1] == ';'
}

// cutLastPair cuts the name=value off that s ends with. A quoted value is returned unquoted.
func cutLastPair(s string) (name, value, before string, ok bool) {
	if s[len(s)-1] == '"' {
		value, before, ok = cutLastQuoted(s)
	} else {
		value, before = cutLastToken(s)
		ok = value != ""
	}
	if !ok || before == "" || before[len(before)-1] != '=' {
		return "", "", "", false
	}
	name, before = cutLastToken(before[:len(before)-1])
	return name, value, before, name != ""
}

// cutLastToken cuts the token off that s ends with; it is empty if s ends with something else.
func cutLastToken(s string) (token, before string) {
	i := len(s)
	for i > 0 && isTokenChar(s[i-1]) {
		i--
	}
	return s[i:], s[:i]
}

// cutLastQuoted cuts the quoted string off that s ends with (RFC 9110, section 5.6.4).
func cutLastQuoted(s string) (value, before string, ok bool) {
	end := len(s) - 1
	if backslashes(s[:end])%2 != 0 {
		return "", "", false
	}
	for i := end; ; {
		i = strings.LastIndexByte(s[:i], '"')
		if i < 0 {
			return "", "", false
		}
		if backslashes(s[:i])%2 == 0 {
			value, ok = unquote(s[i+1 : end])
			return value, s[:i], ok
		}
	}
}

// backslashes counts the backslashes that s ends with.
func backslashes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }

// unquote removes the backslashes that escape something, and reports whether s may be quoted at all.
func unquote(s string) (string, bool) {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return "", false
		}
	}
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++ // never the last: the closing quote is not escaped
		}
		b = append(b, s[i])
	}
	return string(b), true
}
