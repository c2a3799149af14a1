package gateway

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"gate451/gateway/geoip"
	"gate451/rules"
)

// hear adds what a trusted proxy says to the origin.
func (w *judge) hear(r *http.Request, j *judgement) {
	if heard, asked := w.heard(r, j); asked {
		heard.Add(&j.origin)
	}
}

// heard returns what a trusted proxy says of the client's country, and whether one is asked at all: the one that also said
// which address is the client's, and nobody else.
func (w *judge) heard(r *http.Request, j *judgement) (geoip.Heard, bool) {
	if w.header == "" || j.client.Header == "" || w.stated != nil {
		return geoip.Heard{}, false
	}
	return geoip.Hear(r.Header[w.header]), true
}

// decides reports whether the policy can be decided with databases that tell the parts of some countries. The error says where
// the policy names parts of others.
func (s *policySource) decides(p *rules.Policy) error {
	if s.divides == nil {
		return nil
	}
	return p.Undecided(s.divides)
}

// replace puts new databases into use if the policy in force can be decided with them. No other policy comes into force
// meanwhile.
func (s *policySource) replace(divides func(rules.Country) bool, replace func()) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	if p := s.current.Load(); p != nil {
		if err := p.Undecided(divides); err != nil {
			return fmt.Errorf("the policy in force cannot be decided with them: %w", err)
		}
	}
	replace()
	return nil
}

// countSources counts what a proxy says of the country, and who disagrees about a client of whom more than one country counts.
func (e *Enforcer) countSources(r *http.Request, j *judgement) {
	if e.header == "" && len(j.origin.Others) == 0 {
		return
	}
	heard, asked := e.heard(r, j)
	if asked {
		e.metrics.heard[heard.Result()].Inc()
	}
	if len(j.origin.Others) > 0 {
		e.places.Dispute(j.origin.Client, &heard)
	}
}

// sources says for the evidence which source said what, where that is more than one database's word.
func (e *Enforcer) sources(r *http.Request, j *judgement) string {
	o := &j.origin
	switch {
	case o.Database == "": // no database was asked, be it because of an override
		return ""
	case e.cfg.GeoIP.Decide == string(geoip.Any) && (len(o.Others) > 0 || o.Traits&(rules.AlsoAnonymized|rules.AlsoUnknown) != 0 || len(e.cfg.GeoIP.Fields) > 0):
		heard, _ := e.heard(r, j)
		return e.places.Sources(o.Client, &heard)
	case len(e.cfg.GeoIP.Fields) > 0 && o.Country != 0:
		return o.Source + " " + o.Country.String()
	}
	return ""
}

// disagreementCollector shows how often each pair of sources has named different countries.
type disagreementCollector struct{ places *geoip.Locator }

var disagreements = prometheus.NewDesc("gate451_geoip_disagreements_total",
	"Requests for whose address two sources named different countries, by pair; counted where decide: any asks more than one.", []string{"a", "b"}, nil)

// Describe implements prometheus.Collector.
func (c disagreementCollector) Describe(ch chan<- *prometheus.Desc) { ch <- disagreements }

// Collect implements prometheus.Collector.
func (c disagreementCollector) Collect(ch chan<- prometheus.Metric) {
	for _, d := range c.places.Disagreements() {
		ch <- prometheus.MustNewConstMetric(disagreements, prometheus.CounterValue, float64(d.N), d.A, d.B)
	}
}
