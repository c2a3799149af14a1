package rules

import "slices"

// named is what an element of a product asks of one column of a catalogue, or of one parameter of a query: a value that is
// like any of the patterns.
type named struct {
	name     string
	patterns []string // folded, sorted
}

// conditions finds the elements of products all of whose named values are met.
type conditions struct {
	names map[string]*texts // what is asked of a name, by term
	terms []term
}

// term is what one element asks of one name.
type term struct {
	element int32
	of      int32 // how many terms the element has
}

// add makes the matcher answer the element where all that it asks is met.
func (c *conditions) add(all []named, element int32) {
	if c.names == nil {
		c.names = make(map[string]*texts)
	}
	for _, n := range all {
		if c.names[n.name] == nil {
			c.names[n.name] = new(texts)
		}
		c.names[n.name].add(n.patterns, int32(len(c.terms)))
		c.terms = append(c.terms, term{element, int32(len(all))})
	}
}

// met appends the elements all of whose terms are among the given ones.
func (c *conditions) met(terms, elements []int32) []int32 {
	slices.Sort(terms)
	terms = slices.Compact(terms)
	for len(terms) > 0 { // those of one element follow one another
		first := c.terms[terms[0]]
		n := 1
		for n < len(terms) && c.terms[terms[n]].element == first.element {
			n++
		}
		if n == int(first.of) {
			elements = append(elements, first.element)
		}
		terms = terms[n:]
	}
	return elements
}
