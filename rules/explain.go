package rules

import (
	"maps"
	"slices"
	"time"
)

// Explanation is a decision with the way that led to it.
type Explanation struct {
	Decision Decision
	Readings []ReadingStep
}

// ReadingStep is what one reading of a request was found to be, and what each rule said of it.
type ReadingStep struct {
	Path       string
	Activities []string
	// Products are those that the path and the query tell, and those that are carried.
	Products []string
	// Carried is what counts for this reading of what was read of the request.
	Carried []Carried
	// Belongings say which of the carried IDs are of a product by the catalogue.
	Belongings []Belonging
	Rules      []RuleStep
}

// RuleStep is what one rule said of one reading.
type RuleStep struct {
	Rule *Rule
	// Claims reports whether the rule is about the activity, and Concerns whether about the product.
	Claims, Concerns bool
	// Product is the product that the rule concerns; empty where it concerns everything.
	Product string
	// IDs are those that are carried and make the request one for the product; none where its path does.
	IDs []string
	// Applies reports whether the rule has a verdict for the origin: because it lists the country, or because it
	// states one for what is odd about the origin.
	Applies bool
	// Country is the country that the rule judged.
	Country Country
	// Effective reports whether the instant is in the rule's interval.
	Effective bool
	// Exception is the exception that lifts the rule; nil if none does.
	Exception *Exception
	// Announced reports whether such a request is told that the rule will block it, and Outside whether the rule would block
	// the client but for its rollout, which has not reached it.
	Announced, Outside bool
	// Paused reports whether the operator has paused the rule.
	Paused bool
	// Verdict and Reason are what the rule says; Reason is zero if it does not apply.
	Verdict Verdict
	Reason  Reason
}

// Explain comes to the same decision as Decide, rule by rule, and keeps all steps. It is for people, and for
// checking Decide against: it uses none of Decide's tables but those that compare paths.
func (p *Policy) Explain(req *Request, from *Origin, at time.Time) Explanation {
	e := Explanation{Decision: Decision{Country: from.Country, Client: from.Client, At: at.In(p.zone), Policy: p.digest}}
	for _, path := range req.Paths {
		step := p.reading(req, path)
		shelves := make(map[string]*shelf)
		for _, activity := range step.Activities {
			q := inquiry{at: at, activity: activity}
			e.Decision.weigh(&q, Allow, ReasonOtherProduct, nil, from.Country)
			shelves[activity] = p.shelf(req, &step, activity)
		}
		for _, shelf := range shelves {
			step.Products = append(step.Products, slices.Collect(maps.Keys(shelf.products))...)
		}
		slices.Sort(step.Products)
		step.Products = slices.Compact(step.Products)
		for _, rule := range p.rules {
			step.Rules = append(step.Rules, e.judge(rule, asked{from, at, shelves[rule.Activity]})...)
		}
		e.Readings = append(e.Readings, step)
	}
	e.Decision.settle(req)
	return e
}

// reading finds what one reading is, and what of that which was carried counts for it.
func (p *Policy) reading(req *Request, path string) ReadingStep {
	step := ReadingStep{Path: path}
	for _, id := range p.activities.match(req.Host, path, nil) {
		step.Activities = append(step.Activities, p.tables[id].name)
	}
	carriers := p.carrying.match(req.Host, path, nil)
	for _, c := range req.Carried {
		if !p.counts(&c, carriers) {
			continue
		}
		step.Carried = append(step.Carried, c)
		if c.Present || c.Undetermined {
			step.Activities = append(step.Activities, p.carriers[c.Carrier].Activity)
		}
	}
	slices.Sort(step.Activities)
	step.Activities = slices.Compact(step.Activities)
	for _, id := range p.products.match(req.Host, path, nil) {
		step.Products = append(step.Products, p.names[id])
	}
	return step
}

// shelf is what a reading concerns as far as one activity goes.
type shelf struct {
	products map[string][]string // with the IDs that are carried of each
	goods    goods               // as exceptions look at it
}

// shelf finds products by the path and by what is carried, comparing with one SKU after the other.
func (p *Policy) shelf(req *Request, reading *ReadingStep, activity string) *shelf {
	s := &shelf{products: make(map[string][]string), goods: goods{
		unread: req.Undetermined, undetermined: req.Undetermined, brought: req.Undetermined, path: reading.Path,
	}}
	for _, product := range reading.Products {
		s.products[product] = nil
		id, _ := slices.BinarySearch(p.names, product)
		s.goods.hits = append(s.goods.hits, int32(id))
	}
	s.goods.byPath = len(s.goods.hits)
	for _, product := range p.queries.walk(req, reading.Path) {
		s.products[p.names[product]] = nil
		s.goods.brought = s.goods.brought || !slices.Contains(s.goods.hits, product)
	}
	for _, c := range reading.Carried {
		carrier := p.carriers[c.Carrier]
		if carrier.Activity != activity {
			continue
		}
		asks := carrier.Asks(&c)
		s.goods.brought = s.goods.brought || c.brings()
		s.goods.unread = s.goods.unread || c.Undetermined || asks
		s.goods.undetermined = s.goods.undetermined || c.Undetermined || asks || carrier.unnamed(&c)
		for _, id := range c.IDs {
			products := p.skus.walk(foldText(id), req.Host, reading.Path)
			s.goods.foreign = s.goods.foreign || len(products) == 0
			s.goods.undetermined = s.goods.undetermined || len(products) == 0 && p.skus.blind()
			s.goods.named = append(append(s.goods.named, products...), noProduct)
			reading.Belongings = p.skus.belongings(id, req.Host, reading.Path, reading.Belongings, p.names)
			for _, product := range products {
				s.products[p.names[product]] = append(s.products[p.names[product]], id)
			}
		}
	}
	for id, name := range p.names {
		if _, ok := s.products[name]; ok && !slices.Contains(s.goods.hits, int32(id)) {
			s.goods.hits = append(s.goods.hits, int32(id))
		}
	}
	return s
}

// asked is who asks, when, and for what.
type asked struct {
	from  *Origin
	at    time.Time
	shelf *shelf // nil if the reading is none of the activity
}

// judge returns a rule's steps: one for each product and country that it concerns, and at least one.
func (e *Explanation) judge(rule *Rule, a asked) []RuleStep {
	first := RuleStep{Rule: rule, Claims: a.shelf != nil, Effective: rule.Effective.Contains(a.at)}
	if !first.Claims {
		return []RuleStep{first}
	}
	var steps []RuleStep
	concern := func(product string, undetermined bool) {
		q := inquiry{a.at, rule.Activity, product}
		e.Decision.weigh(&q, Allow, ReasonCountryNotListed, nil, a.from.Country)
		step := first
		step.Concerns, step.Product, step.IDs = true, product, a.shelf.products[product]
		outcomes := rule.outcomes(a.from)
		for _, o := range outcomes {
			steps = append(steps, e.outcome(step, o, undetermined, &q, a))
		}
		if len(outcomes) == 0 {
			steps = append(steps, step)
		}
	}
	if len(rule.Products) == 0 {
		concern("", false)
	}
	for _, product := range rule.Products {
		if _, ok := a.shelf.products[product]; ok {
			concern(product, false)
		}
	}
	if a.shelf.goods.undetermined {
		concern("", true)
	}
	if len(steps) == 0 {
		return []RuleStep{first}
	}
	return steps
}

// outcome is what a rule says of an origin before time and exceptions are looked at.
type outcome struct {
	verdict Verdict
	reason  Reason
	country Country
}

// outcomes returns the rule's word on an origin: the first trait for which it states a verdict, or else the
// unknown country, or each of its places that the rule lists, or of which it lists a part.
func (r *Rule) outcomes(from *Origin) []outcome {
	for _, trait := range traits {
		setting, reason := r.Settings.forTrait(trait)
		if v, ok := setting.verdict(); ok && from.Traits.Has(trait) {
			return []outcome{{v, reason, from.Country}}
		}
	}
	var outs []outcome
	unknown := func(country Country) {
		v, _ := r.Settings.UnknownCountry.verdict()
		outs = append(outs, outcome{v, ReasonUnknownCountry, country})
	}
	list := func(code string, country Country) {
		if r.lists(code) {
			outs = append(outs, outcome{Block, ReasonListedCountry, country})
		}
		if r.listsPartOf(code) && !from.within(code) {
			unknown(country)
		}
	}
	if from.Country == 0 {
		unknown(0)
	} else {
		list(from.Country.String(), from.Country)
	}
	for _, country := range from.Others {
		list(country.String(), country)
	}
	for _, code := range from.Subdivisions {
		list(code, CountryOf(code[:2]))
	}
	if v, ok := r.Settings.Anonymized.verdict(); ok && from.Traits.Has(AlsoAnonymized) {
		outs = append(outs, outcome{v, ReasonAnonymized, from.Country})
	}
	if from.Traits.Has(AlsoUnknown) && from.Country != 0 {
		unknown(0)
	}
	return outs
}

// lists reports whether the rule lists a place, or what it is a part of.
func (r *Rule) lists(code string) bool {
	return slices.Contains(r.Countries, code) || isSubdivision(code) && slices.ContainsFunc(iso3166().around(code), func(parent string) bool {
		return isSubdivision(parent) && slices.Contains(r.Countries, parent)
	})
}

// listsPartOf reports whether the rule lists a part of a place.
func (r *Rule) listsPartOf(place string) bool {
	return slices.ContainsFunc(r.Countries, func(code string) bool {
		return isSubdivision(code) && slices.Contains(iso3166().around(code), place)
	})
}

// outcome looks at time, exceptions, mode and rollout, completes the step and weighs it.
func (e *Explanation) outcome(step RuleStep, o outcome, undetermined bool, q *inquiry, a asked) RuleStep {
	rule := step.Rule
	step.Applies, step.Country = true, o.country
	if undetermined && o.verdict == Block {
		o.verdict, _ = rule.Settings.UndeterminedProduct.verdict()
		if o.verdict == Allow || o.reason == ReasonListedCountry {
			o.reason = ReasonUndeterminedProduct
		}
	}
	step.Exception, step.Paused = rule.exempts(a.from, &a.shelf.goods, a.at), rule.paused(a.at)
	if step.Announced = o.verdict == Block && rule.announced(a.at) && rule.willBlock(a.from, &a.shelf.goods); step.Announced {
		e.Decision.announce(rule)
	}
	switch {
	case !step.Effective:
		o.verdict, o.reason = Allow, ReasonNotEffective
	case step.Paused:
		o.verdict, o.reason = Allow, ReasonPaused
	case step.Exception != nil:
		o.verdict, o.reason = Allow, ReasonExempt
	}
	step.Verdict, step.Reason = o.verdict, o.reason
	step.Outside = o.verdict == Block && rule.spares(a.from.Client)
	switch {
	case rule.Mode == Enforce && !step.Outside:
		e.Decision.weigh(q, o.verdict, o.reason, rule, o.country)
	case o.verdict == Block:
		e.Decision.shadow.add(ShadowBlock{rule, o.reason, o.country})
	}
	return step
}
