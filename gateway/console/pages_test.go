package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"gate451/rules"
)

// TestPages shows that every page comes with what keeps a browser from doing more with it than show it, has one heading,
// one main part and names for everything that is not text, and runs and styles nothing of its own.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	s.state.Evidence = &Evidence{Durability: "strict", Written: 12, Lines: 30, Trouble: "no space left"}
	s.state.Fleet = &Fleet{Up: true, Digests: 1, Generation: 3, Replicas: []Replica{{Name: "gate-1", Policy: "sha256:0123456789abcdef", Refused: "bad", Started: testNow}},
		Pauses: []Pause{{"sales", "a mistake", "ann", testNow.Add(time.Hour)}}}
	s.totals = []Total{{Key{Blocked, "sales", "US"}, 1234}, {Key{WouldBlock, "coming", "FR"}, 2}, {Key{Allowed, "", "FR"}, 40}}
	s.find = func(string) ([]string, error) { return nil, nil }
	v := serve(t, s, testToken)
	v.feed.Add(&Entry{Decision: decided(t, rules.Block), Reference: "AAAA-0001", Method: "GET", Host: "shop.example", Path: "/cart"})
	signIn := v.get("/sign-in")
	v.signIn(testToken)
	for path, a := range map[string]answer{
		"/": v.get("/"), "/?span=days": v.get("/?span=days"), "/calendar": v.get("/calendar"), "/why": v.get("/why"), "/why?reference=AAAA-0001": v.get("/why?reference=AAAA-0001"),
		"/live": v.get("/live"), "/live?show=blocks": v.get("/live?show=blocks"), "/policy": v.get("/policy"), "/sign-in": signIn,
	} {
		t.Run(path, func(t *testing.T) {
			if a.StatusCode != http.StatusOK {
				t.Fatalf("%s\n%s", a.Status, a.text)
			}
			for name, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
				"X-Frame-Options": "DENY", "Content-Security-Policy": contentPolicy, "Cross-Origin-Opener-Policy": "same-origin",
			} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			tally := looked(t, a.text)
			for what, want := range map[string]int{"h1": 1, "main": 1, "style": 0, "@style": 0, "@on": 0, "iframe": 0} {
				if tally[what] != want {
					t.Errorf("%d of %s, want %d", tally[what], what, want)
				}
			}
			if tally["table"] != tally["caption"] || tally["svg"] != tally["named svg"] || tally["inline script"] > 0 {
				t.Errorf("not everything has a name, or a script is in the page: %v", tally)
			}
		})
	}
}

// looked counts what is in a page, and holds ids to be different and references to lead somewhere.
func looked(t *testing.T, text string) map[string]int {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	tally, ids := map[string]int{}, map[string]bool{}
	var refers []string
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		tally[n.Data]++
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") {
				tally["@on"]++
			}
			if a.Key == "style" {
				tally["@style"]++
			}
			if a.Key == "aria-labelledby" || a.Key == "aria-describedby" || a.Key == "for" {
				refers = append(refers, strings.Fields(a.Val)...)
			}
		}
		if id := attributes["id"]; id != "" {
			if ids[id] {
				t.Errorf("the id %s is there twice", id)
			}
			ids[id] = true
		}
		if n.Data == "svg" && (attributes["aria-labelledby"] != "" || attributes["aria-hidden"] == "true") {
			tally["named svg"]++
		}
		if n.Data == "script" && (attributes["src"] == "" || n.FirstChild != nil) {
			tally["inline script"]++
		}
	}
	for _, id := range refers {
		if !ids[id] {
			t.Errorf("nothing has the id %s", id)
		}
	}
	return tally
}

// TestWhatPagesSay reads on the pages what the gateway has told.
func TestWhatPagesSay(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	s.totals = []Total{{Key{Blocked, "sales", "US"}, 1234}, {Key{WouldBlock, "coming", "FR"}, 2}, {Key{Allowed, "", "FR"}, 40}, {Key{Ungoverned, "", ""}, 5}}
	v := serve(t, s, "")
	wants(t, v.page("/"), "Nothing is wrong", "Blocked: 1,234, Would block: 2, Allowed: 40", "US the United States", "9 days old", "in 95 days", "ancient exception ends",
		"No activity of the policy claims 5 further requests", "3 active", "not kept", "alone", "gate-1")
	wants(t, v.page("/calendar"), "In 95 days", "begins (shadow mode)", "an exception", "exception ends: licence 1", "269 days ago", `href="https://law.example/"`, "America/New_York")
	wants(t, v.page("/policy"), "policy.yaml", s.state.Policy.Digest(), "3 active, 1 coming, 1 past", "time_zone: America/New_York")
	wants(t, v.page("/live"), "No governed decision has been made yet")
	s.state.Evidence, s.state.PolicyTrouble = &Evidence{Durability: "strict", Lines: 7, Trouble: "no space left"}, "policy.yaml:1:1: bad"
	s.state.Fleet = &Fleet{Replicas: []Replica{{Name: "gate-1", Policy: "sha256:0123456789abcdef"}, {Name: "gate-2", Refused: "it is bad"}}, Digests: 2}
	wants(t, v.page("/"), "no space left", "blocked", "2 replicas", "Redis does not answer", "2 policies", "refused: it is bad", "policy.yaml:1:1: bad", "last reload failed", `title="Serious problems">4`)
	s.state.Policy, s.state.Databases = parsed(t, "version: 1\n"), nil
	wants(t, v.page("/"), "no rule", "no change is to come", "none")
	wants(t, v.page("/calendar"), "The policy has no rule", "Nothing is to come", "No change is to come", "Nothing has changed so far")
}

// TestUnknownPagesAreNone shows that there is nothing beside the pages, and that a page is only asked for as it is meant.
func TestUnknownPagesAreNone(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	for request, want := range map[string]int{"GET /nothing": 404, "GET /live/": 404, "POST /": 405, "PUT /policy": 405, "GET /policy/reload": 405, "GET /sign-out": 405, "GET /assets/x/console.css": 404, "GET /assets/x/y": 404} {
		method, path, _ := strings.Cut(request, " ")
		if got := v.ask(method, path, nil).StatusCode; got != want {
			t.Errorf("%s is answered %d, want %d", request, got, want)
		}
	}
	for name := range v.assets {
		a := v.get(v.assets.address(name))
		if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("X-Content-Type-Options") != "nosniff" || len(a.text) < 100 {
			t.Errorf("%s: %s %v", name, a.Status, a.Header)
		}
	}
}
