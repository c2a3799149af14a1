package gateway_test

import (
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// basketPolicy asks a shop for its cart.
const basketPolicy = `version: 1
activities:
  sale:
    - {paths: [/order], cart: {get: /my/cart, json: items.#.id, rows: items.#.key, headers: [Cookie, Authorization, X-Token], query: [session], within: 10s}}
    - {paths: [/row], fields: [{param: row, row: true, hash: md5}], when: carried, cart: {get: /my/cart, json: items.#.id, rows: items.#.key, headers: [Cookie, Authorization, X-Token], query: [session], within: 10s}}
    - {paths: ["/carts/*"], fields: [{path: "/carts/*", cart: true}], cart: {get: "/api/carts/{cart}", json: items.#.id}}
    - {paths: [/both], cart: {get: /my/cart, json: items.#.id}}
    - {paths: [/both], fields: [{query: sku}], cart: {get: /api/carts/other, json: items.#.id}}
    - {paths: [/quick], cart: {get: /my/cart, json: items.#.id, within: 30ms}}
  gifts:
    - {paths: [/books, /everything], fields: [{query: sku}], cart: {get: /my/cart, json: items.#.id}}
products:
  restricted: [{skus: [11]}]
  books: [{skus: [b*]}]
  everything: [{paths: [/everything]}]
rules:
  - {id: gifts, activity: gifts, countries: [US], except: [{products: [books]}]}
  - {id: all, activity: gifts, products: [everything], countries: [US]}
  - {id: sales, activity: sale, products: [restricted], countries: [US]}
`

// teller is a shop that tells what is in a cart, in whichever way it is made to, and keeps what it is asked.
type teller struct {
	mu        sync.Mutex
	questions []*http.Request
	orders    atomic.Int32
	tell      http.HandlerFunc
}

func (s *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/my/cart" && !strings.HasPrefix(r.URL.Path, "/api/carts/") {
		s.orders.Add(1)
		_, _ = io.Copy(w, r.Body) // whoever is gone needs no answer
		return
	}
	s.mu.Lock()
	s.questions = append(s.questions, r)
	tell := s.tell
	s.mu.Unlock()
	tell(w, r)
}

func (s *teller) let(tell http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = tell
}

// asked returns the questions since the last time.
func (s *teller) asked() (all []*http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, s.questions = s.questions, nil
	return all
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "shop=1")
		_, _ = io.WriteString(w, text)
	}
}

const (
	fullCart  = `{"items":[{"key":"a","id":11},{"key":"b","id":12}]}`
	freeCart  = `{"items":[{"key":"a","id":13},{"key":"b","id":12}]}`
	emptyCart = `{"items":[]}`
)

// TestCartsAreAskedFor shows when a shop is asked, and what becomes of a request.
func TestCartsAreAskedFor(t *testing.T) {
	t.Parallel()
	shop := new(teller)
	g := start(t, setup{policy: basketPolicy, upstream: newShop(t, shop.ServeHTTP)})
	for _, c := range []struct {
		buyer, target, answer string
		status, questions     int
	}{
		{american, "/order", fullCart, 451, 1},
		{american, "/order", freeCart, 200, 1},
		{american, "/order", emptyCart, 200, 1},
		{american, "/order/confirm", fullCart, 451, 1},
		{german, "/order", fullCart, 200, 0},
		{american, "/about", fullCart, 200, 0},
		{american, "/row", fullCart, 200, 0},
		{american, "/row?row=a", fullCart, 451, 1},
		{american, "/row?row=b", fullCart, 200, 1},
		{american, "/row?row=b&row=a", fullCart, 451, 1},
		{american, "/row?row=gone", fullCart, 451, 1},
		{american, "/row?row=gone", freeCart, 200, 1},
		{american, "/row?row=6512bd43d9caa6e02c990b0a82652dca", freeCart, 451, 0}, // the hash of 11
		{american, "/row?row=c20ad4d76fe97759aa27a0c99bff6710", freeCart, 200, 1}, // of 12, which is not listed
		{american, "/row?row=6512bd43d9caa6e02c990b0a82652dca&row=b", freeCart, 451, 0},
		{american, "/carts/c1", fullCart, 451, 1},
		{american, "/carts/c1", freeCart, 200, 1},
		{american, "/carts/a%7Eb", freeCart, 451, 0}, // which is no id
		{american, "/carts/a%2520b", freeCart, 451, 0},
		{nowhere, "/order", freeCart, 200, 1}, // unknown countries are blocked as far as a product is concerned
		{nowhere, "/order", fullCart, 451, 1},
		{american, "/books", `{"items":[{"key":"a","id":"b1"}]}`, 200, 1}, // which are exempt
		{american, "/books", `{"items":[{"key":"a","id":"b1"},{"key":"b","id":"c"}]}`, 451, 1},
		{american, "/books", emptyCart, 451, 1},
		{american, "/books?no", freeCart, 451, 1},
		{american, "/both", freeCart, 451, 1}, // one question is not enough, and there is no second
		{american, "/both?sku=12", freeCart, 200, 1},
		{american, "/everything", freeCart, 451, 0}, // is blocked, whatever it is
	} {
		shop.let(says(c.answer))
		before := shop.orders.Load()
		a := g.send(t, c.buyer, http.MethodPost, "http://shop.example"+c.target, strings.NewReader("body"), "Content-Type", "application/x-www-form-urlencoded")
		reached := shop.orders.Load() - before
		if n := len(shop.asked()); a.StatusCode != c.status || n != c.questions || (reached == 1) != (c.status == 200) {
			t.Errorf("%s %s with %s: %d, %d questions, and %d reached the shop; want %d and %d", c.buyer, c.target, c.answer, a.StatusCode, n, reached, c.status, c.questions)
		}
		if a.StatusCode == 200 && a.text != "body" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %q, Set-Cookie %q", c.target, a.text, a.Header.Get("Set-Cookie"))
		}
	}
	if a := g.get(t, american, "http://unheard-of.example/order"); a.StatusCode != 451 {
		t.Errorf("a host that no route names: %d", a.StatusCode)
	}
	if got := g.metric(t, `gate451_cart_questions_total{result="answered",route="shop"}`); got != "20" {
		t.Errorf("%s questions were counted", got)
	}
	if got := g.metric(t, `gate451_cart_question_duration_seconds_count{route="shop"}`); got != "20" {
		t.Errorf("%s questions were timed", got)
	}
}

// TestCartsThatAreNotTold shows that whatever is no answer is none: the product is undetermined.
func TestCartsThatAreNotTold(t *testing.T) {
	t.Parallel()
	shop := new(teller)
	g := start(t, setup{policy: basketPolicy, upstream: newShop(t, shop.ServeHTTP)})
	late := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(patience):
		}
		_, _ = io.WriteString(w, emptyCart)
	}
	refused, counts := 0, map[string]int{}
	for _, c := range []struct {
		what, target, result string
		tell                 http.HandlerFunc
	}{
		{"slow", "/quick", "slow", late},
		{"an error", "/order", "status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, emptyCart)
		}},
		{"a redirect", "/order", "status", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/about", http.StatusFound) }},
		{"a login page", "/order", "unreadable", says("<!doctype html><title>Log in</title>")},
		{"half a JSON", "/order", "unreadable", says(freeCart[:20])},
		{"wrong types", "/order", "unreadable", says(`{"items":[{"key":"a","id":{"v":13}}]}`)},
		{"nothing", "/order", "unreadable", says("")},
		{"another object", "/order", "unreadable", says(`{"error":"session expired"}`)},
		{"huge", "/order", "too_long", says(`{"items":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`)},
		{"compressed", "/order", "encoded", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, emptyCart)
			z.Close()
		}},
		{"compressed in silence", "/order", "unreadable", func(w http.ResponseWriter, _ *http.Request) {
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, emptyCart)
			z.Close()
		}},
		{"cut off", "/order", "closed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, emptyCart)
			panic(http.ErrAbortHandler)
		}},
	} {
		shop.let(c.tell)
		counts[c.result]++
		a := g.send(t, american, http.MethodPost, "http://shop.example"+c.target, strings.NewReader("body"))
		refused++
		eventually(t, "the refusal is logged", func() bool { return len(g.log.lines(t, "request refused")) == refused })
		if a.StatusCode != 451 || shop.orders.Load() > 0 || !strings.Contains(g.log.lines(t, "request refused")[refused-1], `"reason":"undetermined_product"`) {
			t.Errorf("%s: %d, %d reached the shop", c.what, a.StatusCode, shop.orders.Load())
		}
		if got := g.metric(t, fmt.Sprintf(`gate451_cart_questions_total{result=%q,route="shop"}`, c.result)); got != fmt.Sprint(counts[c.result]) {
			t.Errorf("%s: %s questions were %s", c.what, got, c.result)
		}
	}
	down := start(t, setup{policy: basketPolicy})
	if a := down.get(t, american, "http://shop.example/order"); a.StatusCode != 451 {
		t.Errorf("down: %d", a.StatusCode)
	}
	if a := down.get(t, german, "http://shop.example/order"); a.StatusCode != 502 {
		t.Errorf("down, for whom no rule is: %d", a.StatusCode)
	}
}

// TestQuestionsForCartsAreTheBuyers shows that the shop sees the same buyer in the question as in the request: Cookie and tokens as they came,
// over HTTP/1 and HTTP/2, a session that the query names, and nothing else.
func TestQuestionsForCartsAreTheBuyers(t *testing.T) {
	t.Parallel()
	shop := new(teller)
	shop.let(says(freeCart))
	forwarded := make(chan *http.Request, 1)
	upstream := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/my/cart" {
			forwarded <- r
		}
		shop.ServeHTTP(w, r)
	})
	plain := start(t, setup{policy: basketPolicy, upstream: upstream})
	certFile, keyFile := certificate(t, 1)
	secure := start(t, setup{policy: basketPolicy, upstream: upstream, config: "tls: {cert_file: tls.crt, key_file: tls.key}\n", files: map[string][]byte{"tls.crt": certFile, "tls.key": keyFile}})
	secure.tls = &tls.Config{InsecureSkipVerify: true}
	for scheme, g := range map[string]*gate{"http": plain, "https": secure} {
		a := g.send(t, american, http.MethodPost, scheme+"://shop.example/order?x=1&session=%61&ses%73ion[]=2&y=2", strings.NewReader("body"),
			"Cookie", "a=1; b=2", "Cookie", "a=3", "Authorization", "Bearer t", "X-Token", "t1", "X_token", "t2", "X-Other", "o", "Accept", "text/html",
			"User-Agent", "agent/1", "X-HTTP-Method-Override", "DELETE")
		if a.StatusCode != 200 || scheme == "https" && a.ProtoMajor != 2 {
			t.Fatalf("%s: %d over HTTP/%d", scheme, a.StatusCode, a.ProtoMajor)
		}
		questions, order := shop.asked(), <-forwarded
		if len(questions) != 1 {
			t.Fatalf("%d questions", len(questions))
		}
		q := questions[0]
		for _, name := range []string{"Cookie", "Authorization", "X-Token", "X_token", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
			if name = http.CanonicalHeaderKey(name); !slices.Equal(q.Header[name], order.Header[name]) || len(q.Header[name]) == 0 {
				t.Errorf("%s: %s is %q in the question and %q in the request", scheme, name, q.Header[name], order.Header[name])
			}
		}
		if q.Method != http.MethodGet || q.Host != "shop.example" || q.RequestURI != "/my/cart?session=%61&ses%73ion[]=2" || q.Header.Get("X-Forwarded-Proto") != scheme {
			t.Errorf("%s: %s %s of %s, %v", scheme, q.Method, q.RequestURI, q.Host, q.Header)
		}
		for _, name := range []string{"X-Other", "X-Http-Method-Override", "Content-Length", "Gate451-Decision"} {
			if q.Header.Get(name) != "" {
				t.Errorf("%s: the question bears %s", scheme, name)
			}
		}
	}
}

// TestFloodOfCheckouts shows that many checkouts at once cost the shop few questions at a time, and that all are decided.
func TestFloodOfCheckouts(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	shop := new(teller)
	shop.let(func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond) // so that questions meet
		_, _ = io.WriteString(w, freeCart)
	})
	g := start(t, setup{policy: basketPolicy, upstream: newShop(t, shop.ServeHTTP)})
	client := g.client(american)
	var all sync.WaitGroup
	var passed atomic.Int32
	for range 200 {
		all.Go(func() {
			res, err := client.Post("http://shop.example/order", "text/plain", strings.NewReader("body")) //nolint:noctx // the client has a timeout
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			if res.StatusCode == 200 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 200 || most.Load() > 16 || most.Load() < 2 {
		t.Errorf("%d passed, %d questions at a time", passed.Load(), most.Load())
	}
}

// TestCartsInTheEvidence shows that what is recorded is what the answer led to.
func TestCartsInTheEvidence(t *testing.T) {
	t.Parallel()
	shop := new(teller)
	dir := t.TempDir()
	g := start(t, setup{policy: basketPolicy, upstream: newShop(t, shop.ServeHTTP), config: "evidence: {dir: " + dir + ", allows: all}\n"})
	for _, answer := range []string{fullCart, freeCart, "?"} {
		shop.let(says(answer))
		g.get(t, american, "http://shop.example/order")
	}
	g.stop()
	must(t, g.end())
	var got []string
	for _, l := range decisionsOf(linesOf(t, dir)) {
		got = append(got, l.Verdict+" "+l.Reason)
	}
	if want := []string{"block listed_country", "allow other_product", "block undetermined_product"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
