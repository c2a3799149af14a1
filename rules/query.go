package rules

import (
	"bytes"
	"slices"
	"strings"
)

// queryMatcher finds the products that name parameters of a query. A parameter counts in every reading that a shop might make
// of it, so that none that the shop takes is passed over: names in any case and as PHP rewrites them, parameters that
// semicolons separate, and all of several equal ones.
type queryMatcher struct {
	conditions
	elements []queryElement
	places   matcher // elements by host and path, for those that name any
}

// queryElement is an element of a product that names parameters.
type queryElement struct {
	product int32
	query   []named
	placed  bool
}

// add makes the matcher answer the product where the selector's parameters are, and its hosts and paths match.
func (m *queryMatcher) add(s *selector, product int32) {
	id := int32(len(m.elements))
	placed := len(s.hosts)+len(s.paths) > 0
	if m.elements = append(m.elements, queryElement{product, s.query, placed}); placed {
		m.places.add(*s, id)
	}
	m.conditions.add(s.query, id)
}

// match appends the products of a request's query, each once, to those found by the path.
func (m *queryMatcher) match(req *Request, path string, products []int32) []int32 {
	if len(m.elements) == 0 || req.Query == "" {
		return products
	}
	var termHits, elementHits, placeHits [8]int32
	terms := termHits[:0]
	for rest, more := req.Query, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		terms = m.pair(pair, terms)
		if strings.ContainsAny(pair, separators) {
			for part := range strings.FieldsFuncSeq(pair, separates) {
				terms = m.pair(part, terms)
			}
		}
	}
	if len(terms) == 0 {
		return products
	}
	places := m.places.match(req.Host, path, placeHits[:0])
	for _, id := range m.met(terms, elementHits[:0]) {
		e := &m.elements[id]
		if (!e.placed || slices.Contains(places, id)) && !slices.Contains(products, e.product) {
			products = append(products, e.product)
		}
	}
	return products
}

// separators end a parameter for some, and belong to its value for others.
const separators = ";#"

func separates(r rune) bool { return r == ';' || r == '#' }

// pair appends the terms that a parameter meets.
func (m *queryMatcher) pair(pair string, terms []int32) []int32 {
	name, value, _ := strings.Cut(pair, "=")
	var nameRoom, valueRoom [64]byte
	asked := m.names[string(appendParam(nameRoom[:0], name))]
	if asked == nil {
		return terms
	}
	return asked.match(appendValue(valueRoom[:0], value), terms)
}

// walk finds the products of a query as match does, by comparing each parameter with all that is written.
func (m *queryMatcher) walk(req *Request, path string) (products []int32) {
	var pairs [][2]string
	for whole := range strings.SplitSeq(req.Query, "&") {
		for _, reading := range append(strings.Split(strings.ReplaceAll(whole, "#", ";"), ";"), whole) {
			name, value, _ := strings.Cut(reading, "=")
			pairs = append(pairs, [2]string{string(appendParam(nil, name)), string(appendValue(nil, value))})
		}
	}
	for id, e := range m.elements {
		meets := func(n named) bool {
			return slices.ContainsFunc(pairs, func(pair [2]string) bool {
				return pair[0] == n.name && slices.ContainsFunc(n.patterns, func(pattern string) bool { return like(pattern, pair[1]) })
			})
		}
		here := !e.placed || slices.Contains(m.places.match(req.Host, path, nil), int32(id))
		if here && !slices.ContainsFunc(e.query, func(n named) bool { return !meets(n) }) && !slices.Contains(products, e.product) {
			products = append(products, e.product)
		}
	}
	return products
}

// paramName returns the name of a parameter as it is compared.
func paramName(text string) string {
	return string(appendParam(nil, strings.NewReplacer("%", "%25", "+", "%2B").Replace(text)))
}

// appendParam appends the name of a parameter as it is compared: decoded, folded, and with what PHP rewrites as PHP does
// (main/php_variables.c, php_register_variable_ex); an element of an array has the name of the array.
func appendParam(dst []byte, name string) []byte {
	start := len(dst)
	dst = appendFoldedInPlace(appendUnescaped(dst, name), start)
	dst = append(dst[:start], bytes.TrimLeft(dst[start:], " ")...)
	closed := bytes.LastIndexByte(dst, ']')
	for i := start; i < len(dst); i++ {
		switch dst[i] {
		case 0:
			return dst[:i]
		case '[':
			if i > start && i < closed {
				return dst[:i]
			}
			dst[i] = '_'
		case '.', ' ':
			dst[i] = '_'
		}
	}
	return dst
}

// appendValue appends the value of a parameter as it is compared: decoded, trimmed and folded.
func appendValue(dst []byte, value string) []byte {
	start := len(dst)
	dst = appendUnescaped(dst, value)
	dst = append(dst[:start], bytes.Trim(dst[start:], " \t\n\v\f\r\x00")...)
	return appendFoldedInPlace(dst, start)
}

// appendFoldedInPlace folds what stands from start on.
func appendFoldedInPlace(dst []byte, start int) []byte {
	for i := start; i < len(dst); i++ {
		if c := dst[i]; c >= 0x80 {
			return appendFolded(dst[:i], string(dst[i:]))
		} else if 'A' <= c && c <= 'Z' {
			dst[i] = c + 'a' - 'A'
		}
	}
	return dst
}

// appendUnescaped decodes percent-encoded bytes and plus signs, once. A percent sign that begins no byte stands for itself.
func appendUnescaped(dst []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(text) && unhex(text[i+1]) < 16 && unhex(text[i+2]) < 16:
			dst = append(dst, unhex(text[i+1])<<4|unhex(text[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
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
