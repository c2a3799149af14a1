package gateway

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"

	"gate451/gateway/console"
	"gate451/gateway/evidence"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// metrics are all that Prometheus is told. No label has a value that a client can choose.
type metrics struct {
	decisions        *prometheus.CounterVec
	notices          *prometheus.CounterVec
	previews         *prometheus.CounterVec
	decisionDuration prometheus.Histogram
	requests         *prometheus.CounterVec
	requestDuration  *prometheus.HistogramVec
	upstreamErrors   *prometheus.CounterVec
	rejected         *prometheus.CounterVec
	lookups          *prometheus.CounterVec
	traits           *prometheus.CounterVec
	headers          *prometheus.CounterVec
	heard            map[string]prometheus.Counter // the headers by result; nil if there is no such header
	databaseReloads  *prometheus.CounterVec
	databaseUpdates  *prometheus.CounterVec
	cartQuestions    *prometheus.CounterVec
	cartDuration     *prometheus.HistogramVec
	policyReloadOK   prometheus.Gauge
	policyReloadTime prometheus.Gauge

	ungoverned prometheus.Counter

	knownDecisions known[decisionKey, prometheus.Counter]
	knownLookups   known[string, prometheus.Counter]
	knownRequests  known[requestKey, prometheus.Counter]
	knownDurations known[string, prometheus.Observer]
}

// decisionKey is what the labels of a decision that counts are made from.
type decisionKey struct {
	verdict        rules.Verdict
	reason         rules.Reason
	rule, activity string
	country        rules.Country
}

// requestKey is what the labels of a request that was answered are made from.
type requestKey struct {
	route, method string
	status        int
}

// durations are the buckets, in seconds, of how long requests take.
var durations = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func newMetrics(r prometheus.Registerer, build Build) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "gate451", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "gate451", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "gate451", Name: name, Help: help, Buckets: buckets}, labels)
		r.MustRegister(v)
		return v
	}
	m := &metrics{
		decisions: counter("decisions_total", "Decisions, by what led to them. Those of shadow rules, and of rollouts for clients that they have not reached, have mode shadow and blocked nothing.",
			"verdict", "reason", "rule", "activity", "country", "mode"),
		notices: counter("notices_total", "Requests that passed with a Gate451-Notice, by the rule that will refuse them.",
			"rule", "activity", "country"),
		previews: counter("previews_total", "Previews that auditors asked for, by what came of them: block or allow, wrong_token or unclear. None is among the decisions.",
			"result"),
		decisionDuration: histogram("decision_duration_seconds", "Time to judge a request.",
			[]float64{.000001, .0000025, .000005, .00001, .000025, .00005, .0001, .00025, .001, .01}).WithLabelValues().(prometheus.Histogram),
		requests:         counter("http_requests_total", "Requests answered, by route, method and status code.", "route", "method", "code"),
		requestDuration:  histogram("http_request_duration_seconds", "Time from a request's header to the end of its answer.", durations, "route"),
		upstreamErrors:   counter("upstream_errors_total", "Failed attempts to have a request answered by an upstream.", "route", "cause"),
		rejected:         counter("requests_rejected_total", "Requests and connections refused because no honest client sends them so, or because no route is theirs.", "cause"),
		lookups:          counter("geoip_lookups_total", "Addresses located, by what came of it.", "result"),
		traits:           counter("geoip_traits_total", "Addresses located with a stale database, or that hide where the client is.", "trait"),
		databaseReloads:  counter("geoip_reloads_total", "Databases loaded again, or refused.", "database", "result"),
		databaseUpdates:  counter("geoip_updates_total", "Editions asked for, by what came of it: updated, unchanged or failed.", "edition", "result"),
		cartQuestions:    counter("cart_questions_total", "Questions to shops for a buyer's cart, by what came of them.", "route", "result"),
		cartDuration:     histogram("cart_question_duration_seconds", "Time from a question for a cart to the end of its answer.", durations, "route"),
		policyReloadOK:   gauge("policy_last_reload_successful", "Whether the last attempt to load the policy succeeded.").WithLabelValues(),
		policyReloadTime: gauge("policy_last_reload_success_timestamp_seconds", "When the policy was last loaded successfully.").WithLabelValues(),
	}
	m.headers = counter("geoip_header_total", "What trusted proxies said of the buyer's country in geoip.header, by what came of it.", "result")
	m.ungoverned = m.decisions.WithLabelValues(rules.Allow.String(), rules.ReasonUngoverned.String(), "", "", "", string(rules.Enforce))
	gauge("build_info", "The running build.", "version", "revision", "goversion").WithLabelValues(build.Version, build.Revision, runtime.Version()).Set(1)
	return m
}

// decided counts a decision, and what shadow rules would have done.
func (m *metrics) decided(j *judgement, took time.Duration) {
	m.decisionDuration.Observe(took.Seconds())
	m.located(&j.origin)
	d := &j.decision
	if !d.Governed() {
		m.ungoverned.Inc()
		return
	}
	m.knownDecisions.of(decisionKey{d.Verdict, d.Reason, d.RuleID(), d.Activity, d.Country}, func() prometheus.Counter {
		return m.decisions.WithLabelValues(d.Verdict.String(), d.Reason.String(), d.RuleID(), d.Activity, d.Country.String(), string(rules.Enforce))
	}).Inc()
	if d.Notice != nil {
		m.notices.WithLabelValues(d.Notice.ID, d.Notice.Activity, d.Country.String()).Inc()
	}
	for s := range d.Shadows {
		m.decisions.WithLabelValues(rules.Block.String(), s.Reason.String(), s.Rule.ID, s.Rule.Activity, s.Country.String(), string(rules.Shadow)).Inc()
	}
}

// hear lays out the counters of the header in which proxies name the country.
func (m *metrics) hear() {
	m.heard = make(map[string]prometheus.Counter)
	for _, result := range geoip.HeardResults() {
		m.heard[result] = m.headers.WithLabelValues(result)
	}
}

// answered counts a request that was answered, and how long that took.
func (m *metrics) answered(route, method string, status int, took time.Duration) {
	method = methodLabel(method)
	m.knownRequests.of(requestKey{route, method, status}, func() prometheus.Counter {
		return m.requests.WithLabelValues(route, method, statusLabel(status))
	}).Inc()
	m.knownDurations.of(route, func() prometheus.Observer { return m.requestDuration.WithLabelValues(route) }).Observe(took.Seconds())
}

// totals returns all decisions so far, as far as the console tells them apart.
func (m *metrics) totals() []console.Total {
	ch := make(chan prometheus.Metric)
	go func() {
		m.decisions.Collect(ch)
		close(ch)
	}()
	var all []prometheus.Metric
	for one := range ch { // quickly, as a new label waits until they are collected
		all = append(all, one)
	}
	sums := map[console.Key]int64{}
	for _, one := range all {
		var told dto.Metric
		if one.Write(&told) != nil { // unreachable: a counter can always be told
			continue
		}
		labels := map[string]string{}
		for _, l := range told.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		sums[console.Key{Kind: kindOf(labels), Rule: labels["rule"], Country: labels["country"]}] += int64(told.GetCounter().GetValue())
	}
	var totals []console.Total
	for key, n := range sums {
		totals = append(totals, console.Total{Key: key, N: n})
	}
	return totals
}

// kindOf is the kind of the decisions that some labels count.
func kindOf(labels map[string]string) console.Kind {
	switch {
	case labels["mode"] == string(rules.Shadow):
		return console.WouldBlock
	case labels["reason"] == rules.ReasonUngoverned.String():
		return console.Ungoverned
	case labels["verdict"] == rules.Block.String():
		return console.Blocked
	}
	return console.Allowed
}

func (m *metrics) located(o *rules.Origin) {
	result := lookupResult(o)
	m.knownLookups.of(result, func() prometheus.Counter { return m.lookups.WithLabelValues(result) }).Inc()
	if o.Traits.Has(rules.StaleDatabase) {
		m.traits.WithLabelValues("stale_database").Inc()
	}
	if o.Traits&(rules.Anonymized|rules.AlsoAnonymized) != 0 {
		m.traits.WithLabelValues("anonymized").Inc()
	}
}

func lookupResult(o *rules.Origin) string {
	switch {
	case o.Traits.Has(rules.UnusableClient):
		return "no_address"
	case o.Traits.Has(rules.PrivateNetwork):
		return "private_network"
	case o.Country == 0:
		return "unknown"
	case o.Source == "override":
		return "override"
	}
	return "country"
}

// policyLoaded tells what came of an attempt to load the policy.
func (m *metrics) policyLoaded(_ *rules.Policy, err error, at time.Time) {
	if err != nil {
		m.policyReloadOK.Set(0)
		return
	}
	m.policyReloadOK.Set(1)
	m.policyReloadTime.Set(float64(at.UnixNano()) / 1e9)
}

// policyCollector shows the policy that is in force at the time of the scrape.
type policyCollector struct{ policy *policySource }

var (
	policyInfo    = prometheus.NewDesc("gate451_policy_info", "The policy in force.", []string{"digest"}, nil)
	ruleEffective = prometheus.NewDesc("gate451_rule_effective_timestamp_seconds",
		"When a rule is announced (boundary notice_from), begins (from) and ends (until).", []string{"rule", "boundary"}, nil)
)

// Describe implements prometheus.Collector.
func (c policyCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- policyInfo
	ch <- ruleEffective
}

// Collect implements prometheus.Collector.
func (c policyCollector) Collect(ch chan<- prometheus.Metric) {
	p := c.policy.current.Load()
	ch <- prometheus.MustNewConstMetric(policyInfo, prometheus.GaugeValue, 1, p.Digest())
	for _, rule := range p.Rules() {
		for boundary, at := range map[string]time.Time{"notice_from": rule.NoticeFrom, "from": rule.Effective.From, "until": rule.Effective.Until} {
			if !at.IsZero() {
				ch <- prometheus.MustNewConstMetric(ruleEffective, prometheus.GaugeValue, float64(at.Unix()), rule.ID, boundary)
			}
		}
	}
}

// evidenceCollector shows how the evidence is doing.
type evidenceCollector struct{ evidence *evidence.Log }

var (
	evidenceRecords = prometheus.NewDesc("gate451_evidence_records_total",
		"Records of decisions: written to disk, lost by best_effort, or failed with the request answered 503.", []string{"result"}, nil)
	evidenceQueue    = prometheus.NewDesc("gate451_evidence_queue_length", "Records that wait to be written.", nil, nil)
	evidenceLines    = prometheus.NewDesc("gate451_evidence_lines", "Lines of the evidence, its tree's leaves.", nil, nil)
	evidenceLastSync = prometheus.NewDesc("gate451_evidence_last_sync_seconds", "How long the disk took to make the newest records durable.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c evidenceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{evidenceRecords, evidenceQueue, evidenceLines, evidenceLastSync} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (c evidenceCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.evidence.Stats()
	for result, n := range map[string]int64{"written": s.Written, "lost": s.Lost, "failed": s.Failed} {
		ch <- prometheus.MustNewConstMetric(evidenceRecords, prometheus.CounterValue, float64(n), result)
	}
	ch <- prometheus.MustNewConstMetric(evidenceQueue, prometheus.GaugeValue, float64(s.Waiting))
	ch <- prometheus.MustNewConstMetric(evidenceLines, prometheus.GaugeValue, float64(s.Lines))
	ch <- prometheus.MustNewConstMetric(evidenceLastSync, prometheus.GaugeValue, s.LastSync.Seconds())
}

// databaseCollector shows the build times of the databases that are loaded at the time of the scrape.
type databaseCollector struct{ places *geoip.Locator }

var databaseBuilt = prometheus.NewDesc("gate451_geoip_build_timestamp_seconds", "When a database was built.", []string{"database"}, nil)

// Describe implements prometheus.Collector.
func (c databaseCollector) Describe(ch chan<- *prometheus.Desc) { ch <- databaseBuilt }

// Collect implements prometheus.Collector.
func (c databaseCollector) Collect(ch chan<- prometheus.Metric) {
	for _, db := range c.places.Databases() {
		ch <- prometheus.MustNewConstMetric(databaseBuilt, prometheus.GaugeValue, float64(db.Built.Unix()), db.Name)
	}
}

// methodLabel keeps a method that a client made up out of the labels.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
