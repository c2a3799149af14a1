package console

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gate451/rules"
)

// TestPolicyPage shows problems at their lines, those of other files apart, and what the button has done.
func TestPolicyPage(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, "")
	s.text.Refused = []byte("version: 1\r\nrulez: []\nrules: [größe, x]\nend")
	s.text.Problems = rules.Problems{{File: "policy.yaml", Line: 2, Column: 1, Message: "unknown key rulez"}, {File: "policy.yaml", Line: 3, Column: 16, Message: "no x"},
		{File: "policy.yaml", Line: 99, Column: 1, Message: "too far"}, {File: "goods.csv", Line: 7, Column: 2, Message: "no id"}}
	page := v.page("/policy")
	wants(t, page, "which is not in force", "<mark>rulez</mark>: []", "rules: [größe, <mark>x</mark>]", `href="#refused-2"`, "unknown key rulez", "too far", "goods.csv:7:2</code> no id", `<span class="bad">failed`)
	if !regexp.MustCompile(`(?s)id="refused-2".*?unknown key rulez.*?id="refused-3".*?no x`).MatchString(page) {
		t.Error("the problems are not at their lines")
	}
	s.text.Refused, s.text.Problems, s.text.Trouble = nil, nil, []string{"policy.yaml: permission denied"}
	wants(t, v.page("/policy"), "permission denied", `<span class="bad">failed`)
	s.text.Trouble = nil
	if a := v.ask(http.MethodPost, "/policy/reload", nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/policy" || s.reloaded != 1 {
		t.Errorf("reloading: %s to %s, %d reloads", a.Status, a.Header.Get("Location"), s.reloaded)
	}
	wants(t, v.page("/policy"), "all are good")
	s.reload = errors.New("policy.yaml:1:1: bad\ngeo.mmdb: worse")
	v.ask(http.MethodPost, "/policy/reload", nil)
	wants(t, v.page("/policy"), "found what is bad", "geo.mmdb: worse")
	s.text.InForce = []byte(strings.Repeat("#\n", mostLines+7))
	s.state.Fleet = &Fleet{Pauses: []Pause{{"sales", "a mistake", "ann", testNow}}}
	wants(t, v.page("/policy"), "7 further lines are not shown", "the fleet has published no policy", "by ann: a mistake")
}

// TestMark shows which word of a line is marked.
func TestMark(t *testing.T) {
	t.Parallel()
	for column, want := range map[int]string{1: "|ab|: [c, d]", 0: "|ab|: [c, d]", 6: "ab: [|c|, d]", 3: "ab|:| [c, d]", 11: "ab: [c, d]||", 99: "ab: [c, d]||"} {
		n := line{Text: "ab: [c, d]"}
		n.mark(column)
		if got := n.Before + "|" + n.Marked + "|" + n.Text; got != want {
			t.Errorf("column %d: %s, want %s", column, got, want)
		}
	}
}
