package refusal

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestNotice(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{Messages: []Messages{{"tlh", "tlh.yaml", klingon(t)}}})
	at := time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct{ kind, accept, language, want string }{
		{Purchase, "", "en", "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be purchased from your country."},
		{Update, "en-GB", "en", "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be updated from your country."},
		{Access, "xx", "en", "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be obtained from your country."},
		{Purchase, "de", "de", "Ab 20. Juli 2024, 04:00 Uhr UTC: Aus rechtlichen Gründen können Produkte von Acme und two lines aus Ihrem Land nicht gekauft werden."},
		{Purchase, "tlh", "en", "From 20 July 2024, 04:00 UTC: For legal compliance purposes, Acme products and two lines cannot be purchased from your country."}, // it has no words for it
	} {
		header := http.Header{}
		if c.accept != "" {
			header.Set("Accept-Language", c.accept)
		}
		if got, language := w.Notice(header, c.kind, []string{"Acme products", "two\nlines"}, at); got != c.want || language != c.language {
			t.Errorf("%s in %s: %s %q", c.kind, c.accept, language, got)
		}
	}
}

// klingon is a language of the operator's without a notice.
func klingon(t *testing.T) []byte {
	t.Helper()
	text, err := BuiltInMessages(english)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "notice:")
	_, after, _ := strings.Cut(rest, "\n")
	return []byte(before + after)
}

// TestEveryLanguageHasANotice looks for the date and the sentence in each, and for words of its own.
func TestEveryLanguageHasANotice(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	at := time.Date(2024, 7, 20, 13, 5, 0, 0, time.FixedZone("EDT", -4*3600))
	for _, l := range w.languages.all {
		got, language := w.Notice(http.Header{"Accept-Language": {l.code}}, Purchase, nil, at)
		will := l.sentence(&Refusal{Kind: Purchase, Reason: listedCountry})
		if language != l.code || !strings.HasSuffix(got, will) || strings.Count(got, l.date(at)+" EDT (UTC-04:00)") != 1 || strings.ContainsAny(got, "{}\n") {
			t.Errorf("%s: %s %q", l.code, language, got)
		}
		if own := strings.NewReplacer(l.date(at), "", "EDT (UTC-04:00)", "", will, "", ":", "").Replace(got); strings.TrimSpace(own) == "" || l.code != english && strings.Contains(own, "From") {
			t.Errorf("%s says nothing of its own: %q", l.code, got)
		}
	}
}
