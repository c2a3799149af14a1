package rules

import (
	"cmp"
	"slices"
)

// stock is what a catalogue says of the ids that belong to a product: a table, to look them up in at once, and where it says
// so. Ids that belong to none are not in it.
type stock struct {
	files    []CatalogueFile
	ids      map[string]int32 // folded; by number
	elements [][]int32        // of products, by id; equal ones share their memory
	starts   []int32          // where an id's rows begin
	rows     []stockRow
	families []stockFamily
}

// stockRow is a row that an id stands in.
type stockRow struct{ file, line, family int32 }

// stockFamily is a family of which some row is a product's by itself.
type stockFamily struct {
	elements []int32 // sorted
	matches  []stockMatch
}

// stockMatch is the first row that makes a family an element's.
type stockMatch struct {
	element    int32
	file, line int32
	sku        string // the id that is like one of the element's SKUs; empty if it is the columns
}

// stock builds the table.
func (c *Catalogue) stock() *stock {
	s := &stock{files: c.Files()}
	f := c.families()
	family := s.take(c, f)
	texts := make([]string, len(c.keys))
	for text, key := range c.keys {
		texts[key] = text
	}
	// Every id, and every name of a parent, of the rows of those families: counted, then laid out by id, with the rows first
	// whose own it is.
	counts := make([]int32, len(c.keys)+1)
	each := func(do func(key, row int32)) {
		for i := range c.rows {
			if _, ok := family[f.of(int32(i))]; ok {
				for _, key := range c.idsOf(int32(i)) {
					do(key, int32(i))
				}
			}
		}
		for i := range c.rows {
			if parent := c.rows[i].parent; parent != none {
				if _, ok := family[f.of(int32(i))]; ok {
					do(parent, int32(i))
				}
			}
		}
	}
	each(func(key, _ int32) { counts[key+1]++ })
	var n int
	for key := range texts {
		if counts[key+1] > 0 {
			n++
		}
		counts[key+1] += counts[key]
	}
	s.rows = make([]stockRow, counts[len(texts)])
	next := slices.Clone(counts)
	each(func(key, row int32) {
		s.rows[next[key]] = stockRow{c.rows[row].file, c.rows[row].line, family[f.of(row)]}
		next[key]++
	})
	s.ids, s.elements, s.starts = make(map[string]int32, n), make([][]int32, 0, n), make([]int32, 0, n+1)
	for key, text := range texts {
		if rows := s.rows[counts[key]:counts[key+1]]; len(rows) > 0 {
			s.ids[text] = int32(len(s.elements))
			s.elements = append(s.elements, s.elementsOf(rows))
			s.starts = append(s.starts, counts[key])
		}
	}
	s.starts = append(s.starts, int32(len(s.rows)))
	return s
}

// take makes the families that are of products, and returns their numbers by the rows that stand for them.
func (s *stock) take(c *Catalogue, f *families) map[int32]int32 {
	slices.SortFunc(c.matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(f.of(a.row), f.of(b.row)), cmp.Compare(a.element, b.element), cmp.Compare(a.row, b.row), cmp.Compare(b.by, a.by))
	})
	texts := make(map[int32]string)
	for _, m := range c.matches {
		texts[m.by] = ""
	}
	for text, key := range c.keys {
		if _, ok := texts[key]; ok {
			texts[key] = text
		}
	}
	numbers := make(map[int32]int32)
	sets := make(map[string][]int32)
	for i, m := range c.matches {
		first := f.of(m.row)
		number, ok := numbers[first]
		if !ok {
			number = int32(len(s.families))
			numbers[first] = number
			s.families = append(s.families, stockFamily{})
		}
		family := &s.families[number]
		if n := len(family.matches); n == 0 || family.matches[n-1].element != m.element {
			r := &c.rows[m.row]
			family.matches = append(family.matches, stockMatch{m.element, r.file, r.line, texts[m.by]})
			family.elements = append(family.elements, m.element)
		}
		if i+1 == len(c.matches) || f.of(c.matches[i+1].row) != first {
			family.elements = shared(sets, family.elements)
		}
	}
	return numbers
}

// shared returns the one list of all that are equal.
func shared(sets map[string][]int32, list []int32) []int32 {
	var signature []byte
	for _, n := range list {
		signature = append(signature, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	if sets[string(signature)] == nil {
		sets[string(signature)] = list
	}
	return sets[string(signature)]
}

// elementsOf returns the elements of all families that the rows are of.
func (s *stock) elementsOf(rows []stockRow) []int32 {
	elements := s.families[rows[0].family].elements
	for _, r := range rows[1:] {
		if r.family != rows[0].family {
			elements = append(slices.Clip(elements), s.families[r.family].elements...)
		}
	}
	if len(elements) > len(s.families[rows[0].family].elements) {
		slices.Sort(elements)
		elements = slices.Compact(elements)
	}
	return elements
}

// match appends the elements that a folded id is of.
func (s *stock) match(folded []byte, hits []int32) []int32 {
	if s == nil {
		return hits
	}
	if id, ok := s.ids[string(folded)]; ok {
		hits = append(hits, s.elements[id]...)
	}
	return hits
}

// Belonging is why an id that is carried belongs to a product by the catalogue.
type Belonging struct {
	ID, Product string
	// Good is the row that the id stands in, and Member the row of its family that is of the product by itself; they may be
	// the same.
	Good, Member Place
	// SKU is the id in Member that is like one of the product's SKUs; empty if what its columns say makes it the product's.
	SKU string
}

// Place is where a row stands in a catalogue.
type Place struct {
	File string
	Line int
}

// belongings appends why an id belongs to products, once for each.
func (m *skuMatcher) belongings(id, host, path string, all []Belonging, names []string) []Belonging {
	s := m.stock
	if s == nil {
		return all
	}
	number, ok := s.ids[foldText(id)]
	if !ok {
		return all
	}
	for _, r := range s.rows[s.starts[number]:s.starts[number+1]] {
		for _, match := range s.families[r.family].matches {
			b := Belonging{ID: id, Product: names[m.elements[match.element].product], Good: s.place(r.file, r.line), Member: s.place(match.file, match.line), SKU: match.sku}
			known := func(other Belonging) bool { return other.ID == b.ID && other.Product == b.Product }
			if m.here(match.element, host, path) && !slices.ContainsFunc(all, known) {
				all = append(all, b)
			}
		}
	}
	return all
}

func (s *stock) place(file, line int32) Place { return Place{s.files[file].Name, int(line)} }
