package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
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

// TestSigningIn shows that nobody gets in without the token, and with it everybody where they wanted to go.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, testToken)
	for _, page := range []string{"/", "/calendar", "/why", "/live", "/policy"} {
		if a := v.get(page); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in?to="+page || strings.Contains(a.text, "gate-1") {
			t.Errorf("%s: %s to %s", page, a.Status, a.Header.Get("Location"))
		}
	}
	for _, request := range []string{"POST /policy/reload", "POST /why", "GET /live/events"} {
		method, path, _ := strings.Cut(request, " ")
		if a := v.ask(method, path, nil); a.StatusCode != http.StatusUnauthorized || s.reloaded > 0 {
			t.Errorf("%s: %s, %d reloads", request, a.Status, s.reloaded)
		}
	}
	if a := v.signIn("wrong"); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
		t.Errorf("a wrong token: %s", a.Status)
	}
	a := v.signIn(" " + testToken + "\n") // as it is pasted
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/why" || len(a.Cookies()) != 1 || strings.Contains(fmt.Sprint(a.Header), testToken) {
		t.Fatalf("the right token: %s %v", a.Status, a.Header)
	}
	wants(t, v.page("/"), "Sign out")
	if a := v.get("/sign-in?to=/live"); a.Header.Get("Location") != "/live" {
		t.Errorf("who is signed in and asks to be: %s", a.Header.Get("Location"))
	}
	if a := v.ask(http.MethodPost, "/sign-out", nil); a.StatusCode != http.StatusSeeOther || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signing out: %s %v", a.Status, a.Cookies())
	}
	if a := v.get("/"); a.StatusCode != http.StatusSeeOther { // with the old cookie
		t.Errorf("after signing out: %s", a.Status)
	}
	v.cookies = nil
	for _, to := range []string{"https://evil.example/", "//evil.example", "/policy/reload", `/\evil.example`} {
		if a := v.ask(http.MethodPost, "/sign-in", url.Values{"token": {testToken}, "to": {to}}); a.Header.Get("Location") != "/" {
			t.Errorf("sent to %s", a.Header.Get("Location"))
		}
	}
	if a := v.get("/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken) }); a.StatusCode != http.StatusOK {
		t.Errorf("a command with the token: %s", a.Status)
	}
	for range mostGuesses {
		a = v.signIn("wrong")
	}
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("after too many guesses: %s", a.Status)
	}
	if a := v.signIn(testToken); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("guesses have no limit: %s", a.Status)
	}
	v.door.random = strings.NewReader("")
	clear(v.door.guesses)
	if a := v.signIn(testToken); a.StatusCode != http.StatusInternalServerError {
		t.Errorf("without random numbers: %s", a.Status)
	}
}

// TestWithoutAToken shows that only this machine gets in then, and only under a name that means it.
func TestWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, "")
	v.page("/")
	for _, path := range []string{"/", "/live/events", "/policy"} {
		for _, change := range []func(*http.Request){
			func(r *http.Request) { r.Host = "evil.example:9451" }, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		} {
			if a := v.get(path, change); a.StatusCode != http.StatusForbidden || strings.Contains(a.text, "gate-1") {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	}
	if a := v.ask(http.MethodPost, "/policy/reload", nil, func(r *http.Request) { r.Host = "evil.example" }); a.StatusCode != http.StatusForbidden || s.reloaded > 0 {
		t.Errorf("a reload under another name: %s", a.Status)
	}
	for _, request := range []string{"GET /sign-in", "POST /sign-in"} {
		method, path, _ := strings.Cut(request, " ")
		if a := v.ask(method, path, nil); a.Header.Get("Location") != "/" {
			t.Errorf("%s without a token: %s", request, a.Status)
		}
	}
}

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

// reading is a reader of the stream.
type reading struct {
	t       *testing.T
	res     *http.Response
	scanner *bufio.Scanner
}

func (v *served) follow(t *testing.T, path string, change ...func(*http.Request)) *reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	for _, f := range change {
		f(r)
	}
	res, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	scanner := bufio.NewScanner(res.Body)
	scanner.Buffer(nil, 1<<20)
	return &reading{t, res, scanner}
}

// next returns the next event; ok is false if the stream has ended.
func (r *reading) next() (id string, n news, ok bool) {
	r.t.Helper()
	for r.scanner.Scan() {
		line := r.scanner.Text()
		if text, is := strings.CutPrefix(line, "id: "); is {
			id = text
		}
		if text, is := strings.CutPrefix(line, "data: "); is {
			if err := json.Unmarshal([]byte(text), &n); err != nil {
				r.t.Fatalf("%q: %v", text, err)
			}
			return id, n, true
		}
	}
	return "", n, false
}

// TestStream shows what a reader is told, and that it goes on where it was.
func TestStream(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	block, allow := decided(t, rules.Block), decided(t, rules.Allow)
	v.feed.Add(&Entry{Decision: block, Path: "/old"})
	all, blocks := v.follow(t, "/live/events?after=1"), v.follow(t, "/live/events?after=1&show=blocks")
	if got := all.res.Header.Get("Content-Type"); got != "text/event-stream" || all.res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the stream is %s", got)
	}
	v.feed.Add(&Entry{Decision: allow, Path: "/pass"})
	v.feed.Add(&Entry{Decision: block, Path: "/<b>\u2028", Reference: "AAAA-0001"})
	var got []string
	var last string
	for len(got) < 2 {
		id, n, ok := all.next()
		if !ok || n.Missed > 0 {
			t.Fatalf("%v %+v", ok, n)
		}
		last = id
		for i := range n.Decisions {
			got = append(got, n.Decisions[len(n.Decisions)-1-i].Path)
		}
	}
	if fmt.Sprint(got) != `[/pass /<b>\u2028]` || last != "3" {
		t.Errorf("told %v, the last is %s", got, last)
	}
	if _, n, ok := blocks.next(); !ok || len(n.Decisions) != 1 || n.Decisions[0].Reference != "AAAA-0001" || n.Decisions[0].Client != "about 50.114.0.1" {
		t.Errorf("blocks alone: %v %+v", ok, n)
	}
	again := v.follow(t, "/live/events?after=1", func(r *http.Request) { r.Header.Set("Last-Event-ID", "2") })
	if _, n, ok := again.next(); !ok || len(n.Decisions) != 1 || n.Decisions[0].Number != 3 {
		t.Errorf("on after 2: %v %+v", ok, n)
	}
	restarted := v.follow(t, "/live/events?after=1000")
	if _, n, ok := restarted.next(); !ok || len(n.Decisions) != 3 {
		t.Errorf("after the number of another process: %v %+v", ok, n)
	}
}

// TestFloodOfNews shows that a reader gets no more than can be shown, and is told how many passed by.
func TestFloodOfNews(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	allow := decided(t, rules.Allow)
	for range 5000 {
		v.feed.Add(&Entry{Decision: allow, Path: "/cart"})
	}
	_, n, ok := v.follow(t, "/live/events?after=0").next()
	if !ok || len(n.Decisions) != mostShown || n.Missed != 5000-mostShown || n.Decisions[0].Number != 5000 {
		t.Errorf("%v, %d told, %d missed", ok, len(n.Decisions), n.Missed)
	}
}

// TestReaders shows that they are few, and that each gives its place back.
func TestReaders(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	var all []*reading
	for range mostReaders {
		all = append(all, v.follow(t, "/live/events"))
	}
	one := v.follow(t, "/live/events")
	if one.res.StatusCode != http.StatusServiceUnavailable || one.res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", one.res.Status)
	}
	for _, r := range all {
		r.res.Body.Close()
	}
	for limit := time.Now().Add(patience); v.readers.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d places are not given back", v.readers.Load())
		}
	}
}

// TestStreamEndsWithTheSession shows that who signs out, or stays for too long, is told nothing more.
func TestStreamEndsWithTheSession(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), testToken)
	v.signIn(testToken)
	r := v.follow(t, "/live/events")
	command := v.follow(t, "/live/events", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken); r.Header.Del("Cookie") })
	v.feed.Add(&Entry{Decision: decided(t, rules.Block)})
	if _, _, ok := r.next(); !ok {
		t.Fatal("who is signed in is told nothing")
	}
	if a := v.ask(http.MethodPost, "/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	v.feed.Add(&Entry{Decision: decided(t, rules.Block)})
	if _, _, ok := r.next(); ok {
		t.Error("who has signed out is told more")
	}
	if _, _, ok := command.next(); !ok {
		t.Error("a command with the token is told nothing")
	}
}
