package gateway_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// askedGate is a gateway that answers proxies in front which are at 127.0.0.1.
type askedGate struct {
	*gate
	proxy, stranger *http.Client
}

func startAsked(t testing.TB, s setup) *askedGate {
	t.Helper()
	if s.policy == "" {
		s.policy = neighbourPolicy
	}
	s.config += `
client_ip: {trusted_proxies: [127.0.0.1/32, 10.0.0.0/8]}
forward_auth: {listen: "127.0.0.1:0"}
`
	a := &askedGate{gate: start(t, s)}
	address := a.ForwardAuthAddr().String()
	a.proxy, a.stranger = buyer(t, "127.0.0.1", address), buyer(t, loopbackGerman, address)
	return a
}

func (a *askedGate) ask(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	return exchange(t, a.proxy, method, "http://shop.example"+path, body, headers...)
}

// forwarded are the headers by which most proxies describe a request.
func forwarded(from, method, host, target string, more ...string) []string {
	return append([]string{
		"X-Forwarded-For", from, "X-Forwarded-Method", method, "X-Forwarded-Proto", "https", "X-Forwarded-Host", host, "X-Forwarded-Uri", target,
	}, more...)
}

// original are those by which nginx does.
func original(from, method, url string, more ...string) []string {
	return append([]string{"X-Forwarded-For", from, "X-Original-Method", method, "X-Original-Url", url}, more...)
}

// TestForwardAuthDescriptions shows what is taken for the description of a request, and that anything else lets nobody pass.
func TestForwardAuthDescriptions(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1"})
	type question struct {
		name, path string
		headers    []string
		status     int
	}
	without := func(headers []string, name string) (rest []string) {
		for i := 0; i < len(headers); i += 2 {
			if headers[i] != name {
				rest = append(rest, headers[i], headers[i+1])
			}
		}
		return rest
	}
	about, cart := forwarded(german, "GET", "shop.example", "/about"), forwarded(american, "GET", "shop.example", "/cart")
	theirs, ours := original(german, "GET", "https://shop.example/about"), original(american, "GET", "https://shop.example/cart")
	all := []question{
		{"a German", "/forward-auth", about, 200},
		{"an American", "/forward-auth", cart, 451},
		{"an American elsewhere", "/forward-auth", forwarded(american, "GET", "shop.example", "/about"), 200},
		{"a German's purchase", "/forward-auth", forwarded(german, "POST", "shop.example:443", "/cart"), 200},
		{"the rightmost address that is no proxy's", "/forward-auth", forwarded(german+", "+american+", 10.0.0.1", "GET", "shop.example", "/cart"), 451},
		{"an address that is none", "/forward-auth", forwarded("somewhere", "GET", "shop.example", "/cart"), 451},
		{"another reading", "/forward-auth", forwarded(american, "GET", "shop.example", "/x/..%2fC%61rt;y"), 451},
		{"a target in absolute form", "/forward-auth", forwarded(american, "GET", "shop.example", "http://shop.example/cart"), 451},
		{"another host in the target", "/forward-auth", forwarded(american, "GET", "shop.example", "http://elsewhere.example/cart"), 400},
		{"a host that no route names", "/forward-auth", forwarded(german, "GET", "elsewhere.example", "/about"), 421},
		{"a host that is none", "/forward-auth", forwarded(german, "GET", "shop.example/about?", "/cart"), 400},
		{"a method that is none", "/forward-auth", forwarded(german, "GET /about", "shop.example", "/cart"), 400},
		{"a method that is not forwarded", "/forward-auth", forwarded(german, "TRACE", "shop.example", "/about"), 405},
		{"a scheme that is none", "/forward-auth", append(without(about, "X-Forwarded-Proto"), "X-Forwarded-Proto", "gopher"), 400},
		{"a query of the question's own", "/forward-auth?x=/cart", about, 200},
		{"nothing", "/forward-auth", nil, 400},
		{"as nginx does", "/forward-auth", theirs, 200},
		{"an American, as nginx does", "/forward-auth", ours, 451},
		{"as nginx does, and X-Forwarded-Uri", "/forward-auth", append(ours, "X-Forwarded-Uri", "/about"), 400},
		{"as nginx does, and X-Forwarded-Method", "/forward-auth", append(ours, "X-Forwarded-Method", "GET"), 400},
		{"as nginx does, and what most proxies send", "/forward-auth", append(ours, "X-Forwarded-Proto", "http", "X-Forwarded-Host", "x"), 451},
		{"both", "/forward-auth", append(about, ours...), 400},
		{"a URL too", "/forward-auth", append(about, "X-Original-Url", "http://shop.example/about"), 400},
		{"a method too", "/forward-auth", append(about, "X-Original-Method", ""), 400},
		{"a body that is there and was not sent", "/forward-auth", forwarded(american, "POST", "shop.example", "/buy?sku=else", "Content-Type", "application/json"), 451},
		{"a body that is said to be there", "/forward-auth", forwarded(american, "GET", "shop.example", "/buy?sku=else", "X-Original-Content-Length", "9"), 451},
		{"a body of another length than none", "/forward-auth", forwarded(american, "GET", "shop.example", "/buy?sku=else", "X-Original-Content-Length", "0", "X-Original-Content-Length", "00"), 451},
		{"a body in chunks", "/forward-auth", forwarded(american, "DELETE", "shop.example", "/buy?sku=else", "X-Original-Transfer-Encoding", "chunked"), 451},
		{"a type of a body", "/forward-auth", forwarded(american, "GET", "shop.example", "/buy?sku=else", "Content-Type", "application/json"), 451},
		{"no body", "/forward-auth", forwarded(american, "GET", "shop.example", "/buy?sku=else", "X-Original-Content-Length", "0"), 200},
		{"nginx", "/forward-auth/nginx", theirs, 200},
		{"an American at nginx", "/forward-auth/nginx", ours, 403},
		{"nginx, by the wrong headers", "/forward-auth/nginx", about, 403},
		{"a host with a question mark", "/forward-auth/nginx", original(american, "GET", "https://shop.example?/cart"), 403},
		{"a host with a fragment", "/forward-auth/nginx", original(american, "GET", "https://shop.example#/cart"), 403},
		{"a host with a user", "/forward-auth/nginx", original(american, "GET", "https://shop.example@x/about"), 403},
		{"a URL without a path", "/forward-auth/nginx", original(german, "GET", "https://shop.example"), 403},
		{"a path for a URL", "/forward-auth/nginx", original(german, "GET", "/about"), 403},
		{"elsewhere", "/forward-auth/", about, 404},
		{"elsewhere", "//forward-auth", about, 404},
		{"elsewhere", "/forward-auth/nginx/", theirs, 404},
		{"elsewhere", "/Forward-Auth", about, 404},
		{"elsewhere", "/", about, 404},
		{"a refusal that nobody has", "/refusal", nil, 403},
		{"a refusal that is none", "/refusal", []string{"Gate451-Refusal", "*"}, 403},
		{"a refusal that is no JSON", "/refusal", []string{"Gate451-Refusal", base64.RawURLEncoding.EncodeToString([]byte("{"))}, 403},
		{"a refusal that lets by", "/refusal", []string{"Gate451-Refusal", base64.RawURLEncoding.EncodeToString([]byte(`{"status":200}`))}, 403},
		{"a refusal in no zone", "/refusal", []string{"Gate451-Refusal", base64.RawURLEncoding.EncodeToString([]byte(`{"status":451,"refusal":{},"zone":"Nowhere"}`))}, 403},
		{"two refusals", "/refusal", []string{"Gate451-Refusal", "e30", "Gate451-Refusal", "e30"}, 403},
		{"Envoy", "/forward-auth/envoy/about?x=/cart", []string{"X-Forwarded-For", german, "X-Forwarded-Proto", "http"}, 200},
		{"Envoy, by the wrong headers", "/forward-auth/envoy/about", cart[:2], 400},
		{"Envoy without a path", "/forward-auth/envoy", []string{"X-Forwarded-For", german, "X-Forwarded-Proto", "http"}, 400},
		{"beside Envoy", "/forward-auth/envoyx/about", []string{"X-Forwarded-For", german, "X-Forwarded-Proto", "http"}, 400},
	}
	for _, of := range []struct {
		path    string
		headers []string
	}{{"/forward-auth", about}, {"/forward-auth/nginx", theirs}} {
		for i := 2; i < len(of.headers); i += 2 {
			name, refused := of.headers[i], map[string]int{"/forward-auth": 400, "/forward-auth/nginx": 403}[of.path]
			all = append(all,
				question{"without " + name, of.path, without(of.headers, name), refused},
				question{"with an empty " + name, of.path, append(without(of.headers, name), name, ""), refused},
				question{"with two of " + name, of.path, append([]string{name, of.headers[i+1]}, of.headers...), refused})
		}
	}
	for _, q := range all {
		if got := a.ask(t, "GET", q.path, nil, q.headers...); got.StatusCode != q.status {
			t.Errorf("%s: %s with %q is answered %d %s, want %d", q.name, q.path, q.headers, got.StatusCode, got.text, q.status)
		}
		// A stranger may say what it likes.
		if got := exchange(t, a.stranger, "GET", "http://shop.example"+q.path, nil, q.headers...); got.StatusCode != 403 || !strings.Contains(got.text, "client_ip.trusted_proxies") || got.Header.Get("Gate451-Refusal") != "" {
			t.Errorf("%s: a stranger is answered %d %q", q.name, got.StatusCode, got.text)
		}
	}
	if got := a.metric(t, `gate451_requests_rejected_total{cause="forward_peer"}`); got != fmt.Sprint(len(all)) {
		t.Errorf("%s strangers are counted, want %d", got, len(all))
	}
	if got := a.metric(t, `gate451_requests_rejected_total{cause="forward_request"}`); got == "" {
		t.Error("unclear descriptions are not counted")
	}
	for _, message := range []string{"a peer that is no trusted proxy asked forward_auth; if it is yours, name it under client_ip.trusted_proxies", "a proxy in front does not say what it asks about, and nobody passes so"} {
		if lines := a.log.lines(t, message); len(lines) != 1 {
			t.Errorf("%q is logged %d times, want once", message, len(lines))
		}
	}
}

// TestForwardAuthAnswers shows what a proxy in front is told: of a request that passes what its neighbours are to know, and of
// one that does not what its buyer is, with its body even for HEAD, which the proxy itself leaves out.
func TestForwardAuthAnswers(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1", config: "country_header: X-Land\nevidence: {dir: evidence, client: full}\n"})
	for _, c := range []struct{ buyer, target, country, decision, cache string }{
		{german, "/cart", "DE", "allow; reason=country_not_listed", "private"},
		{german, "/about", "DE", "", ""},
		{nowhere, "/about", "", "", ""},
	} {
		got := a.ask(t, "GET", "/forward-auth", nil, forwarded(c.buyer, "GET", "shop.example", c.target)...)
		if h := got.Header; got.StatusCode != 200 || h.Get("X-Land") != c.country || h.Get("Gate451-Decision") != c.decision || h.Get("Cache-Control") != c.cache || got.text != "" {
			t.Errorf("%s from %s: %d %v %q", c.target, c.buyer, got.StatusCode, h, got.text)
		}
	}
	for _, method := range []string{"GET", "HEAD", "POST"} {
		got := a.ask(t, "GET", "/forward-auth", nil, forwarded(american, method, "shop.example", "/cart/%78?y", "Accept", "text/html")...)
		if got.StatusCode != 451 || got.ContentLength < 100 || int64(len(got.text)) != got.ContentLength || got.Header.Get("Link") != `<https://shop.example/>; rel="blocked-by"` {
			t.Errorf("%s: %d, %d bytes of %d, %v", method, got.StatusCode, len(got.text), got.ContentLength, got.Header)
		}
		var last line
		eventually(t, "a record", func() bool {
			lines := decisionsOf(linesOf(t, a.file("evidence")))
			last = lines[len(lines)-1]
			return last.Method == method && last.Reference == got.Header.Get("Gate451-Reference")
		})
		if last.Verdict != "block" || last.Host != "shop.example" || last.Path != "/cart/%78" || last.Client != american {
			t.Errorf("%s is recorded as %s", method, last.text)
		}
	}
	if got := a.metric(t, `gate451_http_requests_total{code="451",method="HEAD",route="shop"}`); got != "1" {
		t.Errorf("HEAD is counted %q times", got)
	}
}

// TestForwardAuthBodies shows that a body which the proxy sends is judged, and one of which it sends a part is not.
func TestForwardAuthBodies(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1"})
	const partial = "X-Envoy-Auth-Partial-Body"
	for _, c := range []struct {
		body    string
		headers []string
		status  int
	}{
		{`{"sku":"KL1"}`, nil, 451},
		{`{"sku":"else"}`, nil, 200},
		{`{"sku":"else"}`, []string{partial, "false"}, 200},
		{`{"sku":"else"}`, []string{partial, "true"}, 451},
		{`{"sku":"else"}`, []string{partial, "false", partial, "false"}, 451},
		{``, nil, 451},
		{``, []string{partial, "false"}, 451}, // which a buyer may have sent
	} {
		for path, headers := range map[string][]string{
			"/forward-auth":           forwarded(american, "POST", "shop.example", "/buy"),
			"/forward-auth/envoy/buy": {"X-Forwarded-For", american, "X-Forwarded-Proto", "http"},
		} {
			var body io.Reader
			if c.body != "" {
				body = strings.NewReader(c.body)
			}
			got := a.ask(t, "POST", path, body, append(append(headers, "Content-Type", "application/json"), c.headers...)...)
			if got.StatusCode != c.status {
				t.Errorf("%s %s with %q: %d, want %d", path, c.body, c.headers, got.StatusCode, c.status)
			}
		}
	}
}

// TestRefusalOfTheDecision shows that what nginx is told by /refusal is what was decided, in the zone of the policy that did, even
// if another policy is in force by then.
func TestRefusalOfTheDecision(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1"})
	kept := func(method, url string) string {
		t.Helper()
		got := a.ask(t, "GET", "/forward-auth/nginx", nil, original(american, method, url)...)
		if got.StatusCode != 403 || got.Close {
			t.Fatalf("%s %s: %d, close %v", method, url, got.StatusCode, got.Close)
		}
		return got.Header.Get("Gate451-Refusal")
	}
	cart, odd, elsewhere := kept("POST", "https://shop.example/cart"), kept("PUT", "https://shop.example/%zz"), kept("GET", "https://elsewhere.example/")
	direct := a.ask(t, "GET", "/forward-auth", nil, forwarded(american, "GET", "shop.example", "/cart", "Accept", "text/html", "Accept-Language", "fr")...)

	a.replace(t, "policy.yaml", []byte("version: 1\ntime_zone: Europe/Berlin\nactivities: {sale: [{paths: [/else]}]}\n"))
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := a.ask(t, "GET", "/forward-auth/nginx", nil, original(american, "POST", "https://shop.example/cart")...); got.StatusCode != 200 {
		t.Fatalf("the new policy is not in force: %d", got.StatusCode)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://shop.example/refusal", strings.NewReader("never read"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Gate451-Refusal": {cart}, "Accept": {"text/html"}, "Accept-Language": {"fr"}}
	res, err := a.proxy.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	reference := res.Header.Get("Gate451-Reference")
	got, want := strings.ReplaceAll(string(text), reference, ""), strings.ReplaceAll(direct.text, direct.Header.Get("Gate451-Reference"), "")
	if res.StatusCode != 451 || len(reference) != 9 || got != want || !strings.Contains(got, "EDT") {
		t.Errorf("%d %q\n%s\nwant\n%s", res.StatusCode, reference, got, want)
	}
	if res.Header.Get("Link") != `<https://shop.example/>; rel="blocked-by"` {
		t.Errorf("Link: %s", res.Header.Get("Link"))
	}
	for field, status := range map[string]int{odd: 400, elsewhere: 421} {
		if got := a.ask(t, "GET", "/refusal", nil, "Gate451-Refusal", field); got.StatusCode != status {
			t.Errorf("%d, want %d", got.StatusCode, status)
		}
	}
}

// TestForwardAuthAsksForDocuments shows that a buyer whose persisted query lacks its document is asked for it, and that the
// question never looks to the proxy like a request that may pass.
func TestForwardAuthAsksForDocuments(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{policy: persistedPolicy, upstream: "http://127.0.0.1:1"})
	target := "/shop-api?extensions=" + url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+hashOf("mutation { x }")+`"}}`)
	got := a.ask(t, "GET", "/forward-auth", nil, forwarded(american, "GET", "shop.example", target)...)
	if got.StatusCode != 400 || !strings.Contains(got.text, "PersistedQueryNotFound") {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	got = a.ask(t, "GET", "/forward-auth/nginx", nil, original(american, "GET", "https://shop.example"+target)...)
	if got.StatusCode != 403 {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	if got = a.ask(t, "GET", "/refusal", nil, "Gate451-Refusal", got.Header.Get("Gate451-Refusal")); got.StatusCode != 200 || !strings.Contains(got.text, "PersistedQueryNotFound") {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
}

// TestForwardAuthIsOff shows that there is no such port unless it is asked for, that it is closed when the gateway stops, and that
// one that is taken is told.
func TestForwardAuthIsOff(t *testing.T) {
	t.Parallel()
	if g := start(t, setup{}); g.ForwardAuthAddr() != nil {
		t.Errorf("there is one at %v", g.ForwardAuthAddr())
	}
	a := startAsked(t, setup{})
	a.stop()
	if err := a.end(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", a.ForwardAuthAddr().String()); err == nil {
		conn.Close()
		t.Error("it is there after the end")
	}
}
