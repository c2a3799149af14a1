package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// manyRules is a policy of n rules: over countries, products by exact path and by pattern, and dates.
func manyRules(tb testing.TB, n int) *Policy {
	var text strings.Builder
	text.WriteString("version: 1\nactivities:\n  sale: [{hosts: [shop.example], paths: [/cart]}]\nproducts:\n")
	for i := range n {
		fmt.Fprintf(&text, "  p%d: [{paths: [/cart/item-%d, \"/cart/kind-%d-*\"]}]\n", i, i, i)
	}
	text.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {id: c%d, activity: sale, countries: [DE], from: 2024-01-01T00:00:00Z, until: %s}\n", i,
			time.Unix(2e9+int64(i)*60, 0).UTC().Format(time.RFC3339))
		fmt.Fprintf(&text, "  - {id: p%d, activity: sale, products: [p%d], countries: [%s, PR], from: 2024-01-01T00:00:00Z}\n", i, i,
			[]string{"FR", "IT", "ES"}[i%3])
	}
	return parse(tb, text.String())
}

var decision Decision

func benchmark(b *testing.B, p *Policy, path string, o *Origin) {
	req, at := &Request{Host: "shop.example", Paths: []string{path}}, time.Unix(1.8e9, 0)
	b.ReportAllocs()
	for b.Loop() {
		decision = p.Decide(req, o, at)
	}
}

func BenchmarkDecide(b *testing.B) {
	model := parse(b, shop)
	b.Run("governed", func(b *testing.B) { benchmark(b, model, "/checkout/step-1", from("US")) })
	b.Run("ungoverned", func(b *testing.B) { benchmark(b, model, "/products/kaspersky-standard", from("US")) })
	for _, n := range []int{5, 50, 5000} {
		p := manyRules(b, n)
		b.Run(fmt.Sprintf("rules=%d/everything", 2*n), func(b *testing.B) { benchmark(b, p, "/cart", from("DE")) })
		b.Run(fmt.Sprintf("rules=%d/product", 2*n), func(b *testing.B) { benchmark(b, p, "/cart/item-3", from("FR")) })
		b.Run(fmt.Sprintf("rules=%d/pattern", 2*n), func(b *testing.B) { benchmark(b, p, "/cart/kind-3-x", from("PR")) })
	}
}

// manySKUs is a policy of 2n rules that concern as many products, n of them of so many SKUs each and n of a pattern.
func manySKUs(tb testing.TB, n, each int) *Policy {
	var text strings.Builder
	text.WriteString("version: 1\nactivities:\n  sale: [{hosts: [shop.example], paths: [/cart], fields: [{param: sku}]}, {fields: [{query: add}], when: carried}]\nproducts:\n")
	for i := range n {
		fmt.Fprintf(&text, "  l%d: [{skus: [a]}]\n  p%d: [{skus: [kind-%d-*]}]\n", i, i, i)
	}
	text.WriteString("rules:\n")
	for i := range n {
		for _, kind := range []string{"l", "p"} {
			fmt.Fprintf(&text, "  - {id: %s%d, activity: sale, products: [%s%d], countries: [%s], from: 2024-01-01T00:00:00Z}\n", kind, i, kind, i,
				[]string{"FR", "IT", "ES"}[i%3])
		}
	}
	p := parse(tb, text.String())
	// What comes now a parser of YAML would take long over.
	delete(p.skus.literals, "a")
	for i := range n {
		s := selector{}
		for j := range each {
			s.skus = append(s.skus, fmt.Sprintf("sku-%d-%d", i, j))
		}
		product, _ := slices.BinarySearch(p.names, fmt.Sprintf("l%d", i))
		p.skus.add(&s, int32(product))
	}
	return p
}

// cart is a request of so many lines, none of which a rule concerns but those given.
func cart(lines int, ids ...string) *Request {
	for i := range lines {
		ids = append(ids, fmt.Sprintf("KNIFE-%d", i))
	}
	return &Request{Host: "shop.example", Paths: []string{"/cart/add"}, Carried: []Carried{{Carrier: 1, Present: true, IDs: ids}, {Carrier: 0}}}
}

func BenchmarkDecideCarried(b *testing.B) {
	o, at := from("FR"), time.Unix(1.8e9, 0)
	for _, size := range []struct{ n, each int }{{5, 1}, {5000, 100}} {
		p := manySKUs(b, size.n, size.each)
		for name, req := range map[string]*Request{"sku": cart(0, "SKU-3-0"), "pattern": cart(0, "KIND-3-x"), "other": cart(1), "lines=50": cart(49, "SKU-3-0")} {
			b.Run(fmt.Sprintf("rules=%d,skus=%d/%s", 2*size.n, size.n*size.each, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					decision = p.Decide(req, o, at)
				}
			})
		}
	}
}

func BenchmarkWanted(b *testing.B) {
	at := time.Unix(1.8e9, 0)
	buffer := make([]*Carrier, 0, 4)
	for name, p := range map[string]*Policy{"no carriers": parse(b, shop), "carriers": manySKUs(b, 5, 1)} {
		for _, country := range []string{"FR", "DE"} {
			b.Run(name+"/"+country, func(b *testing.B) {
				req, o := cart(0), from(country)
				b.ReportAllocs()
				for b.Loop() {
					buffer = p.Wanted(req, o, at, buffer[:0])
				}
			})
		}
	}
}

func TestDecideAllocatesNothing(t *testing.T) {
	for name, p := range map[string]*Policy{"the model": parse(t, shop), "many": manyRules(t, 100)} {
		for _, path := range []string{"/about", "/cart", "/CART/Item-3", "/checkout", "/cart/kind-3-x", "/cart/\u212A"} {
			for _, o := range []*Origin{from("US"), from("DE"), from(""), {Traits: StaleDatabase | Anonymized, Country: CountryOf("FR")}} {
				req := &Request{Host: "shop.example", Paths: []string{path, "/cart/other"}, Undetermined: true}
				if n := testing.AllocsPerRun(100, func() { decision = p.Decide(req, o, time.Unix(1.8e9, 0)) }); n != 0 {
					t.Errorf("%s, %s: %v allocations", name, path, n)
				}
			}
		}
	}
}

func TestCarriedAllocatesNothing(t *testing.T) {
	p := manySKUs(t, 5, 3)
	for _, req := range []*Request{cart(0, "SKU-3-1"), cart(0, "kind-2-x", "sku-1-0"), cart(50), cart(0, slices.Repeat([]string{"SKU-3-1"}, 50)...)} {
		if n := testing.AllocsPerRun(100, func() { decision = p.Decide(req, from("FR"), time.Unix(1.8e9, 0)) }); n > 1 { // from is the one
			t.Errorf("%v: %v allocations", req.Carried, n)
		}
	}
}

// compareSizes takes the best of many short runs of either policy, in turn, so that noise must hit all of one to mislead.
func compareSizes(t *testing.T, few, many *Policy, req *Request, what string) {
	t.Helper()
	const runs = 200
	o, at := from("FR"), time.Unix(1.8e9, 0)
	spent := func(p *Policy) time.Duration {
		start := time.Now()
		for range runs {
			decision = p.Decide(req, o, at)
		}
		return time.Since(start)
	}
	small, large := time.Hour, time.Hour
	// On a busy machine, the quickest of a few measurements is not the quickest there is.
	for i := 0; i < 100 || large > 2*small && i < 2000; i++ {
		small, large = min(small, spent(few)), min(large, spent(many))
	}
	t.Logf("%s: %.0f ns with few, %.0f ns with many", what, float64(small)/runs, float64(large)/runs)
	if large > 2*small {
		t.Errorf("%s: %v with many, %v with few", what, large, small)
	}
}

func TestTenThousandRulesCostAtMostTwiceTen(t *testing.T) {
	few, many := manyRules(t, 5), manyRules(t, 5000)
	for _, path := range []string{"/cart", "/cart/item-3", "/cart/kind-3-x", "/about"} {
		compareSizes(t, few, many, &Request{Host: "shop.example", Paths: []string{path}}, path)
	}
}

func TestHalfAMillionSKUsCostAtMostTwiceFive(t *testing.T) {
	few, many := manySKUs(t, 5, 1), manySKUs(t, 5000, 100)
	for what, req := range map[string]*Request{"a SKU": cart(0, "SKU-3-0"), "a pattern": cart(0, "KIND-3-x"), "another": cart(1), "fifty lines": cart(49, "SKU-3-0")} {
		compareSizes(t, few, many, req, what)
	}
}
