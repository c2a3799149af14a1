package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"gate451/config"
	"gate451/gateway/fleet"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// LatestGeneration is what PushPolicy expects to replace if any generation will do.
const LatestGeneration = fleet.Latest

// Operator does with a fleet what operators do. It is not one of its replicas.
type Operator struct {
	cfg   *config.Config
	fleet *fleet.Fleet
	now   func() time.Time
}

// Operate returns an Operator of the fleet that a configuration names. Whoever is done with it calls Close.
func Operate(cfg *config.Config, opts Options) (*Operator, error) {
	opts = opts.withDefaults()
	if len(cfg.Redis.Addrs) == 0 {
		return nil, cfg.Problem(&cfg.Redis, "the gateway is one of no fleet; name the fleet's Redis under redis.addrs")
	}
	c, err := fleetConfig(cfg, opts.Build)
	if err != nil {
		return nil, err
	}
	c.StateFile = "" // it belongs to the replica
	f, err := fleet.New(c, fleet.Options{Logger: opts.Logger, Now: opts.Now})
	if err != nil {
		return nil, cfg.Problem(&cfg.Redis.Addrs, err.Error())
	}
	return &Operator{cfg: cfg, fleet: f, now: opts.Now}, nil
}

// Close ends the connections to Redis.
func (o *Operator) Close() { _ = o.fleet.Close() } // nothing is under way

// Push publishes a policy file for the whole fleet, in place of the generation that is expected, and returns its
// generation and the policy. It publishes nothing that does not load, or that the databases of the configuration could not
// decide; an error is then of type rules.Problems.
func (o *Operator) Push(ctx context.Context, file, who string, expected int64) (generation int64, p *rules.Policy, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, nil, fmt.Errorf("%w; name a readable policy file", err)
	}
	if p, err = rules.Parse(file, text); err != nil {
		return 0, nil, err
	}
	places, err := openPlaces(o.cfg, geoip.Options{Now: o.now})
	if err != nil {
		return 0, nil, err
	}
	if err := p.Undecided(places.Divides); err != nil {
		return 0, nil, err
	}
	generation, err = o.fleet.Push(ctx, text, p.Digest(), who, expected)
	return generation, p, err
}

// Pause takes a rule out of force on every replica until an instant.
func (o *Operator) Pause(ctx context.Context, rule string, until time.Time, note, who string) (generation int64, err error) {
	status, err := o.fleet.Status(ctx)
	if err != nil {
		return 0, err
	}
	p, err := o.published(&status)
	if err != nil {
		return 0, err
	}
	if _, err := p.Paused([]rules.Pause{{Rule: rule, Effective: rules.Interval{Until: until}}}); err != nil {
		return 0, err
	}
	return o.fleet.Pause(ctx, rule, until, note, who)
}

// published is the policy that the fleet has published, or else that of the configuration.
func (o *Operator) published(status *fleet.Status) (*rules.Policy, error) {
	if status.Published != nil && len(status.Published.Text) > 0 {
		return rules.Parse("the published policy", status.Published.Text)
	}
	return LoadPolicy(o.cfg)
}

// Resume puts a paused rule back into force on every replica.
func (o *Operator) Resume(ctx context.Context, rule, who string) (generation int64, err error) {
	return o.fleet.Resume(ctx, rule, who)
}

// FleetStatus says what a fleet has published and what its replicas run.
type FleetStatus struct {
	// Generation is 0 if nothing is published. Policy is empty if only pauses are, and each replica decides by its file.
	Generation int64         `json:"generation"`
	Policy     string        `json:"policy"`
	By         string        `json:"by"`
	At         time.Time     `json:"at,omitzero"`
	Pauses     []PauseStatus `json:"pauses"`
	Replicas   []Replica     `json:"replicas"`
	// Counts are the governed decisions of all replicas, by day, rule, country and verdict.
	Counts []DecisionCount `json:"counts,omitempty"`
	// Agreed reports whether all replicas run the published generation, or one policy if none is published.
	Agreed bool `json:"agreed"`
}

// PauseStatus is a rule that is paused.
type PauseStatus = fleet.Pause

// Replica is a replica that showed itself within the last seconds.
type Replica struct {
	fleet.Replica
	// Seen is how long ago that was.
	Seen time.Duration `json:"seen_ns"`
}

// DecisionCount is how often something was decided on one day, in the zone of the policy. No rule means that no single one
// led to the decision, and no country that it was unknown.
type DecisionCount struct {
	Day     string `json:"day"`
	Rule    string `json:"rule"`
	Country string `json:"country"`
	Verdict string `json:"verdict"`
	Count   int64  `json:"count"`
}

// Counts returns what all replicas have decided within a number of days, today included. Replicas write what they count
// every few seconds.
func (o *Operator) Counts(ctx context.Context, days int) ([]DecisionCount, error) {
	status, err := o.fleet.Status(ctx)
	if err != nil {
		return nil, err
	}
	p, err := o.published(&status)
	if err != nil {
		return nil, err
	}
	today := fleet.DayOf(status.Time.In(p.Zone()))
	counts, err := o.fleet.Counters(ctx, today-fleet.Day(days-1), today)
	all := []DecisionCount{}
	for _, c := range counts {
		all = append(all, DecisionCount{c.Day.String(), c.Rule, c.Country, c.Verdict, c.N})
	}
	return all, err
}

// Status asks Redis what is published and who runs what.
func (o *Operator) Status(ctx context.Context) (*FleetStatus, error) {
	status, err := o.fleet.Status(ctx)
	if err != nil {
		return nil, err
	}
	s := &FleetStatus{Pauses: []PauseStatus{}, Replicas: []Replica{}}
	if p := status.Published; p != nil {
		s.Generation, s.Policy, s.By, s.At = p.Generation, p.Digest, p.By, p.At
		for _, pause := range p.Pauses {
			if status.Time.Before(pause.Until) {
				s.Pauses = append(s.Pauses, pause)
			}
		}
	}
	for _, r := range status.Replicas {
		s.Replicas = append(s.Replicas, Replica{r, max(0, status.Time.Sub(r.Seen))})
	}
	s.Agreed = !slices.ContainsFunc(s.Replicas, func(r Replica) bool {
		return r.Generation != s.Generation || r.Digest != s.Replicas[0].Digest || s.Policy != "" && r.Digest != s.Policy
	})
	return s, nil
}

// ErrDisagree says that replicas of the fleet run different policies.
var ErrDisagree = errors.New("not every replica runs the published policy; gate451 policy status shows which, and why")

// Await waits until all replicas run a generation, or a later one, and returns how that went; ErrDisagree if some do not
// when the context ends.
func (o *Operator) Await(ctx context.Context, generation int64) (*FleetStatus, error) {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		s, err := o.Status(ctx)
		if err == nil && s.Agreed && s.Generation >= generation {
			return s, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return s, ErrDisagree
		}
	}
}
