package rules

import (
	"cmp"
	"slices"
	"strings"
)

// skuMatcher finds the products to which carried SKUs belong. Its cost grows neither with the number of SKUs that are
// written out nor, but for those that begin alike, with that of patterns.
type skuMatcher struct {
	literals map[string][]int32 // elements by folded SKU
	patterns node               // one segment of the automaton that reads paths
	places   matcher            // elements by host and path, for those that name any
	elements []skuElement
}

// skuElement is an element of a product that names SKUs.
type skuElement struct {
	product int32
	skus    []string
	placed  bool // it names hosts or paths, too, and both must hold
}

// add makes the matcher answer the product for the selector's SKUs, where its hosts and paths match.
func (m *skuMatcher) add(s selector, product int32) {
	id := int32(len(m.elements))
	placed := len(s.hosts)+len(s.paths) > 0
	m.elements = append(m.elements, skuElement{product, s.skus, placed})
	if placed {
		m.places.add(s, id)
	}
	if m.literals == nil {
		m.literals = make(map[string][]int32, len(s.skus))
	}
	alone := []int32{id} // shared by all that belong to nothing else
	for _, sku := range s.skus {
		switch others, taken := m.literals[sku]; {
		case strings.Contains(sku, "*"):
			end := m.patterns.growGlob(sku)
			end.ends = append(end.ends, id)
		case taken:
			m.literals[sku] = append(slices.Clip(others), id)
		default:
			m.literals[sku] = alone
		}
	}
}

// match appends the products of a SKU, each once. The places are the elements whose hosts and paths match.
func (m *skuMatcher) match(sku string, places, products []int32) []int32 {
	var fold [64]byte
	var hits [8]int32
	var none [1]*node
	folded := appendFolded(fold[:0], strings.TrimSpace(sku))
	found := append(hits[:0], m.literals[string(folded)]...)
	for i := range m.patterns.globs {
		_, found = m.patterns.globs[i].step(folded, none[:0], found)
	}
	first := len(products)
	for _, id := range found {
		e := &m.elements[id]
		if (!e.placed || slices.Contains(places, id)) && !slices.Contains(products[first:], e.product) {
			products = append(products, e.product)
		}
	}
	return products
}

// walk finds the products of a folded SKU as match does, by comparing it with all that is written.
func (m *skuMatcher) walk(sku, host, path string) (products []int32) {
	for id, e := range m.elements {
		here := sku != "" && (!e.placed || slices.Contains(m.places.match(host, path, nil), int32(id)))
		if here && slices.ContainsFunc(e.skus, func(pattern string) bool { return likeSKU(pattern, sku) }) && !slices.Contains(products, e.product) {
			products = append(products, e.product)
		}
	}
	return products
}

// likeSKU reports whether a SKU is like the pattern, in which * stands for any part.
func likeSKU(pattern, sku string) bool {
	before, after, open := strings.Cut(pattern, "*")
	rest, ok := strings.CutPrefix(sku, before)
	if !open || !ok {
		return pattern == sku
	}
	for i := range len(rest) + 1 {
		if likeSKU(after, rest[i:]) {
			return true
		}
	}
	return false
}

// holds reports whether the matcher knows SKUs of the product. The products must have been added in their order.
func (m *skuMatcher) holds(product int32) bool {
	_, ok := slices.BinarySearchFunc(m.elements, product, func(e skuElement, product int32) int { return cmp.Compare(e.product, product) })
	return ok
}

// foldSKU returns a SKU, or a pattern of SKUs, as it is compared: without blanks around it and with its letter case folded.
func foldSKU(text string) string { return string(appendFolded(nil, strings.TrimSpace(text))) }
