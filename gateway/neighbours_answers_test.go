package gateway_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// till is a shop that keeps what it was asked, and answers with the body that came.
type till struct {
	url string

	mu    sync.Mutex
	asked []*http.Request
}

func newTill(t testing.TB) *till {
	s := new(till)
	s.url = newShop(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "text/plain")
		if r.URL.Path == "/forbidden" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprintf(w, "got %q", body) // whoever is gone needs no answer
	})
	return s
}

func (s *till) take() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// buyer is a client that reaches an address from one of this machine's.
func buyer(t testing.TB, own, address string) *http.Client {
	transport := &http.Transport{
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return dialFrom(own, address) },
		DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

const neighbourPolicy = `version: 1
time_zone: America/New_York
activities:
  sale:
    - {hosts: [shop.example], paths: [/cart]}
    - {hosts: [shop.example], paths: [/buy], fields: [{json: sku}, {form: sku}, {query: sku}]}
  gift: [{hosts: [shop.example], paths: [/gift]}]
products:
  banned: [{paths: [/cart]}, {skus: ["KL*"]}]
rules:
  - id: sales
    activity: sale
    products: [banned]
    countries: [US]
    from: 2024-07-20
    refusal: purchase
    basis: {title: "89 FR 52434", url: "https://www.federalregister.gov/d/2024-13532"}
    except: [{tokens: ["` + tokenDigest + `"]}]
  - {id: later, activity: gift, countries: [DE], unknown_country: allow, private_networks: allow, notice_from: 2024-07-20, from: 2090-01-01}
`

// TestNeighbours shows that buyers behind a proxy that asks the gateway are told what the gateway itself would tell them, that the
// shop is told what the gateway found out and nothing that a buyer made up, and that nothing passes without the gateway.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	for _, name := range neighbours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := newTill(t)
			s := neighbourSetup(neighbourPolicy, shop.url)
			s.config, s.files = s.config+withPreviews, previewFile
			n := startNeighbour(t, name, false, s)
			n.checkRefusals(t, shop)
			n.checkPassing(t, shop)
			n.checkNoticesAndTokens(t, shop)
			n.checkPreviews(t, shop)
			n.checkWithheld(t, shop)
			n.checkBodies(t, shop)
			n.checkFailsClosed(t, shop)
		})
	}
}

// own are the headers that each server has of its own, and the reference, which is another one each time.
var own = []string{"Date", "Server", "Connection", "Keep-Alive", "Gate451-Reference"}

var aReference = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`)

func (n *neighbour) checkRefusals(t *testing.T, shop *till) {
	const blocks = `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="listed_country",rule="sales",verdict="block"}`
	decided := 0
	for _, c := range []struct {
		method, path string
		headers      []string
	}{
		{"GET", "/cart/add?x=1", []string{"Accept", "text/html", "Accept-Language", "de"}},
		{"GET", "/cart", []string{"Accept", "application/json"}},
		{"GET", "/%63art//", []string{"Accept", "*/*"}},
		{"HEAD", "/cart", []string{"Accept", "text/html"}},
		{"POST", "/cart", []string{"Accept", "application/json", "Content-Type", "application/json"}},
		{"GET", "/%25252525252525252563art", nil},
		{"TRACE", "/about", nil},
		{"PURGE", "/cart", nil},
	} {
		var direct, through answer
		for address, got := range map[string]*answer{n.gate.PublicAddr().String(): &direct, n.address: &through} {
			var body io.Reader
			if c.method == "POST" {
				body = strings.NewReader(`{"sku":"x"}`)
			}
			*got = exchange(t, buyer(t, loopbackAmerican, address), c.method, "http://shop.example"+c.path, body, c.headers...)
		}
		reference := through.Header.Get("Gate451-Reference")
		for _, a := range []*answer{&direct, &through} {
			maps.DeleteFunc(a.Header, func(name string, _ []string) bool { return slices.Contains(own, name) })
			a.text = aReference.ReplaceAllString(a.text, "REFERENCE")
		}
		if direct.StatusCode == 451 {
			decided += 2
			if got := n.gate.metric(t, blocks); got != fmt.Sprint(decided) {
				t.Errorf("%s %s: %s decisions, want one for each answer, %d", c.method, c.path, got, decided)
			}
			if lines := n.gate.log.lines(t, "request refused"); !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, `"reference":"`+reference+`"`) }) {
				t.Errorf("%s %s: the reference %q is none of a decision", c.method, c.path, reference)
			}
		}
		if c.method == "TRACE" && through.StatusCode == 405 {
			continue // refused by the proxy itself, in its own words
		}
		if through.Status != direct.Status || fmt.Sprint(through.Header) != fmt.Sprint(direct.Header) || through.text != direct.text || through.ContentLength != direct.ContentLength {
			t.Errorf("%s %s\nthrough the proxy: %s %v %d\n%s\nthrough the gateway: %s %v %d\n%s", c.method, c.path, through.Status, through.Header, through.ContentLength, through.text,
				direct.Status, direct.Header, direct.ContentLength, direct.text)
		}
	}
	if asked := shop.take(); len(asked) > 0 {
		t.Errorf("the shop was asked %d times", len(asked))
	}
	// Two hosts, of which Go's server, and so Caddy, forgets one before anybody can judge by it.
	conn, err := dialFrom(loopbackGerman, n.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if a := readAnswer(t, conn, "GET http://updates.example/about HTTP/1.1\r\nHost: shop.example\r\n\r\n"); n.name != "caddy" && (a.StatusCode != 400 || len(shop.take()) > 0) {
		t.Errorf("two hosts are answered %d", a.StatusCode)
	}
	// Another host than the shop's.
	if a := exchange(t, buyer(t, loopbackGerman, n.address), "GET", "http://elsewhere.example/cart", nil); a.StatusCode != 421 {
		t.Errorf("another host is answered %d", a.StatusCode)
	}
	// A refusal of the shop's own stays one.
	if a := exchange(t, buyer(t, loopbackGerman, n.address), "GET", "http://shop.example/forbidden", nil); a.StatusCode != 403 || a.text != `got ""` {
		t.Errorf("the shop's own refusal: %d %s", a.StatusCode, a.text)
	}
	shop.take()
}

func (n *neighbour) checkPassing(t *testing.T, shop *till) {
	spoof := []string{
		"X-Country-Code", "FR", "Gate451-Decision", "spoofed", "X-Forwarded-For", "9.9.9.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "spoofed",
		"Connection", "X-Country-Code, Gate451-Decision, X-Forwarded-For", "Te", "trailers",
	}
	for _, c := range []struct {
		own, path, country, decision, cache string
	}{
		{loopbackGerman, "/cart?a=%2f", "DE", "allow; reason=country_not_listed", "private"},
		{loopbackGerman, "/about/..%2fx//?;", "DE", "", ""},
		{loopbackAmerican, "/about", "US", "", ""},
		{"127.0.0.4", "/about", "", "", ""}, // nobody knows where that is
	} {
		conn, err := dialFrom(c.own, n.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		lines := "GET " + c.path + " HTTP/1.1\r\nHost: shop.example\r\n"
		for i := 0; i < len(spoof); i += 2 {
			lines += spoof[i] + ": " + spoof[i+1] + "\r\n"
		}
		a := readAnswer(t, conn, lines+"\r\n")
		asked := shop.take()
		if a.StatusCode != 200 || len(asked) != 1 {
			t.Errorf("%s from %s: %d, the shop was asked %d times", c.path, c.own, a.StatusCode, len(asked))
			continue
		}
		r := asked[0]
		for name, want := range map[string]string{
			"X-Country-Code": c.country, "Gate451-Decision": c.decision, "X-Forwarded-For": c.own, "X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example",
		} {
			got := r.Header[name]
			if want == "" && got != nil || want != "" && (len(got) != 1 || got[0] != want) {
				t.Errorf("%s from %s: the shop is told %s: %q, want %q", c.path, c.own, name, got, want)
			}
		}
		if r.RequestURI != c.path || r.Host != "shop.example" {
			t.Errorf("%s from %s: the shop is asked for %s of %s", c.path, c.own, r.RequestURI, r.Host)
		}
		if got := a.Header.Get("Cache-Control"); got != c.cache {
			t.Errorf("%s from %s: Cache-Control %q, want %q", c.path, c.own, got, c.cache)
		}
	}
}

// checkNoticesAndTokens shows that both ends are told what is announced, and the shop no token.
func (n *neighbour) checkNoticesAndTokens(t *testing.T, shop *till) {
	const notice = `"later"; from="2090-01-01T00:00:00-05:00"; text=%"From 1 January 2090, 00:00 EST (UTC-05:00): For legal compliance purposes, these products cannot be obtained from your country."`
	for _, c := range []struct {
		own, path string
		tokens    []string
		status    int
		notice    string
	}{
		{loopbackGerman, "/gift", nil, 200, notice},
		{loopbackGerman, "/gift", []string{token}, 200, notice},
		{loopbackGerman, "/cart", nil, 200, ""},
		{loopbackAmerican, "/about", []string{token}, 200, ""},
		{loopbackAmerican, "/cart", []string{token}, 200, ""},
		{loopbackAmerican, "/cart", []string{"x" + token}, 451, ""},
		{loopbackAmerican, "/cart", []string{token, token}, 451, ""},
		{loopbackAmerican, "/cart", []string{""}, 451, ""},
	} {
		headers := []string{"Gate451-Notice", "spoofed"}
		for _, token := range c.tokens {
			headers = append(headers, "Gate451-Token", token)
		}
		a := exchange(t, buyer(t, c.own, n.address), "GET", "http://shop.example"+c.path, nil, headers...)
		asked := shop.take()
		if told := strings.Join(a.Header["Gate451-Notice"], "|"); a.StatusCode != c.status || told != c.notice || len(asked) != map[int]int{451: 0, 200: 1}[c.status] {
			t.Errorf("%s from %s with %q: %d, told %s, the shop was asked %d times", c.path, c.own, c.tokens, a.StatusCode, told, len(asked))
		}
		for _, r := range asked {
			if told := strings.Join(r.Header["Gate451-Notice"], "|"); told != c.notice || r.Header["Gate451-Token"] != nil {
				t.Errorf("%s from %s: the shop is told %s, and %q", c.path, c.own, told, r.Header["Gate451-Token"])
			}
		}
	}
}

// checkPreviews shows that an auditor sees the refusal through the proxy, and that the shop learns of nothing.
func (n *neighbour) checkPreviews(t *testing.T, shop *till) {
	for _, c := range []struct {
		own, path string
		asked     []string
		status    int
	}{
		{loopbackGerman, "/cart", previewed("country=US"), 451},
		{loopbackGerman, "/cart", previewed("country=US; at=2024-07-19"), 200},
		{loopbackGerman, "/about", previewed("country=US"), 200},
		{loopbackGerman, "/cart", []string{"Gate451-Preview", "country=US; token=spoofed"}, 403},
		{loopbackGerman, "/about", append(previewed("country=US"), previewed("country=DE")...), 403},
		{loopbackGerman, "/cart", []string{"Gate451-Preview", ""}, 200},
		{loopbackGerman, "/cart", []string{"Gate451_Preview", "country=US; token=" + previewToken}, 200},
		{loopbackAmerican, "/cart", previewed("country=DE"), 451},
	} {
		a := exchange(t, buyer(t, c.own, n.address), "GET", "http://shop.example"+c.path, nil, c.asked...)
		asked := shop.take()
		if told := a.Header.Get("Gate451-Preview"); a.StatusCode != c.status || len(asked) != map[int]int{200: 1}[c.status] || strings.HasPrefix(told, "block; country=US;") != (c.status == 451 && c.own == loopbackGerman) {
			t.Errorf("%s from %s with %q: %d, told %s, the shop was asked %d times", c.path, c.own, c.asked, a.StatusCode, told, len(asked))
		}
		for _, r := range asked {
			if text := fmt.Sprint(r.Header); strings.Contains(strings.ToLower(text), "preview") || strings.Contains(text, previewToken) {
				t.Errorf("the shop is told %s", text)
			}
		}
	}
}

// withheldNames reads where they stand which headers no shop may see.
func withheldNames(t testing.TB) (names, families []string) {
	t.Helper()
	text, err := os.ReadFile("upstream/names.go")
	if err != nil {
		t.Fatal(err)
	}
	list := func(begin string) (all []string) {
		_, rest, _ := strings.Cut(string(text), begin)
		rest, _, _ = strings.Cut(rest, "\n\n")
		for _, quoted := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(rest, -1) {
			all = append(all, strings.Fields(quoted[1])...)
		}
		return all
	}
	names, families = list("withheldNames = set("), list("withheldFamilies = ")
	if len(names) < 100 || len(families) < 10 {
		t.Fatalf("%d names and %d families; they are no longer where this test reads them", len(names), len(families))
	}
	return names, families
}

// checkWithheld sends every header by which a buyer could give the shop another idea of something than the gateway's.
func (n *neighbour) checkWithheld(t *testing.T, shop *till) {
	names, families := withheldNames(t)
	names = slices.DeleteFunc(names, func(name string) bool { // what a server acts upon, and answers in its own way
		return slices.Contains(strings.Fields("host content-length transfer-encoding connection upgrade trailer te gate451 keep-alive proxy-connection proxy-authenticate"), name)
	})
	for _, family := range families {
		if n.name == "nginx" { // it knows no patterns, but the names in use
			continue
		}
		names = append(names, family+"x")
	}
	names = append(names, "cf-ipcountry", "geoip-country-code", "x-geoip-country", "cloudfront-viewer-country", "x-vercel-ip-country", "x-appengine-country", "gate451-reference", "gate451-refusal", "gate451-notice", "gate451-token")
	client := buyer(t, loopbackGerman, n.address)
	for _, sign := range []string{"-", "_", "."} {
		for some := range slices.Chunk(names, 40) {
			var headers []string
			for _, name := range some {
				if sign == "-" || strings.Contains(name, "-") {
					headers = append(headers, strings.ReplaceAll(name, "-", sign), "spoofed")
				}
			}
			a := exchange(t, client, "GET", "http://shop.example/about", nil, headers...)
			asked := shop.take()
			if a.StatusCode != 200 || len(asked) != 1 {
				t.Errorf("with %q: %d, the shop was asked %d times", headers, a.StatusCode, len(asked))
				continue
			}
			for name, values := range asked[0].Header {
				if slices.Contains(values, "spoofed") {
					t.Errorf("the shop is told %s: %q", name, values)
				}
			}
		}
	}
}

// checkBodies shows that bodies reach the shop, and that what cannot be seen in one is not let by.
func (n *neighbour) checkBodies(t *testing.T, shop *till) {
	const js, form = "application/json", "application/x-www-form-urlencoded"
	long := strings.Repeat("x", 100<<10)
	for _, c := range []struct {
		own, method, path, kind, body string
		chunked                       bool
		status                        int
	}{
		{loopbackGerman, "POST", "/buy", js, `{"sku":"KL1"}`, false, 200},
		{loopbackGerman, "POST", "/about", js, long, false, 200},
		{loopbackGerman, "POST", "/about", js, long, true, 200},
		{loopbackAmerican, "POST", "/about", js, `{"sku":"KL1"}`, true, 200},
		{loopbackAmerican, "POST", "/buy", js, `{"sku":"KL1"}`, false, 451},
		{loopbackAmerican, "POST", "/buy", js, `{"sku":"KL1"}`, true, 451},
		{loopbackAmerican, "POST", "/buy", js, `{"note":"` + long + `","sku":"KL1"}`, false, 451},
		{loopbackAmerican, "POST", "/buy", js, `{"note":"` + long + `","sku":"KL1"}`, true, 451},
		{loopbackAmerican, "POST", "/buy", js, `{"sku":"other"}`, false, map[bool]int{true: 200, false: 451}[n.name == "haproxy"]}, // which sends bodies along
		{loopbackAmerican, "POST", "/buy", form, "sku=else&note=" + long + "&sku=KL1", false, 451},                                 // whose beginning is harmless
		{loopbackAmerican, "POST", "/buy", form, "sku=else&note=" + long + "&sku=KL1", true, 451},
		{loopbackAmerican, "GET", "/buy?sku=else", "", "", false, 200},
		{loopbackAmerican, "GET", "/buy?sku=else", "", `{"sku":"KL1"}`, false, 451},
		{loopbackAmerican, "GET", "/buy?sku=else", js, `{"sku":"KL1"}`, true, 451},
		{loopbackAmerican, "GET", "/buy?sku=else", "", `{"sku":"KL1"}`, true, map[bool]int{true: 200, false: 451}[n.name == "caddy"]}, // which does not tell
	} {
		var body io.Reader = strings.NewReader(c.body)
		if c.chunked {
			body = struct{ io.Reader }{body}
		}
		a, err := offer(t, buyer(t, c.own, n.address), c.method, "http://shop.example"+c.path, body, c.kind)
		asked := shop.take()
		if err != nil {
			// A proxy that refuses a body it has not read may cut it off, and its answer with it.
			if c.status != 451 || len(c.body) < len(long) || len(asked) > 0 {
				t.Errorf("%s %s %.20s from %s, chunked %v: %v; the shop was asked %d times", c.method, c.path, c.body, c.own, c.chunked, err, len(asked))
			}
			continue
		}
		if a.StatusCode != c.status || len(asked) != map[int]int{200: 1, 451: 0}[c.status] || c.status == 200 && a.text != fmt.Sprintf("got %q", c.body) {
			t.Errorf("%s %s %.20s from %s, chunked %v: %d %.60s, want %d; the shop was asked %d times", c.method, c.path, c.body, c.own, c.chunked, a.StatusCode, a.text, c.status, len(asked))
		}
	}
}

// offer is exchange with a body of some type, for those who may be cut off.
func offer(t testing.TB, client *http.Client, method, url string, body io.Reader, kind string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res, string(text)}, err
}

// TestHAProxyWithABrokenScript shows that nobody passes by a script that fails.
func TestHAProxyWithABrokenScript(t *testing.T) {
	t.Parallel()
	shop := newTill(t)
	n := startNeighbour(t, "haproxy", false, neighbourSetup(neighbourPolicy, shop.url), "local client = core.httpclient()", "local client = nil")
	if a := exchange(t, buyer(t, loopbackGerman, n.address), "GET", "http://shop.example/about", nil); a.StatusCode != 503 || len(shop.take()) > 0 {
		t.Errorf("%d", a.StatusCode)
	}
}

// checkFailsClosed ends the gateway, and then answers in its place as nobody should who is asked whether a request may pass.
func (n *neighbour) checkFailsClosed(t *testing.T, shop *till) {
	hungUp := ""
	n.phone.instead.Store(&hungUp) // nobody else may be asked who gets the port by chance
	n.gate.stop()
	_ = n.gate.end() // how it ended is another test's affair
	refused := func(what string) {
		t.Helper()
		for _, path := range []string{"/cart", "/about"} {
			for _, own := range []string{loopbackAmerican, loopbackGerman} {
				client := buyer(t, own, n.address)
				r, err := http.NewRequestWithContext(t.Context(), "GET", "http://shop.example"+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(r)
				if err == nil {
					res.Body.Close()
				}
				if asked := shop.take(); len(asked) > 0 {
					t.Errorf("%s: %s from %s: the shop was asked %d times", what, path, own, len(asked))
				}
			}
		}
	}
	refused("without a gateway")
	for _, text := range []string{
		"HTTP/1.1 500 Oops\r\nX-Country-Code: DE\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "nonsense\r\n\r\n", "HTTP/1.1 2",
	} {
		n.phone.instead.Store(&text)
		refused(fmt.Sprintf("with %.30q in its place", text))
	}
	yes := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	n.phone.instead.Store(&yes)
	if a := exchange(t, buyer(t, loopbackGerman, n.address), "GET", "http://shop.example/about", nil); a.StatusCode != 200 || len(shop.take()) != 1 {
		t.Errorf("with a yes in its place: %d: the answers before prove nothing", a.StatusCode)
	}
}
