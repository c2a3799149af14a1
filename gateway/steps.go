package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gate451/gateway/geoip"
	"gate451/rules"
)

// Step is one step of the way to a decision, in words for people.
type Step struct {
	About, Text string
}

// Steps tells the way to the decision from the request to the verdict, for people.
func (a *Account) Steps() []Step {
	request := a.request.Method + " " + shown(a.question.URL)
	if host := a.question.Header.Get("Host"); host != "" {
		request += ", Host: " + shown(host)
	}
	steps := []Step{{"request", request}, {"instant", fmt.Sprintf("%s (%v)", a.instant(a.question.At), a.zone)}}
	if a.rejected != nil {
		return append(steps, Step{"verdict", fmt.Sprintf("REJECTED, answered %d: %s", a.rejected.Status, a.rejected.Detail)})
	}
	steps = append(steps, Step{"client", a.clientWords()})
	steps = append(steps, a.countrySteps()...)
	for _, reading := range a.explanation.Readings {
		steps = append(steps, Step{"reading", readingWords(reading)})
		steps = append(append(steps, carriedSteps(reading.Carried)...), a.cartSteps(reading.Carried)...)
		for _, b := range reading.Belongings {
			steps = append(steps, Step{"catalogue", belongingWords(b)})
		}
		for _, rule := range reading.Rules {
			if rule.Claims {
				steps = append(steps, Step{"rule", rule.Rule.ID + " " + a.ruleWords(rule)})
			}
		}
	}
	return append(steps, a.verdictSteps()...)
}

// shown returns a text as it is, or quoted if a terminal could take it for more than text.
func shown(text string) string {
	if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text {
		return quoted
	}
	return text
}

func (a *Account) instant(at time.Time) string { return at.In(a.zone).Format(time.RFC3339Nano) }

func (a *Account) clientWords() string {
	switch {
	case a.clientErr != nil:
		return "cannot be established: " + a.clientErr.Error()
	case a.client.Hop > 0:
		return fmt.Sprintf("%v, number %d from the right in %s, which the trusted proxy %v sent", a.client.Addr, a.client.Hop, a.client.Header, a.client.Peer)
	}
	return fmt.Sprintf("%v, the other end of the connection", a.client.Addr)
}

func (a *Account) countrySteps() []Step {
	var steps []Step
	w := &a.whereabouts
	if w.Carrier != "" {
		steps = append(steps, Step{"client", fmt.Sprintf("judged by %v, which the address carries (%s)", w.Judged, w.Carrier)})
	}
	if w.NonPublic.IsValid() {
		steps = append(steps, Step{"client", fmt.Sprintf("not a public address: it is in %v", w.NonPublic)})
	}
	for _, f := range w.Findings {
		steps = append(steps, Step{"source", f.Source + ": " + findingWords(f)})
	}
	if a.unheard {
		steps = append(steps, Step{"source", geoip.SourceHeader + ": not looked at, because no trusted proxy has told the client's address"})
	}
	return append(steps, Step{"country", originWords(&a.origin)})
}

func findingWords(f geoip.Finding) string {
	if f.Source == geoip.SourceHeader {
		return heardWords(f)
	}
	var text string
	switch {
	case f.Err != nil:
		text = "cannot be read: " + f.Err.Error()
	case !f.Network.IsValid():
		text = "has no addresses of this kind"
	case f.Country != 0:
		text = strings.Join(append([]string{f.Country.String()}, f.Subdivisions...), ", ")
	case len(f.Said) > 0:
		text = strings.Join(f.Said, ", ")
	default:
		text = "nothing"
	}
	if f.Network.IsValid() {
		text += fmt.Sprintf(" for %v", f.Network)
	}
	if f.Traits.Has(rules.StaleDatabase) {
		text += "; the database is older than geoip.max_age"
	}
	return text
}

// heardWords says what a proxy in front has said.
func heardWords(f geoip.Finding) string {
	if !f.Found {
		return "the proxy has sent none"
	}
	var lines []string
	for _, line := range f.Said {
		lines = append(lines, strconv.Quote(line))
	}
	text := strings.Join(lines, " and ")
	switch {
	case f.Traits.Has(rules.AlsoUnknown):
		text += ", of which not all can be read, so that the country may be any as well"
	case f.Traits.Has(rules.AlsoAnonymized):
		text += ", by which the buyer hides"
	case f.Country == 0:
		text += ", which is no country"
	}
	return text
}

func originWords(o *rules.Origin) string {
	text := "unknown"
	if o.Country != 0 {
		text = fmt.Sprintf("%v, %s", o.Country, o.Country.Name())
	}
	for _, other := range o.Others {
		text += fmt.Sprintf("; and %v, %s", other, other.Name())
	}
	if len(o.Subdivisions) > 0 {
		text += " (" + strings.Join(o.Subdivisions, ", ") + ")"
	}
	return text
}

func readingWords(reading rules.ReadingStep) string {
	text := strconv.Quote(reading.Path)
	if len(reading.Activities) == 0 {
		return text + " is no activity of the policy"
	}
	text += " is activity " + strings.Join(reading.Activities, ", ")
	if len(reading.Products) > 0 {
		text += ", product " + strings.Join(reading.Products, ", ")
	}
	return text
}

// carriedSteps says what was read of the request beside its path. What several places of the policy say alike is said once,
// and that nothing is carried only if none found anything.
func carriedSteps(all []rules.Carried) []Step {
	if len(all) == 0 {
		return nil
	}
	var steps []Step
	for i := range all {
		if words := carriedWords(&all[i]); words != "" && !slices.Contains(steps, Step{"carries", words}) {
			steps = append(steps, Step{"carries", words})
		}
	}
	if len(steps) == 0 {
		return []Step{{"carries", "no product where the activity has them"}}
	}
	return steps
}

// carriedWords says what was found in one place of the policy, or is empty.
func carriedWords(c *rules.Carried) string {
	var words []string
	for _, id := range c.IDs {
		words = append(words, strconv.Quote(id))
	}
	for _, row := range c.Rows {
		words = append(words, "row "+strconv.Quote(row)+" of the cart")
	}
	text := strings.Join(words, ", ")
	switch {
	case c.Unsent:
		return "a persisted query whose document is not known here"
	case c.Undetermined:
		text += "; what else it may carry could not be read"
	}
	return strings.TrimPrefix(text, "; ")
}

// belongingWords says by which row of which catalogue an id is one of a product's.
func belongingWords(b rules.Belonging) string {
	row := func(p rules.Place) string { return fmt.Sprintf("%s:%d", p.File, p.Line) }
	why := "whose columns are what the policy asks for"
	if b.SKU != "" {
		why = "whose id " + strconv.Quote(b.SKU) + " the policy names"
	}
	text := fmt.Sprintf("%s is of product %s: it stands in %s, ", strconv.Quote(b.ID), b.Product, row(b.Good))
	if b.Member != b.Good {
		text += "which is of one family with " + row(b.Member) + ", "
	}
	return text + why
}

// cartSteps says what the shop would be asked.
func (a *Account) cartSteps(all []rules.Carried) []Step {
	var steps []Step
	for i, carrier := range a.carriers {
		c := &a.judgement.request.Carried[i]
		if !carrier.Asks(c) || !slices.ContainsFunc(all, func(here rules.Carried) bool { return here.Carrier == c.Carrier }) {
			continue
		}
		words := "the request does not say which one it is about"
		if q, ok := questionOf(a.request, carrier, c); ok {
			words = "would be asked for: GET " + shown(q.target)
			if q.query != "" {
				words = "would be asked for: POST " + shown(q.target) + ", " + shown(q.query)
			}
			words += ", within " + carrier.Cart.Within.String() + "; here nobody is asked"
		}
		if step := (Step{"cart", words}); !slices.Contains(steps, step) {
			steps = append(steps, step)
		}
	}
	return steps
}

// ruleWords says what a rule that is about the activity does, and why.
func (a *Account) ruleWords(s rules.RuleStep) string {
	force := a.intervalWords(s.Rule.Effective)
	switch {
	case !s.Concerns:
		return "is about other products: " + strings.Join(s.Rule.Products, ", ")
	case !s.Applies:
		return "does not list " + countriesOf(&a.origin)
	case s.Announced:
		return "is not effective yet: " + force + "; announced since " + a.instant(s.Rule.NoticeFrom)
	case s.Reason == rules.ReasonNotEffective && a.decision.At.Before(s.Rule.Effective.From):
		return "is not effective yet: " + force
	case s.Reason == rules.ReasonNotEffective:
		return "is no longer effective: " + force
	case s.Reason == rules.ReasonPaused:
		return strings.TrimSuffix("is paused "+a.intervalWords(s.Rule.Pause.Effective)+": "+s.Rule.Pause.Note, ": ")
	case s.Reason == rules.ReasonExempt:
		return strings.TrimSuffix("is lifted by an exception: "+s.Exception.Note, ": ")
	}
	does := "blocks: "
	switch {
	case s.Verdict == rules.Allow:
		does = "allows: "
	case s.Rule.Mode == rules.Shadow:
		does = "would block, but is in shadow mode: "
	case s.Outside:
		does = "would block, but its rollout to " + s.Rule.Rollout.String() + " of clients has not reached this one: "
	}
	return does + a.reasonWords(s.Reason, s.Country) + "; effective " + force
}

// countriesOf names the countries that count, and the parts of them.
func countriesOf(o *rules.Origin) string {
	codes := []string{o.Country.String()}
	for _, other := range o.Others {
		codes = append(codes, other.String())
	}
	return strings.Join(append(codes, o.Subdivisions...), ", ")
}

func (a *Account) intervalWords(i rules.Interval) string {
	var words []string
	if !i.From.IsZero() {
		words = append(words, "from "+a.instant(i.From))
	}
	if !i.Until.IsZero() {
		words = append(words, "until "+a.instant(i.Until))
	}
	if len(words) == 0 {
		return "at all times"
	}
	return strings.Join(words, " ")
}

func (a *Account) verdictSteps() []Step {
	var steps []Step
	d := &a.decision
	for s := range d.Shadows {
		steps = append(steps, Step{"shadow", s.Rule.ID + " would block: " + s.Reason.String()})
	}
	if notice := noticeHeader(d, a.policy, a.words, a.request.Header); notice != "" {
		steps = append(steps, Step{"notice", notice})
	}
	text := "ALLOW"
	switch {
	case a.unsent:
		text = "BLOCK, answered 200 PersistedQueryNotFound for the client to send the document"
	case d.Verdict == rules.Block:
		text = "BLOCK, answered 451"
	}
	text += ": " + d.Reason.String() + " (" + a.reasonWords(d.Reason, d.Country) + ")"
	if d.Rule != nil {
		text += ", by " + d.Rule.ID
	}
	steps = append(steps, Step{"verdict", text})
	if d.Verdict == rules.Allow && a.routes != nil {
		steps = append(steps, Step{"route", a.routeWords()})
	}
	return append(steps, Step{"policy", d.Policy})
}

func (a *Account) routeWords() string {
	if r := a.routes.find(a.judgement.request.Host); r != nil {
		return "forwarded to " + r.name
	}
	return fmt.Sprintf("none names the host %s: answered 421", a.judgement.request.Host)
}

// reasonWords says what a reason means for a country that was judged.
func (a *Account) reasonWords(reason rules.Reason, country rules.Country) string {
	switch {
	case reason == rules.ReasonUnknownCountry && country != 0:
		return fmt.Sprintf("no source knows in which part of %v the buyer is, and the rule lists one", country)
	case reason == rules.ReasonUnknownCountry && a.origin.Country != 0:
		return "what the proxy says of the country cannot be read"
	case reason == rules.ReasonAnonymized && !a.origin.Traits.Has(rules.Anonymized):
		return "the proxy says that the buyer hides"
	}
	return reasonWords(reason)
}

// reasonWords says what a reason means.
func reasonWords(reason rules.Reason) string {
	switch reason {
	case rules.ReasonUngoverned:
		return "the request is no activity of the policy"
	case rules.ReasonOtherProduct:
		return "no rule for the activity is about the product"
	case rules.ReasonCountryNotListed:
		return "no rule about the product lists the country"
	case rules.ReasonNotEffective:
		return "the rule is not effective at the instant"
	case rules.ReasonExempt:
		return "an exception lifts the rule"
	case rules.ReasonPaused:
		return "the operator has paused the rule"
	case rules.ReasonUndeterminedProduct:
		return "the product could not be read out of the request"
	case rules.ReasonAnonymized:
		return "the address hides where the buyer is"
	case rules.ReasonUnknownCountry:
		return "no source knows the country"
	case rules.ReasonStaleDatabase:
		return "the database is too old to be believed"
	case rules.ReasonPrivateNetwork:
		return "the address is not a public one"
	case rules.ReasonClientAddress:
		return "the buyer's address could not be established"
	case rules.ReasonListedCountry:
		return "the rule lists the country"
	}
	return reason.String()
}
