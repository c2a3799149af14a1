package rules

import (
	"cmp"
	"slices"
	"strings"
)

// skuMatcher finds the products to which carried SKUs belong: by what is written of SKUs, and by the catalogue.
type skuMatcher struct {
	texts               // elements by SKU
	goods    conditions // elements by what they ask of the columns of a catalogue
	places   matcher    // elements by host and path, for those that name any
	elements []skuElement
	stocked  bool   // the policy names catalogues
	stock    *stock // nil if none is attached
}

// skuElement is an element of a product that names SKUs, or goods of a catalogue.
type skuElement struct {
	product   int32
	skus      []string
	catalogue []named
	at        Problem // where the element stands, if it asks for columns
	placed    bool    // it names hosts or paths, too, and both must hold
}

// add makes the matcher answer the product for the selector's SKUs and goods, where its hosts and paths match.
func (m *skuMatcher) add(s *selector, product int32) {
	id := int32(len(m.elements))
	placed := len(s.hosts)+len(s.paths) > 0
	m.elements = append(m.elements, skuElement{product, s.skus, s.catalogue, s.at, placed})
	if placed {
		m.places.add(*s, id)
	}
	m.texts.add(s.skus, id)
	m.goods.add(s.catalogue, id)
}

// blind reports whether the policy names catalogues of which none is attached: an id that nothing else decides may then be
// any product's.
func (m *skuMatcher) blind() bool { return m.stocked && m.stock == nil }

// match appends the products of a SKU, each once. The places are the elements whose hosts and paths match.
func (m *skuMatcher) match(sku string, places, products []int32) []int32 {
	var fold [64]byte
	var hits [8]int32
	folded := appendFolded(fold[:0], strings.TrimSpace(sku))
	if len(folded) == 0 {
		return products
	}
	found := m.stock.match(folded, m.texts.match(folded, hits[:0]))
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
	stocked := m.stock.match([]byte(sku), nil)
	for id, e := range m.elements {
		here := sku != "" && m.here(int32(id), host, path)
		named := slices.ContainsFunc(e.skus, func(pattern string) bool { return like(pattern, sku) })
		if here && (named || slices.Contains(stocked, int32(id))) && !slices.Contains(products, e.product) {
			products = append(products, e.product)
		}
	}
	return products
}

// here reports whether the hosts and paths of an element match.
func (m *skuMatcher) here(element int32, host, path string) bool {
	return !m.elements[element].placed || slices.Contains(m.places.match(host, path, nil), element)
}

// holds reports whether the matcher knows SKUs of the product. The products must have been added in their order.
func (m *skuMatcher) holds(product int32) bool {
	_, ok := slices.BinarySearchFunc(m.elements, product, func(e skuElement, product int32) int { return cmp.Compare(e.product, product) })
	return ok
}
