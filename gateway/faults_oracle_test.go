package gateway_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFaultOracle shows that the fault test would find what it looks for: gateways with one thing wrong, a shop that is
// ill in secret, and records that do not agree.
func TestFaultOracle(t *testing.T) {
	t.Parallel()
	policy := func(old, changed string) func(*testing.T, *calamity) {
		return func(t *testing.T, c *calamity) {
			text := strings.Replace(editions[0].text, old, changed, 1)
			if text == editions[0].text {
				t.Fatalf("%q is not in the policy", old)
			}
			c.inPlace(t)(text)
			c.reloaded(t)
		}
	}
	late := func(by time.Duration) func(*testing.T, *calamity) {
		return func(_ *testing.T, c *calamity) { c.late = by }
	}
	const slips, refusesTooMuch = "reached the shop, which the policy forbids", "was refused, which the policy allows"
	for _, c := range []struct {
		name  string
		wrong func(*testing.T, *calamity)
		found []string // none: nothing is wrong
	}{
		{"nothing wrong", func(*testing.T, *calamity) {}, nil},
		{"a country is missing", policy("[US, PR]", "[US]"), []string{slips, "met with whole (200, <nil>) and no refusal"}},
		{"a country too many", policy("[US, PR]", "[US, PR, FR]"), []string{refusesTooMuch, "is logged as refused, which the policy allows"}},
		{"another zone", policy("America/New_York", "America/Chicago"), []string{slips, refusesTooMuch}},
		{"the end is forgotten", policy(", until: 2024-03-11", ""), []string{refusesTooMuch}},
		{"unknown countries pass", policy("version: 1\n", "version: 1\ndefaults: {unknown_country: allow}\n"), []string{slips}},
		{"a path is forgotten", policy("[/cart]", "[/basket]"), []string{slips, `the shop was told "" of activity "sale"`}},
		{"the clock is late", late(time.Second), []string{slips, refusesTooMuch}},
		{"the clock is early", late(-time.Second), []string{slips, refusesTooMuch}},
		{"the clock is a nanosecond late", late(1), []string{slips}},
		{"another database", func(t *testing.T, c *calamity) {
			c.gate.replace(t, "geo.mmdb", gazetteFile(t, "second"))
			c.reloaded(t)
		}, []string{slips, `the shop was told "DE" for ` + mover + `, want one of ["US"]`}},
		{"the shop is down", func(t *testing.T, c *calamity) { c.shop.fall(t, "down") }, []string{`met with 502 (502, <nil>), want one of ["whole"]`}},
		{"the shop sends too little", func(t *testing.T, c *calamity) { c.shop.fall(t, "too short") }, []string{`met with half (200, <nil>), want one of ["whole"]`}},
		{"the shop breaks off", func(t *testing.T, c *calamity) { c.shop.fall(t, "broken off") }, []string{"met with cut (200, unexpected EOF)"}},
		{"refusals panic", func(_ *testing.T, c *calamity) { c.dumb.Store(true) }, []string{"was answered 500"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newCalamity(t, 451, false, nil)
			c.wrong(t, k)
			k.patrol()
			wrong, certain := k.world.join(k.records(t))
			all := strings.Join(wrong, "\n")
			if certain != len(k.traffic.asked) {
				t.Errorf("%d of %d verdicts are certain", certain, len(k.traffic.asked))
			}
			if len(c.found) == 0 {
				if len(wrong) > 0 {
					t.Errorf("found %s", all)
				}
				k.forgeries(t)
			}
			for _, words := range c.found {
				if !strings.Contains(all, words) {
					t.Errorf("no %q was found, but %s", words, all)
				}
			}
		})
	}
}

// patrol asks for everything from everywhere, on either side of every boundary of the first edition.
func (c *calamity) patrol() {
	random := rand.New(rand.NewPCG(451, 0))
	for _, at := range editions[0].boundaries() {
		for _, step := range []time.Duration{-1, 0} {
			c.world.turn(func(at time.Time) { c.gate.now.set(at.Add(-c.late)) }, at.Add(step))
			for _, buyer := range []string{american, puertoRican, german, french, mover, nowhere} {
				for _, aim := range []int{0, 1, 5, 8} {
					c.traffic.ask(random, buyer, aim, false)
				}
			}
		}
	}
}

// forgeries changes true records in one place each, which must be found.
func (c *calamity) forgeries(t *testing.T) {
	t.Helper()
	passed := func(a *asked) bool { return a.status == 200 && a.activity == "sale" && a.method == "POST" }
	stopped := func(a *asked) bool { return a.status == 451 }
	first := func(r *records, which func(*asked) bool) *asked {
		i := slices.IndexFunc(r.asked, which)
		changed := *r.asked[i]
		r.asked[i] = &changed
		return &changed
	}
	visit := func(r *records, a *asked) *reached {
		return &r.reached[slices.IndexFunc(r.reached, func(u reached) bool { return u.id == a.id })]
	}
	for want, forge := range map[string]func(*records){
		"bytes that look whole": func(r *records) { first(r, passed).got = digest(nil) },
		"met with cut (0, <nil>), want one of": func(r *records) {
			a := first(r, func(a *asked) bool { return a.activity == "" })
			a.status, a.whole = 0, false
		},
		"met with cut (200, <nil>) and no refusal":                  func(r *records) { a := first(r, stopped); a.status, a.whole = 200, false },
		"met with 404 (404, <nil>), want one of":                    func(r *records) { first(r, passed).status = 404 },
		"got the answer to somebody":                                func(r *records) { first(r, passed).told = "somebody" },
		"reached the shop, and nobody asked for it":                 func(r *records) { first(r, passed).id = "nobody" },
		"has an answer, and the shop does not know it":              func(r *records) { visit(r, first(r, passed)).id = "nobody" },
		"a POST reached the shop 2 times":                           func(r *records) { r.reached = append(r.reached, *visit(r, first(r, passed))) },
		"POST became GET":                                           func(r *records) { visit(r, first(r, passed)).method = "GET" },
		"the shop got another body than was sent":                   func(r *records) { visit(r, first(r, passed)).got = digest(nil) },
		`the shop was told "XX" for`:                                func(r *records) { visit(r, first(r, passed)).country = "XX" },
		`the shop was told "" of activity "sale"`:                   func(r *records) { visit(r, first(r, passed)).decision = "" },
		"reached the shop, which the policy forbids":                func(r *records) { r.reached = append(r.reached, reached{id: first(r, stopped).id}) },
		"was refused and reached the shop all the same":             func(r *records) { r.reached = append(r.reached, reached{id: first(r, stopped).id}) },
		"was refused, and the log does not say so":                  func(r *records) { r.refused = r.refused[1:] },
		"is logged as refused, and nobody asked for it":             func(r *records) { r.refused[0].Path = "/cart/nobody" },
		"is logged as refused, which the policy allows":             func(r *records) { r.refused[0].Path = "/cart/" + first(r, passed).id },
		`the refusal is logged for "XX", want one of`:               func(r *records) { r.refused[0].Country = "XX" },
		"the refusal is logged with policy sha256:0, which was not": func(r *records) { r.refused[0].Policy = "sha256:0" },
		`the refusal has reference "" and came whole: true`:         func(r *records) { first(r, stopped).refs = "" },
	} {
		r := c.records(t)
		forge(r)
		wrong, _ := c.world.join(r)
		if all := strings.Join(wrong, "\n"); !strings.Contains(all, want) {
			t.Errorf("no %q was found, but %q", want, all)
		}
	}
}
