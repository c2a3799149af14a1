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
// one with the weightiest. Those up to ReasonPaused always allow, ReasonListedCountry always blocks, and
// for the others the policy states the verdict.
const (
	ReasonUngoverned          Reason = iota + 1 // no activity claims the request
	ReasonOtherProduct                          // no rule of the activity concerns the product
	ReasonCountryNotListed                      // rules concern the product, none the country
	ReasonNotEffective                          // a rule lists the country, but not at this instant
	ReasonExempt                                // an exception of the rule applies
	ReasonPaused                                // the operator has paused the rule
	ReasonUndeterminedProduct                   // the product meant could not be read
	ReasonAnonymized                            // the address hides where the client is
	ReasonUnknownCountry                        // no source knows the country
	ReasonStaleDatabase                         // the database is too old to be believed
	ReasonPrivateNetwork                        // the address is not a public one
	ReasonClientAddress                         // the client's address could not be established
	ReasonListedCountry                         // a rule blocks the country
)

var reasonWords = [...]string{
	"", "ungoverned", "other_product", "country_not_listed", "not_effective", "exempt", "paused", "undetermined_product", "anonymized",
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
	// Notice is the announced rule that will block such a request soonest, from its Effective.From on; nil if there is none, and
	// where the request is blocked anyway.
	Notice *Rule
	// Client is the address judged; invalid if none could be established.
	Client netip.Addr
	// At is the instant judged.
	At time.Time
	// Policy is the digest of the policy that decided.
	Policy string

	shadow shadowSet
}

// ShadowBlock is what a rule would have done that is in shadow mode, or whose rollout has not reached the client: it would have
// blocked, for the reason.
type ShadowBlock struct {
	Rule    *Rule
	Reason  Reason
	Country Country
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

// Shadows calls yield for every rule that would have blocked but for its shadow mode or rollout, by id.
func (d *Decision) Shadows(yield func(ShadowBlock) bool) { d.shadow.all(yield) }

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
	// Notice is the id of the announced rule that will block such a request; the evidence does not hold it.
	Notice string `json:"notice,omitempty"`
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
	if d.Notice != nil {
		r.Notice = d.Notice.ID
	}
	for s := range d.Shadows {
		r.Shadow = append(r.Shadow, s.Rule.ID)
	}
	return r
}

// MarshalJSON writes the decision's Record.
func (d *Decision) MarshalJSON() ([]byte, error) { return json.Marshal(d.Record()) }

// shadowSet holds one ShadowBlock for each rule, sorted by id; it allocates only beyond four.
type shadowSet struct {
	few  [4]ShadowBlock
	n    int
	more []ShadowBlock
}

// add puts the shadow in its place. Of several of one rule the weightiest stays, so that the order in which they are
// found does not matter.
func (set *shadowSet) add(s ShadowBlock) {
	for i := range set.n {
		if set.few[i].settle(&s) {
			return
		}
	}
	if set.n < len(set.few) {
		set.few[set.n] = s
		set.n++
		return
	}
	for i := range set.more {
		if set.more[i].settle(&s) {
			return
		}
	}
	set.more = append(set.more, s)
}

// settle merges s into place if both are of one rule, and reports that; otherwise it leaves the one with the
// lower id in place and the other in s.
func (place *ShadowBlock) settle(s *ShadowBlock) bool {
	switch {
	case place.Rule == s.Rule:
		if place.Reason < s.Reason || place.Reason == s.Reason && s.Country < place.Country {
			*place = *s
		}
		return true
	case place.Rule.ID > s.Rule.ID:
		*place, *s = *s, *place
	}
	return false
}

func (set *shadowSet) all(yield func(ShadowBlock) bool) {
	for _, s := range set.few[:set.n] {
		if !yield(s) {
			return
		}
	}
	for _, s := range set.more {
		if !yield(s) {
			return
		}
	}
}
