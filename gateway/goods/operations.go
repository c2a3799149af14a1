package goods

import (
	"strings"
	"unicode/utf8"
)

// operationOf reads a GraphQL request from a query or a form, in all the ways in which servers take one apart.
func operationOf(raw string) envelope {
	var e envelope
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		e.param(name, value)
		// Node's qs ends a name at the first bracket before an equals sign, and brackets may be escaped for it.
		clean := brackets.Replace(pair)
		if end := strings.Index(clean, "]="); end > strings.IndexByte(clean, '=') {
			e.param(clean[:end+1], clean[end+2:])
		}
	}
	return e
}

var brackets = strings.NewReplacer("%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]")

// param adds a parameter as it came. What cannot be decoded as a whole, JavaScript leaves as it is.
func (e *envelope) param(name, value string) {
	name = unescaped(name)
	if !isOperation(name) {
		return
	}
	decoded := unescaped(value)
	e.form(name, decoded)
	if brokenEscape(value) || !utf8.ValidString(decoded) {
		e.form(name, strings.ReplaceAll(brackets.Replace(value), "+", " "))
	}
}

// brokenEscape reports whether there is a percent sign that begins no byte.
func brokenEscape(s string) bool {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return false
		}
		if i+2 >= len(s) || unhex(s[i+1]) > 15 || unhex(s[i+2]) > 15 {
			return true
		}
		s = s[i+3:]
	}
}

func isOperation(name string) bool {
	switch base, _ := indices(name); base {
	case "query", "operationName", "variables", "extensions", "documentId":
		return true
	}
	return false
}

// indices takes a name with brackets apart. What stands between the brackets is no part of it for PHP and Node, and a name
// that begins with a bracket is for Node what is in there.
func indices(name string) (base string, path []string) {
	base, _, _ = strings.Cut(name, "[")
	for {
		_, rest, ok := strings.Cut(name, "[")
		if !ok {
			break
		}
		index, rest, ok := strings.Cut(rest, "]")
		if !ok {
			break
		}
		path, name = append(path, index), rest
	}
	if base == "" && len(path) > 0 {
		return path[0], path[1:]
	}
	return base, path
}
