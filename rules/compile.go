package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// compile builds the tables of a policy that has been read without a problem.
func (l *loader) compile() *Policy {
	p := &Policy{rules: l.rules, zone: l.zone, titles: l.titles, warnings: l.warnings.sorted(), divided: l.divided, names: names(l.products)}
	if p.zone == nil {
		p.zone = time.UTC
	}
	slices.SortFunc(p.rules, func(a, b *Rule) int { return strings.Compare(a.ID, b.ID) })
	sortSelectors(l.activities)
	sortSelectors(l.products)
	p.catalogues, p.skus.stocked = l.catalogues, len(l.catalogues) > 0
	productIDs := make(map[string]int32)
	for id, name := range p.names {
		productIDs[name] = int32(id)
		for _, s := range l.products[name] {
			switch {
			case len(s.skus)+len(s.catalogue) > 0:
				p.skus.add(&s, int32(id))
			case len(s.query) > 0:
				p.queries.add(&s, int32(id))
			default:
				p.products.add(s, int32(id))
			}
		}
	}
	for _, rule := range p.rules {
		rule.prepare(productIDs)
	}
	for id, name := range names(l.activities) {
		carriers := len(p.carriers)
		for _, s := range l.activities[name] {
			if !s.carried {
				p.activities.add(s, int32(id))
			}
			if len(s.fields) > 0 || s.cart != nil {
				p.carry(s, name, int32(id))
			}
		}
		own := slices.DeleteFunc(slices.Clone(p.rules), func(r *Rule) bool { return r.Activity != name })
		table := newActivityTable(name, own, productIDs)
		if len(p.carriers) > carriers {
			table.any = newGroup(own, false)
			table.reading = newGroup(slices.DeleteFunc(own, func(r *Rule) bool { return !r.reads(&p.skus, productIDs) }), false)
		}
		p.tables = append(p.tables, table)
	}
	p.hash()
	p.text = l.canonicalText()
	hash := sha256.Sum256(p.text)
	p.digest = "sha256:" + hex.EncodeToString(hash[:])
	return p
}

// prepare fills in what the engine needs of a rule beside what is written.
func (r *Rule) prepare(productIDs map[string]int32) {
	for _, trait := range traits {
		setting, _ := r.Settings.forTrait(trait)
		if _, ok := setting.verdict(); ok {
			r.judged |= trait
		}
	}
	r.salt = saltOf(r.ID)
	for i := range r.Exceptions {
		x := &r.Exceptions[i]
		for _, product := range x.Products {
			x.products = append(x.products, productIDs[product])
		}
		if len(x.Paths) > 0 {
			x.paths.add(selector{paths: x.Paths}, 0)
		}
	}
}
