package gateway_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gate451/gateway/canonical"
	"gate451/gateway/goods"
	"gate451/rules"
)

// shopJudge judges requests of a shop's American buyers.
type shopJudge struct {
	policy *rules.Policy
	from   rules.Origin
	at     time.Time
}

func newShopJudge(t testing.TB, policy string) *shopJudge {
	t.Helper()
	p, err := rules.Parse("policy.yaml", []byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	return &shopJudge{p, rules.Origin{Client: netip.MustParseAddr(american), Country: rules.CountryOf("US")}, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// blocks reports whether a row is refused; a malformed one is, whatever it asks for. What is left of its body must be what came.
func (j *shopJudge) blocks(t testing.TB, r *shopRow) bool {
	t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r.text("shop.example"))))
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	var asked rules.Request
	if err := canonical.Read(req, &asked); err != nil {
		return true
	}
	if wanted := j.policy.Wanted(&asked, &j.from, j.at, nil); len(wanted) > 0 {
		asked.Carried = goods.Read(nil, req, asked.Paths, wanted, goods.Options{})
	}
	d := j.policy.Decide(&asked, &j.from, j.at)
	if body, err := io.ReadAll(req.Body); err != nil || !bytes.Equal(body, r.body()) {
		t.Errorf("%s: the upstream would read %.100q, %v; want %.100q", r.ID, body, err, r.body())
	}
	return d.Verdict == rules.Block
}

// soldIn are the products of the rows, each of which is to be restricted once, by platform.
func soldIn(rows []*shopRow) map[string][]string {
	ids := map[string][]string{}
	for _, r := range rows {
		ids[r.Platform] = append(ids[r.Platform], r.Adds...)
	}
	for platform := range ids {
		slices.Sort(ids[platform])
		ids[platform] = slices.Compact(ids[platform])
	}
	return ids
}

// TestShopCorpus restricts each product of each shop in turn, and judges all that was recorded there.
func TestShopCorpus(t *testing.T) {
	t.Parallel()
	judgeShops(t, slices.Concat(readShopRows(t, "shops.jsonl", 351), readShopRows(t, "shops_more.jsonl", 150)))
}

func judgeShops(t *testing.T, rows []*shopRow) {
	t.Helper()
	var total shopFigures
	for platform, ids := range soldIn(rows) {
		if presetOf[platform] == "" {
			continue // of updates, which are no sale
		}
		var figures shopFigures
		for _, id := range ids {
			judge := newShopJudge(t, shopPolicy(platform, id))
			for _, r := range rows {
				if r.Platform != platform {
					continue
				}
				if wrong := figures.add(r, id, judge.blocks(t, r)); wrong != "" {
					t.Errorf("%s with %s restricted: %s: %s %s, %q: %s", r.ID, id, wrong, r.Method, r.Target, r.body(), r.Note)
				}
			}
		}
		t.Logf("%s: %s", platform, &figures)
		total.plus(figures)
	}
	t.Logf("all: %s", &total)
	if total.sales < 250 || total.browsing < 200 {
		t.Error("that proves too little")
	}
}

// TestShopSpellings judges generated requests of every platform: the restricted product sold in many spellings, the same with
// another product, and what only looks like a sale.
func TestShopSpellings(t *testing.T) {
	t.Parallel()
	s := newSpeller(faultSeed(t))
	var total shopFigures
	for _, platform := range slices.Sorted(maps.Keys(spellings)) {
		var figures shopFigures
		about, judge := spellings[platform], newShopJudge(t, shopPolicy(platform, spellings[platform].id))
		for range 300 {
			for _, r := range []*shopRow{s.sale(platform), s.otherSale(platform), s.browsing(platform)} {
				if wrong := figures.add(r, about.id, judge.blocks(t, r)); wrong != "" {
					t.Errorf("%s: %s: %s %s %v %q", r.Note, wrong, r.Method, r.Target, r.Headers, r.body())
				}
			}
		}
		t.Logf("%s: %s", platform, &figures)
		total.plus(figures)
	}
	t.Logf("all: %s", &total)
}

// sale, otherSale and browsing return generated rows with their labels.
func (s *speller) sale(platform string) *shopRow {
	r := s.generate(platform, spellings[platform].sale, spellings[platform].id)
	r.ID, r.Note, r.Adds = platform+"-generated", "add: generated for "+platform, []string{spellings[platform].id}
	return r
}

func (s *speller) otherSale(platform string) *shopRow {
	r := s.generate(platform, spellings[platform].sale, spellings[platform].other)
	r.ID, r.Note = platform+"-generated", "browse: another product, generated for "+platform
	return r
}

func (s *speller) browsing(platform string) *shopRow {
	r := s.generate(platform, spellings[platform].browse, spellings[platform].id)
	r.ID, r.Note = platform+"-generated", "browse: generated for "+platform
	return r
}

// updaters are the presets and bases for what update clients were recorded to ask for.
var updaters = map[string]string{
	"freshclam": "{preset: clamav, hosts: [updates.example]}", "apt-get": "{preset: apt, hosts: [updates.example], base: /debian}", "dnf": "{preset: dnf, hosts: [updates.example]}",
	"": "{preset: files, hosts: [updates.example]}", // for clients that ask for anything
}

// TestUpdateCorpus judges what update clients were recorded to ask for.
func TestUpdateCorpus(t *testing.T) {
	t.Parallel()
	n, through := 0, 0
	for _, r := range readShopRows(t, "shops.jsonl", 351) {
		if r.Platform != "updates" {
			continue
		}
		client, _, _ := strings.Cut(strings.ReplaceAll(r.Note, ",", " "), " ")
		element, ok := updaters[client]
		if !ok {
			element = updaters[""]
		}
		judge := newShopJudge(t, "version: 1\nactivities: {update: ["+strings.ReplaceAll(element, "updates.example", "shop.example")+"]}\nrules: [{id: updates, activity: update, countries: [US]}]\n")
		if !judge.blocks(t, r) {
			through++
			t.Errorf("%s let through: %s %s", r.ID, r.Method, r.Target)
		}
		n++
	}
	t.Logf("updates let through: %d of %d", through, n)
	if n < 42 {
		t.Errorf("%d rows", n)
	}
}
