package rules

import (
	"slices"
	"time"
)

// Carriers returns the elements of activities that say where a product is carried; each stands at its ID. They must not be
// changed.
func (p *Policy) Carriers() []*Carrier { return slices.Clone(p.carriers) }

// carry makes an element of an activity a carrier.
func (p *Policy) carry(s selector, activity string, owner int32) {
	id := len(p.carriers)
	p.carriers = append(p.carriers, &Carrier{ID: id, Activity: activity, Dialect: s.dialect, Fields: s.fields, Where: s.where, Claims: !s.carried, Cart: s.cart})
	p.owners = append(p.owners, owner)
	p.carrying.add(s, int32(id))
}

// manyCarriers is how many carriers a path can match without a list on the heap. A shop whose every page sells has twenty.
const manyCarriers = 32

// MayCarry reports whether the hosts and paths of any carrier match a reading: what an answer depends on may then be in the
// request, whether or not it was read.
func (p *Policy) MayCarry(req *Request) bool {
	if len(p.carriers) == 0 {
		return false
	}
	var buffer [manyCarriers]int32
	for _, path := range req.Paths {
		if len(p.carrying.match(req.Host, path, buffer[:0])) > 0 {
			return true
		}
	}
	return false
}

// Wanted appends to dst the carriers that must be read before the request can be decided, by ID: those whose hosts and
// paths match a reading, and whose activity has a rule at the instant that could block the origin because of what is
// carried. It is a rule on a product with SKUs, or one that excepts products or paths; where only what is carried makes a request
// one of the activity, or the catalogues that the policy names are not attached, it is any rule. A rule in shadow mode counts, as does
// one that is announced, a paused one does not.
//
// It allocates nothing where nothing is wanted. What it leaves out need not be read: no SKU in it could make a block.
func (p *Policy) Wanted(req *Request, from *Origin, at time.Time, dst []*Carrier) []*Carrier {
	if len(p.carriers) == 0 || !p.mayWant(from, at) {
		return dst
	}
	var buffer [manyCarriers]int32
	hits := buffer[:0]
	for _, path := range req.Paths {
		hits = p.carrying.match(req.Host, path, hits)
	}
	slices.Sort(hits)
	for _, id := range hits {
		carrier := p.carriers[id]
		if p.tables[p.owners[id]].wants(carrier.Claims && !p.skus.blind(), from, at) {
			dst = append(dst, carrier)
		}
	}
	return dst
}

// mayWant reports whether anything could be wanted, whatever the request is. Few origins ever get further.
func (p *Policy) mayWant(from *Origin, at time.Time) bool {
	for i := range p.tables {
		if p.tables[i].any.mayBlock(from, at) {
			return true
		}
	}
	return false
}

func (t *activityTable) wants(claims bool, from *Origin, at time.Time) bool {
	if claims {
		return t.reading.mayBlock(from, at)
	}
	return t.any.mayBlock(from, at)
}

// mayBlock reports whether a rule of the group blocks the origin, or would if it were not in shadow mode or only announced,
// where the request concerns what the rule does and nothing that the rule excepts.
func (g *group) mayBlock(from *Origin, at time.Time) bool {
	if g == nil {
		return false
	}
	var d Decision
	g.judge(&d, &inquiry{at: at}, from, new(goods))
	return d.Verdict == Block || d.shadow.n > 0 || d.Notice != nil
}

// reads reports whether the rule must know what is carried, even if the request is known to be one of its activity.
func (r *Rule) reads(skus *skuMatcher, productIDs map[string]int32) bool {
	return slices.ContainsFunc(r.Products, func(name string) bool { return skus.holds(productIDs[name]) }) ||
		slices.ContainsFunc(r.Exceptions, func(x Exception) bool { return len(x.Products)+len(x.Paths) > 0 })
}

// goods are what a reading concerns as far as one activity goes.
type goods struct {
	hits         []int32 // products, by path, by the query or by what is carried
	byPath       int     // how many of them, from the first, by path
	named        []int32 // of each carried ID the products, and then noProduct; those in a row that are equal once
	last         int     // where the last ID's begin
	foreign      bool    // an ID is of no product
	unread       bool    // something may be carried that could not be read
	brought      bool    // the request itself carries a product, be it in its query, or may
	path         string  // the reading
	undetermined bool    // the request may concern any product
}

// noProduct ends a list of products.
const noProduct = -1

// with returns the goods with what is carried by one carrier. Where its element claims a request that names no product, the
// product is in the session or the cart, or in a field that nobody told of: it is undetermined, unless the shop has told what
// is in the cart. The goods are handed along as a value, because behind a pointer their lists would escape to the heap.
func (g goods) with(c *Carried, by *Carrier, skus *skuMatcher, places []int32) goods {
	asks := by.Asks(c)
	g.brought = g.brought || c.brings()
	g.unread = g.unread || c.Undetermined || asks
	g.undetermined = g.undetermined || c.Undetermined || asks || by.unnamed(c)
	for _, id := range c.IDs {
		start := len(g.named)
		g.named = skus.match(id, places, g.named)
		if len(g.named) == start {
			g.foreign = true
			g.undetermined = g.undetermined || skus.blind()
			continue
		}
		for _, product := range g.named[start:] {
			if !slices.Contains(g.hits, product) {
				g.hits = append(g.hits, product)
			}
		}
		if g.named = append(g.named, noProduct); slices.Equal(g.named[g.last:start], g.named[start:]) {
			g.named = g.named[:start]
		} else {
			g.last = start
		}
	}
	return g
}

// brings reports whether the request itself carries something, or may: what the shop has told of a cart it does not.
func (c *Carried) brings() bool {
	return c.Present || c.Undetermined || len(c.Rows) > 0 || len(c.IDs) > 0 && !c.Answered
}

// unnamed reports whether the element claims a request that names no product, and nobody has told which it is.
func (c *Carrier) unnamed(carried *Carried) bool {
	return c.Claims && len(carried.IDs) == 0 && !carried.Answered
}

// within reports whether all that is asked for is known, and one of the products. What is carried outweighs the path, which
// is the client's to choose, and says nothing of a product that is undetermined beside it. Where nothing is, the path tells,
// and never the query: a parameter that no shop looks at costs a client nothing.
func (g *goods) within(products []int32) bool {
	switch nothing := len(g.named) == 0 && !g.foreign; {
	case nothing && !g.unread:
		return slices.ContainsFunc(products, func(p int32) bool { return slices.Contains(g.hits[:g.byPath], p) })
	case nothing || g.foreign || g.undetermined:
		return false
	}
	var found bool
	for _, id := range g.named {
		if id != noProduct {
			found = found || slices.Contains(products, id)
			continue
		}
		if !found {
			return false
		}
		found = false
	}
	return true
}

// claims appends the activities that claim a reading because of what it carries. The carriers are those that match it.
func (p *Policy) claims(carried []Carried, carriers, activities []int32) []int32 {
	for i := range carried {
		c := &carried[i]
		if !(c.Present || c.Undetermined) || !p.counts(c, carriers) {
			continue
		}
		if owner := p.owners[c.Carrier]; !slices.Contains(activities, owner) {
			activities = append(activities, owner)
		}
	}
	return activities
}

// gather returns the goods with what the carriers of an activity carry.
func (p *Policy) gather(g goods, activity int32, carried []Carried, carriers, places []int32) goods {
	for i := range carried {
		if c := &carried[i]; p.counts(c, carriers) && p.owners[c.Carrier] == activity {
			g = g.with(c, p.carriers[c.Carrier], &p.skus, places)
		}
	}
	return g
}

// counts reports whether what is carried belongs to one of the carriers.
func (p *Policy) counts(c *Carried, carriers []int32) bool {
	return c.Carrier >= 0 && c.Carrier < len(p.carriers) && slices.Contains(carriers, int32(c.Carrier))
}
