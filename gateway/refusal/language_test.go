package refusal

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	xlanguage "golang.org/x/text/language"
)

func TestChooseLanguage(t *testing.T) {
	t.Parallel()
	s := newWriter(t, Config{}).languages
	for _, test := range []struct {
		headers []string
		want    string
	}{
		{nil, "en"}, {[]string{""}, "en"}, {[]string{"*"}, "en"}, {[]string{"tlh"}, "en"}, {[]string{"de"}, "de"}, {[]string{"DE"}, "de"},
		{[]string{"de-AT,de;q=0.9,en;q=0.8"}, "de"}, {[]string{"en;q=0.1,de;q=0.2"}, "de"}, {[]string{"gsw,de-CH;q=0.7"}, "de"},
		{[]string{"tlh,fr;q=0.4"}, "fr"}, {[]string{"tlh;q=0.1", "fr;q=0.4"}, "fr"}, {[]string{"no"}, "nb"}, {[]string{"nn"}, "nb"},
		{[]string{"pt"}, "pt"}, {[]string{"pt-PT"}, "pt"}, {[]string{"pt-BR"}, "pt-BR"}, {[]string{"zh"}, "zh-Hans"}, {[]string{"zh-CN"}, "zh-Hans"},
		{[]string{"zh-TW"}, "zh-Hant"}, {[]string{"zh-HK"}, "zh-Hant"}, {[]string{"iw"}, "he"}, {[]string{"es-419"}, "es"}, {[]string{"fa-AF"}, "fa"},
		{[]string{"de;q=0,fr"}, "fr"}, {[]string{"de;q=0"}, "en"}, {[]string{"de;q=0, en;q=0"}, "en"},
		{[]string{"!!!,ja"}, "ja"}, {[]string{"de;q=x,ja"}, "ja"}, {[]string{"a-b-c-d-e-f-g-h,ko"}, "ko"}, {[]string{"\x00"}, "en"},
		{[]string{strings.Repeat("x", 2000) + ",de"}, "en"}, {[]string{"ja," + strings.Repeat("de,", 1000)}, "ja"},
		{[]string{strings.Repeat("-", 1000)}, "en"}, {[]string{strings.Repeat("a-", 511) + "a"}, "en"}, {[]string{strings.Repeat("xx,", 300) + "it"}, "it"},
	} {
		for range 2 { // the second time from memory
			if got := s.choose(test.headers); got.code != test.want {
				t.Errorf("%.60q: got %s, want %s", test.headers, got.code, test.want)
			}
		}
	}
}

func TestDefaultLanguage(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{Language: "ja"})
	for header, want := range map[string]string{"": "ja", "qaa": "ja", "en": "en"} {
		if got := w.languages.choose([]string{header}); got.code != want {
			t.Errorf("%q: %s, want %s", header, got.code, want)
		}
	}
	for _, language := range []string{"tlh", "not one"} {
		if _, err := New(Config{Language: language}); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("there are no messages in language %q; write one of ar, bg, ", language)) {
			t.Errorf("%s: %v", language, err)
		}
	}
}

// TestHeadersAreForgotten checks that clients cannot fill the memory with headers of their own, and that what is
// remembered costs nothing.
func TestHeadersAreForgotten(t *testing.T) {
	s := newWriter(t, Config{}).languages
	for i := range 3 * mostChosen {
		s.choose([]string{fmt.Sprintf("de, x-%d", i)})
	}
	if len(s.chosen) > mostChosen {
		t.Errorf("%d headers are remembered", len(s.chosen))
	}
	fields := http.Header{"Accept-Language": {"de-AT,de;q=0.9,en;q=0.8"}}["Accept-Language"]
	if n := testing.AllocsPerRun(100, func() { s.choose(fields) }); n > 0 {
		t.Errorf("%v allocations for a header that is remembered", n)
	}
}

// FuzzChooseLanguage checks that any header has a language, always the same, and that a client who names a language that
// there is by itself gets it.
func FuzzChooseLanguage(f *testing.F) {
	for _, seed := range []string{"", "de", "en-US,en;q=0.5", "zh-Hant-TW, *;q=0", "a-a-a-a", "x;q=9"} {
		f.Add(seed)
	}
	w, err := New(Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got := w.languages.choose([]string{header})
		if got == nil || w.languages.match(header) != got && len(header) <= maxAcceptLanguage {
			t.Errorf("%q: %v, and then another", header, got)
		}
		if tag, err := xlanguage.Parse(header); err == nil {
			for _, l := range w.languages.all {
				if l.tag == tag && got != l {
					t.Errorf("%q: got %s", header, got.code)
				}
			}
		}
	})
}

// TestKeptRefusalsAreTheSame writes refusals of all sorts from many goroutines, each with a reference of its own, and
// compares them with what is rendered anew.
func TestKeptRefusalsAreTheSame(t *testing.T) {
	t.Parallel()
	w := newWriter(t, branded())
	fresh := newWriter(t, branded())
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i, f := range everything() {
				f.Reference = NewReference(nil)
				if i%7 == worker {
					f.Reference = ""
				}
				by := []string{"https://shop.example/", "https://other.example/a?b=c", "/"}[i%3]
				l := i % len(w.languages.all)
				for form := range forms {
					var got, want bytes.Buffer
					w.render(&got, form, w.languages.all[l], &f, by)
					fresh.compose(&want, form, fresh.languages.all[l], &f, by)
					if got.String() != want.String() {
						t.Errorf("kept:\n%s\nanew:\n%s", got.String(), want.String())
						return
					}
				}
			}
		})
	}
	workers.Wait()
	if len(w.kept.all) == 0 || w.kept.bytes == 0 {
		t.Error("nothing is kept")
	}
}

// TestKeptRefusalsAreBounded has many rules refuse, as many as no policy has.
func TestKeptRefusalsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	for i := range 3000 {
		f := sales()
		f.Rule = fmt.Sprint("rule-", i)
		var buf bytes.Buffer
		w.render(&buf, page451, w.languages.all[0], &f, "/")
		if w.kept.bytes > mostKept || len(w.kept.all) > mostKept/1000 {
			t.Fatalf("%d refusals in %d bytes are kept", len(w.kept.all), w.kept.bytes)
		}
	}
	// What has a reference that is none is not kept: it could break what stands around it.
	before := len(w.kept.all)
	f := sales()
	for _, odd := range []string{"<b>", "K3F9-0ZQ", "K3F9 0ZQ1", "k3f9-0zq1", "K3F9-0ZQU"} {
		f.Rule, f.Reference = odd, odd
		var buf bytes.Buffer
		w.render(&buf, page451, w.languages.all[0], &f, "/")
	}
	if len(w.kept.all) != before {
		t.Error("a reference that is none was kept")
	}
}

// TestARefusalThatIsKeptCostsLittle holds the allocations of an answer down: header values and nothing of the text.
func TestARefusalThatIsKeptCostsLittle(t *testing.T) {
	w := newWriter(t, branded())
	for form, accept := range acceptOf {
		r, err := http.NewRequest(http.MethodGet, "https://shop.example/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		r.Header.Set("Accept-Language", "de-AT,de;q=0.9")
		f, rw := sales(), discard{http.Header{}}
		if n := testing.AllocsPerRun(100, func() { w.Write(rw, r, &f) }); n > 12 {
			t.Errorf("form %d: %v allocations", form, n)
		}
	}
}
