package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gate451/config"
	"gate451/gateway/geoip"
	"gate451/rules"
)

func TestQuestionIsTakenApart(t *testing.T) {
	t.Parallel()
	const example = "expected one such as https://shop.example/checkout"
	for _, c := range []struct{ url, host, target, err string }{
		{"https://shop.example/checkout", "shop.example", "/checkout", ""},
		{"http://shop.example:8080/a?b=c", "shop.example:8080", "/a?b=c", ""},
		{"HTTPS://Shop.Example/", "Shop.Example", "/", ""},
		{"https://shop.example", "shop.example", "/", ""},
		{"https://shop.example?a", "shop.example", "/?a", ""},
		{"https://shop.example?a=/b@c", "shop.example", "/?a=/b@c", ""},
		{"https://shop.example#top", "shop.example", "/#top", ""},
		{"https://shop.example//cart", "shop.example", "//cart", ""},
		{"https://shop.example/x/..%2fcart", "shop.example", "/x/..%2fcart", ""},
		{"https://shop.example/a b%zz\x00", "shop.example", "/a b%zz\x00", ""},
		{"https://shop.example/http://other.example/", "shop.example", "/http://other.example/", ""},
		{"https://shop.example/@user", "shop.example", "/@user", ""},
		{`https://shop.example\cart`, `shop.example\cart`, "/", ""},
		{"http://[2001:db8::1]:8080/cart", "[2001:db8::1]:8080", "/cart", ""},
		{"http://[2001:db8::1]", "[2001:db8::1]", "/", ""},
		{"", "", "", `"" is no URL; ` + example},
		{"/cart", "", "", `"/cart" is no URL; ` + example},
		{"shop.example/cart", "", "", `"shop.example/cart" is no URL; ` + example},
		{"ftp://shop.example/", "", "", `"ftp://shop.example/" is no URL; ` + example},
		{"https:shop.example/", "", "", `"https:shop.example/" is no URL; ` + example},
		{"https://", "", "", `"https://" names no host; expected a URL such as https://shop.example/checkout`},
		{"https:///cart", "", "", `"https:///cart" names no host; expected a URL such as https://shop.example/checkout`},
		{"https://a:secret@shop.example/", "", "", "the URL names a user, which no request line carries; leave out what stands before the @"},
	} {
		q := Question{URL: c.url, IP: netip.MustParseAddr("50.114.0.1")}
		r, err := q.request()
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%q: error %v, want %s", c.url, err, c.err)
			}
			continue
		}
		if err != nil || r.Host != c.host || r.RequestURI != c.target || r.Method != http.MethodGet || r.RemoteAddr != "50.114.0.1:0" {
			t.Errorf("%q: error %v, %+v", c.url, err, r)
		}
	}
}

func FuzzQuestionKeepsTheURL(f *testing.F) {
	for _, seed := range []string{"https://shop.example/x/..%2fcart", "http://h?q", "http://[::1]:1//#", "HTTP://a\\b/@"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		host, target, err := cutURL(text)
		if err != nil {
			return
		}
		if host == "" || strings.ContainsAny(host, "/?#@") || !strings.HasPrefix(target, "/") {
			t.Fatalf("%q is cut into %q and %q", text, host, target)
		}
		_, rest, _ := strings.Cut(text, "://")
		if rest != host+target && rest != host+target[1:] {
			t.Fatalf("%q is changed to %q and %q", text, host, target)
		}
	})
}

func TestQuestionWithAHostOfItsOwn(t *testing.T) {
	t.Parallel()
	header := http.Header{"Host": {"shop.example"}, "X-Forwarded-For": {"50.114.0.1"}}
	q := Question{URL: "http://127.0.0.1:8080/cart", Method: http.MethodPost, Header: header}
	r, err := q.request()
	if err != nil || r.Host != "shop.example" || r.Header.Get("Host") != "" || r.Header.Get("X-Forwarded-For") != "50.114.0.1" || r.Method != http.MethodPost {
		t.Errorf("error %v, %+v", err, r)
	}
	if header.Get("Host") != "shop.example" {
		t.Error("the question was changed")
	}
	q.Header = http.Header{"Host": {"a", "a"}}
	if _, err := q.request(); err == nil || err.Error() != "the request names 2 hosts in its header; one is all that a server takes" {
		t.Errorf("error %v", err)
	}
}

// explainer makes an enforcer of a policy and further lines of gateway.yaml.
func explainer(t *testing.T, policy, lines string) *Enforcer {
	t.Helper()
	cfg, err := config.Parse("gateway.yaml", []byte("routes: [{name: shop, hosts: [shop.example], upstreams: [\"http://127.0.0.1:1\"]}]\npolicy: policy.yaml\n"+lines), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEnforcer(cfg, Options{Policy: []byte(policy)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const explainedPolicy = `version: 1
time_zone: Europe/Berlin
activities: {sale: [{paths: [/cart]}], update: [{paths: [/updates]}]}
products: {hers: [{paths: [/cart/hers]}], his: [{paths: [/cart/his]}]}
rules:
  - {id: always, activity: sale, products: [hers], countries: [CU, SY]}
  - {id: coming, activity: sale, products: [hers], countries: [US], from: 2030-01-01}
  - {id: gone, activity: sale, products: [hers], countries: [US], from: 2020-01-01, until: 2021-01-01}
  - id: licensed
    activity: sale
    products: [his]
    countries: [US]
    until: 2031-01-01
    except: [{networks: [50.114.0.0/24], note: licence 1234}, {networks: [50.114.1.0/24]}]
  - {id: lenient, activity: update, countries: [US], unknown_country: allow, private_networks: allow, client_address: allow}
  - {id: trial, activity: sale, products: [hers], countries: [US], from: 2025-01-01, mode: shadow}
`

func TestStepsTellTheWay(t *testing.T) {
	t.Parallel()
	e := explainer(t, explainedPolicy, "client_ip: {trusted_proxies: [10.0.0.0/8]}\ngeoip: {overrides: {203.0.113.0/24: CU}, max_age: 1d}\n")
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	const stale = "; the database is older than geoip.max_age"
	const american = "source: embedded: US for 50.114.0.0/23" + stale + "\ncountry: US, the United States\n"
	for _, c := range []struct {
		name, ip, path string
		header         http.Header
		want           string
	}{
		{"rules on many dates", "50.114.0.1", "/cart/hers", nil, "client: 50.114.0.1, the other end of the connection\n" + american +
			"reading: \"/cart/hers\" is activity sale, product hers\nrule: always does not list US\n" +
			"rule: coming is not effective yet: from 2030-01-01T00:00:00+01:00\nrule: gone is no longer effective: from 2020-01-01T00:00:00+01:00 until 2021-01-01T00:00:00+01:00\n" +
			"rule: licensed is about other products: his\nrule: trial would block, but is in shadow mode: the rule lists the country; effective from 2025-01-01T00:00:00+01:00\n" +
			"shadow: trial would block: listed_country\nverdict: ALLOW: not_effective (the rule is not effective at the instant), by coming\nroute: forwarded to shop\n"},
		{"an exception with a note", "50.114.0.1", "/cart/his", nil, "client: 50.114.0.1, the other end of the connection\n" + american +
			"reading: \"/cart/his\" is activity sale, product his\nrule: always is about other products: hers\nrule: coming is about other products: hers\n" +
			"rule: gone is about other products: hers\nrule: licensed is lifted by an exception: licence 1234\nrule: trial is about other products: hers\n" +
			"verdict: ALLOW: exempt (an exception lifts the rule), by licensed\nroute: forwarded to shop\n"},
		{"an override", "203.0.113.1", "/cart/hers", nil, "client: 203.0.113.1, the other end of the connection\nclient: not a public address: it is in 203.0.113.0/24\n" +
			"source: override: CU for 203.0.113.0/24\nsource: embedded: nothing for 203.0.113.0/24" + stale + "\ncountry: CU, Cuba\n" +
			"reading: \"/cart/hers\" is activity sale, product hers\nrule: always blocks: the rule lists the country; effective at all times\nrule: coming does not list CU\n" +
			"rule: gone does not list CU\nrule: licensed is about other products: his\nrule: trial does not list CU\n" +
			"verdict: BLOCK, answered 451: listed_country (the rule lists the country), by always\n"},
		{"a proxy that tells nothing", "10.0.0.1", "/updates", nil, "client: cannot be established: X-Forwarded-For from 10.0.0.1 names no client; " +
			"the proxy must set it on every request, to the address that it was called from\ncountry: unknown\nreading: \"/updates\" is activity update\n" +
			"rule: lenient allows: the buyer's address could not be established; effective at all times\n" +
			"verdict: ALLOW: client_address (the buyer's address could not be established), by lenient\nroute: forwarded to shop\n"},
		{"a proxy that tells of a carried address", "10.0.0.1", "/", http.Header{"X-Forwarded-For": {"192.0.2.1, 2002:3272:1::1, 10.0.0.2"}},
			"client: 2002:3272:1::1, number 2 from the right in X-Forwarded-For, which the trusted proxy 10.0.0.1 sent\n" +
				"client: judged by 50.114.0.1, which the address carries (6to4)\n" + american +
				"reading: \"/\" is no activity of the policy\nverdict: ALLOW: ungoverned (the request is no activity of the policy)\nroute: forwarded to shop\n"},
		{"another host", "50.114.0.1", "/", http.Header{"Host": {"other.example"}}, "client: 50.114.0.1, the other end of the connection\n" + american +
			"reading: \"/\" is no activity of the policy\nverdict: ALLOW: ungoverned (the request is no activity of the policy)\nroute: none names the host other.example: answered 421\n"},
	} {
		account, err := e.Explain(Question{IP: netip.MustParseAddr(c.ip), URL: "https://shop.example" + c.path, Header: c.header, At: now})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		request := "request: GET https://shop.example" + c.path
		if host := c.header.Get("Host"); host != "" {
			request += ", Host: " + host
		}
		want := request + "\ninstant: 2026-07-01T14:00:00+02:00 (Europe/Berlin)\n" + c.want + "policy: " + e.policy.current.Load().Digest() + "\n"
		var got strings.Builder
		for _, step := range account.Steps() {
			got.WriteString(step.About + ": " + step.Text + "\n")
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if record, err := account.Record(); err != nil || record.At != "2026-07-01T14:00:00+02:00" {
			t.Errorf("%s: error %v, %+v", c.name, err, record)
		}
	}
}

// TestStepsTellWhatIsCarried shows that a reader is told what was found, not how often nothing was.
func TestStepsTellWhatIsCarried(t *testing.T) {
	t.Parallel()
	e := explainer(t, `version: 1
time_zone: UTC
activities:
  sale:
    - {paths: [/cart], fields: [{query: id}], when: carried}
    - {paths: [/cart], fields: [{query: sku}, {form: sku}], when: carried}
    - {paths: [/cart], fields: [{json: sku}], when: carried}
products: {hers: [{skus: [7, 8]}]}
rules: [{id: always, activity: sale, products: [hers], countries: [US]}]
`, "")
	for _, c := range []struct{ query, kind, body, want string }{
		{"", "", "", "no product where the activity has them"},
		{"?id=7", "", "", `"7"`},
		{"?id=7&sku=7", "", "", `"7"`},
		{"?id=7&sku=9", "", "", `"9" | "7"`},
		{"?id=7", "application/json", "{", `what else it may carry could not be read | "7"`},
		{"?sku=7", "text/plain", "x", `"7"; what else it may carry could not be read | what else it may carry could not be read`},
	} {
		q := Question{IP: netip.MustParseAddr("50.114.0.1"), URL: "https://shop.example/cart" + c.query, At: time.Unix(1.8e9, 0), Method: "POST", Body: []byte(c.body)}
		if c.kind != "" {
			q.Header = http.Header{"Content-Type": {c.kind}}
		}
		account, err := e.Explain(q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, step := range account.Steps() {
			if step.About == "carries" {
				got = append(got, step.Text)
			}
		}
		if got := strings.Join(got, " | "); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.query, c.body, got, c.want)
		}
	}
}

// TestStepsOfAPersistedQuery shows that a reader is told what is missing, and what is done about it.
func TestStepsOfAPersistedQuery(t *testing.T) {
	t.Parallel()
	e := explainer(t, `version: 1
activities: {sale: [{preset: vendure}]}
products: {hers: [{skus: [7]}]}
rules: [{id: always, activity: sale, products: [hers], countries: [US]}]
`, "")
	for version, want := range map[string]string{
		"1": "a persisted query whose document is not known here | BLOCK, answered 200 PersistedQueryNotFound for the client to send the document: " +
			"undetermined_product (the product could not be read out of the request), by always",
		"2": "what else it may carry could not be read | BLOCK, answered 451: undetermined_product (the product could not be read out of the request), by always",
	} {
		account, err := e.Explain(Question{
			IP: netip.MustParseAddr("50.114.0.1"), URL: "https://shop.example/shop-api", At: time.Unix(1.8e9, 0), Method: "POST",
			Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"extensions":{"persistedQuery":{"version":` + version + `,"sha256Hash":"ab"}}}`),
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, step := range account.Steps() {
			if step.About == "carries" || step.About == "verdict" {
				got = append(got, step.Text)
			}
		}
		if got := strings.Join(got, " | "); got != want {
			t.Errorf("version %s: %s, want %s", version, got, want)
		}
	}
}

// TestStepsTellOfCarts shows that explain says what the shop would be asked, and asks nobody.
func TestStepsTellOfCarts(t *testing.T) {
	t.Parallel()
	e := explainer(t, `version: 1
time_zone: UTC
activities:
  sale:
    - {paths: [/row], fields: [{param: key, row: true, hash: md5}], when: carried, cart: {get: /cart, json: items.#.id, query: [session]}}
    - {paths: [/order], cart: {path: /graphql, graphql: "{ cart { id } }", json: data.cart.#.id, within: 2s}}
    - {paths: [/order], when: carried, where: [{query: again}], cart: {path: /graphql, graphql: "{ cart { id } }", json: data.cart.#.id, within: 2s}}
    - {paths: ["/carts/*"], fields: [{path: "/carts/*", cart: true}], cart: {get: "/api/{cart}?a=b", json: items.#.id, query: [session]}}
products: {hers: [{skus: [11]}]}
rules: [{id: always, activity: sale, products: [hers], countries: [US]}]
`, "")
	for _, c := range []struct{ ip, target, carries, cart, verdict string }{
		{"50.114.0.1", "/row?key=x&session=1", `row "x" of the cart`, "would be asked for: GET /cart?session=1, within 1s; here nobody is asked", "undetermined_product"},
		{"50.114.0.1", "/row?key=6512bd43d9caa6e02c990b0a82652dca", `"11"`, "", "listed_country"},
		{"50.114.0.1", "/order?again=1", "no product where the activity has them", "would be asked for: POST /graphql, { cart { id } }, within 2s; here nobody is asked", "undetermined_product"},
		{"50.114.0.1", "/carts/c1?session=%31", "no product where the activity has them", "would be asked for: GET /api/c1?a=b&session=%31, within 1s; here nobody is asked", "undetermined_product"},
		{"50.114.0.1", "/carts/c~1", "what else it may carry could not be read", "the request does not say which one it is about", "undetermined_product"},
		{"85.214.132.117", "/order", "", "", "other_product"}, // for whom no cart could make a block
	} {
		account, err := e.Explain(Question{IP: netip.MustParseAddr(c.ip), URL: "https://shop.example" + c.target, At: time.Unix(1.8e9, 0)})
		if err != nil {
			t.Fatal(err)
		}
		said := map[string][]string{}
		for _, step := range account.Steps() {
			said[step.About] = append(said[step.About], step.Text)
		}
		carries, cart := strings.Join(said["carries"], " | "), strings.Join(said["cart"], " | ")
		if carries != c.carries || cart != c.cart || !strings.Contains(said["verdict"][0], c.verdict) {
			t.Errorf("%s from %s carries %s; cart %s; verdict %s", c.target, c.ip, carries, cart, said["verdict"])
		}
	}
}

func TestStepsOfARejectedRequest(t *testing.T) {
	t.Parallel()
	e := explainer(t, explainedPolicy, "")
	account, err := e.Explain(Question{IP: netip.MustParseAddr("50.114.0.1"), URL: "https://shop.example/\x1b[31m", At: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Step{
		{"request", `GET "https://shop.example/\x1b[31m"`}, {"instant", "1970-01-01T01:00:00+01:00 (Europe/Berlin)"},
		{"verdict", "REJECTED, answered 400: the target holds a control character"},
	}, account.Steps()); diff != "" {
		t.Error(diff)
	}
	if _, err := account.Record(); err == nil || err.Error() != "the request is not judged, but answered 400: malformed request: the target holds a control character" {
		t.Errorf("error %v", err)
	}
}

func TestExplainSaysWhatIsWrongWithTheQuestion(t *testing.T) {
	t.Parallel()
	if _, err := explainer(t, explainedPolicy, "").Explain(Question{URL: "nowhere"}); err == nil || !strings.HasPrefix(err.Error(), `"nowhere" is no URL`) {
		t.Errorf("error %v", err)
	}
	e := explainer(t, explainedPolicy, "")
	e.cfg.Routes[0].CAFile = "absent.pem"
	if _, err := e.Explain(Question{URL: "https://shop.example/"}); err == nil || !strings.HasPrefix(err.Error(), "gateway.yaml:1:") {
		t.Errorf("error %v", err)
	}
}

func TestInstantsAreReadInThePolicysZone(t *testing.T) {
	t.Parallel()
	at, err := explainer(t, explainedPolicy, "").ParseInstant("2024-07-20")
	if want := time.Date(2024, 7, 19, 22, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("%v, %v, want %v", at, err, want)
	}
}

func TestFindingsAndOriginsInWords(t *testing.T) {
	t.Parallel()
	network := netip.MustParsePrefix("192.0.2.0/24")
	us, de := rules.CountryOf("US"), rules.CountryOf("DE")
	for want, f := range map[string]geoip.Finding{
		"US, US-CA for 192.0.2.0/24":    {Network: network, Country: us, Subdivisions: []string{"US-CA"}},
		"vpn, hosting for 192.0.2.0/24": {Network: network, Said: []string{"vpn", "hosting"}},
		"has no addresses of this kind": {},
		"cannot be read: broken":        {Err: errors.New("broken")},
		"nothing for 192.0.2.0/24":      {Network: network},
		"has no addresses of this kind; the database is older than geoip.max_age": {Traits: rules.StaleDatabase},
	} {
		if got := findingWords(f); got != want {
			t.Errorf("%+v in words: %s, want %s", f, got, want)
		}
	}
	for want, o := range map[string]rules.Origin{
		"unknown":     {},
		"DE, Germany": {Country: de},
		"US, the United States; and DE, Germany (US-CA, DE-BE)": {Country: us, Others: []rules.Country{de}, Subdivisions: []string{"US-CA", "DE-BE"}},
	} {
		if got := originWords(&o); got != want {
			t.Errorf("%+v in words: %s, want %s", o, got, want)
		}
	}
	if got := readingWords(rules.ReadingStep{Path: "/a\u202eb"}); got != `"/a\u202eb" is no activity of the policy` {
		t.Errorf("a path that a terminal would turn around: %s", got)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for reason := rules.ReasonUngoverned; int(reason) <= len(rules.Reasons()); reason++ {
		words := reasonWords(reason)
		if words == reason.String() || seen[words] {
			t.Errorf("%v in words: %q", reason, words)
		}
		seen[words] = true
	}
	if got := reasonWords(0); got != "" {
		t.Errorf("no reason in words: %q", got)
	}
}

// TestExplainAgreesWithServing sends requests over a socket, byte by byte as they are written here, and asks about the same.
func TestExplainAgreesWithServing(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC)
	d := startDemo(t, DemoOptions{At: at, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0"})
	seen := map[int]int{}
	for _, target := range []string{
		"/", "/buy/kaspersky-standard", "/buy/other-antivirus", "//cart", "/x/..%2fcart", "/./cart", "/CART", "/cart?a=%zz", "/%2e%2e/cart", "/cart%zz", "/cart%00",
		"/cart;a=b", "/products/kaspersky-standard", "/cart%252fadd", "/buy%5ckaspersky-standard", "/cart#top", "/\xffcart", "/?/cart",
	} {
		for _, client := range []string{"50.114.0.1", "85.214.132.117", "10.0.0.1", "unknown", "2002:3272:1::1"} {
			for _, host := range []string{"shop.example", "updates.example:80", "UPDATES.example.", "bad host", "[::1]"} {
				served := statusOf(t, d, target, host, client)
				seen[served]++
				account, err := d.Explain(Question{
					IP: netip.MustParseAddr("127.0.0.1"), URL: "http://" + host + target, Header: http.Header{"X-Forwarded-For": {client}}, At: at,
				})
				if err != nil {
					t.Errorf("%s %s: %v", host, target, err)
					continue
				}
				explained := http.StatusOK
				if record, err := account.Record(); err != nil {
					explained = account.rejected.Status
				} else if record.Verdict == "block" {
					explained = http.StatusUnavailableForLegalReasons
				}
				if served == http.StatusNotFound {
					served = http.StatusOK // forwarded to a shop that has no such page
				}
				if served != explained {
					t.Errorf("%s%s for %s is answered %d, and explained as %d", host, target, client, served, explained)
				}
			}
		}
	}
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusUnavailableForLegalReasons} {
		if seen[status] == 0 {
			t.Errorf("nothing was answered %d: %v", status, seen)
		}
	}
}

// statusOf sends a request as it is written, and returns the answer's status; a redirect counts as a page.
func statusOf(t *testing.T, d *Demo, target, host, client string) int {
	t.Helper()
	conn, err := net.Dial("tcp", d.PublicAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: %s\r\nConnection: close\r\n\r\n", target, host, client); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s%s: %v", host, target, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 3 {
		return http.StatusOK
	}
	return resp.StatusCode
}
