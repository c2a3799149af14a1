package goods

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"gate451/rules"
)

const form = "application/x-www-form-urlencoded"

func TestPHPNames(t *testing.T) {
	for name, want := range map[string]string{
		"product_id":       "product_id",
		"product.id":       "product_id",
		"product id":       "product_id",
		"product[id":       "product_id",
		"  product_id":     "product_id",
		"product_id\x00x":  "product_id",
		"PRODUCT_ID":       "PRODUCT_ID",
		"add.to.cart":      "add_to_cart",
		"add-to-cart":      "add-to-cart",
		"quantity[11]":     "quantity[11]",
		"quantity[ 11]x":   "quantity[ 11]",
		"a.b[c.d][e":       "a_b[c.d]",
		"[x]":              "",
		"requests[0][a][]": "requests[0][a][]",
		"\xff.\xfe":        "\xff_\xfe",
	} {
		if got := phpParam(name); got != want {
			t.Errorf("%q is registered as %q, want %q", name, got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	for _, tt := range []struct {
		dialect rules.Dialect
		field   string
		query   string
		present bool
		ids     []string
	}{
		{"php", "query add-to-cart", "add-to-cart=11", true, []string{"11"}},
		{"php", "query add-to-cart", "%61dd%2Dto-cart=%2011", true, []string{"11"}},
		{"php", "query add-to-cart", "add-to-cart=", true, nil},
		{"php", "query add-to-cart", "&&add-to-cart", true, nil},
		{"php", "query add-to-cart", "added-to-cart=11", false, nil},
		{"php", "query add-to-cart", "Add-To-Cart=11", false, nil},
		{"php", "query add-to-cart", "add.to.cart=11", false, nil},
		{"php", "query add-to-cart", "s=add-to-cart%3D11", false, nil},
		{"php", "query add-to-cart", "a=1;add-to-cart=11", false, nil},
		{"php", "query add-to-cart", "add-to-cart=11&add-to-cart=12", true, []string{"11", "12"}},
		{"php", "query add-to-cart", "add-to-cart[]=43", true, []string{"1"}},
		{"php", "query add-to-cart", "add-to-cart=11%", true, []string{"11", "11%"}},
		{"php", "query product_id", "+product.id=43", true, []string{"43"}},
		{"php", "query product_id", "product_id%00x=43#top", true, []string{"43", "43#top"}},
		{"php", "query quantity[*] key", "quantity[11]=1&quantity%5B+012%5D=1", true, []string{"11", "12"}},
		{"php", "query quantity[*] key", "quantity[11][x]=1", true, []string{"11"}},
		{"php", "query quantity[*] key", "quantity=11", false, nil},
		{"php", "query quantity[*] key", "quantity[]=11", true, nil},
		{"php", "query cart[*][qty] key", "cart[6512bd43][qty]=2", true, []string{"6512bd43"}},
		{"php", "query cart[*][qty]", "cart[6512bd43][qty]=2", true, []string{"2"}},
		{"php", "query cart[*][qty]", "cart[6512bd43][sum]=2", false, nil},
		{"php", "query products split=, cut=:", "products=11:2,12,,13:1", true, []string{"11", "12", "13"}},
		{"php", "query products split=, cut=:", "products=11+12", true, []string{"11", "12"}},
		{"php", "query requests[*][path]?id", "requests[0][path]=/x?id%3D11", true, []string{"11"}},
		{"php", "query requests[*][path]?id", "requests[0][path]=/x?ids%3D11", false, nil},
		{"node", "query id", "id=0x7", true, []string{"7", "0x7"}},
		{"node", "query p.id", "p_id=7", false, nil},
		{"python", "query id", "id=1_1", true, []string{"11", "1_1"}},
		{"php", "query group[*] key", "group[11][a]=1&group[b", true, []string{"11"}},
		{"php", "query product", "product=KL1#top&x=1", true, []string{"KL1", "KL1#top"}},
		{"exact", "query sku", "sku=+KL1+", true, []string{"KL1"}},
		{"exact", "param sku", "sku=KL1", true, []string{"KL1"}},
		{"exact", "query a*b*c*d", "a1b2c3d=KL1", true, []string{"KL1"}},
		{"exact", "query a*b*c*d key", "a1b2c3d=KL1", true, []string{"1"}},
		{"exact", "query a*b*c*d key", "a1b2d=KL1", false, nil},
		{"exact", "query a*b*c*d key", "b1=1&a1b2c=KL1", false, nil},
	} {
		t.Run(tt.query, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RequestURI = "/?" + tt.query
			check(t, read(r, carrier(tt.dialect, tt.field)), tt.present, false, tt.ids...)
			r.RequestURI, r.URL.RawQuery = "", tt.query
			check(t, read(r, carrier(tt.dialect, tt.field)), tt.present, false, tt.ids...)
		})
	}
}

func TestForms(t *testing.T) {
	const json = "application/json"
	for _, tt := range []struct {
		name, method, contentType, body string
		dialect                         rules.Dialect
		present, undetermined           bool
	}{
		{"plain", "POST", form, "id=43", "php", true, false},
		{"with a charset", "POST", form + "; charset=UTF-8", "id=43", "php", true, false},
		{"in capitals", "POST", "Application/X-WWW-Form-Urlencoded", "id=43", "php", true, false},
		{"before a comma", "POST", form + ", text/plain", "id=43", "php", true, false},
		{"after a comma", "POST", "text/plain, " + form, "id=43", "php", true, true},
		{"PHP takes none of GET", "GET", form, "id=43", "php", false, false},
		{"but WordPress those of others", "PUT", form, "id=43", "php", true, false},
		{"Node takes any", "GET", form, "id=43", "node", true, false},
		{"JSON is no form", "POST", json, `{"id":43}`, "php", false, false},
		{"no type", "POST", "", "id=43", "exact", true, true},
		{"PHP takes none without a type", "POST", "", "id=43", "php", false, false},
		{"nor in one of its own", "POST", "text/plain", "id=43", "php", false, false},
		{"a foreign type", "POST", "application/x-amf", "id=43", "exact", true, true},
		{"a foreign type without it", "POST", "application/x-amf", "x", "exact", false, true},
		{"the field is another", "POST", form, "ids=43", "php", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := post("/", tt.contentType, tt.body)
			r.Method = tt.method
			var ids []string
			if tt.present {
				ids = []string{"43"}
			}
			check(t, read(r, carrier(tt.dialect, "form id")), tt.present, tt.undetermined, ids...)
		})
	}
	r := post("/?x=1&_method=POST", form, "id=43")
	r.Method = http.MethodGet
	check(t, read(r, carrier("php", "form id")), true, false, "43")
	r = post("/", form, "id=43")
	r.Method = http.MethodGet
	r.Header.Set("X-HTTP-Method-Override", "POST")
	check(t, read(r, carrier("php", "param id")), true, false, "43")
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		field, path string
		ids         []string
	}{
		{"path /buy/*", "/buy/43", []string{"43"}},
		{"path /buy/*", "/BUY/Kl1/now", []string{"Kl1"}},
		{"path /buy/*", "/buy", nil},
		{"path /buy", "/buy/43", nil},
		{"path /buy/*", "/de/buy/43", nil},
		{"path /**/cart/* split=, cut=:", "/en-ca/cart/11:2,12:1", []string{"11", "12"}},
		{"path /cart/add/**/product/*", "/cart/add/uenc/xx/product/42/", []string{"42"}},
		{"path /cart/add/**/product/*", "/cart/add/product/42/product/43", []string{"42", "43"}},
		{"path /p-*/buy", "/P-43/buy", []string{"43"}},
		{"path /p-*/buy", "/p-43/look", nil},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		got := Read(nil, r, []string{"/other", tt.path}, []*rules.Carrier{carrier("php", tt.field)}, Options{})[0]
		check(t, got, len(tt.ids) > 0, false, tt.ids...)
	}
}
