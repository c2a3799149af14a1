package rules

import (
	"strings"
	"testing"
)

func paused(t testing.TB, p *Policy, pauses ...Pause) *Policy {
	t.Helper()
	q, err := p.Paused(pauses)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

const pausable = `version: 1
# a policy whose text has more to it than the rules
jurisdictions: {nordics: [DK]}
activities: {sale: [{paths: [/cart]}]}
rules:
  - {id: a, activity: sale, countries: [DE, nordics]}
  - {id: b, activity: sale, countries: [DE, FR], except: [{networks: [203.0.113.9]}]}
  - {id: s, activity: sale, countries: [DE, FR], mode: shadow}
`

func TestPauses(t *testing.T) {
	t.Parallel()
	p := parse(t, pausable)
	begin, end := instant(t, "2024-01-01T00:00:00Z"), instant(t, "2024-01-01T02:00:00Z")
	during := Interval{From: begin, Until: end}
	for _, c := range []struct {
		pauses        string
		country, when string
		want          string
	}{
		{"", "DE", "2024-01-01T01:00:00Z", "block listed_country a sale - DE ~s"},
		{"a", "DE", "2023-12-31T23:59:59.999999999Z", "block listed_country a sale - DE ~s"},
		{"a", "DE", "2024-01-01T00:00:00Z", "block listed_country b sale - DE ~s"},
		{"a", "DK", "2024-01-01T00:00:00Z", "allow paused a sale - DK"},
		{"a b", "DE", "2024-01-01T01:59:59.999999999Z", "allow paused a sale - DE ~s"},
		{"a b", "DE", "2024-01-01T02:00:00Z", "block listed_country a sale - DE ~s"},
		{"b s", "FR", "2024-01-01T01:00:00Z", "allow paused b sale - FR"},
		{"b", "IT", "2024-01-01T01:00:00Z", "allow country_not_listed - sale - IT"},
		{"b", "", "2024-01-01T01:00:00Z", "block unknown_country a sale - - ~s"},
		{"a b s", "", "2024-01-01T01:00:00Z", "allow paused a sale - -"},
	} {
		var pauses []Pause
		for id := range strings.FieldsSeq(c.pauses) {
			pauses = append(pauses, Pause{Rule: id, Effective: Interval{Until: begin}}, Pause{Rule: id, Effective: during, Note: "n"})
		}
		q := paused(t, p, pauses...)
		req, at := &Request{Host: "x", Paths: []string{"/cart"}}, instant(t, c.when)
		if got := said(q.Decide(req, from(c.country), at)); got != c.want {
			t.Errorf("%q, %s at %s:\n got %s\nwant %s", c.pauses, c.country, c.when, got, c.want)
		}
		if got := said(q.Explain(req, from(c.country), at).Decision); got != c.want {
			t.Errorf("%q, %s at %s, explained:\n got %s\nwant %s", c.pauses, c.country, c.when, got, c.want)
		}
		if q.Digest() != p.Digest() || string(q.Text()) != string(p.Text()) || len(q.Warnings()) != len(p.Warnings()) {
			t.Errorf("%q changes the policy", c.pauses)
		}
	}
	// A pause is lifted by leaving it out, and nothing of it remains.
	q := paused(t, paused(t, p, Pause{Rule: "a", Effective: during}))
	if q.Rules()[0].Pause != nil {
		t.Errorf("still paused: %+v", q.Rules()[0].Pause)
	}
	var changes []string
	for _, change := range paused(t, p, Pause{Rule: "a", Effective: during}).Calendar() {
		changes = append(changes, change.Rule.ID+" "+string(change.Kind)+" "+change.At.Format("15:04"))
	}
	if got := strings.Join(changes, ", "); got != "a pause begins 00:00, a pause ends 02:00" {
		t.Errorf("the calendar has %s", got)
	}
}

func TestBadPauses(t *testing.T) {
	t.Parallel()
	p := parse(t, pausable)
	until := instant(t, "2024-01-01T02:00:00Z")
	q, err := p.Paused([]Pause{{Rule: "aa", Effective: Interval{Until: until}}, {Rule: "a"}, {Rule: "b", Effective: Interval{Until: until}}})
	want := "unknown rule \"aa\" cannot be paused; did you mean a?\na pause of the rule \"a\" has no end; give it one"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if q.Rules()[0].Pause != nil || q.Rules()[1].Pause == nil {
		t.Error("the good one is not taken, or a bad one is")
	}
}
