package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const queryPolicy = `version: 1
activities: {sale: [{paths: [/cart]}]}
products:
  one: [{query: {vendor: [Kaspersky*, " Stra\u00DFe "]}}]
  two: [{query: {id: 7, a.b: "*"}}]
  there: [{query: {V: x}, paths: [/cart/there]}]
  signs: [{query: {"100%": a+b}}]
rules: [{id: all, activity: sale, products: [one, two, there, signs], countries: [DE]}]
`

func TestQuery(t *testing.T) {
	t.Parallel()
	p := parse(t, queryPolicy)
	for query, want := range map[string]string{
		"": "", "vendor": "", "vendor=": "", "vendor=kaspersky": "one", "VENDOR=KASPERSKY+Lab": "one", "%76endor=%4baspersky": "one", "vendor=%20kaspersky": "one",
		"vendor=xkaspersky": "", "vendors=kaspersky": "", "vendor=other&vendor=kaspersky": "one", "vendor=kaspersky&vendor=other": "one", "vendor[]=kaspersky": "one",
		"vendor%5B0%5D=kaspersky": "one", "+vendor=kaspersky": "one", "vendor%00x=kaspersky": "one", "vendor[=kaspersky": "", "a=1;vendor=kaspersky;b=2": "one",
		"vendor=kaspersky#x": "one", "vendor=kaspersky;x": "one", "x#vendor=kaspersky": "one", "vendor=kas%70ersky%": "one", "vendor=%6Baspersk%7": "", "vendor=%6xkaspersky": "",
		"vendor=STRA%E1%BA%9EE": "one", "vendor=kaspersky%00": "one", "vendor=%09%0akaspersky": "one", "v%65ndor=k&x": "", "a=kaspersky": "",
		"id=7": "", "a.b=": "", "id=7&a.b=": "two", "id=7&a_b=1&vendor=kaspersky": "one two", "id=8&a_b=1": "", "id=7&id=7": "",
		"v=x": "", "100%=a%2Bb": "signs", "100%25=a%2bb": "signs", "100%=a+b": "",
		";;;": "", "&&": "", "=": "", "[=x": "", "vendor[a=kaspersky": "",
	} {
		req := &Request{Host: "shop.example", Paths: []string{"/cart"}, Query: query}
		var got []string
		for _, id := range p.queries.match(req, "/cart", nil) {
			got = append(got, p.names[id])
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%q is of %q; want %q", query, got, want)
		}
		decided, explained := p.Decide(req, from("DE"), time.Unix(0, 0)), p.Explain(req, from("DE"), time.Unix(0, 0))
		if (decided.Verdict == Block) != (want != "") || said(decided) != said(explained.Decision) {
			t.Errorf("%q: %s, explained %s", query, said(decided), said(explained.Decision))
		}
	}
	for path, want := range map[string]Verdict{"/cart": Allow, "/cart/there/x": Block, "/cart/thereby": Allow} {
		req := &Request{Host: "shop.example", Paths: []string{path}, Query: "V=X"}
		if d := p.Decide(req, from("DE"), time.Unix(0, 0)); d.Verdict != want || p.Explain(req, from("DE"), time.Unix(0, 0)).Decision.Verdict != want {
			t.Errorf("%s: %s", path, said(d))
		}
	}
}

// TestQueryExemptsNothing: a client can add to a query what the shop never looks at.
func TestQueryExemptsNothing(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{paths: [/cart], fields: [{query: id}]}]}
products: {course: [{query: {course: "*"}}, {paths: [/cart/course]}], k: [{skus: [KL*]}]}
rules: [{id: all, activity: sale, countries: [DE], except: [{products: [course]}]}]
`)
	for _, c := range []struct{ path, query, want string }{
		{"/cart", "", "block"}, {"/cart", "course=1", "block"}, {"/cart/course", "", "allow"}, {"/cart/course", "course=1", "allow"},
	} {
		req := &Request{Host: "shop.example", Paths: []string{c.path}, Query: c.query}
		if d := p.Decide(req, from("DE"), time.Unix(0, 0)); d.Verdict.String() != c.want || said(d) != said(p.Explain(req, from("DE"), time.Unix(0, 0)).Decision) {
			t.Errorf("%+v: %s, explained %s", c, said(d), said(p.Explain(req, from("DE"), time.Unix(0, 0)).Decision))
		}
	}
	req := &Request{Host: "shop.example", Paths: []string{"/cart"}, Query: "course=1", Carried: []Carried{{Carrier: 0, Present: true, IDs: []string{"KL1"}}}}
	if d := p.Decide(req, from("DE"), time.Unix(0, 0)); d.Verdict != Block {
		t.Error(said(d))
	}
}

func TestQueryAllocatesNothing(t *testing.T) {
	p, o := parse(t, queryPolicy), from("DE")
	for _, query := range []string{"vendor=kaspersky+lab", "id=7&a.b=%20x;vendor=x", "utm_source=x&page=2"} {
		req := &Request{Host: "shop.example", Paths: []string{"/cart"}, Query: query}
		if n := testing.AllocsPerRun(100, func() { decision = p.Decide(req, o, time.Unix(0, 0)) }); n != 0 {
			t.Errorf("%s: %v allocations", query, n)
		}
	}
}

// TestHostileQueriesCostLittle: twice as long a query takes about twice the time, not four times.
func TestHostileQueriesCostLittle(t *testing.T) {
	p, o := parse(t, queryPolicy), from("DE")
	for _, part := range []string{";", "+", "&", "vendor=k;", "%00", "[", "id=7&a.b=1&"} {
		spent := func(n int) time.Duration {
			req, best := &Request{Host: "shop.example", Paths: []string{"/cart"}, Query: strings.Repeat(part, n)}, time.Hour
			for range 8 {
				start := time.Now()
				decision = p.Decide(req, o, time.Unix(0, 0))
				best = min(best, time.Since(start))
			}
			return best
		}
		short, long := spent(1000), spent(16000)
		for range 5 {
			if long < 80*short {
				break
			}
			short, long = min(short, spent(1000)), min(long, spent(16000))
		}
		if long >= 80*short {
			t.Errorf("%q: %v for 1000, %v for 16000", part, short, long)
		}
	}
}

func TestTenThousandQueriesCostAtMostTwiceTen(t *testing.T) {
	policy := func(n int) *Policy {
		var text strings.Builder
		text.WriteString("version: 1\nactivities:\n  sale: [{hosts: [shop.example], paths: [/cart]}]\nproducts:\n")
		for i := range n {
			fmt.Fprintf(&text, "  p%d: [{query: {id: [item-%d, kind-%d-*]}}]\n", i, i, i)
		}
		text.WriteString("rules:\n")
		for i := range n {
			fmt.Fprintf(&text, "  - {id: p%d, activity: sale, products: [p%d], countries: [FR]}\n", i, i)
		}
		return parse(t, text.String())
	}
	few, many := policy(10), policy(10000)
	for _, query := range []string{"id=item-3", "id=kind-3-x", "id=other", "page=2"} {
		compareSizes(t, few, many, &Request{Host: "shop.example", Paths: []string{"/cart"}, Query: query}, query)
	}
}
