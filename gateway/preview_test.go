package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/config"
	"gate451/gateway"
)

// previewToken is what an auditor was given.
const previewToken = "b7c1e9d2a4f86035c1d7e2b9a4f86035"

// withPreviews are the lines of a gateway.yaml that has previews, and their token's file.
const withPreviews = "refusal: {preview_token_file: preview.token}\n"

var previewFile = map[string][]byte{"preview.token": []byte(previewToken + "\n")}

// previewed are the header fields of an auditor who asks for something.
func previewed(what string) []string {
	return []string{"Gate451-Preview", what + "; token=" + previewToken}
}

const previewPolicy = `version: 1
time_zone: America/New_York
activities:
  sale:
    - {hosts: [shop.example], paths: [/cart]}
    - {hosts: [shop.example], paths: [/add], fields: [{json: sku}, {param: sku}], when: carried}
products: {restricted: [{skus: [KL1]}], tea: [{skus: [TEA]}]}
rules:
  - id: embargo
    activity: sale
    countries: [us-jurisdiction]
    unknown_country: block
    notice_from: 2024-06-20
    from: 2024-07-20
    until: 2090-01-01
    except:
      - {networks: [85.214.132.117], note: the auditor's own}
      - {tokens: ["` + tokenDigest + `"]}
      - {paths: [/cart/returns]}
      - {products: [tea]}
  - {id: crimea, activity: sale, countries: [UA]} # with its parts
  - {id: tenth, activity: sale, countries: [FR], rollout: 0.01%}
  - {id: watched, activity: sale, countries: [IT], mode: shadow}
`

// TestPreview shows whom an auditor is taken for, and that nothing but the one token is.
func TestPreview(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy, files: previewFile, config: withPreviews + "evidence: {dir: evidence, client: full, allows: none}\n"})
	const day, eve = "2024-07-20T00:00:00-04:00", "2024-07-19T23:59:59.999999999-04:00"
	asks := func(what string) string { return what + "; token=" + previewToken }
	for _, c := range []struct {
		target, asked string
		status        int
		told          string
	}{
		{"/cart", asks("country=US"), 451, `block; country=US; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="embargo"`},
		{"/cart", asks("country=PR; at=" + day), 451, `block; country=PR; at="` + day + `"; reason=listed_country; rule="embargo"`},
		{"/cart", asks("country=gu;at=2024-07-20"), 451, `block; country=GU; at="` + day + `"; reason=listed_country; rule="embargo"`},
		{"/cart", "token=\"" + previewToken + `";at="2024-07-20 00:00" ;country="US"`, 451, `block; country=US; at="` + day + `"; reason=listed_country; rule="embargo"`},
		{"/cart", asks("country=US; at=" + eve), 200, `allow; country=US; at="` + eve + `"; reason=not_effective; rule="embargo"; notice="embargo"`},
		{"/cart", asks("country=US; at=2090-01-01"), 200, `allow; country=US; at="2090-01-01T00:00:00-05:00"; reason=not_effective; rule="embargo"`},
		{"/%63art/../cart", asks("country=US"), 451, `block; country=US; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="embargo"`},
		{"/cart", asks("country=unknown"), 451, `block; country=unknown; at="2024-12-31T19:00:00-05:00"; reason=unknown_country; rule="crimea"`},
		{"/cart", asks("country=UA-43"), 451, `block; country=UA-43; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="crimea"`},
		{"/cart", asks("country=SE"), 200, `allow; country=SE; at="2024-12-31T19:00:00-05:00"; reason=country_not_listed`},
		{"/cart", asks("country=FR"), 451, `block; country=FR; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="tenth"`},
		{"/cart", asks("country=IT"), 200, `allow; country=IT; at="2024-12-31T19:00:00-05:00"; reason=country_not_listed`},
		{"/cart/returns", asks("country=US"), 200, `allow; country=US; at="2024-12-31T19:00:00-05:00"; reason=exempt; rule="embargo"`},
		{"/about", asks("country=US"), 200, `allow; country=US; at="2024-12-31T19:00:00-05:00"; reason=ungoverned`},
		{"/add?sku=KL1", asks("country=US"), 451, `block; country=US; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="embargo"`},
		{"/add?sku=TEA", asks("country=US"), 200, `allow; country=US; at="2024-12-31T19:00:00-05:00"; reason=exempt; rule="embargo"`},

		{"/cart", "country=US", 403, ""},
		{"/cart", "country=US; token=", 403, ""},
		{"/cart", "country=US; token=" + previewToken[1:], 403, ""},
		{"/cart", "country=US; token=" + previewToken + "5", 403, ""},
		{"/cart", "country=US; token=" + strings.ToUpper(previewToken), 403, ""},
		{"/cart", asks("country=US; token=" + previewToken), 403, ""}, // one of them is not the auditor's
		{"/cart", asks("country=DE; token=x"), 403, ""},
		{"/about", "", 200, ""}, // as a proxy in front may send it, of which nobody has asked for anything
		{"/about", "nonsense", 403, ""},
		{"/about", previewToken, 403, ""},

		{"/cart", asks("at=2024-07-20"), 400, `Gate451-Preview: unknown country ""; expected an ISO 3166-1 code of two letters, such as DE; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", asks("country=USA"), 400, `Gate451-Preview: unknown country "USA"; the United States is US; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", asks("country=US; at=yesterday"), 400, `Gate451-Preview: "yesterday" is no instant; expected a date such as 2024-07-20, a local time such as 2024-07-20T08:30, or RFC 3339 such as 2024-07-20T00:00:00-04:00; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", asks("country=US; at=2024-03-10T02:30"), 400, `Gate451-Preview: 2024-03-10 02:30:00 is skipped by a clock change in America/New_York; write the instant with its offset; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", asks("country=US; country=DE"), 400, `Gate451-Preview: it says country twice; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", asks("country=US; ip=1.2.3.4"), 400, `Gate451-Preview: "ip" is neither country, at nor token; write country=US; at=2024-07-20; token=TOKEN`},
		{"/cart", "country=US;; token=" + previewToken, 400, `Gate451-Preview: "" is neither country, at nor token; write country=US; at=2024-07-20; token=TOKEN`},
	} {
		seen.take()
		a := g.get(t, german, "http://shop.example"+c.target, "Gate451-Preview", c.asked, "Gate451-Token", token)
		heads := seen.take()
		told := a.Header.Get("Gate451-Preview")
		switch {
		case a.StatusCode == 400 || a.StatusCode == 403:
			if told != "" || a.StatusCode == 400 && a.text != c.told+"\n" || a.StatusCode == 403 && a.text != "Gate451-Preview does not carry the token that previews take here\n" {
				t.Errorf("%s with %s: told %s, %q; want %s", c.target, c.asked, told, a.text, c.told)
			}
		case told != c.told:
			t.Errorf("%s with %s: told %s, want %s", c.target, c.asked, told, c.told)
		}
		if a.StatusCode != c.status || (len(heads) == 1) != (c.status == 200) {
			t.Errorf("%s with %s: %d, want %d; the shop saw %q", c.target, c.asked, a.StatusCode, c.status, heads)
		}
		if reference := a.Header.Get("Gate451-Reference"); (reference != "") != (c.status == 451) {
			t.Errorf("%s with %s: reference %q", c.target, c.asked, reference)
		}
		if kept := a.Header.Get("Cache-Control"); kept != map[int]string{200: "private"}[c.status] && kept != "no-store" && c.asked != "" {
			t.Errorf("%s with %s: Cache-Control %s", c.target, c.asked, kept)
		}
		for _, head := range heads {
			if strings.Contains(strings.ToLower(head), "preview") || strings.Contains(head, previewToken) || !strings.Contains(head, "\r\nX-Country-Code: DE\r\n") {
				t.Errorf("%s with %s: the shop saw %q", c.target, c.asked, head)
			}
		}
	}
	for result, want := range map[string]string{"block": "9", "allow": "7", "wrong_token": "9", "unclear": "7"} {
		if n := g.metric(t, `gate451_previews_total{result="`+result+`"}`); n != want {
			t.Errorf("%s previews are counted as %s, want %s", n, result, want)
		}
	}
	if n := g.metric(t, `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="listed_country",rule="embargo",verdict="block"}`); n != "" {
		t.Errorf("%s of them are counted as refusals of buyers", n)
	}
	if log := g.log.String(); strings.Contains(log, previewToken) || len(g.log.lines(t, "a preview was asked for without the token of refusal.preview_token_file")) != 1 || len(g.log.lines(t, "preview shown")) != 15 {
		t.Errorf("the log says\n%s", log)
	}
	if shown := g.admin(t, http.MethodGet, "/live").text; strings.Contains(shown, "embargo") {
		t.Error("the console shows one among the decisions")
	}
}

// TestPreviewIsRecorded shows what of a preview is in the evidence, and that it is no refusal of a buyer there.
func TestPreviewIsRecorded(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy, files: previewFile, config: withPreviews + "evidence: {dir: evidence, client: full}\n"})
	shown := g.get(t, german, "http://shop.example/cart/x?secret=1", previewed("country=PR; at=2024-07-20")...)
	g.get(t, german, "http://shop.example/cart", previewed("country=CA")...)
	g.get(t, german, "http://shop.example/about", previewed("country=US")...)
	g.get(t, german, "http://shop.example/cart", "Gate451-Preview", "country=US")
	g.stop()
	must(t, g.end())
	dir := g.file("evidence")
	if v := verified(t, dir); v.Records != 3 {
		t.Errorf("%d decisions about buyers, want 3", v.Records)
	}
	var previews []string
	for _, l := range linesOf(t, dir) {
		switch {
		case l.Event == "preview":
			previews = append(previews, l.text)
		case l.Kind == "" && (l.Verdict != "allow" || l.Reason != "country_not_listed" || l.Country != "DE" || !strings.HasPrefix(l.At, "2024-12-31T19:00")):
			t.Errorf("%s", l.text)
		}
		if strings.Contains(l.text, previewToken) || strings.Contains(l.text, "secret") {
			t.Errorf("%s", l.text)
		}
	}
	reference := shown.Header.Get("Gate451-Reference")
	if len(previews) != 2 || !strings.Contains(previews[0], `,"decision":{"verdict":"block","reason":"listed_country","rule":"embargo","activity":"sale","product":"","country":"PR","client":"85.214.132.117","at":"2024-07-20T00:00:00-04:00","policy":"sha256:`) ||
		!strings.Contains(previews[0], `"reference":"`+reference+`","method":"GET","host":"shop.example","path":"/cart/x","database":"",`) || !strings.Contains(previews[1], `"verdict":"allow"`) {
		t.Fatalf("the evidence has %q", previews)
	}
	found, err := gateway.FindEvidence(dir, reference)
	if err != nil || len(found) != 1 || found[0].Text != previews[0] {
		t.Errorf("%+v, %v", found, err)
	}
	r, err := gateway.ReportEvidence([]string{dir}, gateway.ReportOptions{})
	must(t, err)
	if r.Records != 3 || r.Previews != 2 || r.Unreadable != 0 || len(r.Verdicts) != 1 || r.Verdicts[0].Block != 0 {
		t.Errorf("%+v", r)
	}
}

// TestPreviewLiftsNothing sends what is refused in earnest, with every kind of preview beside it.
func TestPreviewLiftsNothing(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy, files: previewFile, config: withPreviews})
	for _, asked := range [][]string{
		previewed("country=DE"), previewed("country=DE; at=2020-01-01"), previewed("country=US; at=2020-01-01"), previewed("country=US"), previewed("x"), previewed("country=UA-43"),
		{"Gate451-Preview", "country=DE"}, {"Gate451-Preview", ""}, append(previewed("country=DE"), previewed("country=DE")...), {"Gate451_Preview", "country=DE; token=" + previewToken},
	} {
		a := g.get(t, american, "http://shop.example/cart", asked...)
		if a.StatusCode != 451 || a.Header.Get("Gate451-Preview") != "" || !strings.Contains(a.text, "cannot be purchased from your country") {
			t.Errorf("%q: %d %q %s", asked, a.StatusCode, a.Header.Get("Gate451-Preview"), a.text)
		}
		if a := g.get(t, american, "http://shop.example/%00", asked...); a.StatusCode != 400 || a.text != "Bad Request\n" {
			t.Errorf("%q beside what is malformed: %d", asked, a.StatusCode)
		}
	}
	if heads := seen.take(); len(heads) > 0 {
		t.Errorf("the shop saw %q", heads)
	}
	if n := g.metric(t, `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="listed_country",rule="embargo",verdict="block"}`); n != "10" {
		t.Errorf("%s refusals are counted", n)
	}
	twice := append(previewed("country=US"), previewed("country=US")...)
	if a := g.get(t, german, "http://shop.example/about", twice...); a.StatusCode != 403 {
		t.Errorf("two fields: %d", a.StatusCode)
	}
}

// TestNoPreviews: without a token nobody has any, whatever is sent.
func TestNoPreviews(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy})
	for _, asked := range [][]string{previewed("country=US"), {"Gate451-Preview", "country=US; token="}} {
		if a := g.get(t, german, "http://shop.example/cart", asked...); a.StatusCode != 200 || a.Header.Get("Gate451-Preview") != "" || strings.Contains(strings.Join(seen.take(), ""), "review") {
			t.Errorf("%q: %d %v", asked, a.StatusCode, a.Header)
		}
	}
}

// TestPreviewOfBodies shows that a body which only the preview reads arrives as it came, and that it is read for the preview
// where it was read in earnest.
func TestPreviewOfBodies(t *testing.T) {
	t.Parallel()
	policy := strings.Replace(carriedPolicy, "rules:", "rules:\n  - {id: all, activity: sale, products: [restricted], countries: [CU]}", 1)
	g := start(t, setup{policy: policy, upstream: newShop(t, mirror), files: previewFile, config: withPreviews})
	long := strings.Repeat("A", 300<<10)
	for _, c := range []struct {
		buyer, country, body string
		status               int
	}{
		{german, "US", `{"items":[{"sku":"KL1"}]}`, 451},          // only the preview reads it
		{german, "US", `{"items":[{"sku":"TEA"}]}`, 200},          // likewise
		{german, "FR", `{"items":[{"sku":"KL1"}]}`, 200},          // nobody does
		{american, "DE", `{"items":[{"sku":"TEA"}]}`, 200},        // it is read in earnest alone
		{american, "CU", `{"items":[{"sku":"TEA"}]}`, 200},        // twice
		{american, "DE", `{"items":[{"sku":"KL1"}]}`, 451},        // refused in earnest
		{german, "US", `{"items":[{"sku":"` + long + `"}]}`, 451}, // nobody can tell
		{german, "FR", `{"items":[{"sku":"` + long + `"}]}`, 200},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(c.body)
			if chunked {
				body = io.MultiReader(body)
			}
			a := g.send(t, c.buyer, http.MethodPost, "http://shop.example/cart/add", body, append(previewed("country="+c.country), "Content-Type", "application/json")...)
			told := strings.Join(a.Header["Gate451-Preview"], "|")
			if a.StatusCode != c.status || c.status == 200 && (a.text != c.body || !strings.HasPrefix(told, "allow; country="+c.country) || strings.Contains(told, "|")) {
				t.Errorf("%s as %s with %.40s: %d %.60q, want %d", c.buyer, c.country, c.body, a.StatusCode, a.text, c.status)
			}
		}
	}
}

// TestPreviewAlone shows previews in another Echo program, whose handlers see nothing that asked for them.
func TestPreviewAlone(t *testing.T) {
	t.Parallel()
	s := setup{policy: strings.ReplaceAll(previewPolicy, "hosts: [shop.example], ", ""), files: previewFile, config: withPreviews + "client_ip: {trusted_proxies: [127.0.0.0/8]}\n"}
	cfg, err := config.Load(s.write(t, t.TempDir()), nil)
	must(t, err)
	enforcer, err := gateway.NewEnforcer(cfg, gateway.Options{})
	must(t, err)
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Pre(gateway.Enforce(enforcer))
	e.Any("/*", func(c echo.Context) error { return c.String(http.StatusOK, fmt.Sprint(c.Request().Header)) })
	server := httptest.NewServer(e)
	defer server.Close()
	for country, status := range map[string]int{"US": 451, "CA": 200} {
		a := exchange(t, server.Client(), "GET", server.URL+"/cart", nil, append(previewed("country="+country), "X-Forwarded-For", german, "Cookie", "gate451-preview=x; a=1")...)
		if a.StatusCode != status || !strings.Contains(a.Header.Get("Gate451-Preview"), "; country="+country) || status == 200 && (strings.Contains(a.text, "review") || !strings.Contains(a.text, "Cookie:[a=1]")) {
			t.Errorf("%s: %d %v %s", country, a.StatusCode, a.Header, a.text)
		}
	}
}

// mirror is an upstream that answers with what it got.
func mirror(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	w.Header().Set("Gate451-Preview", "the shop's own")
	_, _ = w.Write(text) // whoever is gone needs no answer
}

// TestPreviewAsksForCarts shows that the shop is asked where the preview hangs on the cart, and is told of the auditor what is so.
func TestPreviewAsksForCarts(t *testing.T) {
	t.Parallel()
	shop := new(teller)
	g := start(t, setup{policy: basketPolicy, upstream: newShop(t, shop.ServeHTTP), files: previewFile, config: withPreviews})
	for _, c := range []struct {
		answer, country   string
		status, questions int
	}{{fullCart, "US", 451, 1}, {freeCart, "US", 200, 1}, {fullCart, "DE", 200, 0}} {
		shop.let(says(c.answer))
		a := g.send(t, german, http.MethodPost, "http://shop.example/order", strings.NewReader("body"), previewed("country="+c.country)...)
		asked := shop.asked()
		if a.StatusCode != c.status || len(asked) != c.questions || c.status == 200 && a.text != "body" {
			t.Errorf("%s as %s: %d %s, %d questions", c.answer, c.country, a.StatusCode, a.text, len(asked))
		}
		for _, r := range asked {
			if r.Header.Get("X-Country-Code") != "DE" || r.Header["Gate451-Preview"] != nil {
				t.Errorf("the shop is told %v", r.Header)
			}
		}
	}
}

// TestPreviewOfPersistedQueries asks a client for the document that its query lacks, as it would a buyer's.
func TestPreviewOfPersistedQueries(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: persistedPolicy, upstream: newShop(t, ok), files: previewFile, config: withPreviews})
	body := fmt.Sprintf(`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":%q}}}`, hashOf(added))
	a := g.send(t, german, http.MethodPost, "http://shop.example/shop-api", strings.NewReader(body), append(previewed("country=US"), "Content-Type", "application/json")...)
	if a.StatusCode != 200 || !strings.Contains(a.text, "PersistedQueryNotFound") || !strings.HasPrefix(a.Header.Get("Gate451-Preview"), "block; country=US;") {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.text)
	}
}

// TestPreviewIsTheRefusal shows that an auditor sees, but for the reference, the bytes that a buyer of the country gets at the instant.
func TestPreviewIsTheRefusal(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: previewPolicy, upstream: newShop(t, ok), files: previewFile, config: withPreviews, at: time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)})
	for _, headers := range [][]string{
		{"Accept", "text/html", "Accept-Language", "de"}, {"Accept", "application/json"}, {"Accept-Language", "es"}, {"User-Agent", "Wget/1.21.3"},
	} {
		real := g.get(t, puertoRican, "http://shop.example/cart", headers...)
		shown := g.get(t, german, "http://shop.example/cart", append(previewed("country=PR; at=2024-07-20"), headers...)...)
		if real.StatusCode != 451 || shown.StatusCode != 451 || unnumbered(real) != unnumbered(shown) || real.Status[4:] != "Unavailable For Legal Reasons" && !strings.HasPrefix(shown.Status, "451 For legal") {
			t.Errorf("%q:\n%s\n%s\nwant\n%s\n%s", headers, shown.Status, unnumbered(shown), real.Status, unnumbered(real))
		}
		real.Header.Del("Gate451-Reference")
		shown.Header.Del("Gate451-Reference")
		shown.Header.Del("Gate451-Preview")
		for _, h := range []http.Header{real.Header, shown.Header} {
			h.Del("Date")
		}
		if fmt.Sprint(real.Header) != fmt.Sprint(shown.Header) {
			t.Errorf("%q: %v, want %v", headers, shown.Header, real.Header)
		}
	}
}

// unnumbered is the text of a refusal without its reference.
func unnumbered(a answer) string {
	return strings.ReplaceAll(a.text, a.Header.Get("Gate451-Reference"), "XXXX-XXXX")
}

// TestPreviewThatCannotBeRecorded is not shown.
func TestPreviewThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "256k")
	g := start(t, setup{
		policy: previewPolicy, upstream: newShop(t, ok), files: previewFile,
		config: withPreviews + "evidence: {dir: \"" + disk + "/evidence\", allows: none}\n",
	})
	fill(t, disk+"/filler")
	eventually(t, "the disk is full", func() bool {
		return g.get(t, german, "http://shop.example/cart", previewed("country=CA")...).StatusCode == 503
	})
	if a := g.get(t, german, "http://shop.example/cart"); a.StatusCode != 200 {
		t.Errorf("what need not be recorded: %d", a.StatusCode)
	}
}

// TestForwardAuthShowsPreviews shows that a proxy in front hands the preview's refusal on, and that nginx keeps what it is.
func TestForwardAuthShowsPreviews(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1", files: previewFile, config: withPreviews, policy: previewPolicy})
	ask := func(asked []string) answer {
		return a.ask(t, "GET", "/forward-auth", nil, forwarded(german, "GET", "shop.example", "/cart", asked...)...)
	}
	const told = `block; country=US; at="2024-12-31T19:00:00-05:00"; reason=listed_country; rule="embargo"`
	if got := ask(previewed("country=US")); got.StatusCode != 451 || got.Header.Get("Gate451-Preview") != told {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	// What passes is told to nobody: some proxies would tell the shop.
	if got := ask(previewed("country=CA")); got.StatusCode != 200 || got.Header["Gate451-Preview"] != nil || got.Header.Get("Cache-Control") != "private" {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if got := ask([]string{"Gate451-Preview", "country=US"}); got.StatusCode != 403 {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	for asked, want := range map[string]struct {
		status int
		text   string
	}{"country=US": {451, "cannot be purchased"}, "country=USA": {400, `unknown country "USA"`}} {
		got := a.ask(t, "GET", "/forward-auth/nginx", nil, original(german, "GET", "https://shop.example/cart", previewed(asked)...)...)
		shown := a.ask(t, "GET", "/refusal", nil, "Gate451-Refusal", got.Header.Get("Gate451-Refusal"))
		if got.StatusCode != 403 || shown.StatusCode != want.status || !strings.Contains(shown.text, want.text) || (shown.Header.Get("Gate451-Preview") == told) != (want.status == 451) {
			t.Errorf("%s: %d, then %d %v %s", asked, got.StatusCode, shown.StatusCode, shown.Header, shown.text)
		}
	}
}

// TestBypassesWithPreviews plays the whole corpus with a preview beside each attempt, of somebody who may have everything.
func TestBypassesWithPreviews(t *testing.T) {
	t.Parallel()
	for group, rows := range readCorpus(t) {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			seen := newWitness(t)
			g := start(t, setup{
				policy: corpusPolicy, files: previewFile,
				config: withPreviews + `routes: [{hosts: [shop.example, updates.example, other.example], upstreams: ["` + seen.url + `"]}]`,
			})
			for _, r := range rows {
				r.Headers = slices.Insert(slices.Clone(r.Headers), 0, [2]string{"Gate451-Preview", "country=DE; at=2020-01-01T00:00:00Z; token=" + previewToken})
				seen.take()
				codes := r.play(t, g.dial)
				heads := slices.DeleteFunc(seen.take(), func(head string) bool { return strings.HasPrefix(head, "GET "+sentinel+" ") })
				if verdict := r.verdict(codes, heads); verdict != "" {
					t.Errorf("%s: %s: %s %.70q answered %v, want %s or %v; upstream saw %q; %s", verdict, r.ID, r.Method, r.Target, codes, r.Expect, r.AlsoOK, heads, r.Note)
				}
				for _, head := range heads {
					if withheld.MatchString(head) || bytes.Contains(bytes.ToLower([]byte(head)), []byte("preview")) {
						t.Errorf("%s: the upstream saw %q", r.ID, head)
					}
				}
			}
		})
	}
}
