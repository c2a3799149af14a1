package console

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"gate451/rules"
)

func decided(t testing.TB, verdict rules.Verdict) *rules.Decision {
	t.Helper()
	p := parsed(t, testPolicy)
	rule := p.Rules()[0]
	d := &rules.Decision{
		Verdict: verdict, Reason: rules.ReasonListedCountry, Rule: rule, Activity: "sale", Country: rules.CountryOf("US"),
		Client: netip.MustParseAddr("50.114.0.1"), At: testNow, Policy: p.Digest(),
	}
	if verdict == rules.Allow {
		d.Reason = rules.ReasonCountryNotListed
	}
	return d
}

// shadowed is a decision that three shadow rules would have made a block.
func shadowed(t testing.TB) *rules.Decision {
	t.Helper()
	p := parsed(t, `version: 1
activities: {sale: [{paths: [/cart]}]}
rules:
  - {id: a, activity: sale, countries: [DE], mode: shadow}
  - {id: b, activity: sale, countries: [DE], mode: shadow}
  - {id: c, activity: sale, countries: [DE], mode: shadow}
`)
	d := p.Decide(&rules.Request{Host: "shop.example", Paths: []string{"/cart"}}, &rules.Origin{Country: rules.CountryOf("DE")}, testNow)
	return &d
}

// TestFeed shows that a flood of requests that pass drives out no block, and one of any kind takes no more memory.
func TestFeed(t *testing.T) {
	t.Parallel()
	var f Feed
	block, allow := decided(t, rules.Block), decided(t, rules.Allow)
	f.Add(&Entry{Decision: block, Reference: "AAAA-0001", Method: "GET", Host: "shop.example", Path: "/cart"})
	f.Add(&Entry{Decision: shadowed(t), Path: "/cart/pilot"})
	f.Add(&Entry{Decision: allow, Path: "/cart/unrecorded", Unrecorded: true})
	for i := range 10 * kept {
		f.Add(&Entry{Decision: allow, Path: fmt.Sprint("/cart/", i)})
	}
	all, last := f.since(0, allSorts)
	if len(all) != kept+3 || last != 10*kept+3 {
		t.Fatalf("%d are kept, the last is number %d", len(all), last)
	}
	for i := 1; i < len(all); i++ {
		if all[i].number >= all[i-1].number {
			t.Fatalf("number %d before %d", all[i-1].number, all[i].number)
		}
	}
	heavy, _ := f.since(0, weighty)
	var shown []string
	for i := range heavy {
		d := heavy[i].show((&still{}).Client)
		shown = append(shown, fmt.Sprint(d.Kind, " ", d.Path, " ", d.Shadow))
	}
	if got := strings.Join(shown, "; "); got != "allow /cart/unrecorded ; shadow /cart/pilot a, b, and others; block /cart " {
		t.Errorf("what is kept of its own: %s", got)
	}
	if newest, _ := f.since(last-5, allSorts); len(newest) != 5 {
		t.Errorf("%d are news, want 5", len(newest))
	}
	if h, ok := f.find("AAAA-0001"); !ok || h.verdict != rules.Block {
		t.Error("the reference is not found")
	}
	for _, reference := range []string{"", "BBBB-0001"} {
		if _, ok := f.find(reference); ok {
			t.Errorf("%q is found", reference)
		}
	}
}

// TestFeedAllocates shows that a decision costs no memory, however long what the buyer sent is.
func TestFeedAllocates(t *testing.T) {
	var f Feed
	long := strings.Repeat("x", 1<<16)
	for name, e := range map[string]*Entry{
		"block": {Decision: decided(t, rules.Block), Reference: "AAAA-0001", Method: "GET", Host: "shop.example", Path: "/cart"},
		"long":  {Decision: decided(t, rules.Allow), Method: long, Host: long, Path: long}, "shadow": {Decision: shadowed(t)},
	} {
		if n := testing.AllocsPerRun(100, func() { f.Add(e) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	all, _ := f.since(0, allSorts)
	for i := range all {
		if d := all[i].show((&still{}).Client); len(d.Method)+len(d.Host)+len(d.Path) > 3*403 {
			t.Fatalf("%d bytes are shown", len(d.Method)+len(d.Host)+len(d.Path))
		} else if len(d.Path) > 100 && !strings.HasSuffix(d.Path, "x...") {
			t.Fatalf("it is not said that the end is missing: %s", d.Path)
		}
	}
}

// TestFeedUnderLoad has many write while some read; the race detector watches.
func TestFeedUnderLoad(t *testing.T) {
	t.Parallel()
	var f Feed
	block, allow := decided(t, rules.Block), decided(t, rules.Allow)
	var writing sync.WaitGroup
	for range 4 {
		writing.Go(func() {
			for range 500 {
				f.Add(&Entry{Decision: block, Path: "/block"})
				f.Add(&Entry{Decision: allow, Path: "/allow"})
			}
		})
	}
	for range 20 {
		all, _ := f.since(0, allSorts)
		for i := range all {
			if d := all[i].show((&still{}).Client); d.Path != "/"+d.Verdict {
				t.Errorf("%s was %s", d.Path, d.Verdict)
			}
		}
	}
	writing.Wait()
	if _, last := f.since(0, allSorts); last != 4000 {
		t.Errorf("%d were counted", last)
	}
}

func BenchmarkFeed(b *testing.B) {
	var f Feed
	e := &Entry{Decision: decided(b, rules.Block), Reference: "AAAA-0001", Method: "GET", Host: "shop.example", Path: "/cart"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Add(e)
		}
	})
}
