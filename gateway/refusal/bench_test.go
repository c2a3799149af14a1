package refusal

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func BenchmarkWrite(b *testing.B) {
	w := newWriter(b, Config{})
	for form, name := range [forms]string{line: "text", page451: "html", problem: "json"} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept", acceptOf[form])
			f, rw := sales(), discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(rw.h)
				w.Write(rw, r, &f)
			}
		})
	}
}

func BenchmarkChoose(b *testing.B) {
	for name, accept := range map[string]string{
		"curl":    "*/*",
		"chrome":  "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
		"hostile": strings.Repeat("text/html;q=0.1,", 1<<16),
	} {
		b.Run(name, func(b *testing.B) {
			h := http.Header{"Accept": {accept}}
			b.ReportAllocs()
			for b.Loop() {
				choose(h)
			}
		})
	}
}

// discard is a response that goes nowhere.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
