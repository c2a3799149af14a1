package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const previewPage = "/.well-known/gate451-preview"

// sendForm posts the form of the page of previews.
func (g *gate) sendForm(t testing.TB, buyer, form string, headers ...string) answer {
	t.Helper()
	return g.send(t, buyer, http.MethodPost, "http://shop.example"+previewPage, strings.NewReader(form), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func previewForm(country, at string) string {
	return url.Values{"do": {"see"}, "country": {country}, "at": {at}, "token": {previewToken}}.Encode()
}

// TestPreviewPage shows how a browser is given a cookie in place of the token, what that does, and that neither gets to the shop.
func TestPreviewPage(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy, files: previewFile, config: withPreviews})
	page := g.get(t, german, "http://shop.example"+previewPage+"?x=1")
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Content-Type": "text/html; charset=utf-8"} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if page.StatusCode != 200 || !strings.Contains(page.text, `type="password"`) || !strings.Contains(page.text, "America/New_York") || !strings.HasPrefix(page.Header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%d %v %s", page.StatusCode, page.Header, page.text)
	}
	for _, c := range []struct {
		what, form string
		headers    []string
		status     int
		says       string
	}{
		{"no token", "do=see&country=US", nil, 403, "This is not the token"},
		{"a wrong token", "do=see&country=US&token=" + strings.ToUpper(previewToken), nil, 403, "This is not the token"},
		{"no country", previewForm("", ""), nil, 422, "unknown country"},
		{"a country that is none", previewForm("<b>", ""), nil, 422, `unknown country &#34;&lt;b&gt;&#34;`},
		{"an instant that is none", previewForm("US", "soon"), nil, 422, "is no instant"},
		{"another page's form", previewForm("US", ""), []string{"Origin", "https://elsewhere.example"}, 403, "another page"},
		{"a sandboxed page's form", previewForm("US", ""), []string{"Origin", "null"}, 403, "another page"},
		{"another site's form", previewForm("US", ""), []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://shop.example"}, 403, "another page"},
		{"another site's end", "do=end", []string{"Sec-Fetch-Site", "same-site"}, 403, "another page"},
		{"a form that is none", "%zz", nil, 400, "cannot be read"},
		{"a long form", previewForm("US", strings.Repeat("x", 9000)), nil, 400, "cannot be read"},
	} {
		a := g.sendForm(t, german, c.form, c.headers...)
		if a.StatusCode != c.status || !strings.Contains(a.text, c.says) || a.Header["Set-Cookie"] != nil || strings.Contains(a.text, previewToken) {
			t.Errorf("%s: %d %v %s", c.what, a.StatusCode, a.Header, a.text)
		}
	}
	if a := g.send(t, german, "DELETE", "http://shop.example"+previewPage, nil); a.StatusCode != 405 || a.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if n := g.metric(t, `gate451_previews_total{result="wrong_token"}`); n != "2" {
		t.Errorf("%s wrong tokens are counted", n)
	}
	if heads := seen.take(); len(heads) > 0 {
		t.Errorf("the shop saw %q", heads)
	}

	a := g.sendForm(t, german, previewForm("us", "2024-07-20"), "Origin", "http://shop.example")
	cookie, attributes, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	if a.StatusCode != 303 || a.Header.Get("Location") != previewPage || !strings.HasPrefix(cookie, "gate451-preview=US/2024-07-20T00:00:00-04:00/") || attributes != " Path=/; Max-Age=43200; HttpOnly; SameSite=Lax" || strings.Contains(cookie, previewToken) {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	if a := g.get(t, german, "http://shop.example"+previewPage, "Cookie", cookie); !strings.Contains(a.text, "in <b>US</b> is refused at <b>2024-07-20T00:00:00-04:00</b>, until 1 January 07:00 EST") {
		t.Errorf("%s", a.text)
	}
	another := strings.Replace(g.sendForm(t, german, previewForm("DE", "")).Header.Get("Set-Cookie"), "gate451-preview=", "", 1)
	another, _, _ = strings.Cut(another, ";")
	if a := g.get(t, german, "http://shop.example"+previewPage, "Cookie", "gate451-preview="+another); !strings.Contains(a.text, "in <b>DE</b> is refused now, until") {
		t.Errorf("%s", a.text)
	}
	const blocks = `block; country=US; at="2024-07-20T00:00:00-04:00"; reason=listed_country; rule="embargo"`
	allows := func(country, at string) string {
		return "allow; country=" + country + `; at="` + at + `"; reason=country_not_listed`
	}
	value := strings.TrimPrefix(cookie, "gate451-preview=")
	forged := strings.Replace(cookie, "US/", "DE/", 1)
	for _, c := range []struct {
		target  string
		headers []string
		told    string
		arrives string // of the cookies
	}{
		{"/cart", []string{"Cookie", cookie}, blocks, ""},
		{"/cart", []string{"Cookie", "a=1; " + cookie + "; b=2"}, blocks, ""},
		{"/cart", []string{"Cookie", "a=1", "Cookie", "__Host-gate451-preview=" + value}, blocks, ""},
		{"/cart", []string{"Cookie", cookie + "x; " + cookie}, blocks, ""},
		{"/about", []string{"Cookie", cookie + "; a=1;b=\"2; c\";  d"}, `allow; country=US; at="2024-07-20T00:00:00-04:00"; reason=ungoverned`, `a=1;b="2; c";  d`},
		{"/about", []string{"Cookie", "a=1; " + cookie, "Cookie", cookie, "Cookie", "b=2"}, `allow; country=US; at="2024-07-20T00:00:00-04:00"; reason=ungoverned`, "a=1|b=2"},
		{"/cart", append(previewed("country=CA; at=2024-07-20"), "Cookie", cookie), allows("CA", "2024-07-20T00:00:00-04:00"), ""}, // the field outweighs it
		{"/cart", []string{"Cookie", "gate451-preview=" + another}, allows("DE", "2024-12-31T19:00:00-05:00"), ""},
		{"/cart", []string{"Cookie", forged}, "", ""},
		{"/cart", []string{"Cookie", "gate451-preview=" + previewToken}, "", ""},
		{"/cart", []string{"Cookie", "gate451-preview=; a=1"}, "", "a=1"},
		{"/cart", []string{"Cookie", "gate451-preview"}, "", ""},
		{"/cart", []string{"Cookie", "my-gate451-preview=1; gate451-previews=2"}, "", "my-gate451-preview=1; gate451-previews=2"},
	} {
		seen.take()
		a := g.get(t, german, "http://shop.example"+c.target, c.headers...)
		var arrived []string
		for _, head := range seen.take() {
			for line := range strings.Lines(head) {
				if cookies, ok := strings.CutPrefix(strings.TrimSpace(line), "Cookie: "); ok {
					arrived = append(arrived, cookies)
				}
			}
		}
		if told := a.Header.Get("Gate451-Preview"); told != c.told || (a.StatusCode == 451) != (c.told == blocks) || strings.Join(arrived, "|") != c.arrives {
			t.Errorf("%s with %q: %d, told %s, the shop was told %q; want %s and %q", c.target, c.headers, a.StatusCode, told, arrived, c.told, c.arrives)
		}
	}
	if a := g.get(t, american, "http://shop.example/cart", "Cookie", "gate451-preview="+another); a.StatusCode != 451 || a.Header.Get("Gate451-Preview") != "" {
		t.Errorf("what is refused in earnest: %d %v", a.StatusCode, a.Header)
	}
	if a := g.sendForm(t, german, "do=end", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Set-Cookie"), "gate451-preview=; Path=/; Max-Age=0") {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	g.now.set(time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC))
	if a := g.get(t, german, "http://shop.example/cart", "Cookie", cookie); a.StatusCode != 200 || a.Header.Get("Gate451-Preview") != "" {
		t.Errorf("when it is over: %d %v", a.StatusCode, a.Header)
	}
	// Behind a proxy that speaks TLS with the browser.
	if a := g.sendForm(t, "10.0.0.1", previewForm("US", ""), "X-Forwarded-For", german, "X-Forwarded-Proto", "https"); !strings.HasPrefix(a.Header.Get("Set-Cookie"), "__Host-gate451-preview=US//") || !strings.Contains(a.Header.Get("Set-Cookie"), "; Secure") {
		t.Errorf("%v", a.Header)
	}
	if a := g.sendForm(t, german, previewForm("US", ""), "Origin", "https://shop.example"); !strings.HasPrefix(a.Header.Get("Set-Cookie"), "__Host-gate451-preview=US//") {
		t.Errorf("%v", a.Header)
	}
	if strings.Contains(g.log.String(), previewToken) {
		t.Error("the log has the token")
	}
}

// TestPreviewPageIsTheShops where there are no previews, and where a proxy in front asks; and it is refused with all else.
func TestPreviewPageIsTheShops(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: previewPolicy})
	if a := g.get(t, german, "http://shop.example"+previewPage, "Cookie", "gate451-preview=x"); a.text != "ok" || !strings.Contains(strings.Join(seen.take(), ""), "Cookie: gate451-preview=x\r\n") {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	asked := startAsked(t, setup{upstream: seen.url, policy: previewPolicy, files: previewFile, config: withPreviews})
	if a := asked.ask(t, "GET", "/forward-auth", nil, forwarded(german, "GET", "shop.example", previewPage)...); a.StatusCode != 200 || a.text != "" {
		t.Errorf("%d %s", a.StatusCode, a.text)
	}
	everything := start(t, setup{upstream: seen.url, policy: previewPolicies[3], files: previewFile, config: withPreviews})
	if a := everything.sendForm(t, "50.114.0.2", previewForm("FR", "")); a.StatusCode != 451 || a.Header["Set-Cookie"] != nil {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
}

// TestPreviewInABrowser has a browser fill in the form, and look at the shop before, during and after the preview.
func TestPreviewInABrowser(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		policy: strings.ReplaceAll(previewPolicy, "hosts: [shop.example], ", ""), files: previewFile,
		config: withPreviews + "client_ip: {}\ngeoip: {overrides: {127.0.0.0/8: DE}}\nroutes: [{hosts: [\"*\"], upstreams: [\"" + newShop(t, ok) + "\"]}]\n",
	})
	v := newViewer(t, g)
	shop := "http://" + g.PublicAddr().String()
	cart := func() string {
		v.do(chromedp.Navigate(shop + "/cart"))
		return v.text()
	}
	if text := cart(); text != "ok" {
		t.Fatalf("before: %s", text)
	}
	v.do(chromedp.Navigate(shop + previewPage))
	for _, scheme := range []string{"light", "dark"} {
		v.screen(390, scheme)
		v.good("the form, "+scheme, 390)
	}
	v.do(chromedp.SendKeys("#country", "PR"), chromedp.SendKeys("#at", "2024-07-20"), chromedp.SendKeys("#token", "a wrong one\r"), chromedp.WaitVisible("#wrong"))
	v.good("a wrong token", 390)
	v.do(chromedp.SendKeys("#token", previewToken+"\r"), chromedp.WaitVisible("#on"))
	v.good("a preview that is on", 390)
	if kept := see[string](v, `document.cookie`); kept != "" {
		t.Errorf("a script can read %q", kept)
	}
	if text := cart(); !strings.Contains(text, "cannot be purchased from your country") || !strings.Contains(text, "Puerto Rico") {
		t.Errorf("during the preview: %s", text)
	}
	v.do(chromedp.Navigate(shop+previewPage), chromedp.Click(`button[value="end"]`), chromedp.WaitNotPresent("#on"))
	if text := cart(); text != "ok" {
		t.Errorf("after: %s", text)
	}
}
