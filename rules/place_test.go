package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestBuiltInJurisdictions(t *testing.T) {
	t.Parallel()
	built := builtInJurisdictions()
	for name, size := range map[string]int{"eu": 27, "eea": 30, "us-jurisdiction": 7, "ofac-comprehensive": 7} {
		codes := built[name]
		if len(codes) != size {
			t.Errorf("%s has %d members, want %d", name, len(codes), size)
		}
		for i, code := range codes {
			if slices.Contains(codes[:i], code) {
				t.Errorf("%s names %s twice", name, code)
			}
			if got, _, err := parsePlace(strings.ToLower(code), nil); err != nil || !slices.Equal(got, []string{code}) {
				t.Errorf("%s of %s: %v, %v", code, name, got, err)
			}
		}
	}
	for _, want := range []string{"CU", "IR", "KP", "UA-43", "UA-14", "UA-09"} {
		if !slices.Contains(built["ofac-comprehensive"], want) {
			t.Errorf("ofac-comprehensive misses %s", want)
		}
	}
	if slices.Contains(built["eu"], "GB") || !slices.Contains(built["eu"], "HR") {
		t.Error("the European Union is that of before 2020 or 2013")
	}
}

func TestOriginIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place, country string
		parts          []string
		err            string
	}{
		{"US", "US", nil, ""},
		{"pr", "PR", nil, ""},
		{"ua-43", "UA", []string{"UA-43"}, ""},
		{"unknown", "", nil, ""},
		{"XX", "", nil, `unknown country "XX"; expected an ISO 3166-1 code of two letters, such as DE`},
		{"USA", "", nil, `unknown country "USA"; the United States is US`},
		{"us-jurisdiction", "", nil, `unknown country "us-jurisdiction"; expected an ISO 3166-1 code of two letters, such as DE`},
		{"", "", nil, `unknown country ""; expected an ISO 3166-1 code of two letters, such as DE`},
	} {
		got, err := OriginIn(c.place)
		if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err || got.Country.String() != c.country || !slices.Equal(got.Subdivisions, c.parts) {
			t.Errorf("%q is %v %v, %v", c.place, got.Country, got.Subdivisions, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
time_zone: UTC
packs: [kaspersky-us-2024]
activities:
  sale: [{hosts: [shop.example], paths: [/cart]}]
products:
  kaspersky: [{all: true}]
titles:
  kaspersky: |
    the goods of Kaspersky
rules:
  - {id: mainland, activity: sale, countries: [US, PR], basis: {title: Law}}
  - {id: all, activity: sale, countries: [US, us-jurisdiction]}
`)
	want := `policy.yaml:3:9: rule kaspersky-us-2024/updates is left out, because activity update is not defined; define it under activities if this gateway does it
policy.yaml:12:47: the rule names US without [AS GU MP UM VI], which are the United States to its law; write us-jurisdiction to cover them`
	if got := p.Warnings().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := p.Title("kaspersky"); got != "the goods of Kaspersky" {
		t.Errorf("the operator's title is not used: %q", got)
	}
	if again := parse(t, string(p.Text())); again.Digest() != p.Digest() {
		t.Errorf("the policy reads back differently:\n%s\n%s", p.Text(), again.Text())
	}
}

func TestEveryPackIsGood(t *testing.T) {
	t.Parallel()
	if !slices.Equal(Packs(), []string{"kaspersky-us-2024"}) {
		t.Errorf("packs are %v", Packs())
	}
	p := parse(t, shop)
	if len(p.Warnings()) != 0 {
		t.Errorf("the model policy is warned of: %v", p.Warnings())
	}
	for _, rule := range p.Rules() {
		if rule.Basis.Title != "89 FR 52434" || !strings.HasPrefix(rule.Basis.URL, "https://www.federalregister.gov/documents/2024/06/24/2024-13532/") {
			t.Errorf("%s cites %v", rule.ID, rule.Basis)
		}
	}
	if _, ok := PackText("nope"); ok {
		t.Error("a pack that is none has a text")
	}
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	p := parse(t, strings.Replace(shop, "products:", `rules:
  - {id: z, activity: sale, countries: [DE], from: 2024-07-20, until: 2025-01-01, except: [{networks: [192.0.2.1], until: 2024-12-01}]}
  - {id: always, activity: sale, countries: [DE]}
products:`, 1))
	var got []string
	for _, c := range p.Calendar() {
		got = append(got, c.At.Format("2006-01-02T15:04 MST ")+c.Rule.ID+" "+string(c.Kind))
	}
	want := []string{
		"2024-07-20T00:00 EDT kaspersky-us-2024/sales begins",
		"2024-07-20T00:00 EDT z begins",
		"2024-09-29T00:00 EDT kaspersky-us-2024/updates begins",
		"2024-12-01T00:00 EST z exception ends",
		"2025-01-01T00:00 EST z ends",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestExplainShowsEachRule(t *testing.T) {
	t.Parallel()
	p := parse(t, shop)
	e := p.Explain(&Request{Host: "shop.example", Paths: []string{"/cart", "/about"}}, from("US"), instant(t, "2024-07-20T04:00:00Z"))
	if len(e.Readings) != 2 || len(e.Readings[0].Rules) != 2 || len(e.Readings[1].Rules) != 2 {
		t.Fatalf("%+v", e.Readings)
	}
	sales, updates := e.Readings[0].Rules[0], e.Readings[0].Rules[1]
	if !sales.Claims || !sales.Concerns || !sales.Applies || !sales.Effective || sales.Exception != nil || sales.Verdict != Block || sales.Reason != ReasonListedCountry {
		t.Errorf("sales: %+v", sales)
	}
	if updates.Claims || updates.Reason != 0 || updates.Effective {
		t.Errorf("updates: %+v", updates)
	}
}
