package goods

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gate451/rules"
)

// asking makes a carrier one that asks for a cart.
func asking(c *rules.Carrier, cart rules.Cart) *rules.Carrier {
	c.Cart = &cart
	return c
}

var storeCart = rules.Cart{Get: "/cart", JSON: "items.#.id", Rows: "items.#.key"}

// TestRowsAndCarts: keys of rows and ids of carts are read as they are, and are no products.
func TestRowsAndCarts(t *testing.T) {
	t.Parallel()
	named := rules.Cart{Get: "/carts/{cart}", JSON: "a.#.b"}
	for _, c := range []struct {
		what string
		r    *http.Request
		c    *rules.Carrier
		want rules.Carried
	}{
		{"a row in JSON", post("/", "application/json", `{"key":"ab","quantity":2}`), asking(carrier("php", "json key row"), storeCart), rules.Carried{Present: true, Rows: []string{"ab"}}},
		{"a number for a row", post("/", "application/json", `{"key":1e1}`), asking(carrier("node", "json key row"), storeCart), rules.Carried{Present: true, Rows: []string{"1e1"}}},
		{"rows of a form", post("/", "application/x-www-form-urlencoded", "cart%5Bab%5D%5Bqty%5D=5&cart[12][qty]=1&cart[12][x]=1"), asking(carrier("php", "form cart[*] key row"), storeCart), rules.Carried{Present: true, Rows: []string{"ab", "12"}}},
		{"a row beside a product", post("/?id=+07&line=2", "", ""), asking(carrier("node", "query id", "query line row"), storeCart), rules.Carried{Present: true, IDs: []string{"07", "7"}, Rows: []string{"2"}}},
		{"an empty row", post("/?line=", "", ""), asking(carrier("node", "query line row"), storeCart), rules.Carried{Present: true, Rows: []string{""}}},
		{"no row", post("/?row=2", "", ""), asking(carrier("node", "query line row"), storeCart), rules.Carried{}},
		{"a cart in the path", post("/carts/c-1/complete", "", ""), asking(carrier("exact", "path /carts/*/complete cart"), named), rules.Carried{Present: true, Cart: "c-1"}},
		{"a cart and a row in the path", post("/carts/c-1/lines/2", "", ""), asking(carrier("exact", "path /carts/*/lines/* cart", "path /carts/**/lines/* row"), named), rules.Carried{Present: true, Cart: "c-1", Rows: []string{"2"}}},
		{"a cart in the path and no row", post("/carts/c-1?x=1", "", ""), asking(carrier("exact", "path /carts/* cart", "query line row"), named), rules.Carried{Cart: "c-1"}},
		{"a cart that is more than an id", post("/carts/c%2F1/complete?cart=a/b", "", ""), asking(carrier("exact", "query cart cart"), named), rules.Carried{Present: true, Undetermined: true}},
		{"two carts", post("/?cart=a&cart=b", "", ""), asking(carrier("exact", "query cart cart"), named), rules.Carried{Present: true, Cart: "a", Undetermined: true}},
		{"one cart twice", post("/?cart=a&cart=a", "", ""), asking(carrier("exact", "query cart cart"), named), rules.Carried{Present: true, Cart: "a"}},
		{"a mutation alone", post("/", "application/json", `{"query":"mutation { a: pay(input: {x: 1}) { id } }"}`), asking(carrier("exact", "graphql pay"), storeCart), rules.Carried{Present: true}},
		{"a query of that name", post("/", "application/json", `{"query":"{ pay(input: {x: 1}) { id } }"}`), asking(carrier("exact", "graphql pay"), storeCart), rules.Carried{}},
	} {
		got := read(c.r, c.c)
		if c.want.Carrier = 7; !equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

func equal(a, b rules.Carried) bool {
	return a.Carrier == b.Carrier && a.Present == b.Present && a.Undetermined == b.Undetermined && a.Answered == b.Answered && a.Cart == b.Cart &&
		slices.Equal(a.IDs, b.IDs) && slices.Equal(a.Rows, b.Rows)
}

// TestHashedRows: a row whose key is the hash of a listed SKU is that product, and any other is a row.
func TestHashedRows(t *testing.T) {
	t.Parallel()
	p, err := rules.Parse("policy.yaml", []byte(`version: 1
activities: {sale: [{paths: [/], fields: [{query: key, row: true, hash: md5}], when: carried, cart: {get: /cart, json: a.#.b}}]}
products: {a: [{skus: [11]}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := p.Carriers()[0]
	got := Read(nil, post("/?key=6512bd43d9caa6e02c990b0a82652dca&key=c20ad4d76fe97759aa27a0c99bff6710", "", ""), nil, []*rules.Carrier{c}, Options{})[0]
	if want := (rules.Carried{Present: true, IDs: []string{"11"}, Rows: []string{"c20ad4d76fe97759aa27a0c99bff6710"}}); !equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestConditionsOfCarts: to meet all conditions is enough for a carrier without fields; nothing else is.
func TestConditionsOfCarts(t *testing.T) {
	t.Parallel()
	const form, json = "application/x-www-form-urlencoded", "application/json"
	where := func(conditions ...rules.Condition) *rules.Carrier {
		c := asking(carrier("php"), storeCart)
		c.Where = conditions
		return c
	}
	quantity := rules.Condition{In: rules.InJSON, Name: "quantity"}
	inner := rules.Condition{In: rules.InJSON, Name: "requests.#.path", Is: "*/checkout*"}
	for _, c := range []struct {
		what                  string
		r                     *http.Request
		c                     *rules.Carrier
		present, undetermined bool
	}{
		{"none", post("/", "", ""), where(), true, false},
		{"the method", post("/", "", ""), where(rules.Condition{In: rules.InMethod, Name: "post"}), true, false},
		{"another method", post("/", "", ""), where(rules.Condition{In: rules.InMethod, Name: "PUT"}), false, false},
		{"a parameter", post("/?a=1", "", ""), where(rules.Condition{In: rules.InQuery, Name: "a"}), true, false},
		{"a field of a form", post("/", form, "order=1"), where(rules.Condition{In: rules.InForm, Name: "order"}), true, false},
		{"a value", post("/", json, `{"quantity":0}`), where(quantity), true, false},
		{"a list", post("/", json, `{"quantity":[]}`), where(quantity), true, false},
		{"an object", post("/", json, `{"quantity":{}}`), where(quantity), true, false},
		{"no value", post("/", json, `{"key":1}`), where(quantity), false, false},
		{"no JSON", post("/", form, "quantity=1"), where(quantity), false, false},
		{"broken JSON", post("/", json, `{"quant`), where(quantity), true, true},
		{"broken JSON and another method", post("/", json, `{"quant`), where(quantity, rules.Condition{In: rules.InMethod, Name: "PUT"}), false, false},
		{"an inner path", post("/", json, `{"requests":[{"path":"/a"},{"path":"/wc/CheckOut"}]}`), where(inner), true, false},
		{"other inner paths", post("/", json, `{"requests":[{"path":"/a"}]}`), where(inner), false, false},
		{"a list of inner paths", post("/", json, `{"requests":[{"path":["/a/checkout"]}]}`), where(inner), true, false},
	} {
		got := read(c.r, c.c)
		if want := (rules.Carried{Carrier: 7, Present: c.present, Undetermined: c.undetermined}); !equal(got, want) {
			t.Errorf("%s: %+v, want %+v", c.what, got, want)
		}
	}
}

func TestTakeCart(t *testing.T) {
	t.Parallel()
	active := rules.Cart{Path: "/graphql", GraphQL: "{ order { lines { id } } }", JSON: "data.order.lines.#.variant.id", Rows: "data.order.lines.#.id"}
	named := active
	named.GraphQL = `{ order(id: "{cart}") { lines { id } } }`
	rowless := rules.Cart{Get: "/cart", JSON: "#.sku"}
	const two = `{"items":[{"key":"a","id":11},{"key":"b","id":12}]}`
	const line = `{"data":{"order":{"lines":[{"id":"1","variant":{"id":"7"}}]}}}`
	for _, c := range []struct {
		cart   rules.Cart
		answer string
		rows   string
		ids    string
		ok     bool
	}{
		{storeCart, two, "", "11 12", true},
		{storeCart, two, "a", "11", true},
		{storeCart, two, "b a", "11 12", true},
		{storeCart, two, "a c", "11 12", true}, // nobody knows what c is
		{storeCart, two, "A", "11 12", true},
		{storeCart, `{"items":[]}`, "", "", true},
		{storeCart, `{"items":[]}`, "a", "", true},
		{storeCart, `{"items":[{"key":"a","id":null}]}`, "a", "", true}, // a row that is no product
		{storeCart, `{"items":[{"key":"a","id":"11"},{"key":"a","id":"12"}]}`, "a", "11 12", true},
		{storeCart, `{"items":[{"id":11},{"key":"b","id":12}]}`, "", "11 12", true},
		{storeCart, `{"items":[{"id":11},{"key":"b","id":12}]}`, "b", "", false}, // keys that are missing are not parallel
		{storeCart, `{"items":[{"key":"a"}]}`, "", "", false},
		{storeCart, `{"items":[{"key":"a","id":true}]}`, "", "", false},
		{storeCart, `{"items":[{"key":"a","id":{}}]}`, "", "", false},
		{storeCart, `{"items":[{"key":"a","id":[11]}]}`, "", "", false},
		{storeCart, `{"items":[11]}`, "", "", false},
		{storeCart, `{"items":{"a":{"id":11}}}`, "", "", false},
		{storeCart, `{"items":null}`, "", "", false},
		{storeCart, `{"items":"none"}`, "", "", false},
		{storeCart, `{"code":"woocommerce_rest_invalid_nonce"}`, "", "", false},
		{storeCart, `{}`, "", "", false},
		{storeCart, `[]`, "", "", false},
		{storeCart, `null`, "", "", false},
		{storeCart, ``, "", "", false},
		{storeCart, `{"items":[]`, "", "", false},
		{storeCart, `{"items":[]}{"items":[]}`, "", "", false},
		{storeCart, "<html>log in</html>", "", "", false},
		{storeCart, strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "", "", false},
		{rowless, `[{"sku":"KL1"}]`, "a", "KL1", true},
		{rowless, `[]`, "", "", true},
		{rowless, `{"message":"No such entity"}`, "", "", false},
		{active, line, "", "7", true},
		{active, line, "1", "7", true},
		{active, `{"data":{"order":null}}`, "", "", true}, // nobody has put anything into a cart
		{active, `{"data":{"order":{"lines":null}}}`, "", "", false},
		{active, `{"data":{"order":{"lines":[{"id":"1","variant":null}]}}}`, "", "", false},
		{active, `{"data":{}}`, "", "", false},
		{active, `{"errors":[{"message":"no"}],"data":{"order":null}}`, "", "", false},
		{active, `{"errors":null,"data":{"order":null}}`, "", "", true},
		{named, line, "", "7", true},
		{named, `{"data":{"order":null}}`, "", "", false}, // there is no such cart
	} {
		carrier := asking(carrier("exact"), c.cart)
		carried := rules.Carried{Carrier: 7, Present: true, Rows: strings.Fields(c.rows)}
		ok := TakeCart(carrier, []byte(c.answer), &carried)
		if got := strings.Join(carried.IDs, " "); ok != c.ok || carried.Answered != c.ok || got != c.ids {
			t.Errorf("%s, rows %q, %.80s: %q, %v; want %q, %v", c.cart.JSON, c.rows, c.answer, got, ok, c.ids, c.ok)
		}
	}
	t.Run("as the dialect reads ids", func(t *testing.T) {
		t.Parallel()
		var carried rules.Carried
		if !TakeCart(asking(carrier("python"), named), []byte(`{"data":{"order":{"lines":[{"variant":{"id":"UHJvZHVjdFZhcmlhbnQ6Mzg0"}}]}}}`), &carried) || !slices.Contains(carried.IDs, "384") {
			t.Errorf("%+v", carried)
		}
	})
}

// FuzzTakeCart: what is taken for an answer is JSON, and what is not changes nothing. Rows of which one is not in the cart, and no rows
// at all, leave nothing out.
func FuzzTakeCart(f *testing.F) {
	for _, answer := range []string{`{"items":[{"key":"a","id":11},{"key":"b","id":"12"}]}`, `{"items":[]}`, `{"items":[{"key":"a","id":null}]}`, `{"errors":[1]}`, "<html>", `{"items":[{"key":"a","id":1},{"key":"a","id":2,"id":3}]}`} {
		f.Add(answer, "a")
	}
	c := asking(carrier("php"), storeCart)
	f.Fuzz(func(t *testing.T, answer, row string) {
		all, one, more := rules.Carried{}, rules.Carried{Rows: []string{row}}, rules.Carried{Rows: []string{row, "\x00"}}
		ok := TakeCart(c, []byte(answer), &all)
		if ok && !json.Valid([]byte(answer)) || !ok && len(all.IDs) > 0 || all.Answered != ok {
			t.Fatalf("%q: %v, %+v", answer, ok, all)
		}
		okOne, okMore := TakeCart(c, []byte(answer), &one), TakeCart(c, []byte(answer), &more)
		if okOne && !ok || okMore != okOne || !okOne && len(one.IDs)+len(more.IDs) > 0 {
			t.Fatalf("%q, %q: %v, %v, %v", answer, row, ok, okOne, okMore)
		}
		if okMore && !strings.Contains(answer, `\u0000`) && !slices.Equal(more.IDs, all.IDs) {
			t.Fatalf("%q, %q: %q and %q", answer, row, more.IDs, all.IDs)
		}
		for _, id := range one.IDs {
			if !slices.Contains(all.IDs, id) {
				t.Fatalf("%q, %q: %q is not among %q", answer, row, id, all.IDs)
			}
		}
	})
}
