package refusal

import (
	"net/http"
	"strings"
)

// form is a form in which a refusal can be told.
type form uint8

const (
	line form = iota // text/plain
	page451
	problem
	forms
)

// mediaType returns the form's Content-Type.
func (f form) mediaType() string {
	switch f {
	case page451:
		return "text/html; charset=utf-8"
	case problem:
		return "application/problem+json"
	default:
		return "text/plain; charset=utf-8"
	}
}

// What a browser will show to somebody, by the destination that it states (Fetch Metadata, section 2.1).
func shown(destination string) bool {
	switch destination {
	case "document", "iframe", "frame", "embed", "object", "fencedframe":
		return true
	}
	return false
}

// Preferences between forms that are equally welcome. A client that names a page wants to show it; one
// that takes anything is an updater, or a page's own script.
var (
	namedByClient = [...]form{page451, problem, line}
	namedByScript = [...]form{problem, page451, line}
	anyForClient  = [...]form{line, problem, page451}
	anyForScript  = [...]form{problem, line, page451}
)

// choose returns the form that suits the client by its Accept header (RFC 9110, section 12.5.1), and by
// what else tells a browser's page from its script and both from an updater. It returns line if
// the client accepts none of the forms.
func choose(h http.Header) form {
	accepted := weigh(h["Accept"])
	destination := h.Get("Sec-Fetch-Dest")
	if shown(destination) && accepted[page451].weight > 0 {
		return page451
	}
	var best claim
	for _, c := range accepted {
		if c.weight > best.weight || c.weight == best.weight && c.rank() > best.rank() {
			best = c
		}
	}
	if best.weight == 0 {
		return line
	}
	script := destination == "empty" || strings.EqualFold(h.Get("X-Requested-With"), "XMLHttpRequest") ||
		isJSON(h.Get("Content-Type"))
	var preferred *[forms]form
	switch named := best.rank() == alias; {
	case named && script:
		preferred = &namedByScript
	case named:
		preferred = &namedByClient
	case script:
		preferred = &anyForScript
	default:
		preferred = &anyForClient
	}
	for _, f := range preferred {
		if c := accepted[f]; c.weight == best.weight && c.rank() == best.rank() {
			return f
		}
	}
	return line
}

// How exactly a media range names a form. An alias is a type that is served as another, such as application/json.
const (
	anything = iota + 1
	anySubtype
	alias
	exact
)

// claim is how welcome one form is: its weight in thousandths, and how exactly the range names it that
// the weight comes from.
type claim struct {
	weight      int
	specificity int
}

// rank orders claims of equal weight: an alias is as good as the type itself.
func (c claim) rank() int { return min(c.specificity, alias) }

// take lets a media range speak for a form, unless a more specific one has spoken already.
func (c *claim) take(specificity, weight int) {
	if specificity > c.specificity || specificity == c.specificity && weight > c.weight {
		c.specificity, c.weight = specificity, weight
	}
}

// maxAccept is how much of Accept is looked at, in bytes; ten times what any browser sends.
const maxAccept = 4 << 10

// weigh reads the Accept header, which may come in several fields. No header, and an empty one, accept everything.
// Ranges beyond maxAccept and ranges that are malformed are passed over.
func weigh(fields []string) (accepted [forms]claim) {
	budget, present := maxAccept, false
	for _, field := range fields {
		if len(field) > budget {
			field = field[:max(0, strings.LastIndexByte(field[:budget], ','))]
			budget = 0
		}
		for budget -= len(field) + 1; field != ""; {
			var mediaRange string
			mediaRange, field = cut(field, ',')
			if mediaRange != "" {
				present = true
				weighRange(&accepted, mediaRange)
			}
		}
		if budget <= 0 {
			present = true
			break
		}
	}
	if !present {
		for f := range accepted {
			accepted[f].take(anything, 1000)
		}
	}
	return accepted
}

// weighRange lets one media range with its parameters speak for the forms that it matches. Parameters other than the
// weight are passed over: who accepts text/html;level=1 will put up with text/html.
func weighRange(accepted *[forms]claim, mediaRange string) {
	name, parameters := cut(mediaRange, ';')
	weight := 1000
	for parameters != "" {
		var parameter string
		parameter, parameters = cut(parameters, ';')
		if len(parameter) >= 2 && (parameter[0] == 'q' || parameter[0] == 'Q') && parameter[1] == '=' {
			var ok bool
			if weight, ok = parseWeight(parameter[2:]); !ok {
				return
			}
		}
	}
	switch {
	case name == "*/*", name == "*": // The latter is what Java sends.
		for f := range accepted {
			accepted[f].take(anything, weight)
		}
	case strings.EqualFold(name, "text/*"):
		accepted[page451].take(anySubtype, weight)
		accepted[line].take(anySubtype, weight)
	case strings.EqualFold(name, "application/*"):
		accepted[problem].take(anySubtype, weight)
	case strings.EqualFold(name, "text/html"):
		accepted[page451].take(exact, weight)
	case strings.EqualFold(name, "application/xhtml+xml"):
		accepted[page451].take(alias, weight)
	case strings.EqualFold(name, "text/plain"):
		accepted[line].take(exact, weight)
	case strings.EqualFold(name, "application/problem+json"):
		accepted[problem].take(exact, weight)
	case isJSON(name):
		accepted[problem].take(alias, weight)
	}
}

// cut returns the first element of a list, trimmed, and the rest behind the separator. A separator inside a
// quoted string does not separate (RFC 9110, section 5.6.4).
func cut(list string, separator byte) (first, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return strings.Trim(list[:i], " \t"), list[i+1:]
		}
	}
	return strings.Trim(list, " \t"), ""
}

// parseWeight reads a weight (RFC 9110, section 12.4.2) in thousandths. It is lenient: the digit before
// the point may be missing, as Java has it, there may be more than three after it, and more than 1 is 1. Only 0 is 0.
func parseWeight(text string) (thousandths int, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" && fraction == "" {
		return 0, false
	}
	rest := false
	for i := range len(whole) {
		if whole[i] < '0' || whole[i] > '9' {
			return 0, false
		}
		thousandths = min(thousandths*10+int(whole[i]-'0')*1000, 1000)
	}
	unit := 100
	for i := range len(fraction) {
		if fraction[i] < '0' || fraction[i] > '9' {
			return 0, false
		}
		thousandths += int(fraction[i]-'0') * unit
		rest = rest || fraction[i] != '0'
		unit /= 10
	}
	if thousandths == 0 && rest {
		thousandths = 1
	}
	return min(thousandths, 1000), true
}

// isJSON reports whether a media type, with or without parameters, is application/json or one built upon it (RFC 6839).
func isJSON(mediaType string) bool {
	name, _, _ := strings.Cut(mediaType, ";")
	name = strings.Trim(name, " \t")
	const application, suffix = "application/", "+json"
	if len(name) < len(application) || !strings.EqualFold(name[:len(application)], application) {
		return false
	}
	subtype := name[len(application):]
	return strings.EqualFold(subtype, "json") ||
		len(subtype) > len(suffix) && strings.EqualFold(subtype[len(subtype)-len(suffix):], suffix)
}
