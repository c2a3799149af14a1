package console

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gate451/rules"
)

// hostile are texts that a buyer may choose.
var hostile = []string{
	`"><script>alert(1)</script>`, `'"><img src=x onerror=alert(1)>`, "javascript:alert(1)", "\u202egnp.exe\u2066", "{{.}}", "</script><script>", "\x1b[2J\x00\xff\r\nSet-Cookie: a=b",
	strings.Repeat("A", 1<<16), strings.Repeat("\u0430", 1000), "${7*7}`", "]]>", "<!--",
}

// TestHostileWords plays a buyer who attacks the operator through what the pages show.
func TestHostileWords(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	s.state.Evidence = &Evidence{}
	v := serve(t, s, "")
	clean := len(looked(t, v.page("/live")))
	for _, text := range hostile {
		v.feed.Add(&Entry{Decision: decided(t, rules.Block), Reference: "AAAA-0001", Method: text, Host: text, Path: text})
	}
	harmless := func(what, page string, most int) {
		t.Helper()
		for _, r := range page {
			if r > '~' && !strings.ContainsRune("·…■◩●○◆✓", r) || r < ' ' && r != '\n' && r != '\t' {
				t.Errorf("%s has the character %U", what, r)
				break
			}
		}
		for _, bad := range []string{"<script>", "<img", "onerror=alert(1)>", "</script><script"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %s", what, bad)
			}
		}
		if len(page) > most {
			t.Errorf("%s is %d bytes long", what, len(page))
		}
	}
	page := v.page("/live")
	harmless("the page", page, 50_000)
	if tally := looked(t, page); len(tally) > clean+3 { // time, bdi and b
		t.Errorf("the page has elements that were not in it before: %v", tally)
	}
	for _, text := range hostile {
		s.find = func(string) ([]string, error) {
			line, err := json.Marshal(map[string]any{"verdict": "block", "path": text, "host": text, text: text, "shadow": []string{text, text}, "n": 1})
			return []string{string(line), text}, err
		}
		harmless("a record", v.page("/why?reference="+url.QueryEscape("ZZZZ-0001")), 50_000)
		s.explain = func(Question) ([]Step, error) { return nil, errors.New(text + " is no address") }
		a := v.ask(http.MethodPost, "/why", url.Values{"ip": {"x"}, "url": {"y"}})
		for _, bad := range []string{"<script>", "<img", "\u202e", "\x1b"} {
			if strings.Contains(a.text, bad) {
				t.Errorf("an explanation has %q", bad)
			}
		}
	}
}
