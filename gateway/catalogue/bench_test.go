package catalogue

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"gate451/rules"
)

// The files of half a million ids, in each format, with as much beside them as such files have.
var large = map[string]func(w io.Writer) (ids int){
	"goods.csv": func(w io.Writer) int {
		fmt.Fprintln(w, "id,sku,parent,vendor,title,category,link")
		for i := range 250000 {
			parent := ""
			if i%10 > 0 {
				parent = fmt.Sprint(100000000 + i - i%10)
			}
			fmt.Fprintf(w, "%d,SKU-%d,%s,Maker %d,\"Good number %d, boxed\",Software > Security,https://shop.example/goods/%d\n", 100000000+i, i, parent, i%1000, i, i)
		}
		return 500000
	},
	"feed.xml": func(w io.Writer) int {
		fmt.Fprintln(w, `<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Goods</title>`)
		for i := range 166667 {
			fmt.Fprintf(w, "<item><g:id>%d</g:id><g:item_group_id>%d</g:item_group_id><title>Good number %d</title><link>https://shop.example/goods/%d</link>"+
				"<g:brand>Maker %d</g:brand><g:mpn>SKU-%d</g:mpn><g:gtin>%d</g:gtin><g:price>10.00 EUR</g:price><g:availability>in_stock</g:availability></item>\n",
				100000000+i, 900000000+i/10, i, i, i%1000, i, 4000000000000+i)
		}
		fmt.Fprintln(w, "</channel></rss>")
		return 500000
	},
	"products.json": func(w io.Writer) int {
		fmt.Fprint(w, `{"products": [`)
		for i := range 15152 {
			if i > 0 {
				fmt.Fprintln(w, ",")
			}
			fmt.Fprintf(w, `{"id": %d, "title": "Good number %d", "handle": "good-%d", "vendor": "Maker %d", "product_type": "Software", "tags": ["a", "b"], "variants": [`, 7000000000+i, i, i, i%1000)
			for j := range 10 {
				if j > 0 {
					fmt.Fprint(w, ",")
				}
				fmt.Fprintf(w, `{"id": %d, "title": "Size %d", "option1": "Size %d", "sku": "SKU-%d-%d", "requires_shipping": true, "taxable": true, "price": "10.00", "grams": 0, "position": %d}`,
					44000000000+i*10+j, j, j, i, j, j)
			}
			fmt.Fprint(w, "]}")
		}
		fmt.Fprint(w, "]}")
		return 500000
	},
	"goods.jsonld": func(w io.Writer) int {
		fmt.Fprintln(w, `{"@context": "https://schema.org/", "@graph": [`)
		for i := range 250000 {
			if i > 0 {
				fmt.Fprintln(w, ",")
			}
			fmt.Fprintf(w, `{"@type": "Product", "productID": "%d", "sku": "SKU-%d", "name": "Good number %d", "brand": {"@type": "Brand", "name": "Maker %d"}, "isVariantOf": {"productGroupID": "%d"}}`,
				100000000+i, i, i, i%1000, 900000000+i/10)
		}
		fmt.Fprint(w, "]}")
		return 500000
	},
}

// BenchmarkLoad reads half a million ids, all of them of products, and attaches them.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	text.WriteString("version: 1\ncatalogues: [goods]\nactivities: {sale: [{paths: [/cart], fields: [{query: id}]}]}\nproducts:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  p%d: [{catalogue: {vendor: Maker %d}}]\n", i, i)
	}
	p := newPolicy(b, text.String())
	for name, write := range large {
		b.Run(name, func(b *testing.B) {
			var file strings.Builder
			ids := write(&file)
			b.SetBytes(int64(file.Len()))
			b.ReportAllocs()
			var attached *rules.Policy
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				attached = load(b, p, name, file.String(), ids)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(attached)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-held")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/load")
		})
	}
}

func load(tb testing.TB, p *rules.Policy, name, text string, ids int) *rules.Policy {
	tb.Helper()
	into := p.Catalogue()
	if err := Read("goods", name, strings.NewReader(text), into); err != nil {
		tb.Fatal(err)
	}
	if got := into.Files()[0].IDs; got < ids {
		tb.Fatalf("%d ids; want %d", got, ids)
	}
	q, err := p.WithCatalogue(into)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}
