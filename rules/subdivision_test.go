package rules

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSubdivisionTable looks at the table as a whole: every parent is a country or a part of one, and nothing stands twice.
func TestSubdivisionTable(t *testing.T) {
	t.Parallel()
	s := iso3166()
	if len(s.parent) < 5000 || len(s.withdrawn) < 400 || len(s.country) < 40 {
		t.Errorf("%d parts, %d withdrawn codes and %d of countries", len(s.parent), len(s.withdrawn), len(s.country))
	}
	for code, parent := range s.parent {
		if !subdivisionCode.MatchString(code) || CountryOf(code[:2]) == 0 || code[:2] != parent[:2] || isSubdivision(parent) && s.parent[parent] == "" {
			t.Errorf("%s is a part of %s", code, parent)
		}
		if s.withdrawn[code] || s.country[code] != "" {
			t.Errorf("%s stands twice", code)
		}
		if around := s.around(code); around[len(around)-1] != code[:2] || len(around) > 2 {
			t.Errorf("%s is in %v", code, around)
		}
	}
	for code := range s.withdrawn {
		if !subdivisionCode.MatchString(code) || CountryOf(code[:2]) == 0 || s.country[code] != "" {
			t.Errorf("withdrawn: %s", code)
		}
	}
	for code, country := range s.country {
		if CountryOf(country) == 0 || CountryOf(code[:2]) == 0 {
			t.Errorf("%s is %s", code, country)
		}
	}
	for country, want := range map[string]int{"US": 51, "UA": 27, "DE": 16, "CA": 13, "GB-ENG": 150} {
		if got := s.all(country); len(got) < want {
			t.Errorf("%s has %d parts: %v", country, len(got), got)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(subdivisionText), "\n") {
		if words := strings.Fields(line); len(words) < 3 || !slices.Contains([]string{"has", "had", "is"}, words[1]) {
			t.Errorf("line %q", line)
		}
	}
	if notice := SubdivisionNotice(); !strings.Contains(notice, "CLDR") || !strings.Contains(notice, "UNICODE LICENSE V3") {
		t.Errorf("the notice is %q", notice)
	}
}

func TestParsePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"us":     "US ",
		"UA-43":  "UA UA-43",
		"ua-40":  "UA UA-40",
		"gb-oxf": "GB GB-OXF",
		"FR-H":   "FR FR-H",
		"UA-99":  `unknown subdivision "UA-99"; did you mean UA-09?`,
		"US-XYZ": `unknown subdivision "US-XYZ"; did you mean US-AZ?`,
		"US-PR":  "US-PR is a country of its own to ISO 3166-1 and to every database; write PR",
		"CN-HK":  "CN-HK is a country of its own to ISO 3166-1 and to every database; write HK",
		"XK-01":  `unknown subdivision "XK-01"; ISO 3166-2 has none of XK, write XK`,
		"AC-1":   `unknown country "AC"; expected an ISO 3166-1 code of two letters, such as DE`,
		"UK-ENG": `unknown country "UK"; the United Kingdom is GB`,
		"GT-WXY": `unknown subdivision "GT-WXY"; did you mean GT-01?`,
		"BB-XYZ": `unknown subdivision "BB-XYZ"; did you mean BB-01?`,
		"AF-X":   `unknown subdivision "AF-X"; expected one that ISO 3166-2 has, such as AF-BAL`,
		"Crimea": `unknown country "Crimea"; expected an ISO 3166-1 code of two letters, such as DE`,
	} {
		country, subdivision, err := ParsePlace(text)
		got := country.String() + " " + subdivision
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestWithdrawnCodesAreWarnedOf(t *testing.T) {
	t.Parallel()
	p := parse(t, "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules:\n  - {id: a, activity: sale, countries: [FR-H, FR-20R]}\n")
	const want = "policy.yaml:4:41: FR-H is no longer in ISO 3166-2, and databases that are kept current do not name it; name what has taken its place as well"
	if got := p.Warnings().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	req, at := &Request{Host: "x", Paths: []string{"/cart"}}, time.Unix(0, 0)
	for code, reason := range map[string]Reason{"FR-H": ReasonListedCountry, "FR-G": ReasonUnknownCountry, "FR-20R": ReasonListedCountry, "FR-BRE": ReasonCountryNotListed} {
		o := from("FR")
		o.Subdivisions = []string{code}
		if d := p.Decide(req, o, at); d.Reason != reason {
			t.Errorf("%s: %v, want %v", code, d.Reason, reason)
		}
	}
}

func TestUndecided(t *testing.T) {
	t.Parallel()
	const text = `version: 1
activities: {sale: [{paths: [/cart]}]}
jurisdictions:
  occupied: [UA-43, UA-09]
  wide: [ofac-comprehensive]
  nordics: [SE, NO]
rules:
  - {id: a, activity: sale, countries: [occupied, nordics]}
  - {id: b, activity: sale, countries: [US-NY, ofac-comprehensive]}
  - {id: c, activity: sale, countries: [DE, ua-14, GB-ENG]}
  - {id: d, activity: sale, countries: [ofac-comprehensive, US-NY, ua, us]}
`
	const remedy = "; name a city database, such as GeoLite2-City, under geoip.databases, or "
	p := parse(t, text)
	asked := map[Country]int{}
	err := p.Undecided(func(c Country) bool { asked[c]++; return c == CountryOf("GB") })
	want := strings.Join([]string{
		"policy.yaml:4:14: no database tells parts of UA, so that nobody is known to be in UA-43" + remedy + "write UA",
		"policy.yaml:4:21: no database tells parts of UA, so that nobody is known to be in UA-09" + remedy + "write UA",
		"policy.yaml:5:10: ofac-comprehensive has UA-09, UA-14, UA-40, UA-43, and no database tells parts of UA" + remedy + "list UA beside it",
		"policy.yaml:9:41: no database tells parts of US, so that nobody is known to be in US-NY" + remedy + "write US",
		"policy.yaml:9:48: ofac-comprehensive has UA-09, UA-14, UA-40, UA-43, and no database tells parts of UA" + remedy + "list UA beside it",
		"policy.yaml:10:45: no database tells parts of UA, so that nobody is known to be in UA-14" + remedy + "write UA",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if len(asked) != 3 || asked[CountryOf("UA")] != 1 {
		t.Errorf("asked %v", asked)
	}
	if err := p.Undecided(func(Country) bool { return true }); err != nil {
		t.Error(err)
	}
	if q, err := p.Paused(nil); err != nil || q.Undecided(func(Country) bool { return false }) == nil {
		t.Errorf("of the paused policy it is not known: %v", err)
	}
	if err := parse(t, shop).Undecided(func(Country) bool { return false }); err != nil {
		t.Error(err)
	}
}

// TestWhatIsAddedNeverLifts has somebody who may only add to an origin say what they like: whatever is blocked without it is
// blocked with it, and a rule in shadow would block as well.
func TestWhatIsAddedNeverLifts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	blocks, added := 0, 0
	for range 40 {
		p := parse(t, randomPolicy(random))
		for range 60 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			o.Traits &^= AlsoAnonymized | AlsoUnknown
			more := *o
			more.Traits |= pick(random, 0, AlsoAnonymized, AlsoUnknown, AlsoAnonymized|AlsoUnknown)
			more.Others = append(slices.Clone(o.Others), some(random, CountryOf("US"), CountryOf("UA"), CountryOf("FR"), CountryOf("GB"))...)
			before, after := p.Decide(req, o, at), p.Decide(req, &more, at)
			if before.Verdict == Block {
				blocks++
				if after.Verdict != Block {
					t.Fatalf("%+v is blocked from %+v, and not from %+v\n%s", req, o, more, p.Text())
				}
			} else if after.Verdict == Block {
				added++
			}
			for s := range before.Shadows {
				if !slices.ContainsFunc(slices.Collect(after.Shadows), func(other ShadowBlock) bool { return other.Rule == s.Rule }) {
					t.Fatalf("%s in shadow would block %+v from %+v, and not from %+v", s.Rule.ID, req, o, more)
				}
			}
			if wanted := p.Wanted(req, o, at, nil); len(p.Wanted(req, &more, at, nil)) < len(wanted) {
				t.Fatalf("less is read of %+v from %+v", req, more)
			}
		}
	}
	if blocks == 0 || added == 0 {
		t.Errorf("%d blocks, and %d added: the test does not reach them", blocks, added)
	}
}

// TestPartsCostNoAllocation decides about buyers of whom more or less is known, and of whom something was added.
func TestPartsCostNoAllocation(t *testing.T) {
	p := parse(t, "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules:\n  - {id: a, activity: sale, countries: [UA-43, GB-OXF], anonymized: allow}\n")
	req, at := &Request{Host: "x", Paths: []string{"/cart"}}, time.Unix(0, 0)
	for _, o := range []Origin{
		{Country: CountryOf("UA")}, {Country: CountryOf("UA"), Subdivisions: []string{"UA-30"}}, {Country: CountryOf("GB"), Subdivisions: []string{"GB-ENG", "GB-BKM"}},
		{Country: CountryOf("DE"), Others: []Country{CountryOf("UA")}, Traits: AlsoAnonymized | AlsoUnknown}, {Country: CountryOf("US")},
	} {
		if allocations := testing.AllocsPerRun(50, func() { p.Decide(req, &o, at) }); allocations > 0 {
			t.Errorf("%+v: %v allocations", o, allocations)
		}
	}
}
