package gateway

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
	"gate451/gateway/fleet"
	"gate451/rules"
)

// fleetConfig says how to reach the fleet of a configuration.
func fleetConfig(cfg *config.Config, build Build) (fleet.Config, error) {
	r := &cfg.Redis
	name, err := replicaName(cfg)
	if err != nil {
		return fleet.Config{}, cfg.Problem(&cfg.Replica, err.Error())
	}
	c := fleet.Config{
		Addrs: r.Addrs, MasterName: r.MasterName, Username: r.Username, Password: string(r.Password), SentinelUsername: r.SentinelUsername,
		SentinelPassword: string(r.SentinelPassword), KeyPrefix: r.KeyPrefix, Timeout: r.Timeout, Replica: name, Version: build.Version, StateFile: r.StateFile,
		StreamLines: r.StreamLines,
	}
	if r.TLS.On() {
		c.TLS = &fleet.TLS{CAFile: r.TLS.CAFile, CertFile: r.TLS.CertFile, KeyFile: r.TLS.KeyFile, ServerName: r.TLS.ServerName}
	}
	return c, nil
}

// join makes this gateway one of a fleet, if the configuration has one. What was kept of the fleet's policy is in force
// when it returns; Redis need not be there.
func (g *Gateway) join(opts Options) error {
	if len(g.cfg.Redis.Addrs) == 0 {
		return nil
	}
	c, err := fleetConfig(g.cfg, opts.Build)
	if err != nil {
		return err
	}
	o := fleet.Options{Logger: g.log, Now: opts.Now, Apply: g.policy.take, Running: g.runs}
	if g.cfg.Redis.StreamLines > 0 && g.recorder != nil {
		o.Source = g.recorder.evidence
	}
	if g.fleet, err = fleet.New(c, o); err != nil {
		return g.cfg.Problem(&g.cfg.Redis.Addrs, err.Error())
	}
	if g.recorder != nil {
		share := func(checkpoint []byte) {
			if err := g.fleet.PutCheckpoint(checkpoint); err != nil {
				g.log.Error("the evidence's checkpoint is not shared", slog.Any("error", err))
			}
		}
		g.recorder.shared.Store(&share)
	}
	g.registry.MustRegister(fleetCollector{g.fleet})
	return nil
}

// share takes part in the fleet until leave is called, which returns when that has ended.
func (g *Gateway) share() (leave func()) {
	if g.fleet == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		g.fleet.Run(ctx)
		_ = g.fleet.Close() // connections that nobody uses any more
	}()
	return func() {
		cancel()
		<-ended
	}
}

// runs says what this replica runs, for the others.
func (g *Gateway) runs() fleet.Running {
	running := fleet.Running{Digest: g.policy.current.Load().Digest()}
	for _, db := range g.places.Databases() {
		if !db.Anonymous {
			running.Database = db.Build
			break
		}
	}
	return running
}

// count counts a governed decision for the whole fleet.
func (e *Enforcer) count(d *rules.Decision) {
	if e.fleet != nil && d.Governed() {
		e.fleet.Count(d.RuleID(), d.Country.String(), d.Verdict.String(), fleet.DayOf(d.At))
	}
}

// fleetCollector shows the fleet as this replica sees it.
type fleetCollector struct{ fleet *fleet.Fleet }

var (
	redisUp        = prometheus.NewDesc("gate451_redis_up", "Whether Redis answers.", nil, nil)
	fleetReplicas  = prometheus.NewDesc("gate451_fleet_replicas", "Replicas that showed themselves lately, as Redis was last heard.", nil, nil)
	fleetDigests   = prometheus.NewDesc("gate451_fleet_policy_digests", "Different policies that decide on them; more than one is drift.", nil, nil)
	fleetOffset    = prometheus.NewDesc("gate451_fleet_clock_offset_seconds", "How far this replica's clock is ahead of Redis'.", nil, nil)
	fleetPublished = prometheus.NewDesc("gate451_fleet_policy_generation", "The generation of the fleet's policy that is in force here; 0 if none is.", nil, nil)
	fleetRefused   = prometheus.NewDesc("gate451_fleet_policy_refused", "Whether the fleet's newest policy is not in force here because it is no good.", nil, nil)
	shipWaiting    = prometheus.NewDesc("gate451_evidence_stream_lines", "How many lines of the evidence have been shipped to Redis and collected from there, and how many wait there.", []string{"place"}, nil)
)

// Describe implements prometheus.Collector.
func (c fleetCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{redisUp, fleetReplicas, fleetDigests, fleetOffset, fleetPublished, fleetRefused, shipWaiting} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c fleetCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	gauge(redisUp, one(c.fleet.Up()))
	gauge(fleetReplicas, float64(len(c.fleet.Replicas())))
	gauge(fleetDigests, float64(c.fleet.Digests()))
	gauge(fleetOffset, c.fleet.ClockOffset().Seconds())
	var generation int64
	if p := c.fleet.Current(); p != nil {
		generation = p.Generation
	}
	gauge(fleetPublished, float64(generation))
	gauge(fleetRefused, one(c.fleet.Refused() != ""))
	s := c.fleet.Shipping()
	for place, n := range map[string]int64{"shipped": s.Shipped, "collected": s.Collected, "waiting": s.Waiting} {
		gauge(shipWaiting, float64(n), place)
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
