package refusal

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	xlanguage "golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"gate451/rules"
)

// all returns the languages that come with the program.
func all(t testing.TB) []*language {
	t.Helper()
	return newWriter(t, Config{}).languages.all
}

// everything is every refusal that differs from others in its words.
func everything() (refusals []Refusal) {
	for _, kind := range Kinds() {
		for _, reason := range append(Reasons(), "") {
			for n := range 4 {
				f := sales()
				f.Kind, f.Reason = kind, reason
				f.Products = []string{"Kaspersky products", "Anti-Virus", "Safe Kids"}[:n]
				refusals = append(refusals, f)
			}
		}
	}
	return refusals
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	languages := all(t)
	if len(languages) < 24 || languages[0].code != english || len(Languages()) != len(languages) {
		t.Errorf("%d languages, the first %s", len(languages), languages[0].code)
	}
	var turned []string
	for _, l := range languages {
		if l.code != l.tag.String() || display.Regions(l.tag) == nil || display.Self.Name(l.tag) == "" {
			t.Errorf("%s: the Unicode CLDR knows it as %s", l.code, l.tag)
		}
		if l.direction() == "rtl" {
			turned = append(turned, l.code)
		}
	}
	if slices.Sort(turned); !slices.Equal(turned, []string{"ar", "fa", "he"}) {
		t.Errorf("written from right to left: %v", turned)
	}
}

// TestEveryMessageIsUsed gives each message a mark and looks for it in what buyers are told. Without the mark the message
// would be one that nobody reads.
func TestEveryMessageIsUsed(t *testing.T) {
	t.Parallel()
	text, err := BuiltInMessages(english)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range messageKeys() {
		if key == "digits" || key == "months" || key == "notice" {
			continue // see TestDates and TestNotice
		}
		line := regexp.MustCompile(`(?m)^` + key + `: "?(.*?)"?$`).FindSubmatch(text)
		if line == nil {
			t.Errorf("en.yaml has no %s", key)
			continue
		}
		marked := fmt.Sprintf("%s: \"Mark%s\"\n", key, line[1])
		cfg := branded()
		cfg.Messages = []Messages{{english, "en.yaml", []byte(marked)}}
		w := newWriter(t, cfg)
		seen := false
		for _, f := range everything() {
			var page bytes.Buffer
			w.compose(&page, page451, w.languages.all[0], &f, "https://shop.example/")
			seen = seen || bytes.Contains(page.Bytes(), []byte("Mark"))
		}
		if !seen {
			t.Errorf("message %s is never shown", key)
		}
	}
}

// TestEveryLanguageSaysEverything writes every refusal in every language and form, and looks for what a translation can get
// wrong: a word in braces that was not replaced, a name that is lost, a text that is the English one.
func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	w := newWriter(t, branded())
	inEnglish := reflect.ValueOf(w.languages.all[0].w)
	for _, l := range w.languages.all {
		for _, f := range everything() {
			if f.Reason != listedCountry && (f.Kind != Purchase || len(f.Products) != 1) {
				continue // it says the same of all
			}
			for form := range forms {
				var buf bytes.Buffer
				if got := w.compose(&buf, form, l, &f, "https://shop.example/"); got != form {
					t.Fatalf("%s: form %d became %d", l.code, form, got)
				}
				text := buf.String()
				_, body, _ := strings.Cut(text, "</style>")
				if form != page451 {
					body = text
				}
				if form != problem && strings.ContainsAny(body, "{}") || strings.Contains(body, "!(") {
					t.Errorf("%s: something was not replaced in %s", l.code, body)
				}
				if !strings.Contains(text, f.Reference) {
					t.Errorf("%s: no reference in %s", l.code, text)
				}
				if f.Reason == listedCountry && len(f.Products) > 0 && form != line && !strings.Contains(text, "Kaspersky") {
					t.Errorf("%s: no product in %s", l.code, text)
				}
				if form == page451 && compressed(buf.Bytes()) > mostPage {
					t.Errorf("%s: %d bytes when it is compressed", l.code, compressed(buf.Bytes()))
				}
			}
		}
		if l.code == english {
			continue
		}
		same := 0
		for i := range inEnglish.NumField() {
			if s := inEnglish.Field(i); s.Kind() == reflect.String && strings.Contains(s.String(), " ") && !strings.HasPrefix(s.String(), "{") && len(s.String()) > 5 && s.String() == reflect.ValueOf(l.w).Field(i).String() {
				same++
			}
		}
		if same > 0 {
			t.Errorf("%s: %d messages are the English ones", l.code, same)
		}
		seen := map[string]bool{}
		for _, reason := range append(Reasons(), "") {
			if seen[l.explanation(reason)] {
				t.Errorf("%s: two reasons read %q", l.code, l.explanation(reason))
			}
			seen[l.explanation(reason)] = true
		}
	}
}

// TestLinesFit checks that a terminal of 160 columns shows a line whole, and that it tells what matters in every language:
// the sentence, why nothing more is known, and the reference.
func TestLinesFit(t *testing.T) {
	t.Parallel()
	w := newWriter(t, branded())
	for _, l := range w.languages.all {
		for _, f := range everything() {
			if f.Reason != listedCountry && (f.Kind != Purchase || len(f.Products) != 1) {
				continue // it says the same of all
			}
			var buf bytes.Buffer
			w.line(&buf, l, &f)
			text, ok := strings.CutSuffix(buf.String(), "\n")
			if !ok || wide(text) > 159 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%s: %d columns: %q", l.code, wide(text), text)
			}
			if want := l.explanation(f.Reason); !strings.Contains(text, f.Reference) || !strings.Contains(text, want) {
				t.Errorf("%s: no %q or no reference in %q", l.code, want, text)
			}
			if one := len(f.Products) == 1; one && f.Reason == listedCountry && (!strings.Contains(text, l.sentence(&f)) || !strings.Contains(text, "89 FR 52434")) {
				t.Errorf("%s: no sentence or no basis in %q", l.code, text)
			}
		}
	}
	l := w.languages.all[0]
	long := sales()
	long.Products = []string{strings.Repeat("long ", 40)}
	var buf bytes.Buffer
	w.line(&buf, l, &long)
	if want := "For legal compliance purposes, these products cannot be purchased from your country. "; !strings.HasPrefix(buf.String(), want) {
		t.Errorf("a long name gives %q", buf.String())
	}
	cut := &language{code: "de", w: l.w}
	cut.w.Undetermined = strings.Repeat("字", 100)
	buf.Reset()
	w.line(&buf, cut, &Refusal{})
	if got := strings.TrimSuffix(buf.String(), "\n"); got != strings.Repeat("字", 79)+"…" {
		t.Errorf("a sentence without end gives %d columns: %q", wide(got), got)
	}
	if got := shorten("short", 10); got != "short" {
		t.Errorf("a short text became %q", got)
	}
}

func TestWide(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "abc": 3, "äö": 2, "e\u0301": 1, "法令": 4, "ｱ": 1, "Ａ": 2, "می\u200cشود": 5} {
		if got := wide(text); got != want {
			t.Errorf("%q is %d wide, want %d", text, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 7, 20, 0, 5, 0, 0, eastern)
	want := map[string]string{
		"en": "20 July 2024, 00:05", "de": "20. Juli 2024, 00:05 Uhr", "ja": "2024年7月20日 00:05", "hu": "2024. július 20., 00:05",
		"ar": "٢٠ يوليو ٢٠٢٤، ٠٠:٠٥", "fa": "۲۰ ژوئیه ۲۰۲۴، ساعت ۰۰:۰۵", "cs": "20. července 2024 00:05", "pt-BR": "20 de julho de 2024, 00:05",
	}
	for _, l := range all(t) {
		got := l.date(at)
		if text, ok := want[l.code]; ok && got != text {
			t.Errorf("%s: %s, want %s", l.code, got, text)
		}
		delete(want, l.code)
		months := map[string]bool{}
		for month := time.January; month <= time.December; month++ {
			months[l.date(time.Date(2024, month, 20, 0, 0, 0, 0, time.UTC))] = true
		}
		if len(months) != 12 {
			t.Errorf("%s: the months have %d names", l.code, len(months))
		}
	}
	if len(want) > 0 {
		t.Errorf("no languages for %v", want)
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for location, want := range map[*time.Location]string{
		time.UTC:                             "UTC",
		time.FixedZone("", 0):                "UTC+00:00",
		time.FixedZone("GMT", 0):             "GMT (UTC)",
		time.FixedZone("-03", -3*3600):       "UTC-03:00",
		time.FixedZone("+0530", 5*3600+1800): "UTC+05:30",
		eastern:                              "EDT (UTC-04:00)",
	} {
		if got := zone(time.Date(2025, 3, 3, 14, 5, 0, 0, location)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestCountriesHaveNames(t *testing.T) {
	t.Parallel()
	for _, l := range all(t) {
		for _, code := range []string{"US", "PR", "CU", "IR", "KP", "SY", "UA", "XK"} {
			if name := l.countryName(rules.CountryOf(code)); len(name) < 3 {
				t.Errorf("%s: %s is called %q", l.code, code, name)
			}
		}
		if name := l.countryName(0); name != "" {
			t.Errorf("%s: no country is called %q", l.code, name)
		}
	}
}

func TestMessagesOfTheOperator(t *testing.T) {
	t.Parallel()
	english, err := BuiltInMessages("en")
	if err != nil {
		t.Fatal(err)
	}
	irish := bytes.ReplaceAll(english, []byte("from your country"), []byte("ó do thír"))
	w := newWriter(t, Config{Language: "de", Messages: []Messages{
		{"de", "de.yaml", []byte("# ours\nmeaning: Das geht nicht.\r\n")},
		{"ga", "ga.yaml", irish},
	}})
	f := sales()
	for tag, want := range map[string]string{"de": "Das geht nicht.", "ga": "Kaspersky products cannot be purchased ó do thír.", "xx": "Aus rechtlichen Gründen können Produkte von Kaspersky"} {
		var page bytes.Buffer
		w.compose(&page, page451, w.languages.choose([]string{tag}), &f, "/")
		if !strings.Contains(page.String(), want) {
			t.Errorf("%s: no %q in %s", tag, want, page.String())
		}
	}
	// What one gateway says is not what another says.
	if text := newWriter(t, Config{}).languages.choose([]string{"de"}).w.Meaning; text == "Das geht nicht." {
		t.Error("the operator's words became the program's")
	}
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	twelve := "[a, b, c, d, e, f, g, h, i, j, k, l]"
	for text, want := range map[string]string{
		"titel: x":                           "m.yaml:1:1: there is no message \"titel\"; the messages are title, ",
		"title: x\ntitle: y":                 "m.yaml:2:1: message title occurs twice, first on line 1; keep one of the two",
		"purchase: no goods":                 "m.yaml:1:11: purchase does not have {products} once; write it where the value belongs",
		"purchase: \"{products}{products}\"": "m.yaml:1:11: purchase does not have {products} once; ",
		"title: \"{x}\"":                     "m.yaml:1:8: title has a brace too many; the words in braces that it can have are \"\"",
		"date: \"{day}{year}{time}{week}\"":  "m.yaml:1:7: date has a brace too many; the words in braces that it can have are \"{day} {year} {time} {month} {number}\"",
		"months: [a]":                        "m.yaml:1:9: months is not a list of twelve names; write [January, …, December]",
		"months: [a, b, c, d, e, f, g, h, i, j, k, {l: m}]": "m.yaml:1:9: months has an entry that is no text; ",
		"title: " + twelve:                   "m.yaml:1:8: title is no text of one line; ",
		"title: 7":                           "m.yaml:1:8: title is no text of one line; ",
		"title:":                             "title is no text of one line; ",
		"title: &a x":                        "title is no text of one line; ",
		"title: \"a\\nb\"":                   "m.yaml:1:8: title is no text of one line; ",
		"title: " + strings.Repeat("x", 501): "m.yaml:1:8: title is no text of one line; write one of up to 500 characters",
		"digits: \"0123\"":                   "m.yaml:1:9: digits are not ten; write the signs for 0 to 9, in quotes",
		"- title":                            "m.yaml:1:1: the file is no mapping of messages; write key: message, one a line",
		"title: \"x":                         "m.yaml:1:8: not YAML: ",
		strings.Repeat("#", MostWords+1):     "m.yaml:1:1: the file has more than 65536 bytes; ",
	} {
		_, err := New(Config{Messages: []Messages{{"de", "m.yaml", []byte(text)}}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "m.yaml:1:") && !strings.HasPrefix(err.Error(), "m.yaml:2:") {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
	for _, test := range []struct{ language, text, want string }{
		{"not a language", "title: x", `"not a language" is not a language; write its BCP 47 tag, such as de or pt-BR`},
		{"ga", "title: x", "m.yaml:1:1: language ga is new, and has no purchase, update, "},
	} {
		_, err := New(Config{Messages: []Messages{{test.language, "m.yaml", []byte(test.text)}}})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.language, err, test.want)
		}
	}
	// A new language whose dates name months needs them.
	text, _ := BuiltInMessages("ja")
	text = bytes.Replace(text, []byte("{number}"), []byte("{month}"), 1)
	if _, err := New(Config{Messages: []Messages{{"ga", "m.yaml", text}}}); err == nil || !strings.Contains(err.Error(), "has no months; ") {
		t.Errorf("without months: %v", err)
	}
}

// FuzzMessages checks that no file of messages ends the program, and that what is accepted can be told.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("title: x\nmonths: [a, b, c, d, e, f, g, h, i, j, k, l]\n"))
	f.Add([]byte("date: \"{day} {month} {year}, {time}\"\ndigits: ٠١٢٣٤٥٦٧٨٩"))
	f.Add([]byte("a: &a [*a]\n? {b}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := New(Config{Messages: []Messages{{"de", "m.yaml", text}}})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !regexp.MustCompile(`^m\.yaml:\d+:\d+: .+; .+`).MatchString(line) {
					t.Errorf("%q: no place, or nothing that would be right", line)
				}
			}
			return
		}
		l := w.languages.choose([]string{"de"})
		if l.tag != xlanguage.German {
			t.Fatalf("German is %s", l.code)
		}
		for _, r := range everything()[:8] {
			for form := range forms {
				var buf bytes.Buffer
				if w.compose(&buf, form, l, &r, "/") != form {
					t.Errorf("form %d fails", form)
				}
			}
		}
	})
}
