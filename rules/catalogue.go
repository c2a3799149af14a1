package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Good is what one row of a catalogue says: a good as the shop sells it, one of its variants, or what variants have in common.
type Good struct {
	// Line is where the row begins in its file, or the number of its entry, from 1.
	Line int
	// ID is what the shop knows the good by. Parent is the id of the good of which it is a variant, or names the family that
	// it is of. Either may be empty.
	ID, Parent string
	// Others are the further ids that the shop uses for the good beside: its SKU, its handle, its global id.
	Others []string
	// Values are what the columns say that the policy asks for; see Catalogue.Column.
	Values []Value
}

// Value is what one column of a row says.
type Value struct{ Column, Text string }

// Catalogue gathers the goods of the files that a policy names. It belongs to that policy: make it with Policy.Catalogue,
// fill it, and attach it with Policy.WithCatalogue. It must not be used by several goroutines at once.
type Catalogue struct {
	policy *Policy
	files  []CatalogueFile
	most   int // goods, and ids

	keys    map[string]int32 // ids and parents, folded, by number
	seen    []int32          // by key: the last file that has it as an id, from 1
	columns map[string]bool
	rows    []row
	ids     []int32 // keys of the rows, one row's after the other's
	matches []match

	fold  []byte
	terms []int32
	found []int32
}

// CatalogueFile is what a catalogue has of one file.
type CatalogueFile struct {
	// Name is how the policy names the file, Path where it is, for people.
	Name, Path string
	// Goods is the number of its rows, IDs that of the different ids in them.
	Goods, IDs int
}

// row is a good as it is kept.
type row struct {
	line   int32
	file   int32
	first  int32 // where its ids begin
	id     int32 // the key of its own id; none if it has none
	parent int32 // none if it has none
}

// match is that a row is a product's by itself.
type match struct {
	row, element int32
	by           int32 // the key of the id that is like one of the SKUs; less than 0: it is the columns
}

const (
	none      = -1
	byColumns = -1
	mostGoods = 8 << 20
)

// Catalogues returns the names of the files that say which ids are which goods', as the policy has them, sorted.
func (p *Policy) Catalogues() []string { return slices.Clone(p.catalogues) }

// Catalogue returns a catalogue that is empty, to be filled and attached.
func (p *Policy) Catalogue() *Catalogue {
	return &Catalogue{policy: p, most: mostGoods, keys: make(map[string]int32), columns: make(map[string]bool)}
}

// Begin says that the goods to come are of a file.
func (c *Catalogue) Begin(name, path string) {
	c.files = append(c.files, CatalogueFile{Name: name, Path: path})
}

// Files says what was gathered, file by file.
func (c *Catalogue) Files() []CatalogueFile { return slices.Clone(c.files) }

// Column says that the files have a column, under any of its names, and reports whether the policy asks for what it says.
func (c *Catalogue) Column(name string) bool {
	name = Column(name)
	c.columns[name] = true
	return c.policy.skus.goods.names[name] != nil
}

// Add takes a good in. It keeps nothing of g. An error says that the catalogue is full.
func (c *Catalogue) Add(g *Good) error {
	if len(c.rows) >= c.most || len(c.keys) > 2*c.most {
		return fmt.Errorf("the catalogues hold more than %d goods; leave out what no request carries", c.most)
	}
	if len(c.files) == 0 {
		c.Begin("", "")
	}
	at := int32(len(c.rows))
	r := row{line: int32(g.Line), file: int32(len(c.files) - 1), first: int32(len(c.ids)), id: none, parent: none}
	c.found = c.found[:0]
	if parent := c.key(g.Parent); parent != none {
		r.parent = parent
		c.like(at, parent)
	}
	if r.id = c.id(at, g.ID); r.id == none && r.parent == none && len(g.Others) == 0 {
		return nil // it is nothing that a request could carry
	}
	for _, other := range g.Others {
		c.id(at, other)
	}
	c.rows = append(c.rows, r)
	c.files[r.file].Goods++
	c.ask(at, g.Values)
	return nil
}

// id adds an id to the row and returns its key.
func (c *Catalogue) id(row int32, text string) int32 {
	key := c.key(text)
	if key == none {
		return none
	}
	c.ids = append(c.ids, key)
	if file := int32(len(c.files)); c.seen[key] != file {
		c.seen[key] = file
		c.files[file-1].IDs++
	}
	c.like(row, key)
	return key
}

// key returns the number of an id; none for a blank one. What it was folded to stays in c.fold.
func (c *Catalogue) key(text string) int32 {
	c.fold = appendFolded(c.fold[:0], strings.TrimSpace(text))
	if len(c.fold) == 0 {
		return none
	}
	key, known := c.keys[string(c.fold)]
	if !known {
		key = int32(len(c.keys))
		c.keys[string(c.fold)] = key
		c.seen = append(c.seen, 0)
	}
	return key
}

// like notes the elements whose SKUs the id is like that was folded last.
func (c *Catalogue) like(row, key int32) {
	before := len(c.found)
	c.found = c.policy.skus.texts.match(c.fold, c.found)
	for _, element := range c.found[before:] {
		c.matches = append(c.matches, match{row, element, key})
	}
}

// ask notes the elements that ask for what the columns of a row say.
func (c *Catalogue) ask(row int32, values []Value) {
	goods := &c.policy.skus.goods
	c.terms = c.terms[:0]
	for _, v := range values {
		if asked := goods.names[v.Column]; asked != nil {
			if c.fold = appendFolded(c.fold[:0], strings.TrimSpace(v.Text)); len(c.fold) > 0 { // a blank says nothing
				c.terms = asked.match(c.fold, c.terms)
			}
		}
	}
	c.found = goods.met(c.terms, c.found[:0])
	for _, element := range c.found {
		c.matches = append(c.matches, match{row, element, byColumns})
	}
}

// WithCatalogue returns the policy with the catalogue attached, which must have been made by it and is of no further use; its
// digest stays that of its text. An error is of type Problems: the policy asks for a column that no file has.
func (p *Policy) WithCatalogue(c *Catalogue) (*Policy, error) {
	if wrong := p.unknownColumns(c); len(wrong) > 0 {
		return nil, wrong
	}
	q := *p
	q.skus.stock = c.stock()
	q.warnings = slices.Clone(p.warnings)
	matched := make([]bool, len(p.skus.elements))
	for _, m := range c.matches {
		matched[m.element] = true
	}
	for id, e := range p.skus.elements {
		if len(e.catalogue) > 0 && !matched[id] {
			w := e.at
			w.Message = fmt.Sprintf("no row of the catalogues is one of product %s by this; look at the column's values", p.names[e.product])
			q.warnings = append(q.warnings, w)
		}
	}
	q.warnings = q.warnings.sorted()
	return &q, nil
}

// Attached returns what is attached to the policy, file by file; nil if no catalogue is.
func (p *Policy) Attached() []CatalogueFile {
	if p.skus.stock == nil {
		return nil
	}
	return slices.Clone(p.skus.stock.files)
}

// unknownColumns finds what is asked of columns that are not there, so that a slip of the pen lets nothing slip by.
func (p *Policy) unknownColumns(c *Catalogue) (wrong Problems) {
	for _, e := range p.skus.elements {
		for _, n := range e.catalogue {
			if !c.columns[n.name] {
				w := e.at
				w.Message = fmt.Sprintf("no catalogue has a column %q; %s", n.name, instead(n.name, names(c.columns)))
				wrong = append(wrong, w)
			}
		}
	}
	return wrong.sorted()
}
