package goods

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"gate451/rules"
)

// finding collects what the fields of one carrier hold.
type finding struct {
	dialect rules.Dialect
	carrier *rules.Carrier
	out     *rules.Carried
	where   []condition
	// unsent says that a document is to be run which the request names alone, and which is not known.
	unsent bool
}

// take reads the value of a place that is there.
func (p *place) take(value string) {
	if p.condition != nil {
		p.condition.take(value)
		return
	}
	if p.inner != "" {
		p.takeInner(value)
		return
	}
	p.out.Present = p.out.Present || !p.pathCart()
	split := p.field.Split
	if split == "" {
		p.one(value)
		return
	}
	for more := true; more; {
		var part string
		part, value, more = strings.Cut(value, split)
		p.one(part)
		// WordPress' lists have blanks for separators as well.
		if p.dialect == rules.PHP && strings.ContainsAny(strings.TrimSpace(part), " \t\r\n\f\v") {
			for word := range strings.FieldsSeq(part) {
				p.one(word)
			}
		}
	}
}

// takeInner reads a parameter of a value that is a target.
func (p *place) takeInner(value string) {
	_, query, ok := strings.Cut(value, "?")
	if !ok {
		return
	}
	inner := *p
	inner.name, inner.inner = p.inner, ""
	takeQuery(query, places{inner})
}

// one reads one product.
func (p *place) one(text string) {
	if p.field.Cut != "" {
		text, _, _ = strings.Cut(text, p.field.Cut)
	}
	switch {
	case p.field.Cart:
		p.cart(text)
	case p.field.Row:
		p.row(text, p.field.Hash != "")
	default:
		p.id(text)
		if p.dialect == rules.Node && p.field.In == rules.InGraphQL {
			for _, number := range storedNumbers(text) {
				p.add(number)
			}
		}
	}
}

// id adds all that a shop may take the text for.
func (f *finding) id(text string) {
	text = strings.TrimFunc(text, isBlank)
	if text == "" {
		return
	}
	f.add(text)
	f.number(text)
	if !utf8.ValidString(text) {
		f.number(latin(text))
	}
	for _, name := range globalIDs(text) {
		f.add(name)
		if tail := tailOf(name); tail != "" {
			f.add(tail)
			f.number(tail)
		}
	}
}

// latin reads a text as ISO 8859-1, whose blanks and digits other charsets of one byte have, too.
func latin(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		b.WriteRune(rune(c))
	}
	return b.String()
}

// number adds the integer that the carrier's dialect reads the text as.
func (f *finding) number(text string) {
	switch f.dialect {
	case rules.PHP:
		f.add(phpInt(text))
		if strings.ContainsAny(text, "\\\x00") {
			f.add(phpInt(unslashed(text)))
		}
	case rules.Node:
		f.add(jsNumber(text))
	case rules.Python:
		f.add(pythonInt(text))
	}
}

// add adds an id. The last few are looked at for the same, because the readings of one text mostly agree.
func (f *finding) add(id string) {
	if id == "" {
		return
	}
	for i := len(f.out.IDs) - 1; i >= 0 && i >= len(f.out.IDs)-4; i-- {
		if f.out.IDs[i] == id {
			return
		}
	}
	f.out.IDs = append(f.out.IDs, id)
}

// isBlank reports whether any shop's language cuts r off a value's ends: JavaScript the byte order mark, Python the
// separators of ASCII, PHP the NUL.
func isBlank(r rune) bool {
	return unicode.IsSpace(r) || r == 0xfeff || '\x1c' <= r && r <= '\x1f' || r == 0
}
