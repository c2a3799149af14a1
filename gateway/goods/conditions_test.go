package goods

import (
	"net/http"
	"strings"
	"testing"

	"gate451/rules"
)

// TestConditions: what a condition is not met for is not there, and what may meet it is undetermined.
func TestConditions(t *testing.T) {
	t.Parallel()
	carriers := []*rules.Carrier{
		{ID: 1, Dialect: rules.PHP, Fields: []rules.Field{{In: rules.InForm, Name: "product_id"}}, Where: []rules.Condition{{In: rules.InQuery, Name: "route", Is: "*cart*add*"}}},
		{ID: 2, Dialect: rules.PHP, Fields: []rules.Field{{In: rules.InParam, Name: "id"}}, Where: []rules.Condition{{In: rules.InParam, Name: "controller", Is: "cart"}, {In: rules.InParam, Name: "add"}}},
	}
	const form, broken = "application/x-www-form-urlencoded", "multipart/form-data"
	for _, c := range []struct{ method, target, kind, body, first, second string }{
		{"POST", "/?route=checkout/cart.add", form, "product_id=43", "43", ""},
		{"POST", "/?route=Checkout/CART.Add", form, "product_id=43", "43", ""},
		{"POST", "/?+route=x&route=checkout/cart.add", form, "product_id=43", "43", ""},
		{"POST", "/?route=product/compare.add", form, "product_id=43", "", ""},
		{"POST", "/?route=checkout/cart", form, "product_id=43", "", ""},
		{"POST", "/", form, "product_id=43&route=checkout/cart.add", "", ""},
		{"POST", "/", broken, "product_id=43", "", "?"},
		{"POST", "/?route=checkout/cart.add", broken, "x", "?", "?"},
		{"GET", "/?controller=cart&add&id=5", "", "", "", "5"},
		{"GET", "/?controller=cart&add[]=&id=5", "", "", "", "5"},
		{"GET", "/?controller=cart&delete=1&id=5", "", "", "", ""},
		{"GET", "/?controller=carts&add=1&id=5", "", "", "", ""},
		{"POST", "/?id=5&add", form, "controller=cart", "", "5"},
		{"POST", "/?id=5", form, "controller=cart", "", ""},
	} {
		r, err := http.NewRequest(c.method, "http://shop.example"+c.target, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		found := Read(nil, r, []string{"/"}, carriers, Options{})
		for i, want := range []string{c.first, c.second} {
			got := strings.Join(found[i].IDs, ",")
			if found[i].Undetermined {
				got = "?"
			}
			if got != want || found[i].Present && want == "" || found[i].Carrier != i+1 {
				t.Errorf("%s %s, %s %q: %+v, want %q", c.method, c.target, c.kind, c.body, found[i], want)
			}
		}
	}
}
