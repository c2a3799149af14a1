package gateway

import (
	"time"

	"gate451/rules"
)

// Replay is what a policy would have done to recorded traffic. Every line is unreadable, rejected, or has a verdict.
type Replay struct {
	// reading's Bodies are requests that the policy would have looked into the body of, which no log has: they are judged as if
	// it could not be read. Rejected are those that would have been answered 4xx unjudged, as malformed.
	reading
	// At is the instant at which all were judged; empty if each was at its own time.
	At string `json:"at"`
	// Policy is the digest of the policy.
	Policy string `json:"policy"`
	// Verdicts counts both verdicts. The others divide the same requests: by reason, by the rule that led to the verdict (empty
	// where no single one did), by country (empty where it is unknown), and by the day of the line in the policy's zone.
	Verdicts  ReplayCount            `json:"verdicts"`
	Reasons   map[string]ReplayCount `json:"reasons"`
	Rules     map[string]ReplayCount `json:"rules"`
	Countries map[string]ReplayCount `json:"countries"`
	Days      map[string]ReplayCount `json:"days"`
	// Shadows is how many requests each rule in shadow mode would have blocked.
	Shadows map[string]int64 `json:"shadows"`
}

// ReplayCount is a number of requests of either verdict.
type ReplayCount struct {
	Allow int64 `json:"allow"`
	Block int64 `json:"block"`
}

func (c *ReplayCount) count(v rules.Verdict) {
	if v == rules.Allow {
		c.Allow++
		return
	}
	c.Block++
}

// Replay judges the requests of access logs as they would have been judged. "-" is what opts has as input. Memory does not grow
// with the logs. An error says which file could not be opened; what cannot be read of an open one is counted.
func (e *Enforcer) Replay(files []string, opts ReplayOptions) (*Replay, error) {
	policy := e.Policy()
	var tallies []*replayTally
	err := newReplayer(opts, e).run(files, opts, func() (*reading, func(*recorded)) {
		t := newReplayTally(policy.Zone())
		tallies = append(tallies, t)
		return &t.reading, t.count
	})
	if err != nil {
		return nil, err
	}
	sum := &Replay{
		Policy: policy.Digest(), Reasons: map[string]ReplayCount{}, Rules: map[string]ReplayCount{}, Countries: map[string]ReplayCount{},
		Days: map[string]ReplayCount{}, Shadows: map[string]int64{}, reading: reading{Problems: []LogProblem{}},
	}
	if !opts.At.IsZero() {
		sum.At = opts.At.In(policy.Zone()).Format(time.RFC3339Nano)
	}
	for _, t := range tallies {
		t.addTo(sum)
	}
	return sum, nil
}

// replayTally is what one worker counts.
type replayTally struct {
	reading
	verdicts  ReplayCount
	reasons   map[rules.Reason]*ReplayCount
	rules     map[*rules.Rule]*ReplayCount
	countries map[rules.Country]*ReplayCount
	days      map[string]*ReplayCount
	shadows   map[string]int64

	zone        *time.Location
	from, until time.Time // the day of the last line
	today       *ReplayCount
}

func newReplayTally(zone *time.Location) *replayTally {
	return &replayTally{
		reasons: make(map[rules.Reason]*ReplayCount), rules: make(map[*rules.Rule]*ReplayCount), countries: make(map[rules.Country]*ReplayCount),
		days: make(map[string]*ReplayCount), shadows: make(map[string]int64), zone: zone,
	}
}

func (t *replayTally) count(r *recorded) {
	if r.rejected != nil {
		return
	}
	d := &r.judgements[0].decision
	t.verdicts.count(d.Verdict)
	under(t.reasons, d.Reason).count(d.Verdict)
	under(t.rules, d.Rule).count(d.Verdict)
	under(t.countries, d.Country).count(d.Verdict)
	t.day(r.entry.At).count(d.Verdict)
	for s := range d.Shadows {
		t.shadows[s.Rule.ID]++
	}
}

// under returns the count of a key.
func under[K comparable](counts map[K]*ReplayCount, key K) *ReplayCount {
	c, ok := counts[key]
	if !ok {
		c = new(ReplayCount)
		counts[key] = c
	}
	return c
}

// day returns the count of a day. Lines that follow one another are of the same day but for one in a night.
func (t *replayTally) day(at time.Time) *ReplayCount {
	if t.today != nil && !at.Before(t.from) && at.Before(t.until) {
		return t.today
	}
	local := at.In(t.zone)
	year, month, day := local.Date()
	t.from, t.until = time.Date(year, month, day, 0, 0, 0, 0, t.zone), time.Date(year, month, day+1, 0, 0, 0, 0, t.zone)
	t.today = under(t.days, local.Format(time.DateOnly))
	return t.today
}

func (t *replayTally) addTo(sum *Replay) {
	sum.add(&t.reading)
	sum.Verdicts.Allow, sum.Verdicts.Block = sum.Verdicts.Allow+t.verdicts.Allow, sum.Verdicts.Block+t.verdicts.Block
	addCounts(sum.Reasons, t.reasons, rules.Reason.String)
	addCounts(sum.Rules, t.rules, func(r *rules.Rule) string {
		if r == nil {
			return ""
		}
		return r.ID
	})
	addCounts(sum.Countries, t.countries, rules.Country.String)
	addCounts(sum.Days, t.days, func(day string) string { return day })
	for id, n := range t.shadows {
		sum.Shadows[id] += n
	}
}

func addCounts[K comparable](sum map[string]ReplayCount, counts map[K]*ReplayCount, name func(K) string) {
	for key, c := range counts {
		s := sum[name(key)]
		sum[name(key)] = ReplayCount{s.Allow + c.Allow, s.Block + c.Block}
	}
}
