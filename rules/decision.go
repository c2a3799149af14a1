package rules

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Verdict says what happens to a request. The zero Verdict is Block, so that a decision nobody made
// lets nothing through.
type Verdict uint8

// The verdicts.
const (
	Block Verdict = iota
	Allow
)

// String returns "block" or "allow".
func (v Verdict) String() string {
	if v == Allow {
		return "allow"
	}
	return "block"
}

// Reason is the one word that says why a decision is as it is, from a closed list.
type Reason uint8

// The reasons, in order of weight: of several rules that lead to the same verdict, a decision names the
// one with the weightiest. Those up to ReasonExempt always allow, ReasonListedCountry always blocks, and
// for the others the policy states the verdict.
const (
	ReasonUngoverned          Reason = iota + 1 // no activity claims the request
	ReasonOtherProduct                          // no rule of the activity concerns the product
	ReasonCountryNotListed                      // rules concern the product, none the country
	ReasonNotEffective                          // a rule lists the country, but not at this instant
	ReasonExempt                                // an exception of the rule applies
	ReasonUndeterminedProduct                   // the product meant could not be read
	ReasonAnonymized                            // the address hides where the client is
	ReasonUnknownCountry                        // no source knows the country
	ReasonStaleDatabase                         // the database is too old to be believed
	ReasonPrivateNetwork                        // the address is not a public one
	ReasonClientAddress                         // the client's address could not be established
	ReasonListedCountry                         // a rule blocks the country
)

var reasonWords = [...]string{
	"", "ungoverned", "other_product", "country_not_listed", "not_effective", "exempt", "undetermined_product", "anonymized",
	"unknown_country", "stale_database", "private_network", "client_address", "listed_country",
}

// String returns the word that records, metrics and commands use; it is empty for the zero Reason.
func (r Reason) String() string { return reasonWords[r] }

// Reasons returns the words of all reasons.
func Reasons() []string { return reasonWords[1:] }

// Decision is a verdict and what led to it. The zero Decision blocks.
type Decision struct {
	Verdict Verdict
	Reason  Reason
	// Rule is the rule that led to the verdict; nil where no single one did.
	Rule *Rule
	// Activity is what the request does; empty if no activity claims it.
	Activity string
	// Product is whose goods the deciding rule concerns; empty where it concerns everything.
	Product string
	// Country is the country that was judged: of several, the one that led to the verdict.
	Country Country
	// Client is the address judged; invalid if none could be established.
	Client netip.Addr
	// At is the instant judged.
	At time.Time
	// Policy is the digest of the policy that decided.
	Policy string

	shadow ruleSet
}

// Governed reports whether an activity claims the request, so that its answer depends on who asks.
func (d *Decision) Governed() bool { return d.Reason != ReasonUngoverned }

// RuleID returns the id of the rule that led to the verdict, or the empty string.
func (d *Decision) RuleID() string {
	if d.Rule == nil {
		return ""
	}
	return d.Rule.ID
}

// ShadowRules calls yield with every rule in shadow mode that would have blocked, by id.
func (d *Decision) ShadowRules(yield func(*Rule) bool) { d.shadow.all(yield) }

// Record is a decision as explain, the evidence and the console write it.
type Record struct {
	Verdict  string   `json:"verdict"`
	Reason   string   `json:"reason"`
	Rule     string   `json:"rule"`
	Activity string   `json:"activity"`
	Product  string   `json:"product"`
	Country  string   `json:"country"`
	Client   string   `json:"client"`
	At       string   `json:"at"`
	Policy   string   `json:"policy"`
	Shadow   []string `json:"shadow"`
}

// Record returns the decision's fields as text. The instant is written in its own zone.
func (d *Decision) Record() Record {
	r := Record{
		Verdict: d.Verdict.String(), Reason: d.Reason.String(), Rule: d.RuleID(), Activity: d.Activity, Product: d.Product,
		Country: d.Country.String(), At: d.At.Format(time.RFC3339Nano), Policy: d.Policy, Shadow: []string{},
	}
	if d.Client.IsValid() {
		r.Client = d.Client.String()
	}
	for rule := range d.ShadowRules {
		r.Shadow = append(r.Shadow, rule.ID)
	}
	return r
}

// MarshalJSON writes the decision's Record.
func (d *Decision) MarshalJSON() ([]byte, error) { return json.Marshal(d.Record()) }

// ruleSet is a small sorted set of rules that allocates only beyond four.
type ruleSet struct {
	few  [4]*Rule
	n    int
	more []*Rule
}

// add puts the rule in its place by id, once.
func (s *ruleSet) add(rule *Rule) {
	for i := range s.n {
		switch {
		case s.few[i] == rule:
			return
		case s.few[i].ID > rule.ID:
			s.few[i], rule = rule, s.few[i]
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = rule
		s.n++
		return
	}
	for i, other := range s.more {
		switch {
		case other == rule:
			return
		case other.ID > rule.ID:
			s.more[i], rule = rule, other
		}
	}
	s.more = append(s.more, rule)
}

func (s *ruleSet) all(yield func(*Rule) bool) {
	for _, rule := range s.few[:s.n] {
		if !yield(rule) {
			return
		}
	}
	for _, rule := range s.more {
		if !yield(rule) {
			return
		}
	}
}
