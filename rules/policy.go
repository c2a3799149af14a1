package rules

import (
	"slices"
	"time"
)

// Policy is an immutable, compiled set of rules. It may be used by any number of goroutines.
type Policy struct {
	rules      []*Rule // by id
	zone       *time.Location
	titles     map[string]string
	warnings   Problems
	divided    []divided // where subdivisions are named
	activities matcher
	products   matcher
	queries    queryMatcher
	skus       skuMatcher
	catalogues []string // as they are named
	carriers   []*Carrier
	carrying   matcher         // by carrier
	owners     []int32         // activities, by carrier
	tables     []activityTable // by activity id
	names      []string        // of products, by product id
	text       []byte
	digest     string
}

// Rules returns the policy's rules in the order of their ids. They must not be changed.
func (p *Policy) Rules() []*Rule { return slices.Clone(p.rules) }

// Zone returns the zone in which the policy's dates without a zone are read: UTC if it names none.
func (p *Policy) Zone() *time.Location { return p.zone }

// Digest returns "sha256:" and the hash of what the policy means. Comments, order and spelling do not
// change it; anything that could change a decision does.
func (p *Policy) Digest() string { return p.digest }

// Warnings returns what is allowed in the policy's text and is probably not meant.
func (p *Policy) Warnings() Problems { return slices.Clone(p.warnings) }

// Title returns how a sentence names a product's goods, such as "Kaspersky products": the title that the
// policy or a pack gives it, or its name and "products". No product is "these products".
func (p *Policy) Title(product string) string {
	switch title, ok := p.titles[product]; {
	case ok:
		return title
	case product == "":
		return "these products"
	}
	return product + " products"
}

// Lists reports whether any rule of an activity lists a country, or a part of it, whatever its product and its time. An
// unknown country may be any, and counts as listed.
func (p *Policy) Lists(activity string, country Country) bool {
	for i := range p.tables {
		if p.tables[i].name == activity {
			return country == 0 || p.tables[i].listed[country]
		}
	}
	return false
}

// Decide judges a request from an origin at an instant. It is pure and allocates nothing (but for more
// than four shadow rules in one decision, or more than eight products in one request, or very many carriers).
//
// Every reading of the request is judged by every rule of every activity that claims it, and the weightiest
// outcome is the decision: a block outweighs everything, so neither the order of rules nor an added reading
// can turn a block into an allow, nor can one more product in the cart. An empty request, which nobody could
// read, is blocked.
func (p *Policy) Decide(req *Request, from *Origin, at time.Time) Decision {
	d := Decision{Country: from.Country, Client: from.Client, At: at.In(p.zone), Policy: p.digest}
	for _, path := range req.Paths {
		var activityHits, productHits [8]int32
		activities := p.activities.match(req.Host, path, activityHits[:0])
		if len(req.Carried) > 0 {
			p.judgeCarried(&d, req, path, activities, from, at)
			continue
		}
		if len(activities) == 0 {
			continue
		}
		products := p.products.match(req.Host, path, productHits[:0])
		g := goods{byPath: len(products), unread: req.Undetermined, undetermined: req.Undetermined, brought: req.Undetermined, path: path}
		g.hits = p.queries.match(req, path, products)
		g.brought = g.brought || len(g.hits) > g.byPath
		for _, id := range activities {
			p.judge(&d, id, &g, from, at)
		}
	}
	d.settle(req)
	return d
}

// settle completes a decision when all readings have been judged.
func (d *Decision) settle(req *Request) {
	if d.Reason == 0 && len(req.Paths) > 0 {
		d.Verdict, d.Reason = Allow, ReasonUngoverned
	}
	if d.Verdict == Block {
		d.Notice = nil // it says more than that
	}
}

// judgeCarried adds the outcomes of one reading of a request of which something was read beside the path.
func (p *Policy) judgeCarried(d *Decision, req *Request, path string, activities []int32, from *Origin, at time.Time) {
	var productHits, placeHits [8]int32
	var carrierHits [manyCarriers]int32
	var named [16]int32
	carriers := p.carrying.match(req.Host, path, carrierHits[:0])
	activities = p.claims(req.Carried, carriers, activities)
	if len(activities) == 0 {
		return
	}
	products, places := p.products.match(req.Host, path, productHits[:0]), p.skus.places.match(req.Host, path, placeHits[:0])
	byPath := len(products)
	products = p.queries.match(req, path, products)
	for _, id := range activities {
		g := goods{
			hits: products, byPath: byPath, named: named[:0], unread: req.Undetermined, undetermined: req.Undetermined, path: path,
			brought: req.Undetermined || len(products) > byPath,
		}
		g = p.gather(g, id, req.Carried, carriers, places)
		p.judge(d, id, &g, from, at)
	}
}

// judge adds the outcomes of an activity's rules on the goods.
func (p *Policy) judge(d *Decision, activity int32, g *goods, from *Origin, at time.Time) {
	table := &p.tables[activity]
	q := inquiry{at: at, activity: table.name}
	d.weigh(&q, Allow, ReasonOtherProduct, nil, from.Country)
	table.everything.judge(d, &q, from, g)
	for _, product := range g.hits {
		q.product = p.names[product]
		table.byProduct[product].judge(d, &q, from, g)
	}
	if g.undetermined {
		q.product = ""
		table.undetermined.judge(d, &q, from, g)
	}
}

// inquiry is what is being judged: one activity with one product at an instant. The origin and the goods of the
// reading are handed along beside it: in here they would escape to the heap with the names that a decision keeps.
type inquiry struct {
	at                time.Time
	activity, product string
}

// weigh makes an outcome the decision if it outweighs what has been found so far. It is a total order, so
// that the order in which outcomes are found does not matter.
func (d *Decision) weigh(q *inquiry, v Verdict, reason Reason, rule *Rule, country Country) {
	if d.Reason != 0 && !d.lighter(q, v, reason, rule, country) {
		return
	}
	d.Verdict, d.Reason, d.Rule, d.Activity, d.Product, d.Country = v, reason, rule, q.activity, q.product, country
}

// lighter reports whether the decision so far weighs less than the given outcome.
func (d *Decision) lighter(q *inquiry, v Verdict, reason Reason, rule *Rule, country Country) bool {
	switch {
	case d.Verdict != v:
		return v == Block
	case d.Reason != reason:
		return d.Reason < reason
	case d.Rule != rule:
		// Both are rules: outcomes without a rule have reasons of their own.
		if reason == ReasonNotEffective {
			return rule.nearer(d.Rule, q.at)
		}
		return rule.ID < d.Rule.ID
	case d.Activity != q.activity:
		return q.activity < d.Activity
	case d.Product != q.product:
		return q.product < d.Product
	}
	return country < d.Country
}

// nearer reports whether r, of two rules that are not effective, is the one to name: the next to come, or
// else the last to have ended.
func (r *Rule) nearer(other *Rule, at time.Time) bool {
	mine, others := r.Effective, other.Effective
	switch coming, otherComing := at.Before(mine.From), at.Before(others.From); {
	case coming != otherComing:
		return coming
	case coming && !mine.From.Equal(others.From):
		return mine.From.Before(others.From)
	case !coming && !mine.Until.Equal(others.Until):
		return others.Until.Before(mine.Until)
	}
	return r.ID < other.ID
}

// judge adds the outcomes of a group of rules, which all concern the activity and the product.
func (g *group) judge(d *Decision, q *inquiry, from *Origin, goods *goods) {
	if g == nil {
		return
	}
	d.weigh(q, Allow, ReasonCountryNotListed, nil, from.Country)
	var judged Traits
	for i, trait := range traits {
		if from.Traits.Has(trait) {
			g.odd[i].judge(d, q, from, goods, judged, from.Country)
			judged |= trait
		}
	}
	if from.Country == 0 {
		g.unknown.judge(d, q, from, goods, judged, 0)
	} else {
		g.places[from.Country.String()].judge(d, q, from, goods, judged, from.Country)
	}
	for _, country := range from.Others {
		g.places[country.String()].judge(d, q, from, goods, judged, country)
	}
	for _, code := range from.Subdivisions {
		g.places[code].judge(d, q, from, goods, judged, CountryOf(code[:2]))
	}
	if len(g.partly) > 0 {
		g.judgePartly(d, q, from, goods, judged)
	}
	if from.Traits&(AlsoAnonymized|AlsoUnknown) != 0 {
		g.judgeAdded(d, q, from, goods, judged)
	}
}

// judgePartly adds the outcomes of rules that mean only a part of where the origin is, if in which part it is remains unknown.
func (g *group) judgePartly(d *Decision, q *inquiry, from *Origin, goods *goods, judged Traits) {
	judge := func(place string, country Country) {
		if c := g.partly[place]; c != nil && !from.within(place) {
			c.judge(d, q, from, goods, judged, country)
		}
	}
	judge(from.Country.String(), from.Country)
	for _, country := range from.Others {
		judge(country.String(), country)
	}
	for _, code := range from.Subdivisions {
		judge(code, CountryOf(code[:2]))
	}
}

// judgeAdded adds the outcomes of what counts beside all else. No trait among them keeps a rule from being judged by where
// the origin is, so that they can turn an allow into a block and never a block into an allow.
func (g *group) judgeAdded(d *Decision, q *inquiry, from *Origin, goods *goods, judged Traits) {
	if from.Traits.Has(AlsoAnonymized) {
		g.odd[oddAnonymized].judge(d, q, from, goods, judged, from.Country)
	}
	if from.Traits.Has(AlsoUnknown) && from.Country != 0 {
		g.unknown.judge(d, q, from, goods, judged, 0)
	}
}

// judge adds the outcomes of a cell's rules, but for those that state a verdict for a trait judged before.
func (c *cell) judge(d *Decision, q *inquiry, from *Origin, goods *goods, judged Traits, country Country) {
	if c == nil {
		return
	}
	s := c.at(q.at)
	if s.idle != nil && s.idle.judged&judged == 0 {
		d.weigh(q, Allow, ReasonNotEffective, s.idle, country)
	}
	for i := range s.announced {
		if rule := s.announced[i].rule; rule.judged&judged == 0 && rule.willBlock(from, goods) {
			d.announce(rule)
		}
	}
	for i := range s.entries {
		e := &s.entries[i]
		switch {
		case e.rule.judged&judged != 0:
		case e.rule.paused(q.at):
			if e.rule.Mode == Enforce {
				d.weigh(q, Allow, ReasonPaused, e.rule, country)
			}
		case e.rule.exempts(from, goods, q.at) != nil:
			if e.rule.Mode == Enforce {
				d.weigh(q, Allow, ReasonExempt, e.rule, country)
			}
		case e.rule.Mode == Shadow, e.verdict == Block && e.rule.spares(from.Client):
			d.shadow.add(ShadowBlock{e.rule, e.reason, country})
		default:
			d.weigh(q, e.verdict, e.reason, e.rule, country)
		}
	}
}
