package goods

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gate451/rules"
)

// cartJSON returns a cart of about the given number of bytes.
func cartJSON(size int) string {
	var b strings.Builder
	b.WriteString(`{"currency":"EUR","items":[`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"id":"4%04d","quantity":%d,"metadata":{"gift":false,"note":"with love"}},`, i, i%7+1)
	}
	return strings.TrimSuffix(b.String(), ",") + `]}`
}

// mutation returns an honest request of about two KiB.
func mutation() string {
	const doc = `mutation AddToCart($cartId: ID!, $lines: [CartLineInput!]!) {
  cartLinesAdd(cartId: $cartId, lines: $lines) {
    cart { ...CartFields }
    userErrors { field message code }
  }
}
fragment Money on MoneyV2 { amount currencyCode }
fragment CartFields on Cart {
  id checkoutUrl totalQuantity note
  buyerIdentity { countryCode email phone customer { id email firstName lastName displayName } }
  cost { subtotalAmount { ...Money } totalAmount { ...Money } totalDutyAmount { ...Money } totalTaxAmount { ...Money } }
  discountCodes { code applicable }
  lines(first: 100) {
    edges { node {
      id quantity
      attributes { key value }
      cost { totalAmount { ...Money } amountPerQuantity { ...Money } compareAtAmountPerQuantity { ...Money } }
      merchandise { ... on ProductVariant {
        id title availableForSale requiresShipping
        selectedOptions { name value }
        price { ...Money } compareAtPrice { ...Money }
        image { id url altText width height }
        product { id handle title vendor productType tags }
      } }
    } }
  }
  delivery { addresses { id selected oneTimeUse address { address1 address2 city zip } } }
}`
	return graphqlBody(doc, `{"cartId":"gid://shopify/Cart/1","lines":[{"merchandiseId":"gid://shopify/ProductVariant/7","quantity":1}]}`, "")
}

// again is a request whose body can be read over and over.
func again(contentType, coding, body string) func() *http.Request {
	r := post("/", contentType, "")
	if coding != "" {
		r.Header.Set("Content-Encoding", coding)
	}
	return func() *http.Request {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		return r
	}
}

func bench(b *testing.B, next func() *http.Request, c *rules.Carrier) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		Read(nil, next(), nil, []*rules.Carrier{c}, Options{})
	}
}

func BenchmarkJSON(b *testing.B) {
	bench(b, again("application/json", "", cartJSON(2000)), carrier("node", "json items.#.id"))
}

func BenchmarkGraphQL(b *testing.B) {
	bench(b, again("application/json", "", mutation()), carrier("exact", addLines))
}

func BenchmarkForm(b *testing.B) {
	bench(b, again(form, "", strings.Repeat("attribute.size=large&", 100)+"id=43"), carrier("php", "form id"))
}

func BenchmarkUnread(b *testing.B) {
	bench(b, again(form, "", "id=43"), carrier("php", "query add-to-cart", "json id"))
}

// BenchmarkHostile reads what is made to be expensive, of two KiB on the wire.
func BenchmarkHostile(b *testing.B) {
	for name, next := range hostile() {
		b.Run(name, func(b *testing.B) {
			bench(b, next, carrier("node", "json items.#.id", "form quantity[*] key", addLines))
		})
	}
}

func hostile() map[string]func() *http.Request {
	const js = "application/json"
	var circles, variables strings.Builder
	for i := range 30 {
		fmt.Fprintf(&circles, "fragment F%d on M{%s}", i, strings.Repeat(fmt.Sprintf("...F%d ", (i+1)%30), 8))
	}
	for i := range 35 {
		fmt.Fprintf(&variables, "a%d:cartLinesAdd(lines:[$v%d,$v%d]){id}", i, i, i+1)
	}
	bomb := func(coding string) func() *http.Request {
		return again(js, coding, string(encode(coding, bytes.Repeat([]byte(" "), 2<<20))))
	}
	return map[string]func() *http.Request{
		"nested arrays":  again(js, "", strings.Repeat("[", 2000)),
		"nested objects": again(js, "", strings.Repeat(`{"items":`, 220)),
		"nested items":   again(js, "", `{"items":`+strings.Repeat(`[`, 500)+strings.Repeat(`]`, 500)+"}"),
		"many items":     again(js, "", `{"items":[`+strings.Repeat(`{"id":7},`, 220)+`0]}`),
		"empty objects":  again(js, "", `{"items":[`+strings.Repeat(`{},`, 650)+`0]}`),
		"nested fields":  again(js, "", graphqlBody("mutation{cartLinesAdd"+strings.Repeat("{a", 900), "", "")),
		"nested lists":   again(js, "", graphqlBody("mutation{cartLinesAdd(lines:"+strings.Repeat("[", 900)+strings.Repeat("]", 900)+"){id}}", "", "")),
		"aliases":        again(js, "", graphqlBody("mutation{"+strings.Repeat(`a:cartLinesAdd(lines:{merchandiseId:7}){id}`, 45)+"}", "", "")),
		"variables":      again(js, "", graphqlBody("mutation{"+variables.String()+"}", `{"v0":{}}`, "")),
		"circles":        again(js, "", graphqlBody("mutation cartLinesAdd{...F0}"+circles.String(), "", "")),
		"batch":          again(js, "", "["+strings.Repeat(`{"query":"{cartLinesAdd"},`, 80)+"{}]"),
		"form":           again(form, "", strings.Repeat("quantity[=&", 180)),
		"form variables": again(form, "", "query=mutation{cartLinesAdd(lines:$a){id}}&"+strings.Repeat("variables[a][]=&", 120)),
		"parts":          again("multipart/form-data; boundary=b", "", strings.Repeat("--b\n\n", 400)),
		"gzip bomb":      bomb("gzip"),
		"deflate bomb":   bomb("deflate"),
		"br bomb":        bomb("br"),
		"zstd bomb":      bomb("zstd"),
	}
}
