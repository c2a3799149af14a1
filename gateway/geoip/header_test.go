package geoip

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gate451/rules"

	"github.com/google/go-cmp/cmp"
)

func TestHear(t *testing.T) {
	t.Parallel()
	const also, unknown = rules.AlsoAnonymized, rules.AlsoUnknown
	for _, test := range []struct {
		lines  []string
		result string
		others string // added to an origin in DE
		traits rules.Traits
	}{
		{nil, "absent", "", 0},
		{[]string{""}, "none", "", 0},
		{[]string{" \t"}, "none", "", 0},
		{[]string{"US"}, "country", "US", 0},
		{[]string{"us"}, "country", "US", 0},
		{[]string{"\tuS  "}, "country", "US", 0},
		{[]string{"DE"}, "country", "", 0},
		{[]string{"XX"}, "none", "", 0},
		{[]string{"EU"}, "none", "", 0},
		{[]string{"AP"}, "none", "", 0},
		{[]string{"ZZ"}, "none", "", 0},
		{[]string{"**"}, "none", "", 0},
		{[]string{"\u00e9"}, "none", "", 0},
		{[]string{"T1"}, "anonymized", "", also},
		{[]string{"t1"}, "anonymized", "", also},
		{[]string{"A1"}, "anonymized", "", also},
		{[]string{"T2"}, "none", "", 0},
		{[]string{"1T"}, "none", "", 0},
		{[]string{"USA"}, "unreadable", "", unknown},
		{[]string{"U"}, "unreadable", "", unknown},
		{[]string{"\"US\""}, "unreadable", "", unknown},
		{[]string{"U S"}, "unreadable", "", unknown},
		{[]string{"US;q=1"}, "unreadable", "", unknown},
		{[]string{"US\x00"}, "unreadable", "", unknown},
		{[]string{"US\u00a0"}, "unreadable", "", unknown},
		{[]string{"US, FR"}, "several", "US FR", 0},
		{[]string{"FR", "US"}, "several", "FR US", 0},
		{[]string{"FR", "FR,fr"}, "country", "FR", 0},
		{[]string{"DE,US,"}, "several", "US", 0},
		{[]string{"DE, US, T1, United States"}, "unreadable", "US", also | unknown},
		{[]string{"XX", "US"}, "country", "US", 0},
		{[]string{"T1", "US"}, "anonymized", "US", also},
	} {
		h := Hear(test.lines)
		o := rules.Origin{Country: country("DE"), Source: "c.mmdb"}
		h.Add(&o)
		var others []string
		for _, other := range o.Others {
			others = append(others, other.String())
		}
		if h.Result() != test.result || strings.Join(others, " ") != test.others || o.Traits != test.traits || o.Country != country("DE") {
			t.Errorf("%q: %s, %+v", test.lines, h.Result(), o)
		}
		if !slices.Contains(HeardResults(), h.Result()) {
			t.Errorf("%s is not on the list", h.Result())
		}
		f := h.Finding()
		if f.Source != "header" || f.Found != (len(test.lines) > 0) || f.Traits != test.traits || !slices.Equal(f.Said, test.lines) {
			t.Errorf("%q: %+v", test.lines, f)
		}
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	shared := []rules.Country{country("FR"), country("GB")}
	for name, test := range map[string]struct {
		before, want rules.Origin
	}{
		"an unknown country stays one": {rules.Origin{}, rules.Origin{Others: []rules.Country{country("US")}}},
		"a second country":             {rules.Origin{Country: country("DE")}, rules.Origin{Country: country("DE"), Others: []rules.Country{country("US")}}},
		"a third country":              {rules.Origin{Country: country("DE"), Others: shared[:1]}, rules.Origin{Country: country("DE"), Others: []rules.Country{country("FR"), country("US")}}},
		"one that counts":              {rules.Origin{Country: country("DE"), Others: []rules.Country{country("US")}}, rules.Origin{Country: country("DE"), Others: []rules.Country{country("US")}}},
		"an override settles":          {rules.Origin{Country: country("DE"), Source: "override"}, rules.Origin{Country: country("DE"), Source: "override"}},
	} {
		h := Hear([]string{"US"})
		h.Add(&test.before)
		if diff := cmp.Diff(test.want, test.before, sameOrigin); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if shared[1] != country("GB") {
		t.Error("what others share was written to")
	}
}

func TestHearingAllocatesNothing(t *testing.T) {
	lines := []string{"us"}
	for _, before := range []rules.Origin{{}, {Country: country("DE")}, {Country: country("US")}} {
		if allocations := testing.AllocsPerRun(100, func() {
			o := before
			h := Hear(lines)
			h.Add(&o)
		}); allocations > 0 {
			t.Errorf("%v: %v allocations", before.Country, allocations)
		}
	}
}

func TestDisputes(t *testing.T) {
	dir := t.TempDir()
	a := content{records: map[string]record{"1.0.0.0/24": inFields("DE", "US", ""), "1.0.1.0/24": inFields("DE", "DE", "")}}.write(t, dir, "a.mmdb")
	b := content{records: map[string]record{"1.0.0.0/24": inFields("FR", "FR", ""), "1.0.1.0/24": inFields("DE", "", "")}}.write(t, dir, "b.mmdb")
	cfg := Config{Databases: []string{a, b}, Fields: []Field{Country, RegisteredCountry}, Decide: Any, Header: true}
	l := open(t, cfg, Options{})
	ask := func(text string, lines ...string) {
		o, h := l.Locate(addr(text), moment), Hear(lines)
		h.Add(&o)
		if len(o.Others) > 0 {
			l.Dispute(o.Client, &h)
		}
	}
	ask("1.0.0.1", "JP")
	ask("1.0.1.1", "de")
	ask("1.0.1.1", "US")
	ask("1.0.1.1", "DE,US")
	ask("1.0.1.1", "XX")
	ask("1.0.2.1", "US")
	want := map[[2]string]uint64{
		{"a.mmdb", "a.mmdb:registered_country"}: 1, {"a.mmdb", "b.mmdb"}: 1, {"a.mmdb", "b.mmdb:registered_country"}: 1, {"a.mmdb", "header"}: 3,
		{"a.mmdb:registered_country", "b.mmdb"}: 1, {"a.mmdb:registered_country", "b.mmdb:registered_country"}: 1, {"a.mmdb:registered_country", "header"}: 3,
		{"b.mmdb", "b.mmdb:registered_country"}: 0, {"b.mmdb", "header"}: 3, {"b.mmdb:registered_country", "header"}: 1,
	}
	got := map[[2]string]uint64{}
	for _, d := range l.Disagreements() {
		got[[2]string{d.A, d.B}] = d.N
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	h := Hear([]string{"JP, us", "USA"})
	const told = "a.mmdb DE, a.mmdb:registered_country US, b.mmdb FR, b.mmdb:registered_country FR, header JP, header US, header unreadable"
	if got := l.Sources(addr("1.0.0.1"), &h); got != told {
		t.Errorf("got  %s\nwant %s", got, told)
	}
	if allocations := testing.AllocsPerRun(100, func() { l.Dispute(addr("1.0.0.1"), &h) }); allocations > 0 {
		t.Errorf("counting allocates %v times", allocations)
	}

	alone := open(t, Config{Databases: []string{a, b}}, Options{})
	alone.Dispute(addr("1.0.0.1"), &h)
	if got := alone.Disagreements(); got != nil {
		t.Errorf("where one source decides, %v", got)
	}
	embedded := open(t, Config{Decide: Any, Header: true}, Options{})
	embedded.Dispute(addr("50.114.0.1"), &h)
	if got := embedded.Disagreements(); len(got) != 1 || got[0] != (Disagreement{"embedded", "header", 1}) {
		t.Errorf("of the embedded database, %v", got)
	}
}

// TestHostileHeader has a client write as many codes as a header can hold, in the order that costs most.
func TestHostileHeader(t *testing.T) {
	t.Parallel()
	var line strings.Builder
	want := 0
	for line.Len() < 1<<20 {
		for a := byte('Z'); a >= 'A'; a-- {
			for b := byte('Z'); b >= 'A'; b-- {
				line.WriteString(string([]byte{a, b}) + ",")
				if country(string([]byte{a, b})) != 0 && line.Len() <= 26*26*3 {
					want++
				}
			}
		}
	}
	shared := []rules.Country{country("US"), country("GB")}
	h := Hear([]string{line.String()})
	o := rules.Origin{Country: country("DE"), Others: shared[:1]}
	h.Add(&o)
	sorted := slices.Sorted(slices.Values(o.Others))
	if len(o.Others) != want-1 || len(slices.Compact(sorted)) != len(o.Others) || o.Others[0] != country("US") || shared[1] != country("GB") {
		t.Errorf("%d countries, want %d: %v", len(o.Others), want-1, o.Others)
	}
}

// FuzzHear holds what is heard to its promise: it adds to an origin and takes nothing away, names countries that stand in the
// header only, and says one of its words.
func FuzzHear(f *testing.F) {
	for _, line := range []string{"", "US", "us,DE", " T1 ", "XX", "USA", "A1,\tFR", "\xff\xfe", ",,"} {
		f.Add(line, "DE", uint16(0), byte(0))
		f.Add("FR", line, uint16(3), byte(rules.Anonymized))
	}
	f.Fuzz(func(t *testing.T, one, two string, known uint16, traits byte) {
		for _, lines := range [][]string{nil, {one}, {one, two}} {
			h := Hear(lines)
			before := rules.Origin{Client: netip.AddrFrom4([4]byte{1}), Traits: rules.Traits(traits), Source: "c.mmdb"}
			if known%3 == 1 {
				before.Country = country("DE")
			}
			if known%5 == 1 {
				before.Others = []rules.Country{country("FR"), country("US")}
			}
			after := before
			h.Add(&after)
			if after.Country != before.Country || after.Traits&before.Traits != before.Traits || !slices.Equal(after.Others[:len(before.Others)], before.Others) {
				t.Errorf("%q makes %+v of %+v", lines, after, before)
			}
			if added := after.Traits &^ before.Traits; added&^(rules.AlsoAnonymized|rules.AlsoUnknown) != 0 {
				t.Errorf("%q adds the traits %b", lines, added)
			}
			for _, other := range after.Others[len(before.Others):] {
				if !strings.Contains(strings.ToUpper(one+","+two), other.String()) {
					t.Errorf("%q adds %s", lines, other)
				}
			}
			if !slices.Contains(HeardResults(), h.Result()) {
				t.Errorf("%q: %s", lines, h.Result())
			}
			settled := rules.Origin{Country: country("DE"), Source: "override"}
			if h.Add(&settled); settled.Others != nil || settled.Traits != 0 {
				t.Errorf("%q adds to an override: %+v", lines, settled)
			}
		}
	})
}
