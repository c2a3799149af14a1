package rules

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCartQuestions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cart          Cart
		id            string
		target, query string
		ok            bool
	}{
		{Cart{Get: "/cart"}, "", "/cart", "", true},
		{Cart{Get: "/cart"}, "../x", "/cart", "", true}, // which nothing is made of
		{Cart{Get: "/carts/{cart}/items"}, "cart_01-A", "/carts/cart_01-A/items", "", true},
		{Cart{Get: "/carts/{cart}/items"}, "", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "a/b", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "..", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "a?b", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "a%2fb", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "a b", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, "{cart}", "", "", false},
		{Cart{Get: "/carts/{cart}/items"}, strings.Repeat("a", 200), "/carts/" + strings.Repeat("a", 200) + "/items", "", true},
		{Cart{Get: "/carts/{cart}/items"}, strings.Repeat("a", 201), "", "", false},
		{Cart{Path: "/graphql", GraphQL: `{ cart(id: "{cart}") { id } }`}, "Q2hlY2s=", "/graphql", `{ cart(id: "Q2hlY2s=") { id } }`, true},
		{Cart{Path: "/graphql", GraphQL: `{ cart(id: "{cart}") { id } }`}, `a") { id } b: cart(id: "c`, "", "", false},
		{Cart{Path: "/graphql", GraphQL: `{ cart(id: "{cart}") { id } }`}, `a\`, "", "", false},
	} {
		target, query, ok := c.cart.Question(c.id)
		if target != c.target || query != c.query || ok != c.ok {
			t.Errorf("%+v of %q: %q, %q, %v", c.cart, c.id, target, query, ok)
		}
	}
}

const cartPolicy = `version: 1
activities:
  sale:
    - {paths: [/order], cart: {get: /cart, json: items.#.id, rows: items.#.key, query: [b, a], within: 2s}}
    - paths: [/row]
      fields: [{json: key, row: true, hash: md5}, {json: id}, {graphql: order}]
      when: carried
      where: [{method: PUT}, {json: quantity}]
      cart: {path: /graphql, graphql: "{ cart { id } }", json: data.cart.#.id, headers: [X-Token, Cookie]}
    - {paths: ["/carts/*"], fields: [{path: "/carts/*", cart: true}], when: carried, cart: {get: "/carts/{cart}", json: a.#.b}}
products:
  knives: [{skus: [11, "KL-*", Axe]}]
rules:
  - {id: k, activity: sale, products: [knives], countries: [us-jurisdiction], undetermined_product: block}
`

func TestCarts(t *testing.T) {
	t.Parallel()
	p := parse(t, cartPolicy)
	byPath := map[string]*Carrier{}
	for _, c := range p.Carriers() {
		byPath[c.Cart.JSON] = c
	}
	order, row, named := byPath["items.#.id"], byPath["data.cart.#.id"], byPath["a.#.b"]
	for want, got := range map[*Cart]*Cart{
		{Get: "/cart", JSON: "items.#.id", Rows: "items.#.key", Headers: []string{"Authorization", "Cookie"}, Query: []string{"a", "b"}, Within: 2 * time.Second}: order.Cart,
		{Path: "/graphql", GraphQL: "{ cart { id } }", JSON: "data.cart.#.id", Headers: []string{"Cookie", "X-Token"}, Within: time.Second}:                       row.Cart,
		{Get: "/carts/{cart}", JSON: "a.#.b", Headers: []string{"Authorization", "Cookie"}, Within: time.Second}:                                                  named.Cart,
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if !order.Claims || row.Claims || named.Claims || !named.Cart.Named() || row.Cart.Named() {
		t.Errorf("%+v, %+v, %+v", order, row, named)
	}
	if len(p.Warnings()) > 0 {
		t.Error(p.Warnings())
	}

	for text, want := range map[string]string{
		"6512bd43d9caa6e02c990b0a82652dca": "11",
		"6512BD43D9CAA6E02C990B0A82652DCA": "11",
		"c20ad4d76fe97759aa27a0c99bff6710": "", // of 12
		"6512bd43d9caa6e02c990b0a82652dc":  "",
		"6512bd43d9caa6e02c990b0a82652dcg": "",
		"11":                               "",
	} {
		if got, ok := row.Unhash(text); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %v", text, got, ok)
		}
	}
	if _, ok := order.Unhash("6512bd43d9caa6e02c990b0a82652dca"); ok {
		t.Error("a carrier without hashes knows one")
	}

	for _, c := range []struct {
		path    string
		carried Carried
		want    string
	}{
		{"/order", Carried{Carrier: order.ID}, "block undetermined_product"},
		{"/order", Carried{Carrier: order.ID, Present: true}, "block undetermined_product"},
		{"/order", Carried{Carrier: order.ID, Answered: true}, "allow other_product"},
		{"/order", Carried{Carrier: order.ID, Answered: true, IDs: []string{"12"}}, "allow other_product"},
		{"/order", Carried{Carrier: order.ID, Answered: true, IDs: []string{"12", "kl-7"}}, "block listed_country"},
		{"/order", Carried{Carrier: order.ID, Answered: true, Undetermined: true}, "block undetermined_product"},
		{"/order", Carried{Carrier: order.ID, IDs: []string{"12"}}, "allow other_product"},
		{"/order", Carried{Carrier: order.ID, IDs: []string{"12"}, Rows: []string{"x"}}, "block undetermined_product"},
		{"/row", Carried{Carrier: row.ID}, "allow ungoverned"},
		{"/row", Carried{Carrier: row.ID, Present: true, Rows: []string{"x"}}, "block undetermined_product"},
		{"/row", Carried{Carrier: row.ID, Present: true}, "block undetermined_product"},
		{"/row", Carried{Carrier: row.ID, Present: true, IDs: []string{"11"}}, "block listed_country"},
		{"/row", Carried{Carrier: row.ID, Present: true, Rows: []string{"x"}, Answered: true}, "allow other_product"},
	} {
		req := &Request{Host: "s", Paths: []string{c.path}, Carried: []Carried{c.carried}}
		d := p.Decide(req, from("US"), time.Unix(0, 0))
		if got := d.Verdict.String() + " " + d.Reason.String(); got != c.want {
			t.Errorf("%s carrying %+v: %s, want %s", c.path, c.carried, got, c.want)
		}
		if e := p.Explain(req, from("US"), time.Unix(0, 0)); e.Decision.Verdict != d.Verdict || e.Decision.Reason != d.Reason {
			t.Errorf("%s carrying %+v: %s, and explained %s", c.path, c.carried, said(d), said(e.Decision))
		}
	}
}

// TestCartsOfExemptProducts: a rule that excepts products knows nothing of them before the shop has answered.
func TestCartsOfExemptProducts(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{paths: [/order], cart: {get: /cart, json: a.#.b}}]}
products: {books: [{paths: [/order]}, {skus: [b]}]}
rules: [{id: all, activity: sale, countries: [US], except: [{products: [books]}]}]
`)
	for _, c := range []struct {
		carried Carried
		want    Verdict
	}{{Carried{}, Block}, {Carried{Answered: true, IDs: []string{"b"}}, Allow}, {Carried{Answered: true, IDs: []string{"b", "c"}}, Block}} {
		d := p.Decide(&Request{Paths: []string{"/order"}, Carried: []Carried{c.carried}}, from("US"), time.Unix(0, 0))
		if d.Verdict != c.want {
			t.Errorf("%+v: %s", c.carried, said(d))
		}
	}
}

// TestCartsBelow: a preset's question goes below the base, as far as that is written out, and an operator's own fields do not make
// anything a request about a cart.
func TestCartsBelow(t *testing.T) {
	t.Parallel()
	presets := fstest.MapFS{"presets/shop.yaml": &fstest.MapFile{Data: []byte(`preset: shop
activity: sale
elements:
  - {paths: [/order], dialect: php, cart: {get: /cart, json: a.#.b}}
`)}}
	for base, want := range map[string]string{"": "/cart", "base: /en, ": "/en/cart", "base: '/en/*', ": "/en/cart", "base: /**, ": "/cart", "base: '/e*/x', ": "/cart"} {
		l := newLoader("policy.yaml")
		l.presets = presets
		l.policy(l.root([]byte("version: 1\nactivities: {sale: [{preset: shop, " + base + "fields: [{query: id}]}]}\n")))
		if len(l.problems) > 0 {
			t.Fatal(l.problems)
		}
		s := l.activities["sale"][0]
		if s.cart.Get != want || len(s.fields) > 0 || s.dialect != PHP {
			t.Errorf("%s%+v asks %s", base, s, s.cart.Get)
		}
	}
}

// TestPresetsAllocateNothing: a preset with many ways to sell costs those who need no cart nothing on the heap.
func TestPresetsAllocateNothing(t *testing.T) {
	for _, preset := range []string{"woocommerce", "magento2", "medusa", "saleor", "shopify", "vendure"} {
		p := parse(t, "version: 1\nactivities: {sale: [{preset: "+preset+"}]}\nproducts: {a: [{skus: [11]}]}\nrules: [{id: a, activity: sale, products: [a], countries: [us-jurisdiction]}]\n")
		at, american, german := time.Unix(0, 0), from("US"), from("DE")
		for _, path := range []string{"/", "/wp-json/wc/store/v1/batch", "/graphql", "/shop-api", "/store/carts/c/line-items/l", "/cart/add.js"} {
			req := &Request{Host: "s", Paths: []string{path}}
			wanted := make([]*Carrier, 0, 40)
			for what, f := range map[string]func(){
				"asking what a German wants":    func() { p.Wanted(req, german, at, wanted) },
				"asking what an American wants": func() { p.Wanted(req, american, at, wanted) },
				"asking what may be carried":    func() { p.MayCarry(req) },
				"deciding about a German":       func() { p.Decide(req, german, at) },
			} {
				if n := testing.AllocsPerRun(5, f); n > 0 {
					t.Errorf("%s, %s: %s costs %v allocations", preset, path, what, n)
				}
			}
			for _, c := range p.Wanted(req, american, at, nil) {
				req.Carried = append(req.Carried, Carried{Carrier: c.ID, Present: true, IDs: []string{"12"}})
			}
			if n := testing.AllocsPerRun(5, func() { p.Decide(req, american, at) }); n > 0 {
				t.Errorf("%s, %s: a decision about what %d carriers carry costs %v allocations", preset, path, len(req.Carried), n)
			}
		}
	}
}
