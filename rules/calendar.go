package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Change is an instant at which what a policy does changes.
type Change struct {
	At   time.Time
	Rule *Rule
	// Kind is one of the kinds of change.
	Kind ChangeKind
	// Exception is the one that ends; nil otherwise.
	Exception *Exception
}

// ChangeKind says what changes.
type ChangeKind string

// The kinds of change.
const (
	ChangeBegins        ChangeKind = "begins"
	ChangeEnds          ChangeKind = "ends"
	ChangeExceptionEnds ChangeKind = "exception ends"
	ChangePauseBegins   ChangeKind = "pause begins"
	ChangePauseEnds     ChangeKind = "pause ends"
	ChangeNoticeBegins  ChangeKind = "notice begins"
)

// Calendar returns every change of the policy, past and coming, in order. The instants are in the policy's
// zone.
func (p *Policy) Calendar() []Change {
	var changes []Change
	add := func(at time.Time, rule *Rule, kind ChangeKind, x *Exception) {
		if !at.IsZero() {
			changes = append(changes, Change{at.In(p.zone), rule, kind, x})
		}
	}
	for _, rule := range p.rules {
		add(rule.NoticeFrom, rule, ChangeNoticeBegins, nil)
		add(rule.Effective.From, rule, ChangeBegins, nil)
		add(rule.Effective.Until, rule, ChangeEnds, nil)
		if rule.Pause != nil {
			add(rule.Pause.Effective.From, rule, ChangePauseBegins, nil)
			add(rule.Pause.Effective.Until, rule, ChangePauseEnds, nil)
		}
		for i := range rule.Exceptions {
			add(rule.Exceptions[i].Until, rule, ChangeExceptionEnds, &rule.Exceptions[i])
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Rule.ID, b.Rule.ID), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return changes
}
