package rules

import (
	"errors"
	"fmt"
	"time"
)

// Pause is an operator's order that a rule blocks nothing for a while. It is no part of a policy's text: it is given and
// taken back while the policy stays the same, and it ends by itself.
type Pause struct {
	// Rule is the id of the rule.
	Rule string
	// Effective is when the rule is paused. It always has an end.
	Effective Interval
	// Note says why, for people.
	Note string
}

// Paused returns the policy with the given pauses and no others; its digest stays. A pause of a rule that the policy does
// not have is left out and reported, and so is one without an end; the policy that is returned has all the others. Of
// several pauses of one rule the last counts.
func (p *Policy) Paused(pauses []Pause) (*Policy, error) {
	l := newLoader("policy")
	l.policy(l.root(p.text)) // printed by compile, it reads back without a problem
	var errs []error
	for i := range pauses {
		if err := l.pause(&pauses[i]); err != nil {
			errs = append(errs, err)
		}
	}
	q := l.compile()
	q.skus.stock = p.skus.stock // the elements are numbered alike, however the text is written
	q.warnings, q.divided = p.warnings, p.divided
	return q, errors.Join(errs...)
}

func (l *loader) pause(pause *Pause) error {
	if pause.Effective.Until.IsZero() {
		return fmt.Errorf("a pause of the rule %q has no end; give it one", pause.Rule)
	}
	var ids []string
	for _, rule := range l.rules {
		if rule.ID == pause.Rule {
			rule.Pause = &Pause{Rule: pause.Rule, Effective: pause.Effective, Note: pause.Note}
			return nil
		}
		ids = append(ids, rule.ID)
	}
	return fmt.Errorf("unknown rule %q cannot be paused; %s", pause.Rule, instead(pause.Rule, ids))
}

// paused reports whether the rule is paused at an instant.
func (r *Rule) paused(at time.Time) bool { return r.Pause != nil && r.Pause.Effective.Contains(at) }
