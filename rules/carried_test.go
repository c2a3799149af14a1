package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestMoreCarriedNeverAllow: one more product in the cart can only add a block. So can a further field in which some are,
// unless it tells that of a request of which only the path was known all is exempt.
func TestMoreCarriedNeverAllow(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	var blocked, added int
	for range 200 {
		p := randomlyStocked(t, random, parse(t, randomPolicy(random)))
		excepts := slices.ContainsFunc(p.Rules(), func(r *Rule) bool {
			return slices.ContainsFunc(r.Exceptions, func(x Exception) bool { return len(x.Products) > 0 })
		})
		for range 50 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			before := p.Decide(req, o, at)
			for i := range req.Carried {
				if one := &req.Carried[i]; len(one.IDs) > 0 {
					one.IDs = slices.Insert(one.IDs, random.IntN(len(one.IDs)+1), randomCarried(random, 0).IDs...)
				}
			}
			if !excepts {
				more := randomCarried(random, random.IntN(len(p.Carriers())+1))
				more.IDs, more.Present = append(more.IDs, "KL1"), true
				req.Carried = append(req.Carried, more)
			}
			after := p.Decide(req, o, at)
			if before.Verdict == Block {
				blocked++
			} else if after.Verdict == Block {
				added++
			}
			if before.Verdict == Block && after.Verdict != Block {
				t.Fatalf("%+v makes %s of %s\n%s", req.Carried, said(after), said(before), p.Text())
			}
		}
	}
	if blocked < 100 || added < 20 {
		t.Errorf("%d were blocked and %d became so: the test does not reach enough", blocked, added)
	}
}

// TestWhatIsNotWantedNeverMatters: no SKU in a carrier that Wanted leaves out makes a block, or would without shadow mode.
func TestWhatIsNotWantedNeverMatters(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	var wanted, unwanted int
	for range 150 {
		p := randomlyStocked(t, random, parse(t, randomPolicy(random)))
		if random.IntN(2) == 0 {
			p = paused(t, p, randomPauses(random, p)...)
		}
		for range 50 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			req.Carried = nil
			carriers := p.Wanted(req, o, at, nil)
			wanted += len(carriers)
			for _, c := range carriers {
				req.Carried = append(req.Carried, randomCarried(random, c.ID))
			}
			before := p.Decide(req, o, at)
			for _, c := range p.Carriers() {
				if slices.Contains(carriers, c) {
					continue
				}
				more := randomCarried(random, c.ID)
				if c.Claims {
					more.IDs, more.Undetermined = append(more.IDs, "other"), false
				}
				more.Answered = c.Cart != nil // or nobody knows what is in the cart
				req.Carried = append(req.Carried, more)
				unwanted++
			}
			after := p.Decide(req, o, at)
			if after.Verdict != before.Verdict || !slices.Equal(before.Record().Shadow, after.Record().Shadow) {
				t.Fatalf("%+v\nwants %d; makes %s of %s\n%s", req, len(carriers), said(after), said(before), p.Text())
			}
		}
	}
	if wanted < 100 || unwanted < 100 {
		t.Errorf("%d were wanted and %d not: the test does not reach enough", wanted, unwanted)
	}
}

func TestWanted(t *testing.T) {
	p := parse(t, `version: 1
activities:
  all: [{paths: [/all], fields: [{query: a}], when: carried}, {paths: [/all/pay], fields: [{query: b}]}]
  few: [{paths: [/few], fields: [{query: c}], when: carried}, {paths: [/few/pay], fields: [{query: d}]}]
  idle: [{paths: [/idle], fields: [{query: e}]}]
  off: [{paths: [/off], fields: [{query: f}]}]
products: {goods: [{skus: [a]}], page: [{paths: [/few/page]}]}
rules:
  - {id: a, activity: all, countries: [DE], from: 2024-01-01T00:00:00Z, until: 2025-01-01T00:00:00Z, anonymized: block}
  - {id: b, activity: few, products: [goods], countries: [FR], mode: shadow, unknown_country: allow, except: [{networks: [198.51.100.0/24]}]}
  - {id: c, activity: few, products: [page], countries: [IT], unknown_country: allow}
  - {id: d, activity: few, products: [page], countries: [ES], unknown_country: allow, except: [{products: [goods]}]}
  - {id: e, activity: off, products: [goods], countries: [DE]}
`)
	p = paused(t, p, Pause{Rule: "e", Effective: Interval{Until: instant(t, "2030-01-01T00:00:00Z")}})
	for _, c := range []struct{ paths, from, at, want string }{
		{"/all", "DE", "2024-01-01T00:00:00Z", "a"},
		{"/all", "DE", "2023-12-31T23:59:59Z", ""},
		{"/all", "DE", "2025-01-01T00:00:00Z", ""},
		{"/all", "FR", "2024-01-01T00:00:00Z", ""},
		{"/all", "FR DE", "2024-01-01T00:00:00Z", "a"},
		{"/all", "unknown", "2024-01-01T00:00:00Z", "a"},
		{"/all", "anonymized FR", "2024-01-01T00:00:00Z", "a"},
		{"/all", "private FR", "2024-01-01T00:00:00Z", "a"},
		{"/all/pay", "DE", "2024-01-01T00:00:00Z", "a"}, // that it is one of the activity is enough
		{"/x /ALL/x", "DE", "2024-01-01T00:00:00Z", "a"},
		{"/few", "FR", "2024-01-01T00:00:00Z", "c"},
		{"/few", "FR 198.51.100.7", "2024-01-01T00:00:00Z", ""},
		{"/few/pay", "FR", "2024-01-01T00:00:00Z", "c d"},
		{"/few /few/pay", "FR", "2024-01-01T00:00:00Z", "c d"},
		{"/few/pay", "IT", "2024-01-01T00:00:00Z", "c"},
		{"/few/pay", "ES", "2024-01-01T00:00:00Z", "c d"}, // an exception looks at what is carried
		{"/few/pay", "unknown", "2024-01-01T00:00:00Z", ""},
		{"/few/pay /all", "DE FR", "2024-01-01T00:00:00Z", "a c d"},
		{"/idle", "DE", "2024-01-01T00:00:00Z", ""},
		{"/off", "DE", "2024-01-01T00:00:00Z", ""},
		{"/off", "DE", "2030-01-01T00:00:00Z", "f"},
		{"", "DE", "2024-01-01T00:00:00Z", ""},
	} {
		req, o, at := &Request{Host: "s", Paths: strings.Fields(c.paths)}, origin(t, c.from), instant(t, c.at)
		var got []string
		for _, carrier := range p.Wanted(req, o, at, nil) {
			if p.Carriers()[carrier.ID] != carrier {
				t.Errorf("%+v does not stand at its ID", carrier)
			}
			if !p.MayCarry(req) {
				t.Errorf("%s carries nothing, and %+v is wanted", c.paths, carrier)
			}
			got = append(got, carrier.Fields[0].Name)
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s from %s at %s: %q, want %q", c.paths, c.from, c.at, got, c.want)
		}
		if n := testing.AllocsPerRun(10, func() { p.Wanted(req, o, at, make([]*Carrier, 0, 4)) }); n > 0 {
			t.Errorf("%s from %s at %s: %v allocations", c.paths, c.from, c.at, n)
		}
	}
}

func TestMayCarry(t *testing.T) {
	t.Parallel()
	const plain = "version: 1\nactivities: {sale: [{paths: [/buy]}]}\nrules: [{id: a, activity: sale, countries: [DE], from: 2024-01-01}]\ntime_zone: UTC\n"
	carrying := parse(t, strings.Replace(plain, "{paths: [/buy]}", "{paths: [/buy], hosts: [s], fields: [{query: id}]}", 1))
	for _, c := range []struct {
		p    *Policy
		req  Request
		want bool
	}{
		{carrying, Request{Host: "s", Paths: []string{"/x", "/buy/it"}}, true},
		{carrying, Request{Host: "s", Paths: []string{"/x"}}, false},
		{carrying, Request{Host: "t", Paths: []string{"/buy"}}, false},
		{parse(t, plain), Request{Host: "s", Paths: []string{"/buy"}}, false},
	} {
		if got := c.p.MayCarry(&c.req); got != c.want {
			t.Errorf("%s %q: %t", c.req.Host, c.req.Paths, got)
		}
	}
}

func TestCarriers(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities:
  update: [{all: true}, {paths: [/u], fields: [{path: "/u/*"}]}]
  sale: [{paths: [/b], fields: [{json: id}], dialect: node, when: carried}, {paths: [/a], fields: [{query: id}, {param: "q[*]", key: true, split: ",", cut: ":"}]}]
`)
	want := []*Carrier{
		{ID: 0, Activity: "sale", Dialect: Exact, Fields: []Field{{In: InParam, Name: "q[*]", Key: true, Split: ",", Cut: ":"}, {In: InQuery, Name: "id"}}, Claims: true},
		{ID: 1, Activity: "sale", Dialect: Node, Fields: []Field{{In: InJSON, Name: "id"}}},
		{ID: 2, Activity: "update", Dialect: Exact, Fields: []Field{{In: InPath, Name: "/u/*"}}, Claims: true},
	}
	slices.SortFunc(want[0].Fields, func(a, b Field) int { return strings.Compare(string(marshal(a.text())), string(marshal(b.text()))) })
	if diff := cmp.Diff(want, p.Carriers(), cmpopts.IgnoreUnexported(Carrier{})); diff != "" {
		t.Error(diff)
	}
	if len(paused(t, p).Carriers()) != 3 {
		t.Error("a paused policy has other carriers")
	}
}

// TestSKUs compares the matcher with a walk over each pattern.
func TestSKUs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pattern, yes, no string }{
		{"KL1", "KL1 kl1 \u212Al1", "KL KL11 xKL1"},
		{"kl-*", "KL- kl-1 Kl-a/b", "kl xkl-1"},
		{"*-x", "-x a-X a-x-x", "a-xx x"},
		{"a*b*c", "abc aXbYc abbcc", "ac acb abcd"},
		{"*", "a *", ""},
		{"**", "a", ""},
		{"stra\u00DFe", "STRA\u1E9EE", "strasse"},
		{"a/b*", "a/b a/b/c", "a"},
	} {
		var m skuMatcher
		m.add(&selector{skus: []string{foldText(c.pattern)}}, 3)
		for want, skus := range map[bool]string{true: c.yes, false: c.no} {
			for sku := range strings.FieldsSeq(skus) {
				got, walked := m.match(sku, nil, nil), m.walk(foldText(sku), "", "/")
				if (len(got) == 1) != want || !slices.Equal(got, walked) {
					t.Errorf("%s is %s: %v, %v", sku, c.pattern, got, walked)
				}
			}
		}
		if got := m.match("", nil, nil); got != nil {
			t.Errorf("no SKU is %s", c.pattern)
		}
	}
}

// aShop is a preset such as those of shops, and plain one of paths only.
var aShop = fstest.MapFS{
	"presets/a-shop.yaml": {Data: []byte(`# A shop.
preset: a-shop
activity: sale
elements:
  - paths: [/]
    dialect: php
    fields: [{param: add-to-cart}, {param: "quantity[*]", key: true}]
    when: carried
  - paths: [/api/cart, /**/buy]
    fields: [{json: id}, {path: "/**/buy/*"}]
  - paths: [/checkout]
`)},
	"presets/plain.yaml":  {Data: []byte("preset: plain\nactivity: sale\npaths: [/pay]\n")},
	"presets/broken.yaml": {Data: []byte("preset: broken\nactivity: sale\npath: [/pay]\nelements: [{fields: [{query: id}]}, {paths: [/a], paths: [b], when: carried}]\n")},
	"presets/empty.yaml":  {Data: []byte("preset: empty\nactivity: sale\n")},
}

func load(text string) (*Policy, error) {
	l := newLoader("policy.yaml")
	l.presets = aShop
	l.policy(l.root([]byte(text)))
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	return l.compile(), nil
}

// TestPresetsOfSeveralElements: such a preset is what it stands for, below a base and with the operator's own fields.
func TestPresetsOfSeveralElements(t *testing.T) {
	t.Parallel()
	for element, want := range map[string]string{
		"{preset: a-shop, hosts: [a.example]}": `
    - {hosts: [a.example], paths: [/], dialect: php, fields: [{param: add-to-cart}, {param: "quantity[*]", key: true}], when: carried}
    - {hosts: [a.example], paths: [/api/cart, /**/buy], fields: [{json: id}, {path: "/**/buy/*"}]}
    - {hosts: [a.example], paths: [/checkout]}`,
		`{preset: a-shop, base: "/de/**/", fields: [{query: sku}, {json: id}]}`: `
    - {paths: [/de/**], dialect: php, fields: [{param: add-to-cart}, {param: "quantity[*]", key: true}, {query: sku}, {json: id}], when: carried}
    - {paths: [/de/**/api/cart, /de/**/**/buy], fields: [{json: id}, {path: "/de/**/**/buy/*"}, {query: sku}]}
    - {paths: [/de/**/checkout], fields: [{query: sku}, {json: id}]}`,
		`{preset: plain, base: "/*"}`:                 "[{paths: [/*/pay]}]",
		"{preset: plain, fields: [{path: \"/p/*\"}]}": "[{paths: [/pay], fields: [{path: \"/p/*\"}]}]",
	} {
		p, err := load("version: 1\nactivities: {sale: [" + element + "]}\n")
		if err != nil {
			t.Fatal(err)
		}
		if long := parse(t, "version: 1\nactivities:\n  sale: "+want+"\n"); p.Digest() != long.Digest() {
			t.Errorf("%s\n%s\n%s", element, p.Text(), long.Text())
		}
	}
	for element, want := range map[string]string{
		`{preset: a-shop, base: "/*"}`: `policy.yaml:2:44: base "/*" holds *, which stands for the product in a path of preset a-shop; write ** for any folders`,
		"{preset: b-shop}":             `policy.yaml:2:30: unknown preset "b-shop"; did you mean a-shop?`,
		"{preset: empty}":              "empty.yaml:1:1: a preset has either paths or elements; give one of them",
		"{preset: broken}": `broken.yaml:3:1: unknown key "path" in a preset; did you mean paths?
broken.yaml:4:12: an element of a preset has no paths; add one
broken.yaml:4:51: "paths" is given twice; it stands on line 4 already
broken.yaml:4:69: when is given without fields in a preset; say in which fields a product is carried, or leave it out`,
	} {
		if _, err := load("version: 1\nactivities: {sale: [" + element + "]}\n"); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", element, err, want)
		}
	}
}

func TestSKUsThatNothingCarries(t *testing.T) {
	t.Parallel()
	text := `version: 1
activities: {sale: [{paths: [/cart]}]}
products:
  b: [{paths: [/b]}, {skus: [b1]}, {skus: [b2]}]
  a:
    - skus: [a1]
`
	want := `policy.yaml:4:29: no activity carries the SKUs of b; say under activities in which fields they are, or name a preset that does
policy.yaml:6:13: no activity carries the SKUs of a; say under activities in which fields they are, or name a preset that does`
	if got := parse(t, text).Warnings().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := parse(t, strings.Replace(text, "]}]}", "]}, {fields: [{query: id}], when: carried}]}", 1)).Warnings(); len(got) > 0 {
		t.Errorf("they are carried: %v", got)
	}
}

func TestExplainShowsWhatIsCarried(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{fields: [{query: id}], when: carried}]}
products: {a: [{skus: [a*]}], b: [{skus: [b]}]}
rules: [{id: r, activity: sale, products: [a, b], countries: [DE]}]
`)
	carried := []Carried{{Carrier: 0, Present: true, IDs: []string{"a1", "c", "b", "A2"}}}
	e := p.Explain(&Request{Host: "s", Paths: []string{"/"}, Carried: append(carried, Carried{Carrier: 9, Present: true})}, from("DE"), time.Unix(0, 0))
	var got []string
	for _, step := range e.Readings[0].Rules {
		got = append(got, fmt.Sprintf("%s %v %v", step.Product, step.IDs, step.Verdict))
	}
	if got := strings.Join(got, ", "); got != "a [a1 A2] block, b [b] block" {
		t.Errorf("the rule's steps are %s", got)
	}
	if diff := cmp.Diff(carried, e.Readings[0].Carried); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, e.Readings[0].Products); diff != "" {
		t.Error(diff)
	}
}
