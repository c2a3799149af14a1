package goods

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"gate451/rules"
)

// kind is a set of what a body may be. It is a set because a header may be there twice, or hold a list, and which of
// it counts is the shop's affair.
type kind uint8

const (
	formKind kind = 1 << iota
	multipartKind
	jsonKind
	graphqlKind
	unknown
)

// contentType is what the headers say about a body.
type contentType struct {
	kinds      kind
	charset    string
	boundaries []string
}

// typeOf reads Content-Type as leniently as PHP, which takes all up to a comma, semicolon or blank.
func typeOf(header http.Header) contentType {
	var t contentType
	for _, line := range header["Content-Type"] {
		lower := strings.ToLower(line)
		if !isASCII(line) {
			t.kinds |= unknown // parameters are not found among letters that change their length
		}
		for i, part := range strings.Split(lower, ",") {
			part = strings.TrimLeft(part, " \t")
			if cut := strings.IndexAny(part, "; \t"); cut >= 0 {
				part = part[:cut]
			}
			k := kindOf(part)
			if k == unknown && (i > 0 || part == "") {
				continue // As in "application/x-www-form-urlencoded, text/plain", which is a form.
			}
			t.kinds |= k
		}
		for _, charset := range parameters(line, lower, "charset") {
			if t.charset == "" || !isUnicode(strings.ToLower(charset)) {
				t.charset = strings.ToLower(charset)
			}
		}
		for _, boundary := range parameters(line, lower, "boundary") {
			t.boundaries = append(t.boundaries, boundary)
			if strings.Contains(boundary, `\`) {
				t.kinds |= unknown // some take the backslash away, and a quote with it
			}
		}
	}
	const most = 3 // Each of them costs a walk through the body.
	if len(t.boundaries) > most {
		t.boundaries, t.kinds = t.boundaries[:most], t.kinds|unknown
	}
	return t
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func kindOf(media string) kind {
	switch {
	case media == "application/x-www-form-urlencoded":
		return formKind
	case strings.HasPrefix(media, "multipart/"):
		return multipartKind
	case strings.Contains(media, "json"):
		return jsonKind
	case media == "application/graphql":
		return graphqlKind
	}
	return unknown
}

// parameters returns the values of a parameter of a header, wherever it stands, in quotes or not.
func parameters(line, lower, name string) []string {
	var values []string
	for {
		i := strings.Index(lower, name)
		if i < 0 || len(lower) != len(line) {
			return values
		}
		line, lower = line[i+len(name):], lower[i+len(name):]
		equals := strings.IndexByte(line, '=')
		if equals < 0 || strings.TrimSpace(line[:equals]) != "" {
			continue
		}
		value := strings.TrimLeft(line[equals+1:], " \t")
		if value != "" && value[0] == '"' {
			value, _, _ = strings.Cut(value[1:], `"`)
		} else if end := strings.IndexAny(value, ",;"); end >= 0 {
			value = value[:end]
		}
		if value = strings.TrimRight(value, " \t"); value != "" {
			values = append(values, value)
		}
	}
}

// formsIn reports whether the dialect finds form fields in a body of these kinds. PHP itself reads forms of POST alone,
// but WordPress reads them of other methods for its REST interface, and of GET if that is said to stand for another.
func formsIn(r *http.Request, query string, kinds kind, dialect rules.Dialect) bool {
	if kinds&(formKind|multipartKind|unknown) == 0 {
		return false
	}
	if dialect != rules.PHP {
		return true
	}
	if kinds&(formKind|multipartKind) == 0 {
		return false // PHP finds none in a body of any other type, nor in one without
	}
	if r.Method == http.MethodPost {
		return true
	}
	if kinds&formKind == 0 {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return true
	}
	overridden := r.Header.Get("X-HTTP-Method-Override") != ""
	eachParam(query, func(name, _ string) { overridden = overridden || phpParam(name) == "_method" })
	return overridden
}
