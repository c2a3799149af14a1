package goods

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

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
	opts := Options{Documents: NewDocuments(), Decoders: new(Decoders)}
	for b.Loop() {
		Read(nil, next(), nil, []*rules.Carrier{c}, opts)
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
	var circles, variables, keys strings.Builder
	for i := range 30 {
		fmt.Fprintf(&circles, "fragment F%d on M{%s}", i, strings.Repeat(fmt.Sprintf("...F%d ", (i+1)%30), 8))
	}
	for i := range 35 {
		fmt.Fprintf(&variables, "a%d:cartLinesAdd(lines:[$v%d,$v%d]){id}", i, i, i+1)
	}
	for i := range 170 {
		fmt.Fprintf(&keys, `"key%d":{},`, i)
	}
	bombs := map[string]func() *http.Request{}
	for _, coding := range []string{"gzip", "deflate", "raw", "br", "zstd"} {
		name, _ := strings.CutPrefix(coding, "raw")
		if name == "" {
			name = "deflate"
		}
		for content, one := range map[string]string{"blanks": " ", "items": `{"items":[{"id":7},`, "brackets": "[", "quotes": `"a":`} {
			bombs[coding+" bomb of "+content] = again(js, name, string(encode(coding, bytes.Repeat([]byte(one), 2<<20/len(one)))))
		}
	}
	bombs["br bomb of small blocks"] = again(js, "br", brotliBlocks(slices.Repeat([]int{8 << 10}, 200)...))
	bombs["br bomb of large blocks"] = again(js, "br", brotliBlocks(slices.Repeat([]int{64 << 10}, 200)...))
	bombs["br bomb of a huge block"] = again(js, "br", brotliBlocks(1<<10, 4<<20, 4<<20))
	all := map[string]func() *http.Request{
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
		"many keys":      again(js, "", "{"+keys.String()+`"items":[]}`),
		"UTF-16":         again(js+"; charset=utf-16", "", utf(2, cartJSON(1000))),
		"UTF-32":         again(js+"; charset=utf-32", "", utf(4, cartJSON(500))),
		"every UTF":      again(js+"; charset=utf-3216", "", utf(4, cartJSON(500))),
		"inline":         again(js, "", graphqlBody("mutation{cartLinesAdd"+strings.Repeat("...{a ", 300), "", "")),
		"comments":       again(js, "", graphqlBody("mutation{cartLinesAdd{"+strings.Repeat("#\n", 900), "", "")),
		"hashes":         again(js, "", "["+strings.Repeat(`{"query":"cartLinesAdd","extensions":{"persistedQuery":{"sha256Hash":"x"}}},`, 26)+"{}]"),
	}
	maps.Copy(all, bombs)
	return all
}

// brotliBlocks returns a Brotli stream of blanks, in blocks that say how long they are, with the widest window.
func brotliBlocks(lengths ...int) string {
	var b bytes.Buffer
	w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 5, LGWin: 24})
	for _, length := range lengths {
		_, _ = w.Write(bytes.Repeat([]byte(" "), length)) // a buffer takes everything
		_ = w.Flush()
	}
	_ = w.Close()
	return b.String()
}

// utf returns a text of ASCII with so many bytes for each character, the lowest first.
func utf(width int, text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		b.WriteString(strings.Repeat("\x00", width-1))
	}
	return b.String()
}

// BenchmarkPacked reads a cart that shrinks to two KiB, by as much as a cart may. What it costs is what it costs unpacked.
func BenchmarkPacked(b *testing.B) {
	body := string(encode("gzip", []byte(cartJSON(45_000))))
	bench(b, again("application/json", "gzip", body), carrier("node", "json items.#.id"))
}
