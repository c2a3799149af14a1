package rules

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// said is a decision in one line.
func said(d Decision) string {
	line := fmt.Sprintf("%s %s", d.Verdict, d.Reason)
	for _, part := range []string{d.RuleID(), d.Activity, d.Product, d.Country.String()} {
		if part == "" {
			part = "-"
		}
		line += " " + part
	}
	for s := range d.Shadows {
		line += " ~" + s.Rule.ID
	}
	if d.Notice != nil {
		line += " !" + d.Notice.ID
	}
	return line
}

func TestKasperskyDates(t *testing.T) {
	t.Parallel()
	p := parse(t, shop)
	const sale, update = "shop.example/checkout", "updates.example/updates/bases.dat"
	for _, c := range []struct{ target, country, at, want string }{
		{sale, "US", "2024-07-19T23:59:59.999999999-04:00", "allow not_effective kaspersky-us-2024/sales sale kaspersky US"},
		{sale, "US", "2024-07-20T00:00:00-04:00", "block listed_country kaspersky-us-2024/sales sale kaspersky US"},
		{sale, "US", "2024-07-20T04:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky US"},
		{sale, "US", "2024-07-20T03:59:59.999999999Z", "allow not_effective kaspersky-us-2024/sales sale kaspersky US"},
		{sale, "PR", "2024-07-20T00:00:00-04:00", "block listed_country kaspersky-us-2024/sales sale kaspersky PR"},
		{sale, "GU", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky GU"},
		{sale, "VI", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky VI"},
		{sale, "AS", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky AS"},
		{sale, "MP", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky MP"},
		{sale, "UM", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky UM"},
		{sale, "DE", "2030-01-01T00:00:00Z", "allow country_not_listed - sale kaspersky DE"},
		{sale, "", "2030-01-01T00:00:00Z", "block unknown_country kaspersky-us-2024/sales sale kaspersky -"},
		{sale, "", "2024-01-01T00:00:00Z", "allow not_effective kaspersky-us-2024/sales sale kaspersky -"},
		{update, "US", "2024-09-28T23:59:59.999999999-04:00", "allow not_effective kaspersky-us-2024/updates update kaspersky US"},
		{update, "US", "2024-09-29T00:00:00-04:00", "block listed_country kaspersky-us-2024/updates update kaspersky US"},
		{update, "DE", "2024-09-29T00:00:00-04:00", "allow country_not_listed - update kaspersky DE"},
		{"shop.example/buy/kaspersky-training/1", "US", "2030-01-01T00:00:00Z", "allow exempt kaspersky-us-2024/sales sale kaspersky US"},
		{"shop.example/buy/kaspersky-trainings", "US", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky US"},
		{"shop.example/cartoon", "US", "2030-01-01T00:00:00Z", "allow ungoverned - - - US"},
		{"other.example/cart", "US", "2030-01-01T00:00:00Z", "allow ungoverned - - - US"},
		{"shop.example/CART/Add", "US", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky US"},
		{"shop.example/chec\u212Aout", "US", "2030-01-01T00:00:00Z", "block listed_country kaspersky-us-2024/sales sale kaspersky US"},
	} {
		host, path, _ := strings.Cut(c.target, "/")
		req := &Request{Host: host, Paths: []string{"/" + path}}
		at := instant(t, c.at)
		if got := said(p.Decide(req, from(c.country), at)); got != c.want {
			t.Errorf("%s from %s at %s:\n got %s\nwant %s", c.target, c.country, c.at, got, c.want)
		}
	}
}

func TestZeroValuesBlock(t *testing.T) {
	t.Parallel()
	var d Decision
	if d.Verdict != Block || d.Verdict.String() != "block" {
		t.Errorf("the zero decision says %v", d.Verdict)
	}
	p := parse(t, shop)
	if d := p.Decide(new(Request), new(Origin), time.Time{}); d.Verdict != Block || d.Reason.String() != "" {
		t.Errorf("a request without a reading: %s", said(d))
	}
	if e := p.Explain(new(Request), new(Origin), time.Time{}); e.Decision.Verdict != Block {
		t.Errorf("a request without a reading, explained: %s", said(e.Decision))
	}
}

// TestDecisions plays the cases of testdata/decisions, each a policy with its cases in comments.
func TestDecisions(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("testdata/decisions")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("testdata/decisions/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			p := parse(t, string(text))
			var n int
			for line := range strings.Lines(string(text)) {
				if c, ok := strings.CutPrefix(line, "#: "); ok {
					playCase(t, p, strings.TrimSpace(c))
					n++
				}
			}
			if n == 0 {
				t.Error("the file holds no case")
			}
		})
	}
}

// playCase reads "TARGET[ TARGET…] [carrying CARRIER=ID[,ID…]…] from ORIGIN at INSTANT => DECISION". In the place of an ID
// stand nothing (no field is there), blank (one is, and holds none) and unread (there may be more).
func playCase(t *testing.T, p *Policy, line string) {
	t.Helper()
	question, want, _ := strings.Cut(line, " => ")
	targets, rest, _ := strings.Cut(question, " from ")
	where, when, _ := strings.Cut(rest, " at ")
	targets, carrying, _ := strings.Cut(targets, " carrying ")
	req := &Request{Carried: carried(t, carrying)}
	for target := range strings.FieldsSeq(targets) {
		if target == "undetermined" {
			req.Undetermined = true
			continue
		}
		host, path, _ := strings.Cut(target, "/")
		req.Host, req.Paths = host, append(req.Paths, "/"+path)
	}
	o := origin(t, where)
	at := instant(t, when)
	if got := said(p.Decide(req, o, at)); got != want {
		t.Errorf("%s\n got %s\nwant %s", question, got, want)
	}
	if got := said(p.Explain(req, o, at).Decision); got != want {
		t.Errorf("explain %s\n got %s\nwant %s", question, got, want)
	}
}

// carried reads words such as 0=KL1,KL2.
func carried(t *testing.T, words string) (all []Carried) {
	t.Helper()
	for word := range strings.FieldsSeq(words) {
		carrier, ids, _ := strings.Cut(word, "=")
		id, err := strconv.Atoi(carrier)
		if err != nil {
			t.Fatal(err)
		}
		c := Carried{Carrier: id, Present: true}
		for id := range strings.SplitSeq(ids, ",") {
			switch id {
			case "nothing":
				c.Present = false
			case "unread":
				c.Undetermined = true
			case "blank":
			default:
				c.IDs = append(c.IDs, id)
			}
		}
		all = append(all, c)
	}
	return all
}

// origin reads words: country codes, subdivisions, traits, an address.
func origin(t *testing.T, words string) *Origin {
	t.Helper()
	o := &Origin{}
	for word := range strings.FieldsSeq(words) {
		switch client, err := netip.ParseAddr(word); {
		case err == nil:
			o.Client = client
		case word == "unusable":
			o.Traits |= UnusableClient
		case word == "private":
			o.Traits |= PrivateNetwork
		case word == "stale":
			o.Traits |= StaleDatabase
		case word == "anonymized":
			o.Traits |= Anonymized
		case word == "unknown":
		case len(word) > 2:
			o.Subdivisions = append(o.Subdivisions, word)
		case o.Country == 0:
			o.Country = CountryOf(word)
		default:
			o.Others = append(o.Others, CountryOf(word))
		}
	}
	return o
}

// TestDecideAgreesWithExplain compares the tables with the walk over the rules, on random policies.
func TestDecideAgreesWithExplain(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	reasons, notices := make(map[Reason]int), 0
	for range 100 {
		text := randomPolicy(random)
		p := randomlyStocked(t, random, parse(t, text))
		if random.IntN(2) == 0 {
			p = paused(t, p, randomPauses(random, p)...)
		}
		for range 60 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			got, want := p.Decide(req, o, at), p.Explain(req, o, at).Decision
			if said(got) != said(want) || !slices.Equal(slices.Collect(got.Shadows), slices.Collect(want.Shadows)) {
				t.Fatalf("%+v from %+v at %v\n decided %s\nexplained %s\n%s", req, o, at, said(got), said(want), text)
			}
			reasons[got.Reason]++
			if got.Notice != nil {
				notices++
			}
		}
	}
	if notices == 0 {
		t.Error("nothing was announced: the test does not reach it")
	}
	for i := range Reasons() {
		if reasons[Reason(i+1)] == 0 {
			t.Errorf("no decision was %s: the test does not reach it", Reason(i+1))
		}
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func some[T any](r *rand.Rand, from ...T) []T {
	picked := []T{pick(r, from...)}
	for _, v := range from {
		if r.IntN(3) == 0 && !slices.ContainsFunc(picked, func(p T) bool { return cmp.Equal(p, v) }) {
			picked = append(picked, v)
		}
	}
	return picked
}

func randomInstant(r *rand.Rand) time.Time {
	return time.Date(2024, 1, 1+r.IntN(8), 0, 0, 0, r.IntN(2)-1, time.UTC)
}

func randomPolicy(r *rand.Rand) string {
	rules := []any{}
	for i := range 1 + r.IntN(8) {
		rule := map[string]any{
			"id": fmt.Sprintf("r%d", r.IntN(1000)*10+i), "activity": pick(r, "sale", "update"),
			"countries": some(r, "US", "DE", "FR", "UA-43", "UA", "eu", "GB-ENG", "GB-OXF", "IN-CT"),
		}
		if r.IntN(2) == 0 {
			rule["products"] = some(r, "a", "b", "c", "d", "e", "f")
		}
		if r.IntN(2) == 0 {
			rule["from"] = fmt.Sprintf("2024-01-0%dT00:00:00Z", 1+r.IntN(4))
		}
		if r.IntN(2) == 0 {
			rule["until"] = fmt.Sprintf("2024-01-0%dT00:00:00Z", 5+r.IntN(4))
		}
		if r.IntN(3) == 0 {
			rule["mode"] = "shadow"
		}
		if r.IntN(4) == 0 {
			rule["rollout"] = pick(r, "10%", "50%", "99.5%", "100%")
		}
		if rule["from"] != nil && r.IntN(2) == 0 {
			rule["notice_from"] = pick(r, "2023-12-30T00:00:00Z", "2023-12-31T23:00:00Z")
			if rule["from"] != "2024-01-01T00:00:00Z" && r.IntN(2) == 0 {
				rule["notice_from"] = "2024-01-01T12:00:00Z"
			}
		}
		for _, s := range settings {
			if r.IntN(4) == 0 {
				rule[s.key] = pick(r, s.values...)
			}
		}
		if r.IntN(3) == 0 {
			x := map[string]any{"networks": some(r, "192.0.2.0/24", "198.51.100.7", "2001:db8::/32")}
			if r.IntN(2) == 0 {
				x = map[string]any{"products": some(r, "a", "b", "c", "d", "e", "f")}
			}
			if r.IntN(3) == 0 {
				x = map[string]any{}
			}
			if len(x) == 0 || r.IntN(4) == 0 {
				x["paths"] = some(r, "/cart", "/buy/*", "/**/pay", "/u")
			}
			if r.IntN(3) == 0 {
				x["tokens"] = some(r, TokenOf(randomTokens[0]).String(), TokenOf(randomTokens[1]).String())
			}
			if r.IntN(2) == 0 {
				x["until"] = fmt.Sprintf("2024-01-0%dT00:00:00Z", 1+r.IntN(8))
			}
			rule["except"] = []any{x}
		}
		rules = append(rules, rule)
	}
	var stock []any
	catalogues := r.IntN(2) == 0
	if catalogues {
		stock = append(stock, map[string]any{"catalogue": map[string]any{"vendor": some(r, "acme", "k*")}}, map[string]any{"catalogue": map[string]any{"vendor": "x"}, "paths": []string{"/cart"}})
	}
	doc := map[string]any{
		"version": 1,
		"activities": map[string]any{
			"sale":   append(randomCarriers(r), map[string]any{"paths": some(r, "/cart", "/buy/*", "/**/pay")}),
			"update": append(randomCarriers(r), map[string]any{"hosts": some(r, "u.example", "*.example", "*"), "paths": some(r, "/u", "/cart/x")}),
		},
		"products": map[string]any{
			"a": []any{map[string]any{"all": true}}, "b": []any{map[string]any{"paths": []string{"/buy/b*"}}},
			"c": []any{map[string]any{"hosts": []string{"u.example"}}},
			"d": []any{map[string]any{"skus": some(r, randomSKUs...)}, map[string]any{"paths": []string{"/buy/c"}}},
			"f": append(stock, map[string]any{"query": map[string]any{"v": some(r, "x*", "7", "y"), "w.w": "*"}, "paths": some(r, "/cart", "/buy")}, map[string]any{"query": map[string]any{"v": "z"}}),
			"e": []any{map[string]any{"skus": some(r, randomSKUs...)}, map[string]any{"skus": some(r, randomSKUs...), "paths": some(r, "/cart", "/buy")}},
		},
		"rules": rules,
	}
	if catalogues {
		doc["catalogues"] = []string{"goods.csv"}
	}
	text, _ := json.Marshal(doc)
	return string(text)
}

// randomlyStocked attaches some catalogue, or none.
func randomlyStocked(t *testing.T, r *rand.Rand, p *Policy) *Policy {
	if r.IntN(3) == 0 {
		return p
	}
	var rows strings.Builder
	rows.WriteString("goods.csv\n")
	for range 2 + r.IntN(5) {
		fmt.Fprintf(&rows, "%s/%s %s vendor=%s\n", pick(r, "KL1", "7", "other", "KL22"), pick(r, "-", "-", "7", "P"), pick(r, "-", "a1bc", "kl-x"), pick(r, "acme", "kay", "x", "y"))
	}
	return stocked(t, p, rows.String())
}

func randomPauses(r *rand.Rand, p *Policy) (pauses []Pause) {
	var ids []string
	for _, rule := range p.Rules() {
		ids = append(ids, rule.ID)
	}
	for _, id := range some(r, ids...) {
		at := randomInstant(r)
		pauses = append(pauses, Pause{Rule: id, Effective: Interval{From: at, Until: at.AddDate(0, 0, 1+r.IntN(5))}})
	}
	return pauses
}

var randomTokens = []string{strings.Repeat("a", 32), strings.Repeat("b", 40), strings.Repeat("c", 32), "short"}

var randomSKUs = []string{"KL1", "kl*", "*-x", "a*b*c", "7", "*", "stra\u00dfe", "\u212Al1", "KL-x"}

// randomCarriers returns elements of an activity that carry products.
func randomCarriers(r *rand.Rand) []any {
	elements := []any{}
	for range r.IntN(3) {
		element := map[string]any{"dialect": pick(r, dialects...), "fields": some(r,
			map[string]any{"query": "id"}, map[string]any{"form": "quantity[*]", "key": true}, map[string]any{"path": "/buy/*"},
			map[string]any{"json": "items.#.id"}, map[string]any{"graphql": "add.id"}, map[string]any{"param": "p", "split": ",", "cut": ":"})}
		if r.IntN(2) == 0 {
			element["when"] = "carried"
			if r.IntN(2) == 0 {
				element["where"] = some(r, map[string]any{"query": "route", "is": "*cart*"}, map[string]any{"form": "add"}, map[string]any{"param": "do", "is": "x"}, map[string]any{"method": "POST"})
			}
		}
		if r.IntN(3) == 0 {
			element["cart"] = map[string]any{"get": pick(r, "/cart", "/me/cart"), "json": "items.#.id"}
			if r.IntN(2) == 0 {
				element["fields"] = append(element["fields"].([]map[string]any), map[string]any{"query": "key", "row": true, "hash": "md5"})
			}
		}
		if paths := some(r, "/cart", "/buy", "/about"); element["when"] == nil || r.IntN(2) == 0 {
			element["paths"] = paths
		}
		elements = append(elements, element)
	}
	return elements
}

func randomRequest(r *rand.Rand, p *Policy) *Request {
	req := &Request{
		Host:         pick(r, "shop.example", "u.example", "example"),
		Paths:        some(r, "/cart", "/cart/x", "/buy/b1", "/buy/c", "/buy", "/u/1", "/x/pay", "/about"),
		Query:        pick(r, "", "", "v=x1&w_w", "V=7;w.w=3", "v=z", "v=q&x"),
		Undetermined: r.IntN(6) == 0,
	}
	for id := range len(p.Carriers()) + 1 { // one too many
		if r.IntN(2) == 0 {
			req.Carried = append(req.Carried, randomCarried(r, id))
		}
	}
	return req
}

func randomCarried(r *rand.Rand, carrier int) Carried {
	c := Carried{Carrier: carrier, Present: r.IntN(4) > 0, Undetermined: r.IntN(6) == 0}
	for range r.IntN(4) {
		c.IDs = append(c.IDs, pick(r, "KL1", "kl1", "KL22", "a-x", "aBc", "a1bc", "7", "", "other", "STRA\u1E9EE", " kl-X "))
	}
	if c.Answered = r.IntN(4) == 0; r.IntN(4) == 0 {
		c.Rows = []string{"row"}
	}
	c.Present = c.Present || len(c.IDs)+len(c.Rows) > 0
	return c
}

func randomOrigin(r *rand.Rand) *Origin {
	o := &Origin{Client: addr(pick(r, "192.0.2.1", "198.51.100.7", "203.0.113.1", "2001:db8::1")), Traits: Traits(r.IntN(16) & r.IntN(16))}
	if r.IntN(4) == 0 {
		o.Client = netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(256))})
	}
	if r.IntN(2) == 0 {
		o.Token = TokenOf(pick(r, randomTokens...))
	}
	if r.IntN(5) > 0 {
		o.Country = CountryOf(pick(r, "US", "DE", "FR", "UA", "CN", "GB", "IN"))
	}
	if r.IntN(3) == 0 {
		o.Others = some(r, CountryOf("US"), CountryOf("DE"), CountryOf("UA"), CountryOf("GB"))
	}
	for _, code := range some(r, "UA-43", "UA-30", "GB-ENG", "GB-OXF", "GB-BKM", "GB-SCT", "GB-???", "IN-CT", "IN-CG") {
		if country := CountryOf(code[:2]); r.IntN(3) > 0 && (o.Country == country || slices.Contains(o.Others, country)) {
			o.Subdivisions = append(o.Subdivisions, code)
		}
	}
	if r.IntN(4) == 0 {
		o.Traits |= pick(r, AlsoAnonymized, AlsoUnknown, AlsoAnonymized|AlsoUnknown)
	}
	return o
}

func TestOrderNeverMatters(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	for range 50 {
		var doc map[string]any
		if err := json.Unmarshal([]byte(randomPolicy(random)), &doc); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(doc)
		rules := doc["rules"].([]any)
		random.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
		for _, elements := range doc["activities"].(map[string]any) {
			elements := elements.([]any)
			random.Shuffle(len(elements), func(i, j int) { elements[i], elements[j] = elements[j], elements[i] })
			for _, element := range elements {
				fields, _ := element.(map[string]any)["fields"].([]any)
				slices.Reverse(fields)
			}
		}
		for _, elements := range doc["products"].(map[string]any) {
			slices.Reverse(elements.([]any))
			for _, element := range elements.([]any) {
				skus, _ := element.(map[string]any)["skus"].([]any)
				slices.Reverse(skus)
			}
		}
		shuffled, _ := json.Marshal(doc)
		p, q := parse(t, string(text)), parse(t, "# a comment\n"+string(shuffled))
		if p.Digest() != q.Digest() {
			t.Fatalf("order changes the digest:\n%s\n%s", p.Text(), q.Text())
		}
		if again := parse(t, string(p.Text())); again.Digest() != p.Digest() || string(again.Text()) != string(p.Text()) {
			t.Fatalf("the policy reads back differently:\n%s\n%s", p.Text(), again.Text())
		}
		for range 50 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			got := p.Decide(req, o, at)
			slices.Reverse(req.Paths)
			slices.Reverse(req.Carried)
			for _, c := range req.Carried {
				slices.Reverse(c.IDs)
			}
			if other := q.Decide(req, o, at); said(got) != said(other) {
				t.Fatalf("order changes a decision: %s, %s", said(got), said(other))
			}
		}
	}
}

// TestMoreReadingsNeverAllow holds the idea that the gateway's security rests on: another reading can only add
// a block.
func TestMoreReadingsNeverAllow(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	for range 80 {
		p := parse(t, randomPolicy(random))
		for range 50 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			alone := p.Decide(&Request{Host: req.Host, Paths: req.Paths[:1], Undetermined: req.Undetermined, Carried: req.Carried}, o, at)
			if all := p.Decide(req, o, at); alone.Verdict == Block && all.Verdict != Block {
				t.Fatalf("%v is blocked, with %v it is not", req.Paths[0], req.Paths[1:])
			}
		}
	}
}

func TestManyShadowRulesAreAllReported(t *testing.T) {
	t.Parallel()
	text := "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules:\n"
	var want []string
	for i := range 9 {
		id := fmt.Sprintf("r%d", (i*5)%9)
		want = append(want, id)
		text += fmt.Sprintf("  - {id: %s, activity: sale, countries: [DE], mode: shadow}\n", id)
	}
	slices.Sort(want)
	p := parse(t, text)
	d := p.Decide(&Request{Host: "x", Paths: []string{"/cart", "/cart/a", "/cart/b"}}, from("DE"), time.Unix(0, 0))
	if diff := cmp.Diff(want, d.Record().Shadow); diff != "" {
		t.Error(diff)
	}
	for n := range 9 {
		var seen int
		for range d.Shadows {
			if seen++; seen > n {
				break
			}
		}
		if seen != n+1 {
			t.Errorf("%d rules were seen, want %d", seen, n+1)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{paths: [/cart]}], update: [{paths: [/updates]}], idle: [{paths: [/idle]}]}
products: {a: [{paths: [/a]}]}
rules:
  - {id: a, activity: sale, products: [a], countries: [CU, UA-43], until: 2020-01-01T00:00:00Z}
  - {id: b, activity: update, countries: [US], mode: shadow}
`)
	for _, c := range []struct {
		activity, country string
		want              bool
	}{
		{"sale", "CU", true}, {"sale", "UA", true}, {"sale", "US", false}, {"update", "US", true}, {"update", "CU", false},
		{"idle", "US", false}, {"nothing", "US", false}, {"", "US", false}, {"sale", "", true},
	} {
		var country Country
		if c.country != "" {
			country = CountryOf(c.country)
		}
		if got := p.Lists(c.activity, country); got != c.want {
			t.Errorf("%s lists %q: %v", c.activity, c.country, got)
		}
	}
}

func TestDecisionRecord(t *testing.T) {
	t.Parallel()
	p := parse(t, shop)
	d := p.Decide(&Request{Host: "shop.example", Paths: []string{"/cart"}},
		&Origin{Client: addr("50.114.0.1"), Country: CountryOf("US")}, instant(t, "2024-07-20T04:00:00Z"))
	got, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"verdict":"block","reason":"listed_country","rule":"kaspersky-us-2024/sales","activity":"sale","product":"kaspersky",` +
		`"country":"US","client":"50.114.0.1","at":"2024-07-20T00:00:00-04:00","policy":"` + p.Digest() + `","shadow":[]}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !d.Governed() {
		t.Error("a blocked request is governed")
	}
	for product, title := range map[string]string{"kaspersky": "Kaspersky products", "acme": "acme products", "": "these products"} {
		if got := p.Title(product); got != title {
			t.Errorf("Title(%q) = %q, want %q", product, got, title)
		}
	}
	if p.Zone().String() != "America/New_York" || len(p.Rules()) != 2 {
		t.Errorf("zone %v, rules %d", p.Zone(), len(p.Rules()))
	}
}
