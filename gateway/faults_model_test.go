package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gate451/rules"
)

// What a request's verdict must be, told a second time and more simply than the program tells it: by a table of
// instants in UTC, worked out by hand, beside policies whose dates are in the zones of three continents.

// edition is a policy of the fault test.
type edition struct {
	name    string
	text    string
	bans    []ban
	unknown string // verdict about a country that nobody knows, while any ban on the activity holds
}

// ban says that an activity is blocked for countries from an instant until another; either may be left open.
type ban struct{ activity, countries, from, until string }

const editionHead = `version: 1
activities:
  sale: [{hosts: [shop.example], paths: [/cart]}]
  update: [{hosts: [updates.example], paths: [/updates]}]
`

var editions = []*edition{
	{
		name: "washington", unknown: "block",
		text: editionHead + `time_zone: America/New_York
rules:
  - {id: sales, activity: sale, countries: [US, PR], from: 2024-07-20}
  - {id: updates, activity: update, countries: [US], from: 2024-09-29, until: "2024-11-03T01:30:00-05:00"}
  - {id: short-day, activity: sale, countries: [DE], from: 2024-03-10, until: 2024-03-11}
`,
		bans: []ban{
			{"sale", "US PR", "2024-07-20T04:00:00Z", ""},
			{"update", "US", "2024-09-29T04:00:00Z", "2024-11-03T06:30:00Z"},
			{"sale", "DE", "2024-03-10T05:00:00Z", "2024-03-11T04:00:00Z"},
		},
	},
	{
		name: "berlin", unknown: "allow",
		text: editionHead + `time_zone: Europe/Berlin
rules:
  - {id: always, activity: sale, countries: [CU]}
  - {id: short-day, activity: sale, countries: [DE, FR], from: 2024-03-31, until: 2024-04-01}
  - {id: long-day, activity: update, countries: [FR, US], from: 2024-10-27, until: 2024-10-28}
  - {id: hour-that-comes-twice, activity: sale, countries: [US], from: "2024-10-27T02:30:00+02:00", until: "2024-10-27T02:30:00+01:00"}
defaults: {unknown_country: allow}
`,
		bans: []ban{
			{"sale", "CU", "", ""},
			{"sale", "DE FR", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"},
			{"update", "FR US", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"},
			{"sale", "US", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"},
		},
	},
	{
		name: "sydney", unknown: "block",
		text: editionHead + `time_zone: Australia/Sydney
rules:
  - {id: long-day, activity: update, countries: [DE, PR], from: 2024-04-07, until: 2024-04-08}
  - {id: short-day, activity: sale, countries: [US, CU], from: 2024-10-06, until: 2024-10-07}
  - {id: elsewhere, activity: sale, countries: [FR], from: "2024-11-03T00:00:00-04:00"}
`,
		bans: []ban{
			{"update", "DE PR", "2024-04-06T13:00:00Z", "2024-04-07T14:00:00Z"},
			{"sale", "US CU", "2024-10-05T14:00:00Z", "2024-10-06T13:00:00Z"},
			{"sale", "FR", "2024-11-03T04:00:00Z", ""},
		},
	},
}

// gazettes are the databases of the fault test: where buyers are. They differ about one of them.
var gazettes = map[string]map[string]string{
	"first":  {american: "US", puertoRican: "PR", german: "DE", french: "FR", cuban: "CU", mover: "US"},
	"second": {american: "US", puertoRican: "PR", german: "DE", french: "FR", cuban: "CU", mover: "DE"},
}

const (
	french = "90.0.0.1"
	cuban  = "152.206.0.1"
	mover  = "93.0.0.1"
)

var faultBuyers = []string{american, puertoRican, german, french, cuban, mover, nowhere}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err) // a table of this file is wrong
	}
	return at
}

// verdict says what must become of an activity in a country at an instant.
func (e *edition) verdict(activity, country string, at time.Time) string {
	for _, b := range e.bans {
		holds := b.activity == activity && (b.from == "" || !at.Before(instant(b.from))) && (b.until == "" || at.Before(instant(b.until)))
		switch {
		case !holds:
		case country == "" && e.unknown == "block":
			return "block"
		case country != "" && slices.Contains(strings.Fields(b.countries), country):
			return "block"
		}
	}
	return "allow"
}

func (e *edition) digest() string {
	p, err := rules.Parse("policy.yaml", []byte(e.text))
	if err != nil {
		panic(err) // a table of this file is wrong
	}
	return p.Digest()
}

// boundaries are the instants at which the edition changes what it does.
func (e *edition) boundaries() (all []time.Time) {
	for _, b := range e.bans {
		for _, text := range []string{b.from, b.until} {
			if text != "" {
				all = append(all, instant(text))
			}
		}
	}
	return all
}

// timeline is what may be the case, from one moment to the next: while something is being changed, the old and the new.
type timeline[T comparable] struct {
	mu     sync.Mutex
	states [][]T
}

// may begins a moment in which any of the values may be the case.
func (l *timeline[T]) may(values ...T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.states = append(l.states, values)
}

func (l *timeline[T]) moment() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.states) - 1
}

// last returns the values of the present moment.
func (l *timeline[T]) last() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states[len(l.states)-1]
}

// during returns all values that may have been the case from one moment to another.
func (l *timeline[T]) during(from, to int) (values []T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, state := range l.states[from : to+1] {
		for _, v := range state {
			if !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
	}
	return values
}

// world is all that a verdict and an answer depend on.
type world struct {
	clock    timeline[time.Time]
	policy   timeline[*edition]
	gazette  timeline[string]
	shop     timeline[string] // its ailment
	disorder timeline[string] // of the gateway itself
}

// when is a moment of a world.
type when struct{ clock, policy, gazette, shop, disorder int }

func (w *world) moment() when {
	return when{w.clock.moment(), w.policy.moment(), w.gazette.moment(), w.shop.moment(), w.disorder.moment()}
}

// asked is a request as its client saw it.
type asked struct {
	id, buyer, method, activity string
	sent                        string // digest of its body
	size                        int    // of the answer's body that it asked for
	from, to                    when
	leaves                      bool // the client goes away before the end

	status int // 0: no answer, but an error
	err    error
	told   string // X-Id of the answer
	refs   string // Gate451-Reference
	whole  bool   // the body came to its end
	got    string // digest of the answer's body
	length int
}

// reached is a request as the shop saw it.
type reached struct {
	id, method, decision, country string
	whole                         bool   // its body came to its end
	got                           string // digest of its body
	answered                      string // digest of the body that was announced and sent in full; empty if none was
}

// refused is a request in the gateway's own log.
type refused struct{ Path, Country, Policy, Reason, Rule string }

// possible returns every verdict and country that the request may have met with.
func (w *world) possible(a *asked) (verdicts, countries []string) {
	for _, gazette := range w.gazette.during(a.from.gazette, a.to.gazette) {
		country := gazettes[gazette][a.buyer]
		if !slices.Contains(countries, country) {
			countries = append(countries, country)
		}
		for _, policy := range w.policy.during(a.from.policy, a.to.policy) {
			for _, at := range w.clock.during(a.from.clock, a.to.clock) {
				if v := policy.verdict(a.activity, country, at); !slices.Contains(verdicts, v) {
					verdicts = append(verdicts, v)
				}
			}
		}
	}
	return verdicts, countries
}

// sharp reports whether a nanosecond more or less could have been another verdict about the request.
func (w *world) sharp(a *asked) bool {
	at, policies, places := w.clock.during(a.from.clock, a.to.clock), w.policy.during(a.from.policy, a.to.policy), w.gazette.during(a.from.gazette, a.to.gazette)
	if len(at) != 1 || len(policies) != 1 || len(places) != 1 {
		return false
	}
	verdict := func(step time.Duration) string {
		return policies[0].verdict(a.activity, gazettes[places[0]][a.buyer], at[0].Add(step))
	}
	return verdict(-1) != verdict(0) || verdict(0) != verdict(1)
}

// outcomes of a request that passes, by what ails the shop meanwhile.
var outcomes = map[string][]string{
	"well":         {"whole"},
	"slow header":  {"whole"},
	"slow body":    {"whole"},
	"down":         {"502"},
	"frozen":       {"504"},
	"silent":       {"502"},
	"reset":        {"cut", "502"},
	"broken off":   {"cut", "502"},
	"too long":     {"cut", "502"},
	"too short":    {"half", "502"},
	"smuggling":    {"half", "502"},
	"garbage":      {"502"},
	"starved":      {"whole", "502"}, // it is well, but the gateway has no descriptor left to connect
	"convalescent": {"whole", "half", "cut", "502", "504"},
}

// outcome says in a word what the client saw of an answer.
func (a *asked) outcome(announced []string) string {
	switch {
	case a.status == 200 && a.whole && a.got == digest(content(a.id, a.size)):
		return "whole"
	case a.status == 200 && a.whole && slices.Contains(announced, a.got):
		return "half" // as the shop announced it
	case a.status == 200 && a.whole:
		return fmt.Sprintf("%d of %d bytes that look whole", a.length, a.size)
	case a.status == 200 || a.status == 0:
		return "cut"
	}
	return fmt.Sprint(a.status)
}

// records are what the three parties wrote down.
type records struct {
	asked   []*asked
	reached []reached
	refused []refused
}

// join compares the records with each other and with what the world allowed. It returns what is wrong, and how many
// requests had but one possible verdict.
func (w *world) join(r *records) (wrong []string, certain int) {
	complain := func(id, format string, values ...any) {
		wrong = append(wrong, id+": "+fmt.Sprintf(format, values...))
	}
	came := map[string][]reached{}
	for _, u := range r.reached {
		came[u.id] = append(came[u.id], u)
	}
	logged := map[string][]refused{}
	for _, l := range r.refused {
		id := l.Path[strings.LastIndexByte(l.Path, '/')+1:]
		logged[id] = append(logged[id], l)
	}
	for _, a := range r.asked {
		if a.status == 0 {
			a.to = w.moment() // whoever is gone does not know when the gateway gets to its request
		}
		verdicts, countries := w.possible(a)
		if len(verdicts) == 1 {
			certain++
		}
		visits, refusals := came[a.id], logged[a.id]
		delete(came, a.id)
		delete(logged, a.id)

		mayPass, mayNot := slices.Contains(verdicts, "allow"), slices.Contains(verdicts, "block")
		var announced []string
		for _, u := range visits {
			announced = append(announced, u.answered)
			governed := a.activity != ""
			switch {
			case !mayPass:
				complain(a.id, "%s of %s reached the shop, which the policy forbids", a.activity, a.buyer)
			case !slices.Contains(countries, u.country):
				complain(a.id, "the shop was told %q for %s, want one of %q", u.country, a.buyer, countries)
			case governed != strings.HasPrefix(u.decision, "allow; ") || !governed && u.decision != "":
				complain(a.id, "the shop was told %q of activity %q", u.decision, a.activity)
			case u.method != a.method:
				complain(a.id, "%s became %s", a.method, u.method)
			case u.whole && u.got != a.sent:
				complain(a.id, "the shop got another body than was sent, and it looks whole")
			}
		}
		if a.method == "POST" && len(visits) > 1 {
			complain(a.id, "a POST reached the shop %d times", len(visits))
		}
		for _, l := range refusals {
			switch {
			case !mayNot:
				complain(a.id, "%s of %s is logged as refused, which the policy allows", a.activity, a.buyer)
			case !slices.Contains(countries, l.Country):
				complain(a.id, "the refusal is logged for %q, want one of %q", l.Country, countries)
			case !slices.ContainsFunc(w.policy.during(a.from.policy, a.to.policy), func(e *edition) bool { return e.digest() == l.Policy }):
				complain(a.id, "the refusal is logged with policy %s, which was not in force", l.Policy)
			}
		}

		if a.told != "" && a.told != a.id {
			complain(a.id, "got the answer to %s", a.told)
		}
		disorders := w.disorder.during(a.from.disorder, a.to.disorder)
		switch outcome := a.outcome(announced); {
		case a.status == 451:
			switch {
			case !mayNot:
				complain(a.id, "%s of %s was refused, which the policy allows", a.activity, a.buyer)
			case len(visits) > 0:
				complain(a.id, "was refused and reached the shop all the same")
			case len(refusals) == 0:
				complain(a.id, "was refused, and the log does not say so")
			case !a.whole && !a.leaves || a.refs == "":
				complain(a.id, "the refusal has reference %q and came whole: %v, %v", a.refs, a.whole, a.err)
			}
		case a.status == 500:
			if !mayNot || !slices.Contains(disorders, "no references") || len(visits) > 0 {
				complain(a.id, "was answered 500")
			}
		case a.leaves && outcome == "cut":
		case !mayPass:
			complain(a.id, "%s of %s met with %s (%d, %v) and no refusal", a.activity, a.buyer, outcome, a.status, a.err)
		default:
			var may []string
			for _, ailment := range w.shop.during(a.from.shop, a.to.shop) {
				may = append(may, outcomes[ailment]...)
			}
			if !slices.Contains(may, outcome) {
				complain(a.id, "%s met with %s (%d, %v), want one of %q", a.method, outcome, a.status, a.err, may)
			}
			if len(visits) == 0 && a.status == 200 {
				complain(a.id, "has an answer, and the shop does not know it")
			}
		}
	}
	for id := range came {
		complain(id, "reached the shop, and nobody asked for it")
	}
	for id := range logged {
		complain(id, "is logged as refused, and nobody asked for it")
	}
	slices.Sort(wrong)
	return wrong, certain
}
