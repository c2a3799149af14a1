package goods

import (
	"strings"

	"gate451/rules"
)

// takeParams reads a query or a form of the type application/x-www-form-urlencoded. Ampersands alone separate, as in
// PHP, Node and Python; a percent sign that begins no byte stands for itself.
func takeParams(raw string, places places) {
	if len(places) == 0 {
		return
	}
	eachParam(raw, func(name, value string) { takeParam(name, value, true, places) })
}

// takeQuery reads the query of a target. What follows a number sign is part of it for some and cut off by others.
func takeQuery(raw string, places places) {
	takeParams(raw, places)
	if cut := strings.IndexByte(raw, '#'); cut >= 0 {
		takeParams(raw[:cut], places)
	}
}

// eachParam calls f with every name, decoded, and its value as it came.
func eachParam(raw string, f func(name, value string)) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		f(unescaped(name), value)
	}
}

// takeParam reads one parameter.
func takeParam(name, value string, escaped bool, places places) {
	phpName, decoded := "", false
	for i := range places {
		p := &places[i]
		given := name
		if p.dialect == rules.PHP {
			if phpName == "" {
				phpName = phpParam(name)
			}
			given = phpName
		}
		star, how := p.match(given)
		if how == other {
			continue
		}
		if escaped && !decoded {
			value, decoded = unescaped(value), true
		}
		switch {
		case how == array:
			p.take("1") // Which is what a PHP array is, cast to an integer.
		case p.field.Key:
			p.take(star)
		default:
			p.take(value)
		}
	}
}

// likeness is how a parameter's name compares to a field's.
type likeness uint8

const (
	other likeness = iota // It is another one.
	same                  // It is the one.
	array                 // It is an element of it, where the field is no array.
)

// match compares the name of a parameter, and returns what the first * of the field's name stands for.
func (p *place) match(name string) (star string, how likeness) {
	star, ok := glob(p.name, name)
	switch {
	case ok:
		star, _, _ = strings.Cut(star, "]")
		return star, same
	case p.dialect == rules.PHP && !p.field.Key && p.inner == "" && len(name) > len(p.name) &&
		name[len(p.name)] == '[' && name[:len(p.name)] == p.name:
		return "", array
	case p.dialect == rules.PHP && p.field.Key && strings.HasSuffix(p.name, "[*]"):
		// The members of an array may be arrays themselves, whose keys count all the same.
		if star, ok = glob(p.name[:len(p.name)-1]+"*", name); ok {
			star, _, _ = strings.Cut(star, "]")
			return star, same
		}
	}
	return "", other
}

// glob compares s to a pattern in which * stands for any text, and returns what the first one stands for. It is the
// shortest possible, and the last * takes what is left.
func glob(pattern, s string) (star string, ok bool) {
	first, rest, has := strings.Cut(pattern, "*")
	if !has {
		return "", pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return "", false
	}
	s = s[len(first):]
	for n := 0; ; n++ {
		literal, more, has := strings.Cut(rest, "*")
		if !has {
			if !strings.HasSuffix(s, literal) {
				return "", false
			}
			if n == 0 {
				star = s[:len(s)-len(literal)]
			}
			return star, true
		}
		i := strings.Index(s, literal)
		if i < 0 {
			return "", false
		}
		if n == 0 {
			star = s[:i]
		}
		s, rest = s[i+len(literal):], more
	}
}

// unescaped decodes percent-encoded bytes and plus signs, once.
func unescaped(s string) string {
	i := strings.IndexAny(s, "%+")
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16:
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

// unhex returns the value of a hexadecimal digit, or more than 15.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
