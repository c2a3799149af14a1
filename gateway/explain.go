package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gate451/config"
	"gate451/gateway/canonical"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// Question describes a request, to be judged as if it had come.
type Question struct {
	// IP is the address at the other end of the connection: the buyer's, unless it is a trusted proxy's.
	IP netip.Addr
	// URL is what is asked for, with scheme and host. Its path and query count as they are written.
	URL string
	// Method is the HTTP method; GET if it is empty.
	Method string
	// Header has the further header fields.
	Header http.Header
	// At is the instant at which it is judged.
	At time.Time
}

// request makes the request that a server would have read.
func (q *Question) request() (*http.Request, error) {
	scheme, rest, ok := strings.Cut(q.URL, "://")
	u, err := url.Parse(scheme + "://" + strings.TrimRight(rest[:min(strings.IndexAny(rest+"/", "/?#"), len(rest))], "/?#"))
	if !ok || err != nil || u.Host == "" || scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("%q is no URL; expected one such as https://shop.example/checkout", q.URL)
	}
	host := u.Host
	target := rest[len(host):]
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	r := &http.Request{
		Method: q.Method, Host: host, RequestURI: target, Header: q.Header, URL: &url.URL{Path: target}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: netip.AddrPortFrom(q.IP, 0).String(),
	}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	return r, nil
}

// Account is the answer to a Question: the decision, and the way that led to it.
type Account struct {
	question Question
	request  *http.Request
	judgement
	rejected    *canonical.Malformed
	whereabouts geoip.Report
	explanation rules.Explanation
}

// Explain judges a described request as the gateway would. The error says what is wrong with the question or the
// configuration; a request that the gateway would reject is no error.
func Explain(cfg *config.Config, opts Options, q Question) (*Account, error) {
	opts.Now = func() time.Time { return q.At }
	e, err := NewEnforcer(cfg, opts)
	if err != nil {
		return nil, err
	}
	a := &Account{question: q}
	if a.request, err = q.request(); err != nil {
		return nil, err
	}
	if err := e.judge.judge(a.request, &a.judgement); err != nil {
		a.rejected, _ = err.(*canonical.Malformed) //nolint:errorlint // judge returns no other type, and none wrapped
		return a, nil
	}
	a.whereabouts = e.places.Lookup(a.client.Addr, q.At)
	a.explanation = a.policy.Explain(&a.judgement.request, &a.origin, q.At)
	return a, nil
}

// Record returns the decision's fields. The error says why there is none: the request is rejected as malformed.
func (a *Account) Record() (rules.Record, error) {
	if a.rejected != nil {
		return rules.Record{}, fmt.Errorf("the request is answered %d, unjudged: %w", a.rejected.Status, a.rejected)
	}
	return a.decision.Record(), nil
}

// Steps tells the way to the decision, for people: one step a line, each with a word for what it is about.
func (a *Account) Steps() []Step {
	steps := []Step{{"request", a.request.Method + " " + a.question.URL}, {"instant", a.question.At.Format(time.RFC3339Nano)}}
	if a.rejected != nil {
		return append(steps, Step{"verdict", fmt.Sprintf("rejected with %d (%s): %v", a.rejected.Status, a.rejected.Cause, a.rejected)})
	}
	steps = append(steps, a.clientStep())
	steps = append(steps, a.countrySteps()...)
	for _, reading := range a.explanation.Readings {
		steps = append(steps, readingStep(reading))
		for _, rule := range reading.Rules {
			if rule.Claims {
				steps = append(steps, Step{"rule", rule.Rule.ID + " " + ruleWords(rule, a.policy.Zone())})
			}
		}
	}
	for s := range a.decision.Shadows {
		steps = append(steps, Step{"shadow", s.Rule.ID + " would block: " + s.Reason.String()})
	}
	verdict := strings.ToUpper(a.decision.Verdict.String()) + ", " + a.decision.Reason.String()
	if a.decision.Rule != nil {
		verdict += ", by " + a.decision.Rule.ID
	}
	return append(steps, Step{"verdict", verdict}, Step{"policy", a.decision.Policy})
}

// Step is one step of the way to a decision.
type Step struct {
	About, Text string
}

func (a *Account) clientStep() Step {
	switch {
	case a.clientErr != nil:
		return Step{"client", "unusable: " + a.clientErr.Error()}
	case a.client.Hop > 0:
		return Step{"client", fmt.Sprintf("%v, hop %d from the right of %s, told by the trusted proxy %v", a.client.Addr, a.client.Hop, a.client.Header, a.client.Peer)}
	}
	return Step{"client", fmt.Sprintf("%v, the connection's own address", a.client.Addr)}
}

func (a *Account) countrySteps() []Step {
	var steps []Step
	w := &a.whereabouts
	if w.Carrier != "" {
		steps = append(steps, Step{"country", fmt.Sprintf("%v is judged by %v, which it carries by %s", a.client.Addr, w.Judged, w.Carrier)})
	}
	if w.NonPublic.IsValid() {
		steps = append(steps, Step{"country", fmt.Sprintf("%v is not a public address: it is in %v", w.Judged, w.NonPublic)})
	}
	for _, f := range w.Findings {
		said := "does not know it"
		switch {
		case f.Err != nil:
			said = "cannot be read: " + f.Err.Error()
		case f.Country != 0:
			said = "says " + strings.Join(append([]string{f.Country.String()}, f.Subdivisions...), " ")
		case len(f.Said) > 0:
			said = "says " + strings.Join(f.Said, " ")
		}
		if f.Traits.Has(rules.StaleDatabase) {
			said += ", and is older than geoip.max_age"
		}
		steps = append(steps, Step{"country", fmt.Sprintf("%s %s (%v)", f.Source, said, f.Network)})
	}
	country := a.origin.Country.String()
	if country == "" {
		country = "unknown"
	}
	for _, other := range a.origin.Others {
		country += " and " + other.String()
	}
	return append(steps, Step{"country", country})
}

func readingStep(reading rules.ReadingStep) Step {
	if len(reading.Activities) == 0 {
		return Step{"reading", fmt.Sprintf("%q: no activity claims it", reading.Path)}
	}
	text := fmt.Sprintf("%q: activity %s", reading.Path, strings.Join(reading.Activities, ", "))
	if len(reading.Products) > 0 {
		text += "; product " + strings.Join(reading.Products, ", ")
	}
	return Step{"reading", text}
}

// ruleWords says why a rule that is about the activity does what it does.
func ruleWords(s rules.RuleStep, zone *time.Location) string {
	switch {
	case !s.Concerns:
		return "is not about the product (it is about " + strings.Join(s.Rule.Products, ", ") + ")"
	case !s.Applies:
		return "does not list the country"
	case s.Reason == rules.ReasonNotEffective:
		return "lists it, but is not effective: " + intervalWords(s.Rule.Effective, zone)
	case s.Reason == rules.ReasonExempt:
		text := "exempts it"
		if s.Exception.Note != "" {
			text += ": " + s.Exception.Note
		}
		return text
	}
	verb := "blocks it: "
	switch {
	case s.Verdict == rules.Allow:
		verb = "allows it: "
	case s.Rule.Mode == rules.Shadow:
		verb = "is in shadow mode and would block it: "
	}
	return verb + s.Reason.String() + ", effective " + intervalWords(s.Rule.Effective, zone)
}

func intervalWords(i rules.Interval, zone *time.Location) string {
	var words []string
	if !i.From.IsZero() {
		words = append(words, "from "+i.From.In(zone).Format(time.RFC3339Nano))
	}
	if !i.Until.IsZero() {
		words = append(words, "until "+i.Until.In(zone).Format(time.RFC3339Nano))
	}
	if len(words) == 0 {
		return "always"
	}
	return strings.Join(words, " ")
}
