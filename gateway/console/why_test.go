package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestWhy shows what a reference leads to, and what is said where it leads nowhere.
func TestWhy(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, "")
	v.feed.Add(&Entry{Decision: shadowed(t), Reference: "AAAA-0001", Method: "POST", Host: "shop.example", Path: "/cart"})
	wants(t, v.page("/why?reference=aaaa+ooo1"), "Among the latest decisions", "POST shop.example/cart", "a, b, and others", "Try that request again", `value="https://shop.example/cart"`)
	wants(t, v.page("/why?reference=BBBB-0001"), "no evidence is kept")
	wants(t, v.page("/why?url=https%3A%2F%2Fx%2F&ip=1.2.3.4&method=PUT&at=2024-01-01"), `value="https://x/"`, `value="1.2.3.4"`, `value="PUT"`, `value="2024-01-01"`)
	s.state.Evidence = &Evidence{}
	var asked string
	s.find = func(reference string) ([]string, error) {
		asked = reference
		return []string{`{"verdict":"block","rule":"","country":"US","shadow":["a","b"],"at":"2024-09-26T10:00:00-04:00","host":"shop.example","path":"/cart/x","method":"GET","size":7}`}, nil
	}
	page := v.page("/why?reference=+BBBB-0001")
	wants(t, page, "In the evidence", "<dt>country</dt><dd><bdi>US</bdi>", "<bdi>a, b</bdi>", "<bdi>7</bdi>", `value="https://shop.example/cart/x"`)
	if asked != "BBBB-0001" || strings.Contains(page, "<dt>rule</dt>") {
		t.Errorf("asked for %q; %s", asked, page)
	}
	s.find = func(string) ([]string, error) { return nil, nil }
	wants(t, v.page("/why?reference=BBBB-0001"), "No decision in the evidence has this reference")
	s.find = func(string) ([]string, error) { return nil, errors.New("the disk is gone") }
	wants(t, v.page("/why?reference=BBBB-0001"), "the disk is gone")
	v.searching.Lock()
	wants(t, v.page("/why?reference=BBBB-0001"), "Another search")
	v.searching.Unlock()
}

// TestTry shows what becomes of a question.
func TestTry(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, "")
	var asked Question
	for verdict, class := range map[string]string{"BLOCK, answered 451: listed_country": "block", "ALLOW: exempt": "allow", "REJECTED, answered 400: bad": "reject", "?": ""} {
		s.explain = func(q Question) ([]Step, error) {
			asked = q
			return []Step{{"request", "GET \u202e" + q.URL}, {"verdict", verdict}}, nil
		}
		a := v.ask(http.MethodPost, "/why", url.Values{"ip": {" 1.2.3.4 "}, "url": {"https://x/<b>"}, "method": {"POST"}, "at": {"now"}, "headers": {"A: b"}, "body": {" {} "}})
		if a.StatusCode != http.StatusOK || asked != (Question{IP: "1.2.3.4", URL: "https://x/<b>", Method: "POST", At: "now", Headers: "A: b", Body: " {} "}) {
			t.Fatalf("%s, asked %+v", a.Status, asked)
		}
		wants(t, a.text, "&lt;U&#43;202E&gt;", `class="steps `+class+`"`, strings.ReplaceAll(verdict, "?", "verdict"), `value="https://x/&lt;b&gt;"`, "<details open>")
	}
	s.explain = func(Question) ([]Step, error) { return nil, errors.New("no such address") }
	if a := v.ask(http.MethodPost, "/why", url.Values{"ip": {"x"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.text, "no such address") {
		t.Errorf("a bad question: %s", a.Status)
	}
	if a := v.ask(http.MethodPost, "/why", url.Values{"body": {strings.Repeat("x", mostForm+1)}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a long form: %s", a.Status)
	}
}
