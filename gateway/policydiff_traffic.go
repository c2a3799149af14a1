package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gate451/rules"
)

// TrafficDiff says which recorded requests another policy would have answered otherwise.
type TrafficDiff struct {
	reading
	// Same is how many requests have the same verdict by both.
	Same int64 `json:"same"`
	// Changed counts the others: Allow those that only the new policy lets pass, Block those that only it blocks. Rules and
	// Countries divide them: by the rule that blocks, in whichever policy that is, and by the country that was judged there.
	Changed   ReplayCount            `json:"changed"`
	Rules     map[string]ReplayCount `json:"rules"`
	Countries map[string]ReplayCount `json:"countries"`
	// Examples are the first requests of which the verdict changes.
	Examples []TrafficChange `json:"examples"`
}

// TrafficChange is a recorded request of which the verdict changes.
type TrafficChange struct {
	File    string       `json:"file"`
	Line    int64        `json:"line"`
	Request string       `json:"request"`
	Old     rules.Record `json:"old"`
	New     rules.Record `json:"new"`
	number  int          // of the file
}

// shownExamples is how many changed requests are told of.
const shownExamples = 10

// DiffTraffic judges the requests of access logs by both policies, as Replay does by one.
func DiffTraffic(before, after *Enforcer, files []string, opts ReplayOptions) (*TrafficDiff, error) {
	var tallies []*diffTally
	err := newReplayer(opts, before, after).run(files, opts, func() (*reading, func(*recorded)) {
		t := &diffTally{rules: make(map[string]*ReplayCount), countries: make(map[rules.Country]*ReplayCount)}
		tallies = append(tallies, t)
		return &t.reading, t.count
	})
	if err != nil {
		return nil, err
	}
	sum := &TrafficDiff{reading: reading{Problems: []LogProblem{}}, Rules: map[string]ReplayCount{}, Countries: map[string]ReplayCount{}, Examples: []TrafficChange{}}
	for _, t := range tallies {
		sum.add(&t.reading)
		sum.Same += t.same
		sum.Changed.Allow, sum.Changed.Block = sum.Changed.Allow+t.changed.Allow, sum.Changed.Block+t.changed.Block
		addCounts(sum.Rules, t.rules, func(id string) string { return id })
		addCounts(sum.Countries, t.countries, rules.Country.String)
		sum.Examples = append(sum.Examples, t.examples...)
	}
	slices.SortFunc(sum.Examples, func(a, b TrafficChange) int { return cmp.Or(a.number-b.number, cmp.Compare(a.Line, b.Line)) })
	sum.Examples = sum.Examples[:min(len(sum.Examples), shownExamples)]
	return sum, nil
}

// diffTally is what one worker counts.
type diffTally struct {
	reading
	same      int64
	changed   ReplayCount
	rules     map[string]*ReplayCount
	countries map[rules.Country]*ReplayCount
	examples  []TrafficChange
}

func (t *diffTally) count(r *recorded) {
	if r.rejected != nil {
		return
	}
	old, new := &r.judgements[0].decision, &r.judgements[1].decision
	if old.Verdict == new.Verdict {
		t.same++
		return
	}
	blocking := new
	if old.Verdict == rules.Block {
		blocking = old
	}
	t.changed.count(new.Verdict)
	under(t.rules, blocking.RuleID()).count(new.Verdict)
	under(t.countries, blocking.Country).count(new.Verdict)
	if len(t.examples) < shownExamples {
		e := &r.entry
		words := fmt.Sprintf("%s %s%s from %v at %s", e.Method, e.Host, e.Target, e.Client, e.At.Format(time.RFC3339Nano))
		t.examples = append(t.examples, TrafficChange{r.file, r.line, shown(strings.Clone(words)), old.Record(), new.Record(), r.number})
	}
}
