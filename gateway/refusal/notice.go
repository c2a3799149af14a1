package refusal

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Notice says what a Refusal of the kind will say from an instant on, in the zone that the instant is in, and in which language: the
// one that a header asks for, or English if that has no words for it. It has no line breaks, whatever the products are called. No
// products are "these products".
func (w *Writer) Notice(h http.Header, kind string, products []string, from time.Time) (sentence, code string) {
	l := w.languages.choose(h["Accept-Language"])
	if l.w.Notice == "" {
		all := w.languages.all
		l = all[slices.IndexFunc(all, func(l *language) bool { return l.code == english })] // it comes with the program
	}
	will := l.sentence(&Refusal{Kind: kind, Products: products, Reason: listedCountry})
	text := strings.NewReplacer("{date}", l.date(from)+" "+zone(from), "{sentence}", will).Replace(l.w.Notice)
	return strings.Join(strings.Fields(text), " "), l.code
}
