package gateway_test

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"

	"gate451/config"
	"gate451/gateway"
)

const (
	adminToken   = "b0a3c1f2d4e5968778695a4b3c2d1e0f"
	tokenOfAdmin = `admin: {listen: "127.0.0.1:0", token_file: admin.token}` + "\n"
	bearer       = "Bearer " + adminToken
)

// console asks for a page as a command does that has the token.
func (g *gate) console(t testing.TB, path string) string {
	t.Helper()
	a := g.admin(t, http.MethodGet, path, "Authorization", bearer)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", path, a.Status, a.text)
	}
	return html.UnescapeString(a.text)
}

// form posts a form to the admin port.
func (g *gate) form(t testing.TB, path string, fields url.Values, headers ...string) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return exchange(t, client, http.MethodPost, "http://"+g.AdminAddr().String()+path, strings.NewReader(fields.Encode()), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

// TestConsole reads on the pages what traffic has led to.
func TestConsole(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		policy: recordedPolicy, upstream: newShop(t, ok), config: "replica: gate-1\nevidence: {dir: evidence}\n" + tokenOfAdmin,
		files: map[string][]byte{"admin.token": []byte(adminToken + "\n")},
	})
	for range 3 {
		g.get(t, american, "http://shop.example/cart")
	}
	g.get(t, german, "http://shop.example/cart/%e2%80%ae%3Cb%3E?secret=1")
	g.get(t, german, "http://shop.example/about")
	reference := g.get(t, american, "http://shop.example/cart/mine").Header.Get("Gate451-Reference")

	overview := g.console(t, "/")
	for _, want := range []string{"Blocked: 4, Would block: 0, Allowed: 1", "US the United States", "No activity of the policy claims 1 further request.", "gate-1", "in 5 years", "coming begins", "5 records since the start; strict"} {
		if !strings.Contains(overview, want) {
			t.Errorf("the overview does not say %q:\n%s", want, overview)
		}
	}
	live := g.console(t, "/live")
	for _, want := range []string{"50.114.0.0/24", reference, "shop.example/cart/%e2%80%ae%3Cb%3E", "listed_country"} {
		if !strings.Contains(live, want) {
			t.Errorf("the latest decisions do not have %q:\n%s", want, live)
		}
	}
	for _, secret := range []string{american, german, "secret=1"} {
		if strings.Contains(live, secret) {
			t.Errorf("the latest decisions tell %s", secret)
		}
	}
	if found := g.console(t, "/why?reference="+strings.ToLower(reference)); !strings.Contains(found, "In the evidence") || !strings.Contains(found, "<bdi>/cart/mine</bdi>") {
		t.Errorf("the reference %s is not found:\n%s", reference, found)
	}
	if calendar := g.console(t, "/calendar"); !strings.Contains(calendar, "coming begins") || !strings.Contains(calendar, "watched") {
		t.Errorf("the calendar:\n%s", calendar)
	}
	if policy := g.console(t, "/policy"); !strings.Contains(policy, "note: licence 1}]}") || !strings.Contains(policy, g.file("policy.yaml")) {
		t.Errorf("the policy:\n%s", policy)
	}
}

// TestConsoleExplains compares the steps on the page with those that the command prints, for good and bad questions.
func TestConsoleExplains(t *testing.T) {
	t.Parallel()
	s := setup{policy: recordedPolicy, upstream: "http://127.0.0.1:1"}
	g := start(t, s)
	cfg, err := config.Load(g.file("gateway.yaml"), nil)
	must(t, err)
	enforcer, err := gateway.NewEnforcer(cfg, gateway.Options{Now: g.now.now})
	must(t, err)
	for _, q := range []struct{ ip, url, method, at, headers, body, wrong string }{
		{ip: american, url: "https://shop.example/cart"},
		{ip: german, url: "https://shop.example/cart", method: "POST", at: "2024-03-01", headers: "Content-Type: text/plain\r\n\r\nX-A: b", body: "x"},
		{ip: american, url: "https://shop.example/%00"},
		{ip: "x", url: "https://shop.example/", wrong: `"x" is no address; expected one such as 50.114.0.1`},
		{ip: american, url: "shop", wrong: `"shop" is no URL`},
		{ip: american, url: "https://shop.example/", at: "soon", wrong: `"soon" is no instant`},
		{ip: american, url: "https://shop.example/", headers: "no field", wrong: `"no field" is no header field; expected one such as Content-Type: application/json`},
	} {
		a := g.form(t, "/why", url.Values{"ip": {q.ip}, "url": {q.url}, "method": {q.method}, "at": {q.at}, "headers": {q.headers}, "body": {q.body}})
		page := html.UnescapeString(a.text)
		if q.wrong != "" {
			if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, q.wrong) {
				t.Errorf("%+v: %s\n%s", q, a.Status, page)
			}
			continue
		}
		asked := gateway.Question{IP: netip.MustParseAddr(q.ip), URL: q.url, Method: q.method, At: g.now.now(), Body: []byte(q.body)}
		if q.at != "" {
			asked.At, err = enforcer.ParseInstant(q.at)
			must(t, err)
		}
		account, err := enforcer.Explain(asked)
		must(t, err)
		for _, step := range account.Steps() {
			if want := fmt.Sprintf("<b>%s</b> <bdi>%s</bdi>", step.About, step.Text); !strings.Contains(page, want) {
				t.Errorf("%+v: the page lacks %s:\n%s", q, want, page)
			}
		}
	}
}

// TestConsoleIsTheOperators shows who does not get in, and what nobody can have an operator's browser do.
func TestConsoleIsTheOperators(t *testing.T) {
	t.Parallel()
	locked := start(t, setup{config: tokenOfAdmin, files: map[string][]byte{"admin.token": []byte(adminToken + "\n")}})
	open := start(t, setup{})
	in := locked.form(t, "/sign-in", url.Values{"token": {adminToken}})
	cookies := in.Cookies()
	if in.StatusCode != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Value == adminToken {
		t.Fatalf("signing in: %s, %v", in.Status, cookies)
	}
	cookie := cookies[0].Name + "=" + cookies[0].Value
	for _, path := range []string{"/sign-in", "/sign-out", "/why", "/policy/reload", "/-/reload"} {
		for name, headers := range map[string][]string{
			"another site": {"Origin", "https://evil.example"}, "another port": {"Origin", "http://" + locked.PublicAddr().String(), "Sec-Fetch-Site", "same-site"},
			"a sandbox": {"Origin", "null"}, "told by the browser": {"Sec-Fetch-Site", "cross-site"},
		} {
			for _, g := range []*gate{locked, open} {
				a := g.form(t, path, url.Values{"token": {adminToken}, "ip": {"1.2.3.4"}, "url": {"http://x/"}}, append(headers, "Cookie", cookie)...)
				if a.StatusCode != http.StatusForbidden {
					t.Errorf("%s from %s: %s", path, name, a.Status)
				}
			}
		}
	}
	if a := locked.form(t, "/policy/reload", nil, "Cookie", cookie, "Origin", "http://"+locked.AdminAddr().String(), "Sec-Fetch-Site", "same-origin"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the operator's own form: %s", a.Status)
	}
	rebound := func(path string) answer {
		_, port, _ := strings.Cut(open.AdminAddr().String(), ":")
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		r, err := http.NewRequest(http.MethodPost, "http://"+open.AdminAddr().String()+path, http.NoBody)
		must(t, err)
		r.Host = "evil.example:" + port
		r.Header.Set("Origin", "http://evil.example:"+port) // which is the page's own, as far as the browser knows
		res, err := client.Do(r)
		must(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		must(t, err)
		return answer{res, string(text)}
	}
	for _, path := range []string{"/policy/reload", "/-/reload", "/why"} {
		if a := rebound(path); a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, "name that does not mean this machine") {
			t.Errorf("a name that was made to point here, %s: %s %s", path, a.Status, a.text)
		}
	}
}

// TestAdminPortWithoutABrowser shows that what commands and monitors ask for is as it was, token or not.
func TestAdminPortWithoutABrowser(t *testing.T) {
	t.Parallel()
	locked := start(t, setup{config: tokenOfAdmin, files: map[string][]byte{"admin.token": []byte(adminToken + "\n")}})
	open := start(t, setup{})
	for _, c := range []struct {
		g            *gate
		method, path string
		token        string
		want         int
	}{
		{locked, "GET", "/metrics", "", 200}, {locked, "GET", "/healthz", "", 200}, {locked, "GET", "/readyz", "", 200}, {locked, "GET", "/evidence/checkpoint", "", 404},
		{locked, "POST", "/-/reload", "", 401}, {locked, "POST", "/-/reload", "Bearer wrong", 401}, {locked, "POST", "/-/reload", bearer, 200}, {locked, "GET", "/-/reload", "", 405},
		{open, "GET", "/metrics", "", 200}, {open, "POST", "/-/reload", "", 200}, {open, "POST", "/metrics", "", 405}, {open, "GET", "/nothing", "", 404},
	} {
		var headers []string
		if c.token != "" {
			headers = []string{"Authorization", c.token}
		}
		if a := c.g.admin(t, c.method, c.path, headers...); a.StatusCode != c.want || strings.Contains(a.text, "<") {
			t.Errorf("%s %s with %q: %s, want %d", c.method, c.path, c.token, a.Status, c.want)
		}
	}
	for range 9 { // one was presented above
		locked.admin(t, http.MethodPost, "/-/reload", "Authorization", "Bearer wrong")
	}
	if a := locked.admin(t, http.MethodPost, "/-/reload", "Authorization", bearer); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("after too many guesses: %s", a.Status)
	}
	if a := locked.admin(t, http.MethodGet, "/metrics"); a.StatusCode != http.StatusOK {
		t.Errorf("the metrics after too many guesses: %s", a.Status)
	}
}

// TestConsoleShowsABadPolicy shows the errors of a new version at their lines, what stays in force, and that a good one
// ends it.
func TestConsoleShowsABadPolicy(t *testing.T) {
	t.Parallel()
	s := setup{policy: restricted("a", "US"), config: tokenOfAdmin, files: map[string][]byte{"admin.token": []byte(adminToken + "\n")}}
	g := start(t, s)
	g.replace(t, "policy.yaml", []byte("version: 1\nrulez: []\ncatalogues: [goods.csv]\n"))
	if a := g.form(t, "/policy/reload", nil, "Authorization", bearer); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	page := g.console(t, "/policy")
	for _, want := range []string{`<mark>rulez</mark>: []`, "policy.yaml:2:1", "block-a", "found what is bad", `<span class="bad">failed`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if overview := g.console(t, "/"); !strings.Contains(overview, "The last version of the policy could not be loaded") || !strings.Contains(overview, "last reload failed") {
		t.Errorf("the overview:\n%s", overview)
	}
	must(t, os.Remove(g.file("policy.yaml")))
	g.form(t, "/policy/reload", nil, "Authorization", bearer)
	if page := g.console(t, "/policy"); !strings.Contains(page, "no such file") || !strings.Contains(page, "block-a") {
		t.Errorf("without the file:\n%s", page)
	}
	g.replace(t, "policy.yaml", []byte(restricted("b", "DE")))
	g.form(t, "/policy/reload", nil, "Authorization", bearer)
	if page := g.console(t, "/policy"); !strings.Contains(page, "all are good") || !strings.Contains(page, "block-b") || strings.Contains(page, "rulez") || strings.Contains(page, "block-a") {
		t.Errorf("after a good one:\n%s", page)
	}
	if overview := g.console(t, "/"); !strings.Contains(overview, "Nothing is wrong") {
		t.Errorf("the overview:\n%s", overview)
	}
}

// TestConsoleShowsBadDatabases shows that a database that is no good is told of until there is a good one.
func TestConsoleShowsBadDatabases(t *testing.T) {
	t.Parallel()
	good := database(t, built, map[string]string{"50.114.0.0/16": "US"})
	g := start(t, setup{config: "geoip: {databases: [geo.mmdb], max_age: 10d}\n", files: map[string][]byte{"geo.mmdb": good}})
	if overview := g.console(t, "/"); !strings.Contains(overview, "The database geo.mmdb is older than geoip.max_age") {
		t.Errorf("the overview:\n%s", overview)
	}
	const worry = "A database could not be loaded again"
	for content, bad := range map[string]bool{"no database": true, string(good): false} {
		g.replace(t, "geo.mmdb", []byte(content))
		_ = g.Reload() // the page says how that went
		if got := strings.Contains(g.console(t, "/"), worry); got != bad {
			t.Errorf("%.20q: told of it %v, want %v", content, got, bad)
		}
	}
}

// TestConsoleHidesAddresses shows that people see addresses in the form that the evidence has.
func TestConsoleHidesAddresses(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		"evidence: {dir: evidence, client: hmac}": "<td>hmac:2025-01-01:", "evidence: {dir: evidence, client: full}": "<td>" + american + "</td>",
		"evidence: {dir: evidence}": "<td>50.114.0.0/24</td>", "evidence: {client: hmac}": "<td>listed_country</td><td></td>", "evidence: {client: full}": "<td>" + american + "</td>", "": "<td>50.114.0.0/24</td>",
	} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{config: config + "\n"})
			g.get(t, american, "http://shop.example/cart")
			live := g.console(t, "/live")
			if !strings.Contains(live, want) || strings.Contains(live, american) != strings.Contains(want, american) {
				t.Errorf("the page lacks %s:\n%s", want, live)
			}
			g.get(t, nobody, "http://shop.example/cart")
			if !strings.Contains(g.console(t, "/live"), "<td>client_address</td><td></td>") {
				t.Error("a client without an address has one")
			}
		})
	}
}

// TestConsoleStreams shows that what is decided is told at once, and that nobody who follows holds up an answer or the end.
func TestConsoleStreams(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + g.AdminAddr().String() + "/live/events")
	must(t, err)
	defer res.Body.Close()
	lazy, err := http.NewRequest(http.MethodGet, "http://"+g.AdminAddr().String()+"/live/events", http.NoBody)
	must(t, err)
	idle, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(lazy) // whose body nobody reads
	must(t, err)
	defer idle.Body.Close()
	reference := g.get(t, american, "http://shop.example/cart").Header.Get("Gate451-Reference")
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), reference) {
	}
	if !strings.Contains(lines.Text(), `"verdict":"block"`) {
		t.Errorf("the stream ends with %q: %v", lines.Text(), lines.Err())
	}
	g.stop()
	must(t, g.end())
	for lines.Scan() {
	}
}
