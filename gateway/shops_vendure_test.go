package gateway_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestVendure has a real shop behind the gateway, with one variant that may not be sold to the United States, and looks into
// the shop's own orders for what came of it.
func TestVendure(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a shop")
	}
	seed := faultSeed(t)
	shop, about := newVendure(t), spellings["vendure"]
	g := start(t, setup{policy: shopPolicy("vendure", about.id), upstream: "http://" + shop.address})
	s := newSpeller(seed)
	from := func(address string, cookie bool) *vendureBuyer {
		return &vendureBuyer{shop: shop, cookie: cookie, dial: func() (net.Conn, error) { return g.dial(address) }}
	}

	t.Run("whoever may buys everything", func(t *testing.T) {
		for _, cookie := range []bool{true, false} {
			buyer := from(german, cookie)
			for _, v := range shop.variants {
				buyer.post(t, vendureByVariable, map[string]any{"id": v.ID})
			}
			if lines := buyer.cart(t); len(lines) != len(shop.variants) {
				t.Errorf("by cookie %v: bought %+v of %+v", cookie, lines, shop.variants)
			}
			buyer.empty(t)
		}
	})

	t.Run("whoever may not buys all but one", func(t *testing.T) {
		buyer := from(american, true)
		for _, v := range shop.variants {
			got := buyer.post(t, vendureByVariable, map[string]any{"id": v.ID})
			if refused := got.StatusCode == http.StatusUnavailableForLegalReasons; refused != (v.ID == about.id) {
				t.Errorf("%s: answered %d", v.SKU, got.StatusCode)
			}
		}
		lines := buyer.cart(t)
		if len(lines) != len(shop.variants)-1 || buyer.has(t, about.id) {
			t.Errorf("bought %+v of %+v", lines, shop.variants)
		}
		// More of what lies there already.
		buyer.post(t, `mutation($line: ID!) { adjustOrderLine(orderLineId: $line, quantity: 3) { __typename } }`, map[string]any{"line": lines[0].ID})
		if lines = buyer.cart(t); lines[0].Quantity != 3 || buyer.has(t, about.id) {
			t.Errorf("then: %+v", lines)
		}
		buyer.empty(t)
	})

	// Every request goes to the shop twice, in two sessions: straight, to see whether it sells at all, and through the gateway.
	straight := from(american, false).straight()
	gated := from(american, false)
	for _, buyer := range []*vendureBuyer{straight, gated} {
		buyer.post(t, vendureByVariable, map[string]any{"id": about.other})
		buyer.empty(t)
	}

	t.Run("spellings", func(t *testing.T) {
		took, sent := 0, 200
		for range sent {
			r := s.sale("vendure")
			live, _ := straight.takes(t, r, about.id)
			if live {
				took++
			}
			if sold, got := gated.takes(t, r, about.id); sold {
				t.Errorf("sold, and answered %d: %s %s %v %q", got.StatusCode, r.Method, r.Target, r.Headers, r.body())
			}
		}
		t.Logf("the shop takes %d of %d, sent straight", took, sent)
		if took < sent/2 {
			t.Error("that proves too little")
		}
	})

	t.Run("tricks", func(t *testing.T) {
		known, unknown := vendureByVariable, strings.Replace(vendureByVariable, "Buy", "Sell", 1)
		for _, registers := range []struct {
			document string
			buyer    *vendureBuyer
		}{{known, from(german, false)}, {unknown, straight}} {
			document, buyer := registers.document, registers.buyer
			buyer.send(t, &shopRow{ID: "registration", Method: "POST", Target: "/shop-api", Headers: [][2]string{{"Content-Type", "application/json"}},
				Body: `{"query":` + jsonText(document) + `,"variables":{"id":"` + about.other + `"},"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + digestOf(document) + `"}}}`})
			if !buyer.has(t, about.other) {
				t.Errorf("not bought: %s", document)
			}
			buyer.empty(t)
		}
		tricks := vendureTricks(about.id, about.other, digestOf(known), digestOf(unknown))
		var dead []string
		for _, r := range tricks {
			if live, _ := straight.takes(t, r, about.id); !live {
				dead = append(dead, r.ID)
			}
			if sold, got := gated.takes(t, r, about.id); sold {
				t.Errorf("%s: sold, and answered %d: %s %s %v %.300q", r.ID, got.StatusCode, r.Method, r.Target, r.Headers, r.body())
			}
		}
		t.Logf("the shop takes %d of %d, sent straight; not %q", len(tricks)-len(dead), len(tricks), dead)
		if len(dead) > len(tricks)/2 {
			t.Error("that proves too little")
		}
	})

	t.Run("disguises", func(t *testing.T) {
		took, sent := 0, 100
		tricks := vendureTricks(about.id, about.other, digestOf(vendureByVariable), digestOf(vendureByVariable))
		for range sent {
			r := s.sale("vendure")
			if s.chance(40) {
				of := *draw(s, tricks...)
				r, of.Headers = &of, slices.Clone(of.Headers)
			}
			s.disguise(r)
			if live, _ := straight.takes(t, r, about.id); !live {
				continue
			}
			took++
			if sold, got := gated.takes(t, r, about.id); sold {
				t.Errorf("%s: sold, and answered %d: %s %s %v %.500q", r.ID, got.StatusCode, r.Method, r.Target, r.Headers, r.body())
			}
		}
		t.Logf("the shop takes %d of %d, sent straight", took, sent)
		if took < sent/4 {
			t.Error("that proves too little")
		}
	})

	t.Run("other variants", func(t *testing.T) {
		took, sent := 0, 60
		for range sent {
			r := s.otherSale("vendure")
			live, _ := straight.takes(t, r, about.other)
			if live {
				took++
			}
			if sold, got := gated.takes(t, r, about.other); sold != live {
				t.Errorf("sold %v straight and %v through the gateway, which answered %d: %s %s %v %q", live, sold, got.StatusCode, r.Method, r.Target, r.Headers, r.body())
			}
		}
		t.Logf("the shop takes %d of %d, sent straight", took, sent)
		if took < sent/2 {
			t.Error("that proves too little")
		}
	})

	t.Run("browsing", func(t *testing.T) {
		rows := []*shopRow{
			{ID: "page", Method: "POST", Target: "/shop-api", Headers: [][2]string{{"Content-Type", "application/json"}}, Body: `{"query":"{ products { items { id slug variants { id sku price } } } search(input: {term: \"lamp\"}) { totalItems items { productVariantId } } }"}`},
			{ID: "query", Method: "GET", Target: "/shop-api?query=%7Bproduct(id:4)%7Bid,description,variants%7Bid,name%7D%7D%7D"},
		}
		for range 60 {
			rows = append(rows, s.browsing("vendure"))
		}
		for _, r := range rows {
			want, got := straight.send(t, r), gated.send(t, r)
			if got.StatusCode != want.StatusCode || got.text != want.text || got.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
				t.Errorf("%s: %s %s %v %q: answered %d %q, want %d %q", r.ID, r.Method, r.Target, r.Headers, r.body(), got.StatusCode, got.text, want.StatusCode, want.text)
			}
		}
		if found := straight.send(t, rows[0]).text; !strings.Contains(found, `"productVariantId":"`+about.id+`"`) {
			t.Errorf("the shop does not show what is restricted: %s", found)
		}
	})

	t.Run("a cart from before", func(t *testing.T) {
		for _, cookie := range []bool{true, false} {
			fillBeforeAndOrder(t, from(american, cookie), about.id, about.other)
		}
	})

	if n := shop.ordered(t, about.id); n > 0 {
		t.Errorf("%d of the restricted variant lie in orders", n)
	}
	if !slices.ContainsFunc(shop.variants, func(v vendureVariant) bool { return v.ID == about.id }) {
		t.Errorf("the shop does not sell %s: %+v", about.id, shop.variants)
	}
}

// fillBeforeAndOrder has a buyer order what lay in the cart before it was restricted: the gateway asks the shop what that is.
func fillBeforeAndOrder(t *testing.T, buyer *vendureBuyer, restricted, other string) {
	t.Helper()
	buyer.post(t, vendureByVariable, map[string]any{"id": other})
	buyer.straight().post(t, vendureByVariable, map[string]any{"id": restricted})
	line := map[string]string{}
	for _, l := range buyer.cart(t) {
		line[l.ProductVariant.ID] = l.ID
	}
	if len(line) != 2 {
		t.Fatalf("the cart holds %v", line)
	}
	const (
		adjust  = `mutation($line: ID!) { adjustOrderLine(orderLineId: $line, quantity: 3) { __typename } }`
		arrange = `mutation { transitionOrderToState(state: "ArrangingPayment") { __typename } }`
		pay     = `mutation { addPaymentToOrder(input: {method: "cash", metadata: {}}) { __typename } }`
	)
	for _, step := range []struct {
		document, line string
		refused        bool
	}{
		{adjust, line[restricted], true}, {adjust, " " + line[restricted], true}, {adjust, line[other], false},
		{arrange, "", true}, {pay, "", true}, {`mutation { a: __typename ...P } fragment P on Mutation { transitionOrderToState(state: "ArrangingPayment") { __typename } }`, "", true},
		{`mutation($line: ID!) { removeOrderLine(orderLineId: $line) { __typename } }`, line[restricted], false},
		{arrange, "", false}, {pay, "", false},
	} {
		got := buyer.post(t, step.document, map[string]any{"line": step.line})
		if refused := got.StatusCode == http.StatusUnavailableForLegalReasons; refused != step.refused {
			t.Errorf("%s of line %q: answered %d %.200q", step.document, step.line, got.StatusCode, got.text)
		}
	}
	lines := buyer.cart(t)
	if len(lines) != 1 || lines[0].ProductVariant.ID != other || lines[0].Quantity != 3 {
		t.Errorf("at the end the cart holds %+v", lines)
	}
	buyer.straight().post(t, `mutation { transitionOrderToState(state: "AddingItems") { __typename } }`, nil)
	buyer.empty(t)
}
