package refusal

import (
	"bytes"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"
)

// columns is how wide a line of text may be, so that a terminal shows it whole.
const columns = 159

// line writes f as one line of text. What it does not have room for is left out, the least important first; programs and
// browsers are told all of it.
func (w *Writer) line(buf *bytes.Buffer, l *language, f *Refusal) {
	text := plain(l.sentence(f))
	if wide(text) > columns-wide(l.facts(f.Reference, l.w.Reference)) && len(f.Products) > 0 {
		unnamed := *f
		unnamed.Products = nil
		text = plain(l.sentence(&unnamed))
	}
	facts := [...]string{
		l.phrase(l.explanation(f.Reason)),
		l.facts(f.Basis.title(), l.w.Basis),
		l.facts(day(f.Since), l.w.Since),
		l.facts(day(f.Until), l.w.Until),
		l.facts(w.cfg.Contact, l.w.Contact),
		l.facts(f.Reference, l.w.Reference),
	}
	room := columns - wide(text)
	var told [len(facts)]bool
	for _, i := range [...]int{5, 0, 1, 3, 2, 4} {
		if need := wide(facts[i]); need <= room {
			told[i], room = true, room-need
		}
	}
	if room < 0 {
		text = shorten(text, columns)
	}
	buf.WriteString(text)
	for i, fact := range facts {
		if told[i] {
			buf.WriteString(fact)
		}
	}
	buf.WriteByte('\n')
}

// phrase returns a sentence as it follows another.
func (l *language) phrase(text string) string {
	if text == "" {
		return ""
	}
	return l.space() + plain(text)
}

// facts returns a fact behind its label, as it follows a sentence; nothing if there is none.
func (l *language) facts(text, label string) string {
	if text == "" {
		return ""
	}
	return " " + label + ": " + plain(text) + "."
}

// day writes a day as every terminal shows it.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

// plain makes a blank of each line break and each other control character, which a terminal would obey, and leaves out
// those that turn the direction of what follows them.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Bidi_Control, r), r == '\ufeff':
			return -1
		}
		return r
	}, text)
}

// wide returns how many columns a terminal needs for a text.
func wide(text string) (sum int) {
	for _, r := range text {
		sum += cells(r)
	}
	return sum
}

// cells returns how many columns a terminal needs for a character (Unicode Standard Annex #11).
func cells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	if kind := width.LookupRune(r).Kind(); kind == width.EastAsianWide || kind == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// shorten cuts a text that has no room.
func shorten(text string, room int) string {
	room-- // for the mark that it goes on
	for i, r := range text {
		if room -= cells(r); room < 0 {
			return text[:i] + "…"
		}
	}
	return text
}
