package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Latest is what Push expects to replace if any generation will do.
const Latest int64 = -1

// ConflictError says that a change was made by somebody else in the meantime, and so not by the caller.
type ConflictError struct {
	// Expected is the generation to be replaced, and Actual the one that is published; 0 is none.
	Expected, Actual int64
	// By is who pushed the policy that is published.
	By string
}

// Error names both generations.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("generation %d is published, by %q, not %d; look at what it changed and push again", e.Actual, e.By, e.Expected)
}

// Push publishes a policy for the whole fleet and returns its generation. The text must be valid and have the digest,
// which Push cannot check. It replaces the generation expected, or any with Latest; 0 expects that there is none. A
// ConflictError says that it is another. Pauses stay as they are. While Redis gives no answer Push tries again, for ten
// seconds unless ctx says otherwise, and never publishes twice; with an UnansweredError it is not known whether it did.
// A failover in the same moment may still lose what no replica has seen: Status shows whether they have it.
func (f *Fleet) Push(ctx context.Context, text []byte, digest, who string, expected int64) (int64, error) {
	if len(text) == 0 || digest == "" || len(digest) > 200 {
		return 0, errors.New("no policy or no digest; push the text of a policy that loads, and its digest")
	}
	return f.change(ctx, expected, func(now time.Time, before *document) (head, string, error) {
		done := Change{Kind: "push", By: who, At: now}
		return head{Digest: digest, By: who, At: now, Pauses: before.said.Pauses, Change: done}, string(text), nil
	})
}

// Pause takes a rule out of force on every replica until an instant, and returns the generation that says so. A rule
// that is paused already is paused anew.
func (f *Fleet) Pause(ctx context.Context, rule string, until time.Time, note, who string) (int64, error) {
	switch {
	case rule == "":
		return 0, errors.New("no rule; name the rule to pause")
	case !until.After(f.opts.Now()):
		return 0, fmt.Errorf("pause until %s, which is past; name an instant to come", until.Format(time.RFC3339))
	}
	return f.change(ctx, Latest, func(now time.Time, before *document) (head, string, error) {
		said := before.said
		said.Pauses = append(others(said.Pauses, rule), Pause{Rule: rule, Until: until.UTC(), Note: note, By: who, At: now})
		said.Change = Change{Kind: "pause", Rule: rule, By: who, At: now}
		slices.SortFunc(said.Pauses, func(a, b Pause) int { return strings.Compare(a.Rule, b.Rule) })
		return said, before.text, nil
	})
}

// Resume ends the pause of a rule on every replica, and returns the generation that says so. It is an error if the rule
// is not paused.
func (f *Fleet) Resume(ctx context.Context, rule, who string) (int64, error) {
	return f.change(ctx, Latest, func(now time.Time, before *document) (head, string, error) {
		said := before.said
		if _, ok := paused(said.Pauses, rule, now); !ok {
			return head{}, "", fmt.Errorf("rule %q is not paused; the status shows which are", rule)
		}
		said.Pauses, said.Change = others(said.Pauses, rule), Change{Kind: "resume", Rule: rule, By: who, At: now}
		return said, before.text, nil
	})
}

func others(pauses []Pause, rule string) []Pause {
	return slices.DeleteFunc(slices.Clone(pauses), func(p Pause) bool { return p.Rule == rule })
}

func paused(pauses []Pause, rule string, at time.Time) (Pause, bool) {
	for _, p := range pauses {
		if p.Rule == rule && at.Before(p.Until) {
			return p, true
		}
	}
	return Pause{}, false
}
