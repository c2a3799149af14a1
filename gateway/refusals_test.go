package gateway_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gate451/config"
	"gate451/gateway"
)

const brand = `refusal:
  blocked_by: https://shop.example/legal
  name: Fjell Shop
  logo: logo.svg
  colors: {accent: "#0f6b4f"}
  contact: compliance@shop.example
  alternatives: [{title: Other makers, url: "https://shop.example/security?a=b&c=d"}]
  language: fr
  messages: {de: de.yaml}
`

var brandFiles = map[string][]byte{
	"logo.svg": []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>`),
	"de.yaml":  []byte("meaning: Wir dürfen das nicht verkaufen.\n"),
	"own.html": []byte("<html lang={{.Language}}><title>{{.Title}}</title><p>{{.Sentence}} {{.Reference.Text}} own page"),
}

// TestRefusalsOfAShop asks a gateway that says how its refusals look and what they say.
func TestRefusalsOfAShop(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: brand, files: brandFiles})
	const page = "text/html"
	for _, c := range []struct{ buyer, accept, language, want string }{
		{american, page, "de-DE,de;q=0.9", "<p class=\"meaning\">Wir dürfen das nicht verkaufen.</p>"},
		{american, page, "de", "Vereinigte Staaten"},
		{american, page, "de", "<img src=\"data:image/svg&#43;xml;base64,"},
		{american, page, "de", "--accent: #0f6b4f;"},
		{american, page, "de", `<a href="https://shop.example/security?a=b&amp;c=d" rel="noreferrer"><bdi>Other makers</bdi></a>`},
		{american, page, "de", `<a href="mailto:compliance@shop.example">`},
		{american, page, "", "Pour des raisons de conformité légale, les produits Kaspersky ne peuvent pas être achetés"},
		{american, "*/*", "en", theSentence},
		{nowhere, "*/*", "en", "For legal compliance purposes, this request was refused. Your country could not be determined. "},
		{private, page, "en", "Your country could not be determined: the request came from a private network. As long as that is so"},
		{nobody, page, "en", "Your country could not be determined: the request&#39;s address is not known."},
	} {
		a := g.get(t, c.buyer, "http://shop.example/cart", "Accept", c.accept, "Accept-Language", c.language)
		if a.StatusCode != 451 || !strings.Contains(a.text, c.want) {
			t.Errorf("%s in %q: %d, no %q in %s", c.buyer, c.language, a.StatusCode, c.want, a.text)
		}
		language, _, _ := strings.Cut(c.language, "-")
		if language == "" {
			language = "fr"
		}
		if got := a.Header.Get("Content-Language"); got != language {
			t.Errorf("%q is answered in %q", c.language, got)
		}
		if reference := a.Header.Get("Gate451-Reference"); reference == "" || !strings.Contains(a.text, reference) {
			t.Errorf("reference %q is not in %s", reference, a.text)
		}
	}
	a := g.get(t, american, "http://shop.example/cart", "Accept", "application/json")
	var details struct {
		Detail, Contact string
		BlockedBy       string `json:"blocked_by"`
		Alternatives    []struct{ Title, URL string }
	}
	if err := json.Unmarshal([]byte(a.text), &details); err != nil {
		t.Fatal(err)
	}
	if len(details.Alternatives) != 1 || details.Alternatives[0].URL != "https://shop.example/security?a=b&c=d" || details.BlockedBy != "https://shop.example/legal" ||
		details.Contact != "compliance@shop.example" || !strings.HasPrefix(details.Detail, "Pour des raisons") {
		t.Errorf("%s", a.text)
	}
}

// TestAlternativesOfARule has one rule that names alternatives of its own, and one that does not.
func TestAlternativesOfARule(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: brand, files: brandFiles, policy: packPolicy + `rules:
  - {id: embargo, activity: sale, countries: [DE], alternatives: [{title: Ask for a licence, url: "https://shop.example/licences"}]}
`})
	for buyer, want := range map[string]string{german: "Ask for a licence", american: "Other makers"} {
		for _, accept := range []string{"text/html", "application/json"} {
			a := g.get(t, buyer, "http://shop.example/cart", "Accept", accept)
			if a.StatusCode != 451 || !strings.Contains(a.text, want) || strings.Contains(a.text, "Other makers") != (buyer == american) {
				t.Errorf("%s: %d, no %q alone in %s", buyer, a.StatusCode, want, a.text)
			}
		}
	}
}

func TestARefusalOfTheOperatorsOwn(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: "refusal: {template: own.html}\n", files: brandFiles})
	a := g.get(t, american, "http://shop.example/cart?<mark>", "Accept", "text/html", "Referer", "http://mark/", "User-Agent", "mark")
	if a.StatusCode != 451 || !strings.HasSuffix(a.text, "own page") || !strings.Contains(a.text, theSentence) || strings.Contains(a.text, "mark") {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	if got := a.Header.Get("Content-Security-Policy"); !strings.Contains(got, "style-src 'none'") {
		t.Errorf("a page without style may have style: %s", got)
	}
}

// TestWhatIsWrongWithRefusals checks that each mistake in what refusals are made from is found at load, at its place, and
// that the gateway does not begin.
func TestWhatIsWrongWithRefusals(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`logo: logo.svg`:                                  `gateway.yaml:1:17: the logo has no name `,
		`name: Shop, logo: none.svg`:                      `gateway.yaml:1:29: logo ".*none.svg" cannot be read: no such file or directory; `,
		`name: Shop, logo: empty.svg`:                     `gateway.yaml:1:29: logo ".*empty.svg" cannot be read: it is empty; `,
		`name: Shop, logo: large.svg`:                     `gateway.yaml:1:29: logo ".*large.svg" cannot be read: it has more than 32768 bytes; `,
		`name: Shop, logo: logo.svg, logo_dark: de.yaml`:  `gateway.yaml:1:50: logo_dark is neither PNG nor JPEG nor SVG; `,
		`colors: {accent: "#fc0"}`:                        `gateway.yaml:1:28: accent #ffcc00 on background #ffffff has a contrast of 1.51, `,
		`colors: {background: "#222"}`:                    `gateway.yaml:1:32: text #1b1f24 on background #222222 has a contrast of 1.0., `,
		`dark_colors: {text: "#123"}`:                     `gateway.yaml:1:31: text #112233 on background #14171b `,
		`language: tlh`:                                   `gateway.yaml:1:21: there are no messages in language "tlh"; `,
		`messages: {de: bad.yaml}`:                        `bad.yaml:2:1: there is no message "tittle"; `,
		`messages: {gsw: de.yaml}`:                        `de.yaml:1:1: language gsw is new, and has no title, `,
		`messages: {gsw: none.yaml}`:                      `gateway.yaml:1:27: messages ".*none.yaml" cannot be read: `,
		`template: bad.html`:                              `bad.html:2:1: the template fails in language en: .*Host`,
		`template: none.html`:                             `gateway.yaml:1:21: template ".*none.html" cannot be read: `,
		`blocked_by: "https://shop.example", template: .`: `gateway.yaml:1:57: template ".*" cannot be read: is a directory; `,
		`alternatives: [` + strings.Repeat(`{title: a, url: "https://a.example"}, `, 9) + `]`: `gateway.yaml:1:25: there are 9 alternatives; name the best 8`,
	} {
		dir := t.TempDir()
		files := map[string][]byte{
			"bad.yaml": []byte("title: x\ntittle: y\n"), "bad.html": []byte("<html lang=en><title>{{.Title}}</title>\n{{.Host}}"), "empty.svg": {}, "large.svg": make([]byte, 33<<10),
		}
		for name, content := range brandFiles {
			files[name] = content
		}
		s := setup{config: "refusal: {" + line + "}\n", files: files}
		cfg, err := config.Load(s.write(t, dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = gateway.Check(cfg, gateway.Options{})
		if err == nil || !regexp.MustCompile(`^`+regexp.QuoteMeta(dir+string(filepath.Separator))+want).MatchString(err.Error()) {
			t.Errorf("%s: %v\nwant %s", line, err, want)
		}
	}
}
