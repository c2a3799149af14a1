package gateway_test

import (
	"fmt"
	"strings"
)

// spelt is what the generator knows of a platform.
type spelt struct {
	id, other string // products: the restricted one, and one that is not
	sale      func(s *speller, id string) *shopRow
	browse    func(s *speller, id string) *shopRow
}

// The products of two platforms that are not restricted.
const (
	medusaOther  = "variant_01M80YZGF26RRHGP73W9BK09R5"
	shopifyOther = "39897499828293"
)

// spellings are the platforms for which requests are generated. A sale adds nothing but the product; what browses names it.
var spellings = map[string]spelt{
	"woocommerce": {"11", "12", sellWoo, browseWoo},
	"opencart":    {"43", "40", sellOpenCart, browseOpenCart},
	"opencart3":   {"43", "40", sellOpenCart3, browseOpenCart3},
	"vendure":     {"7", "6", sellVendure, browseVendure},
	"medusa":      {"variant_01M80YZGF15BWDF65V32EPVVM8", medusaOther, sellMedusa, browseMedusa},
	"magento2":    {"42", "43", sellMagento, browseMagento},
	"shopify":     {"39897499828292", shopifyOther, sellShopify, browseShopify},
	"prestashop":  {"5", "6", sellPrestaShop, browsePrestaShop},
	"saleor":      {"384", "385", sellSaleor, browseSaleor},
}

// generate returns a request to a platform.
func (s *speller) generate(platform string, make func(*speller, string) *shopRow, id string) *shopRow {
	r := make(s, id)
	r.Platform = platform
	if r.Method == "" {
		r.Method = "GET"
		if len(r.body()) > 0 {
			r.Method = "POST"
		}
	}
	if r.Method == "POST" && s.chance(30) {
		r.Headers = append(r.Headers, [2]string{"Transfer-Encoding", "chunked"})
	}
	return r
}

// among puts a line of a cart among up to forty-nine others.
func (s *speller) among(line any, other func() any) list {
	lines := list{line}
	for range s.IntN(draw(s, 1, 1, 3, 50)) {
		lines = append(lines, other())
	}
	s.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

var wooPages = []string{"/", "/shop/", "/product/mug/", "/checkout/", "/no/such/page", "/index.php/shop/", "/feed/", "//"}

func sellWoo(s *speller, id string) *shopRow {
	page, n := draw(s, wooPages...), s.phpNumber(id)
	store := s.pathOf(draw(s, "/wp-json/wc/store/v1", "/wp-json/wc/store", "/index.php/wp-json/wc/store/v1") + draw(s, "/cart/add-item", "/cart/items"))
	item := object{{"id", number(id)}, {"quantity", number("1")}}
	r := new(shopRow)
	switch s.IntN(12) {
	case 0, 1:
		r.Method = draw(s, "GET", "HEAD", "OPTIONS", "POST", "PUT")
		r.Target = urlOf(page, s.query(true, pair{"add-to-cart", n}, pair{"quantity", draw(s, "0", "1")}))
	case 2:
		r.Target = page
		s.form(r, true, pair{"add-to-cart", n}, pair{"quantity", "1"})
	case 3:
		r.Target = urlOf(page, s.query(true, pair{"add-to-cart", "14"}, pair{"variation_id", n}, pair{"attribute_size", "S"}))
	case 4:
		r.Target = page
		s.form(r, true, pair{"add-to-cart", "17"}, pair{"quantity[" + draw(s, "", " ", "0") + id + "]", "1"}, pair{"quantity[10]", "0"})
	case 5:
		r.Target = urlOf(page, s.query(true, pair{"wc-ajax", draw(s, "add_to_cart", " add_to_cart ", "add_to<b>_cart")}))
		s.form(r, true, pair{"product_id", n}, pair{"product_sku", "MUG"}, pair{"quantity", "1"})
	case 6:
		r.Target = "/wp-admin/admin-ajax.php"
		s.form(r, true, pair{"action", "woocommerce_add_to_cart"}, pair{"product_id", n})
	case 7:
		r.Target = store
		s.jsonBody(r, false, item)
	case 8:
		r.Target, r.Method = urlOf(store, s.query(true, pair{"id", n}, pair{"quantity", "1"}, pair{"_method", "POST"})), "GET"
	case 9:
		r.Target = urlOf(page, s.query(true, pair{"rest_route", s.anyCase("/wc/store/v1/cart/add-item")}))
		s.jsonBody(r, false, item)
	case 10:
		r.Target = "/"
		s.form(r, true, pair{"rest_route", "/wc/store/v1/cart/add-item"}, pair{"id", n}, pair{"quantity", "1"})
	default:
		r.Target = draw(s, "/wp-json/wc/store/v1/batch", "/wp-json/batch/v1", "/?rest_route=/wc/store/v1/batch")
		s.jsonBody(r, false, object{{"requests", s.among(object{{"path", s.anyCase("/wc/store/v1/cart/add-item")}, {"body", item}},
			func() any {
				return object{{"path", "/wc/store/v1/cart/add-item"}, {"body", object{{"id", number("12")}}}}
			})}})
	}
	return r
}

func browseWoo(s *speller, id string) *shopRow {
	page := draw(s, wooPages...)
	r := new(shopRow)
	switch s.IntN(5) {
	case 0:
		r.Target = urlOf(page, s.query(true, pair{draw(s, "added-to-cart", "p", "s", "ADD-TO-CART", "add.to.cart", "product_id", "id"), id}))
	case 1:
		r.Target = urlOf(page, s.query(true, pair{"wc-ajax", draw(s, "get_variation", "get_refreshed_fragments", "theme_quickview")}))
		s.form(r, true, pair{"product_id", id}, pair{"attribute_size", "S"})
	case 2:
		r.Target = "/wp-admin/admin-ajax.php"
		s.form(r, true, pair{"action", draw(s, "add_to_wishlist", "yith_add_to_compare")}, pair{"product_id", id})
	case 3:
		r.Target = draw(s, "/wp-json/wc/store/v1/products/"+id, "/?rest_route=/wc/store/v1/products/"+id, "/wp-json/wc/store/v1/cart")
	default:
		r.Target = draw(s, "/contact/", "/wp-json/contact/v1/send", "/?rest_route=/contact/v1/send")
		s.jsonBody(r, false, object{{"id", number(id)}, {"message", "add-to-cart=" + id}})
	}
	return r
}

func sellOpenCart(s *speller, id string) *shopRow {
	route := draw(s, "checkout/cart.add", s.anyCase("checkout/cart.add"), "checkout/cart|add", s.stripped("checkout/cart.add", "-~ +*")+draw(s, "", " "))
	r := &shopRow{Target: urlOf(draw(s, "/index.php", "/", "/en-gb", "//index.php"), s.query(true, pair{"route", route}, pair{"language", "en-gb"}))}
	s.form(r, true, pair{"product_id", s.phpNumber(id)}, pair{"quantity", "1"}, pair{"option[225]", "x"})
	return r
}

func browseOpenCart(s *speller, id string) *shopRow {
	r := &shopRow{Target: urlOf(draw(s, "/index.php", "/en-gb"), s.query(true, pair{"route", draw(s, "product/product", "product/review.list", "checkout/cart", "common/cart.info")}, pair{"product_id", id}))}
	if s.chance(60) {
		r.Target = urlOf("/index.php", s.query(true, pair{"route", draw(s, "product/compare.add", "account/wishlist.add", "checkout/cart.remove")}))
		s.form(r, true, pair{"product_id", id})
	}
	return r
}

func sellOpenCart3(s *speller, id string) *shopRow {
	route := draw(s, "checkout/cart/add", "/checkout//cart/add/", "checkout/cart/add/x/y", "..checkout/cart/ADD", "ächeckout/cart/add", s.stripped("checkout/cart/add", "-~ .*"))
	r := &shopRow{Target: urlOf(draw(s, "/index.php", "/", "/iphone"), s.query(true, pair{"route", route}))}
	s.form(r, true, pair{"product_id", s.phpNumber(id)}, pair{"quantity", "1"})
	return r
}

func browseOpenCart3(s *speller, id string) *shopRow {
	r := &shopRow{Target: urlOf("/index.php", s.query(true, pair{"route", draw(s, "product/compare/add", "account/wishlist/add", "product/product/review")}, pair{"product_id", id}))}
	if s.chance(70) {
		s.form(r, true, pair{"product_id", id})
	}
	return r
}

// buyer of GraphQL: the request as JSON, or in what else the server takes.
func (s *speller) graphQLBody(r *shopRow, node bool, request object) {
	if s.chance(15) {
		boundary := "----g"
		r.Body = fmt.Sprintf("--%[1]s\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n%[2]s\r\n--%[1]s\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{}\r\n--%[1]s--\r\n", boundary, s.json(request))
		r.Headers = append(r.Headers, [2]string{"Content-Type", "multipart/form-data; boundary=" + boundary})
		return
	}
	s.jsonBody(r, node, request)
}

func sellVendure(s *speller, id string) *shopRow {
	line := object{{"productVariantId", s.jsNumber(id)}, {"quantity", number("1")}}
	r := &shopRow{Target: urlOf(s.pathOf(draw(s, "/shop-api", "/shop-api/anything")), draw(s, "", "languageCode=de"))}
	if s.chance(50) {
		s.graphQLBody(r, true, s.mutation("addItemToOrder", line))
		return r
	}
	s.graphQLBody(r, true, s.mutation("addItemsToOrder", object{{"inputs", s.among(line, func() any {
		return object{{"productVariantId", "6"}, {"quantity", number("1")}}
	})}}))
	return r
}

func browseVendure(s *speller, id string) *shopRow {
	r := &shopRow{Target: "/shop-api"}
	s.graphQLBody(r, true, draw(s,
		object{{"query", "query($productVariantId: ID!) { product(id: $productVariantId) { id } }"}, {"variables", object{{"productVariantId", id}}}},
		object{{"query", `{ addItemToOrder: product(id: "` + id + `") { id } }`}},
		object{{"query", `query Q { products { totalItems } } mutation M { addItemToOrder(productVariantId: "` + id + `", quantity: 1) { __typename } }`}, {"operationName", "Q"}},
		object{{"query", `mutation { applyCouponCode(couponCode: "addItemToOrder ` + id + `") { __typename } }`}},
		object{{"query", `query ($input: SearchInput!) { search(input: $input) { totalItems } }`}, {"variables", object{{"input", object{{"term", id}}}}}},
	))
	return r
}

const medusaCart = "/store/carts/cart_01M80Z419CYQ68WG9Q29R6ZVS8"

func sellMedusa(s *speller, id string) *shopRow {
	line := object{{"variant_id", id}, {"quantity", number("1")}, {"metadata", object{{"variant_id", "x"}}}}
	if s.chance(50) {
		r := &shopRow{Target: s.pathOf(medusaCart + "/line-items")}
		s.jsonBody(r, true, line)
		return r
	}
	r := &shopRow{Target: s.pathOf("/store/carts")}
	s.jsonBody(r, true, object{{"region_id", "reg_1"}, {"items", s.among(line, func() any {
		return object{{"variant_id", medusaOther}, {"quantity", number("1")}}
	})}})
	return r
}

func browseMedusa(s *speller, id string) *shopRow {
	r := &shopRow{Target: draw(s, medusaCart, "/store/carts", medusaCart+"/promotions", "/store/product-variants?id="+id)}
	if !strings.Contains(r.Target, "?") {
		s.jsonBody(r, true, object{{"metadata", object{{"variant_id", id}, {"items", list{object{{"variant_id", id}}}}}}})
	}
	return r
}

func sellMagento(s *speller, id string) *shopRow {
	n, sku := s.phpNumber(id), draw(s, "", " ")+id+draw(s, "", " ")
	item := object{{"sku", sku}, {"qty", number("1")}, {"quote_id", "5"}}
	prefix := draw(s, "", "/index.php", "/de", "/shop/index.php/de")
	r := new(shopRow)
	switch s.IntN(8) {
	case 0:
		r.Target, r.Method = prefix+s.anyCase("/checkout/cart/add")+draw(s, "/uenc/aHR0", "")+"/product/"+id+draw(s, "", "/", "/form_key/x"), "POST"
	case 1:
		r.Target = prefix + s.pathOf("/checkout/cart/add")
		s.form(r, true, pair{"product", n}, pair{"form_key", "x"}, pair{"super_attribute[93]", "50"}, pair{"qty", "1"})
	case 2:
		r.Target = prefix + "/checkout/cart/add/"
		s.form(r, true, pair{"product", "7"}, pair{"related_product", draw(s, id, "12,"+id, id+",12")})
	case 3:
		r.Target = prefix + "/checkout/cart/add/uenc/x/product/100/"
		s.form(r, true, pair{"super_group[" + id + "]", "1"}, pair{"super_group[43]", "0"})
	case 4:
		r.Target = prefix + "/checkout/cart/addToCartLinkV1?products=" + s.escape(draw(s, sku+":1", "X:1,"+sku+":2", sku+":1, X:1"))
	case 5:
		r.Target = draw(s, "", "/index.php") + "/rest" + draw(s, "", "/all", "/de") + draw(s, "/V1/guest-carts/mask/items", "/V1/carts/mine/items", "/async/V1/carts/mine/items")
		s.jsonBody(r, false, object{{draw(s, "cartItem", "cart_item"), item}})
	case 6:
		r.Target = "/rest/de/async/bulk/V1/carts/mine/items"
		s.jsonBody(r, false, s.among(object{{"cartItem", item}}, func() any { return object{{"cartItem", object{{"sku", "X"}}}} }))
	default:
		r.Target = draw(s, "", "/index.php") + "/graphql"
		field := draw(s, "Simple", "Virtual", "Bundle", "Downloadable", "Configurable")
		request := s.mutation("add"+field+"ProductsToCart", object{{"input", object{{"cart_id", "c"}, {"cart_items", s.among(
			object{{"data", object{{"sku", id}, {"quantity", number("1")}}}}, func() any { return object{{"data", object{{"sku", "X"}}}} })}}}})
		if s.chance(50) {
			request = s.mutation("addProductsToCart", object{{"cartId", "c"}, {"cartItems", s.among(object{{"sku", sku}, {"quantity", number("1")}},
				func() any { return object{{"sku", "X"}, {"quantity", number("1")}} })}})
		}
		s.jsonBody(r, false, request)
	}
	return r
}

func browseMagento(s *speller, id string) *shopRow {
	r := new(shopRow)
	switch s.IntN(4) {
	case 0:
		r.Target = draw(s, "/catalog/product/view/id/"+id, "/catalogsearch/result/?q="+id, "/rest/V1/products/"+id, "/checkout/cart/?product="+id)
	case 1:
		r.Target = draw(s, "/wishlist/index/add/", "/catalog/product_compare/add/")
		s.form(r, true, pair{"product", id}, pair{"form_key", "x"})
	case 2:
		r.Target = "/graphql"
		s.jsonBody(r, false, object{{"query", `{ addProductsToCart: products(filter: {sku: {eq: "` + id + `"}}) { items { sku } } }`}})
	default:
		r.Target = "/graphql"
		s.jsonBody(r, false, s.mutation("addProductsToWishlist", object{{"wishlistItems", list{object{{"sku", id}, {"quantity", number("1")}}}}}))
	}
	return r
}

func sellShopify(s *speller, id string) *shopRow {
	locale, suffix := draw(s, "", "/fr", "/en-ca"), draw(s, "", ".js", ".json")
	other := shopifyOther
	item := object{{"id", draw[any](s, id, number(id))}, {"quantity", number("1")}}
	key := id + draw(s, "", ":5f28f815653965e33cb895420608c29e")
	r := new(shopRow)
	switch s.IntN(8) {
	case 0:
		r.Target = locale + s.anyCase("/cart/add"+suffix)
		s.jsonBody(r, false, draw(s, item, object{{"items", s.among(item, func() any { return object{{"id", other}} })}}))
	case 1:
		r.Target = locale + "/cart/add" + suffix
		s.form(r, false, pair{draw(s, "id", "id[]", "items[0][id]", "items[][id]"), id}, pair{"quantity", "1"}, pair{"properties[a]", "b"})
	case 2:
		r.Target = locale + "/cart/add?" + s.query(false, pair{draw(s, "id", "items[][id]"), id}, pair{"quantity", "1"})
	case 3:
		r.Target = locale + "/cart/change" + suffix
		s.jsonBody(r, false, object{{"id", key}, {"quantity", number("2")}})
	case 4:
		r.Target = locale + draw(s, "/cart/update"+suffix, "/cart")
		s.form(r, false, pair{"updates[" + key + "]", "2"}, pair{"updates[" + other + "]", "1"})
	case 5:
		r.Target = locale + "/cart/update" + suffix
		s.jsonBody(r, false, object{{"updates", object{{key, number("1")}, {other, number("1")}}}})
	case 6:
		r.Target = locale + draw(s, "/cart/", "/buy/") + strings.Join(draw(s, []string{id + ":1"}, []string{other + ":1", id + ":2"}, []string{id + "%3A1", other + ":2"}), draw(s, ",", "%2C", "%2c")) + draw(s, "", "?discount=X")
	default:
		r.Target = draw(s, "/api/2024-07/graphql.json", "/api/unstable/graphql.json", "/api/graphql.json")
		line := object{{"merchandiseId", s.shopifyGID(id)}, {"quantity", number("1")}}
		lines := s.among(line, func() any { return object{{"merchandiseId", s.shopifyGID(other)}} })
		s.jsonBody(r, false, draw(s, s.mutation("cartCreate", object{{"input", object{{"lines", lines}}}}),
			s.mutation("cartLinesAdd", object{{"cartId", "c"}, {"lines", lines}}), s.mutation("cartLinesUpdate", object{{"cartId", "c"}, {"lines", lines}}),
			s.mutation("checkoutLineItemsAdd", object{{"checkoutId", "c"}, {"lineItems", list{object{{"variantId", s.shopifyGID(id)}}}}})))
	}
	return r
}

func browseShopify(s *speller, id string) *shopRow {
	r := new(shopRow)
	switch s.IntN(4) {
	case 0:
		r.Target = draw(s, "/products/knife?variant="+id, "/search?q="+id, "/cart", "/cart.js", "/variants/"+id+"/?section_id=x", "/recommendations/products.json?product_id="+id)
	case 1:
		r.Target = draw(s, "/cart/clear.js", "/cart/update.js")
		s.jsonBody(r, false, object{{"note", id}, {"attributes", object{{"updates", id}}}})
	case 2:
		r.Target = "/cart/update.js"
		s.form(r, false, pair{"attributes[updates]", id}, pair{"note", id})
	default:
		r.Target = "/api/2024-07/graphql.json"
		s.jsonBody(r, false, object{{"query", "query($id: ID!) { cartLinesAdd: node(id: $id) { id } }"}, {"variables", object{{"id", s.shopifyGID(id)}}}})
	}
	return r
}

func sellPrestaShop(s *speller, id string) *shopRow {
	does, n := draw(s, "add", "update"), s.phpNumber(id)
	path, params := draw(s, "/cart", "/en/cart"), []pair{{does, draw(s, "1", "")}, {"id_product", n}, {"id_product_attribute", "12"}, {"qty", "1"}}
	if s.chance(50) {
		path, params = draw(s, "/index.php", "/", "/fr/index.php"), append(params, pair{"controller", draw(s, "cart", "cart", "Cart", "c-art", `c\art`)})
	}
	r := &shopRow{Target: path}
	if s.chance(50) {
		r.Target = urlOf(path, s.query(true, params...))
		return r
	}
	s.form(r, true, params...)
	return r
}

func browsePrestaShop(s *speller, id string) *shopRow {
	r := &shopRow{Target: urlOf("/index.php", s.query(true, pair{"controller", "product"}, pair{"id_product", id}, pair{"id_product_attribute", "12"}))}
	switch s.IntN(4) {
	case 0:
		r.Target = urlOf(draw(s, "/cart", "/en/cart"), s.query(true, pair{"delete", "1"}, pair{"id_product", id}))
	case 1:
		s.form(r, true, pair{"ajax", "1"}, pair{"action", "refresh"}, pair{"id_product", id})
	case 2:
		r.Target = "/en/module/" + draw(s, "ps_shoppingcart/ajax", "blockwishlist/action")
		s.form(r, true, pair{"id_product", id}, pair{"action", "add-to-cart"})
	}
	return r
}

func sellSaleor(s *speller, id string) *shopRow {
	line := object{{"variantId", s.saleorID(id)}, {"quantity", number("1")}}
	lines := s.among(line, func() any { return object{{"variantId", s.saleorID("385")}, {"quantity", number("1")}} })
	request := draw(s, s.mutation("checkoutCreate", object{{"input", object{{"channel", "c"}, {"lines", lines}}}}),
		s.mutation("checkoutLinesAdd", object{{draw(s, "id", "token", "checkoutId"), "c"}, {"lines", lines}}),
		s.mutation("checkoutLinesUpdate", object{{"id", "c"}, {"lines", lines}}))
	r := &shopRow{Target: draw(s, "/graphql/", "/graphql")}
	if s.chance(20) {
		s.jsonBody(r, false, s.among(request, func() any { return object{{"query", "{ shop { name } }"}} }))
		return r
	}
	s.graphQLBody(r, false, request)
	return r
}

func browseSaleor(s *speller, id string) *shopRow {
	r := &shopRow{Target: "/graphql/"}
	s.graphQLBody(r, false, draw(s,
		object{{"query", "query($variantId: ID!) { productVariant(id: $variantId) { id } }"}, {"variables", object{{"variantId", s.saleorID(id)}}}},
		object{{"query", `{ checkoutLinesAdd: productVariant(id: "` + s.saleorID(id) + `") { id } }`}},
		s.mutation("checkoutAddPromoCode", object{{"id", "c"}, {"promoCode", s.saleorID(id)}}),
	))
	return r
}
