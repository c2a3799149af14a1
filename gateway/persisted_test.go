package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// persistedPolicy forbids the United States product 7, and Cuba everything.
const persistedPolicy = `version: 1
activities:
  sale: [{preset: vendure, hosts: [shop.example]}]
products:
  restricted: [{skus: [7]}]
rules:
  - {id: sales, activity: sale, products: [restricted], countries: [US]}
  - {id: embargo, activity: sale, countries: [CU]}
`

const (
	added  = `mutation($id:ID!){addItemToOrder(productVariantId:$id,quantity:1){__typename}}`
	looked = `query($id:ID!){product(id:$id){name}}`
)

func hashOf(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}

// apollo is a shop that keeps documents as Apollo Server does, and remembers what was bought.
type apollo struct {
	mu     sync.Mutex
	stored map[string]string
	bought []string
	asked  int
}

// persistedRequest is a GraphQL request.
type persistedRequest struct {
	Query      *string                    `json:"query,omitempty"`
	Variables  map[string]any             `json:"variables,omitempty"`
	Extensions map[string]persistedDigest `json:"extensions,omitempty"`
}

type persistedDigest struct {
	Version int    `json:"version"`
	Hash    string `json:"sha256Hash"`
}

func (a *apollo) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	var request persistedRequest
	if json.NewDecoder(r.Body).Decode(&request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	hash := request.Extensions["persistedQuery"].Hash
	switch {
	case request.Query == nil && a.stored[hash] == "":
		_, _ = io.WriteString(w, `{"errors":[{"message":"PersistedQueryNotFound"}]}`) // whoever is gone needs no answer
		return
	case request.Query == nil:
		document := a.stored[hash]
		request.Query = &document
	case hash != "" && hash != hashOf(*request.Query):
		w.WriteHeader(http.StatusBadRequest)
		return
	case hash != "":
		a.stored[hash] = *request.Query
	}
	if strings.Contains(*request.Query, "addItemToOrder") {
		a.bought = append(a.bought, fmt.Sprint(request.Variables["id"]))
	}
	_, _ = io.WriteString(w, `{"data":{}}`)
}

// came returns what was bought and how many requests arrived since it was asked last.
func (a *apollo) came() (bought string, asked int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	bought, asked = strings.Join(a.bought, " "), a.asked
	a.bought, a.asked = nil, 0
	return bought, asked
}

// persistedGate is a gateway before such a shop.
type persistedGate struct {
	*gate
	shop *apollo
}

func startPersisted(t *testing.T, s setup) *persistedGate {
	t.Helper()
	shop := &apollo{stored: map[string]string{}}
	s.policy, s.upstream = persistedPolicy, newShop(t, shop.serve)
	return &persistedGate{start(t, s), shop}
}

func (g *persistedGate) post(t *testing.T, buyer, kind, body string, headers ...string) answer {
	t.Helper()
	return g.send(t, buyer, http.MethodPost, "http://shop.example/shop-api", strings.NewReader(body), append(headers, "Content-Type", kind)...)
}

// ask sends a request of a client of persisted queries: a digest, and a document or none.
func (g *persistedGate) ask(t *testing.T, buyer, hash, document, id string) answer {
	t.Helper()
	request := persistedRequest{Variables: map[string]any{"id": id}, Extensions: map[string]persistedDigest{"persistedQuery": {1, hash}}}
	if document != "" {
		request.Query = &document
	}
	body, err := json.Marshal(request)
	must(t, err)
	return g.post(t, buyer, "application/json", string(body))
}

// told says in a word what an answer is.
func told(a answer) string {
	switch {
	case a.StatusCode == http.StatusUnavailableForLegalReasons:
		return "451"
	case a.StatusCode != http.StatusOK:
		return fmt.Sprint(a.StatusCode)
	case a.Header.Get("Gate451-Reference") != "":
		return "asked"
	case strings.Contains(a.text, "PersistedQueryNotFound"):
		return "shop asked"
	}
	return "passed"
}

// honest asks as a client does: with the digest alone, and with the document once it was not found. It returns what it was
// told, up to an answer or a refusal.
func (g *persistedGate) honest(t *testing.T, buyer, document, id string) string {
	t.Helper()
	var all []string
	for try := range 2 {
		a := g.ask(t, buyer, hashOf(document), []string{"", document}[try], id)
		all = append(all, told(a))
		var said struct{ Errors []struct{ Message string } }
		if json.Unmarshal([]byte(a.text), &said) != nil || len(said.Errors) == 0 || said.Errors[0].Message != "PersistedQueryNotFound" {
			break
		}
	}
	return strings.Join(all, ", ")
}

// TestPersistedQueriesOfHonestClients has clients that begin with the digest alone, and counts what the shop sold.
func TestPersistedQueriesOfHonestClients(t *testing.T) {
	t.Parallel()
	g := startPersisted(t, setup{})
	for _, c := range []struct{ buyer, document, id, told, bought string }{
		{american, added, "8", "asked, passed", "8"},
		{american, added, "8", "passed", "8"},
		{american, added, "7", "451", ""}, // whose document is known by now
		{american, looked, "7", "asked, passed", ""},
		{american, looked, "7", "passed", ""},
		{american, " " + added, "7", "asked, 451", ""},
		{american, " " + added, "7", "451", ""},
		{american, " " + added, "8", "shop asked, passed", "8"}, // which was registered with a refusal, and so here alone
		{american, " " + added, "8", "passed", "8"},
		{german, "  " + added, "7", "shop asked, passed", "7"}, // whom no rule is about: nothing is read, and nothing learnt
		{american, "  " + added, "8", "asked, passed", "8"},
		{nowhere, "   " + looked, "8", "asked, passed", ""},
		{nowhere, "   " + added, "8", "asked, 451", ""}, // who may be in Cuba
	} {
		got := g.honest(t, c.buyer, c.document, c.id)
		if bought, _ := g.shop.came(); got != c.told || bought != c.bought {
			t.Errorf("%s, %q with %s: %s, and bought %q; want %s and %q", c.buyer, c.document, c.id, got, bought, c.told, c.bought)
		}
	}
}

// TestEverythingIsForbidden: whoever may buy nothing may still look around, by a persisted query too.
func TestEverythingIsForbidden(t *testing.T) {
	t.Parallel()
	g := startPersisted(t, setup{config: "geoip: {overrides: {203.0.113.0/24: CU}}\n"})
	const cuban = "203.0.113.1"
	for _, c := range []struct{ document, told string }{{looked, "asked, passed"}, {looked, "passed"}, {added, "asked, 451"}, {added, "451"}} {
		if got := g.honest(t, cuban, c.document, "8"); got != c.told {
			t.Errorf("%q: %s, want %s", c.document, got, c.told)
		}
	}
}

// TestPersistedQuerySpellings buys the restricted product by a digest that the shop knows, however it is written. Nothing
// arrives, whether the gateway knows the document or not.
func TestPersistedQuerySpellings(t *testing.T) {
	t.Parallel()
	hash := hashOf(added)
	extension := func(hash string) string { return `{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}` }
	request := func(hash string) string { return `{"variables":{"id":7},"extensions":` + extension(hash) + `}` }
	query := "/shop-api?variables=" + url.QueryEscape(`{"id":7}`) + "&extensions="
	const js, form, parts = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
	part := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for _, known := range []bool{false, true} {
		g := startPersisted(t, setup{})
		g.shop.stored[hash] = added
		want := "asked"
		if known {
			want = "451"
			if got := told(g.ask(t, american, hash, added, "8")); got != "passed" {
				t.Fatalf("registration: %s", got)
			}
			g.shop.came()
		}
		for _, c := range []struct{ method, target, kind, body string }{
			{"POST", "/shop-api", js, request(hash)},
			{"POST", "/shop-api", js, request(strings.ToUpper(hash))},
			{"POST", "/shop-api", js, request(" " + hash + `\t`)},
			{"POST", "/shop-api", js, request(`\u00` + hex.EncodeToString([]byte(hash[:1])) + hash[1:])},
			{"POST", "/shop-api", js, `{"variables":{"id":7},"query":"","extensions":` + extension(hash) + `}`},
			{"POST", "/shop-api", js + "; charset=utf-16le", utf16le(request(hash))},
			{"POST", "/shop-api", form, "variables[id]=7&extensions=" + url.QueryEscape(extension(hash))},
			{"POST", "/shop-api", form, "variables[id]=7&extensions[persistedQuery][version]=1&extensions[persistedQuery][sha256Hash]=" + strings.ToUpper(hash)},
			{"POST", "/shop-api", parts, part("operations", request(hash)) + part("map", "{}") + "--b--"},
			{"POST", "/shop-api", parts, part("variables", `{"id":7}`) + part("extensions", extension(hash)) + "--b--"},
			{"POST", query + url.QueryEscape(extension(hash)), js, "{}"},
			{"POST", query + url.QueryEscape(extension(hash)), "", ""},
			{"GET", query + url.QueryEscape(extension(hash)), "", ""},
			{"GET", query + url.QueryEscape(extension(strings.ToUpper(hash))), "", ""},
			{"HEAD", query + url.QueryEscape(extension(hash)), "", ""},
		} {
			var headers []string
			if c.kind != "" {
				headers = []string{"Content-Type", c.kind}
			}
			a := g.send(t, american, c.method, "http://shop.example"+c.target, strings.NewReader(c.body), headers...)
			if got := told(a); got != want {
				t.Errorf("%s %s %s %q: %s, want %s", c.method, c.target, c.kind, c.body, got, want)
			}
		}
		for _, body := range []string{
			"[" + request(hash) + "]",                             // a batch
			strings.Replace(request(hash), "1", "2", 1),           // another version
			strings.Replace(request(hash), "{", `{"id":"ab",`, 1), // by another name as well
			strings.Replace(request(hash), "{", `{"query":"PersistedQueryMarker",`, 1),
			strings.TrimSuffix(request(hash), "}"),
		} {
			if got := told(g.post(t, american, js, body)); got != "451" {
				t.Errorf("%q: %s, want 451", body, got)
			}
		}
		if bought, asked := g.shop.came(); asked > 0 {
			t.Errorf("the shop got %d requests, and sold %q", asked, bought)
		}
	}
}

// utf16le returns a text of ASCII in UTF-16.
func utf16le(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		b.WriteByte(0)
	}
	return b.String()
}

// TestPoisonedRegistrations: a digest stands for its own document, whatever comes with it.
func TestPoisonedRegistrations(t *testing.T) {
	t.Parallel()
	g := startPersisted(t, setup{})
	g.shop.stored[hashOf(added)] = added
	for _, hash := range []string{hashOf(added), strings.ToUpper(hashOf(added)), " " + hashOf(added)} {
		if got := told(g.ask(t, american, hash, looked, "7")); got != "451" {
			t.Errorf("a harmless document under another one's digest: %s", got)
		}
	}
	if got := told(g.ask(t, american, hashOf(added), "", "7")); got != "asked" {
		t.Errorf("the digest alone afterwards: %s", got)
	}
	_ = g.ask(t, american, hashOf(added), added, "8")
	g.shop.came()
	if got := told(g.ask(t, american, hashOf(added), looked, "7")); got != "451" {
		t.Errorf("the same when the other document is known: %s", got)
	}
	if bought, asked := g.shop.came(); asked > 0 {
		t.Errorf("the shop got %d requests, and sold %q", asked, bought)
	}
}

// TestForgottenDocuments floods one of two gateways with registrations, so that it forgets, and buys through both in turn.
func TestForgottenDocuments(t *testing.T) {
	t.Parallel()
	first, second := startPersisted(t, setup{}), startPersisted(t, setup{})
	buy := func(g *persistedGate, want string) {
		t.Helper()
		if got := g.honest(t, american, added, "8"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if bought, _ := g.shop.came(); bought != "8" {
			t.Errorf("bought %q", bought)
		}
	}
	buy(first, "asked, passed")
	buy(second, "asked, passed") // whom the first has not told
	buy(first, "passed")
	large := looked + " #" + strings.Repeat("x", 60<<10)
	for i := range 150 {
		document := large + fmt.Sprint(i)
		if got := told(first.ask(t, american, hashOf(document), document, "8")); got != "passed" {
			t.Fatalf("registration %d: %s", i, got)
		}
	}
	first.shop.came()
	buy(first, "asked, passed")
	buy(second, "passed")
}

// TestAskingForADocument: the answer is Apollo Server's and never stored; the decision is counted, recorded and logged as the
// block that it is.
func TestAskingForADocument(t *testing.T) {
	t.Parallel()
	g := startPersisted(t, setup{config: "evidence: {dir: evidence}\n"})
	body := `{"variables":{"id":8},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hashOf(added) + `"}}}`
	a := g.post(t, american, "application/json", body, "Origin", "https://front.example")
	var said any
	must(t, json.Unmarshal([]byte(a.text), &said))
	if got := fmt.Sprint(said); got != "map[errors:[map[extensions:map[code:PERSISTED_QUERY_NOT_FOUND] message:PersistedQueryNotFound]]]" {
		t.Errorf("%s", got)
	}
	reference := a.Header.Get("Gate451-Reference")
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Length": fmt.Sprint(len(a.text)),
		"Access-Control-Allow-Origin": "https://front.example", "Access-Control-Allow-Credentials": "true", "Vary": "Origin", "Connection": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := g.post(t, american, "application/json", body); a.Header.Get("Access-Control-Allow-Origin") != "" || a.StatusCode != 200 {
		t.Errorf("without an origin: %d %v", a.StatusCode, a.Header)
	}
	counted := `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="undetermined_product",rule="sales",verdict="block"}`
	if got := g.metric(t, counted); got != "2" {
		t.Errorf("counted %q", got)
	}
	recorded := decisionsOf(linesOf(t, g.file("evidence")))
	if len(recorded) != 2 || recorded[0].Verdict != "block" || recorded[0].Reason != "undetermined_product" || recorded[0].Reference != reference {
		t.Errorf("recorded %+v, want reference %s", recorded, reference)
	}
	if lines := g.log.lines(t, "request refused"); len(lines) != 2 || !strings.Contains(lines[0], reference) {
		t.Errorf("logged %q", lines)
	}
	if _, asked := g.shop.came(); asked > 0 {
		t.Errorf("the shop got %d requests", asked)
	}
}
