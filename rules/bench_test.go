package rules

import (
	"fmt"
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

// TestTenThousandRulesCostAtMostTwiceTen compares the best of several short runs of either, so that noise must hit
// all of one kind to mislead.
func TestTenThousandRulesCostAtMostTwiceTen(t *testing.T) {
	few, many := manyRules(t, 5), manyRules(t, 5000)
	for _, path := range []string{"/cart", "/cart/item-3", "/cart/kind-3-x", "/about"} {
		best := func(p *Policy) time.Duration {
			req, o, at := &Request{Host: "shop.example", Paths: []string{path}}, from("FR"), time.Unix(1.8e9, 0)
			least := time.Hour
			for range 20 {
				start := time.Now()
				for range 2000 {
					decision = p.Decide(req, o, at)
				}
				least = min(least, time.Since(start))
			}
			return least
		}
		small, large := best(few), best(many)
		t.Logf("%s: %.0f ns with 10 rules, %.0f ns with 10,000", path, float64(small)/2000, float64(large)/2000)
		if large > 2*small {
			t.Errorf("%s: %v with 10,000 rules, %v with 10", path, large, small)
		}
	}
}
