package goods

import "strings"

// mostBrackets is how deep brackets of a GraphQL document may be nested. Carts nest ten deep, or fifteen.
const mostBrackets = 64

// abridged returns a GraphQL document without the selections of its fields: of a mutation only the fields at its root are
// looked at, and those of the fragments that may be spread there, while most of a document says what is to be answered.
// Parsing costs several times as much as walking through it. It is not ok if the document is nested too deep.
//
// A document in which brackets or strings are not closed as they were opened is left as it is: it is none, as parsing it will
// tell.
func abridged(document string) (short string, ok bool) {
	a := abridger{document: document}
	for at := 0; at < len(document); {
		at = a.step(at)
		switch at {
		case tooDeep:
			return "", false
		case unclear:
			return document, true
		}
	}
	if a.kept == 0 {
		return document, true
	}
	a.short.WriteString(document[a.kept:])
	return a.short.String(), true
}

// abridger walks through a document, and keeps what is not in a selection of a field.
type abridger struct {
	document string
	short    strings.Builder
	kept     int  // what stands before is in short already, or left out
	depth    int  // of braces that are kept
	last     last // what a brace would belong to
	// directive says that the next name is a directive's, which leaves alone what it belongs to.
	directive bool
}

// last is the selection that was begun last.
type last uint8

const (
	field    last = iota // A field, or a definition if the depth is 0.
	spread               // The three dots of a spread or an inline fragment.
	typed                // An inline fragment of which the type's name is to come.
	fragment             // An inline fragment, behind its type.
)

// What takes the place of an end that there is not.
const (
	unclear = -1
	tooDeep = -2
)

// step returns the end of the token, or of what is in brackets, that begins there.
func (a *abridger) step(at int) (end int) {
	switch c := a.document[at]; {
	case c == '"':
		return stringEnd(a.document, at)
	case c == '#':
		return commentEnd(a.document, at)
	case c == '(':
		return bracketsEnd(a.document, at)
	case c == '{':
		return a.brace(at)
	case c == '}':
		if a.depth, a.last = a.depth-1, field; a.depth < 0 {
			return unclear
		}
	case c == '.':
		if a.last = spread; !strings.HasPrefix(a.document[at:], "...") {
			return unclear
		}
		return at + len("...")
	case c == '@':
		a.directive = true
	case isName(c):
		end = nameEnd(a.document, at)
		a.name(a.document[at:end])
		return end
	}
	return at + 1
}

// brace goes into a selection or, if it is one of a field, leaves it out.
func (a *abridger) brace(at int) (end int) {
	if a.depth == 0 || a.last == spread || a.last == fragment {
		if a.depth++; a.depth > mostBrackets {
			return tooDeep
		}
		return at + 1
	}
	if end = bracketsEnd(a.document, at); end > at {
		a.short.WriteString(a.document[a.kept:at])
		a.short.WriteByte(' ')
		a.kept = end
	}
	return end
}

// name takes in a name outside of arguments.
func (a *abridger) name(name string) {
	switch {
	case a.directive:
		a.directive = false
	case a.last == spread && name == "on":
		a.last = typed
	case a.last == typed:
		a.last = fragment
	default:
		a.last = field // Or a spread, which has no selection.
	}
}

// bracketsEnd returns where brackets are closed that are opened there.
func bracketsEnd(document string, at int) (end int) {
	var open [mostBrackets]byte
	depth := 0
	for at < len(document) {
		switch c := document[at]; c {
		case '"':
			if at = stringEnd(document, at); at < 0 {
				return unclear
			}
			continue
		case '#':
			at = commentEnd(document, at)
			continue
		case '{', '[', '(':
			if depth == len(open) {
				return tooDeep
			}
			open[depth] = c
			depth++
		case '}', ']', ')':
			if depth--; c-open[depth] > 2 { // In ASCII each stands one or two behind its like.
				return unclear
			}
			if depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return unclear
}

// stringEnd returns where the string ends that begins there.
func stringEnd(document string, at int) (end int) {
	const quotes = `"""`
	if strings.HasPrefix(document[at:], quotes) {
		for end = at + len(quotes); ; end += len(quotes) {
			n := strings.Index(document[end:], quotes)
			if n < 0 {
				return unclear
			}
			if end += n; document[end-1] != '\\' {
				return end + len(quotes)
			}
		}
	}
	for end = at + 1; end < len(document); end++ {
		switch document[end] {
		case '\\':
			end++
		case '\r', '\n':
			return unclear
		case '"':
			return end + 1
		}
	}
	return unclear
}

// commentEnd returns where the line of a comment ends.
func commentEnd(document string, at int) (end int) {
	if n := strings.IndexAny(document[at:], "\r\n"); n >= 0 {
		return at + n
	}
	return len(document)
}

// nameEnd returns the end of the name that begins there, if one does.
func nameEnd(document string, at int) int {
	for at < len(document) && isName(document[at]) {
		at++
	}
	return at
}

func isName(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || '0' <= c && c <= '9'
}
