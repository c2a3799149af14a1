package rules

import "slices"

// families joins rows that are of one good: variants with their sisters, and with the row of their parent.
type families struct {
	c        *Catalogue
	above    []int32 // by row: another row of its family, or itself
	named    []int32 // by key: a row whose parent it is; none if it is nobody's
	depth    []int32 // by key: how deep below a row without parent the row stands that it names; none if there is none
	children []int32 // rows by parent
	starts   []int32 // by key: where its children begin
}

// families finds which rows belong together.
//
// Rows that name the same parent are of one family, and so is the row that the parent's name is the id of. The ids of
// parents are numbers of their own in some shops, where variant 7 is none of product 7's, and those of goods in others. So
// a parent's name stands for a row only if that has no parent itself, or has one that does so; of several the least deep
// count. Where no row has it for its id, it may be another name of a row without parent, such as its SKU. What two rows
// merely share joins nothing: an id or SKU of several families is of each, and they stay apart.
func (c *Catalogue) families() *families {
	f := &families{c: c, above: make([]int32, len(c.rows)), named: slices.Repeat([]int32{none}, len(c.keys)), depth: slices.Repeat([]int32{none}, len(c.keys))}
	for i := range f.above {
		f.above[i] = int32(i)
	}
	f.sisters()
	var known []int32
	for i := range c.rows {
		if r := &c.rows[i]; r.root() && r.id != none && f.named[r.id] != none {
			known = f.stands(int32(i), r.id, 0, known)
		}
	}
	f.below(known)
	known = known[:0]
	for i := range c.rows {
		if !c.rows[i].root() {
			continue
		}
		for _, key := range c.idsOf(int32(i)) {
			if f.named[key] != none && (f.depth[key] == none || f.depth[key] == otherwise) {
				known = f.stands(int32(i), key, otherwise, known)
			}
		}
	}
	f.below(known)
	return f
}

// otherwise is the depth of names that are another than a row's id; it is below all others.
const otherwise = 1 << 24

// root reports whether a row has no parent but itself.
func (r *row) root() bool { return r.parent == none || r.parent == r.id }

// idsOf returns the keys of a row's ids.
func (c *Catalogue) idsOf(row int32) []int32 {
	end := len(c.ids)
	if int(row)+1 < len(c.rows) {
		end = int(c.rows[row+1].first)
	}
	return c.ids[c.rows[row].first:end]
}

// sisters joins the rows of one parent, and lists them.
func (f *families) sisters() {
	f.starts = make([]int32, len(f.c.keys)+1)
	for i := range f.c.rows {
		if parent := f.c.rows[i].parent; parent != none {
			f.starts[parent+1]++
			if f.named[parent] == none {
				f.named[parent] = int32(i)
			}
			f.join(int32(i), f.named[parent])
		}
	}
	for key := range len(f.c.keys) {
		f.starts[key+1] += f.starts[key]
	}
	next := slices.Clone(f.starts)
	f.children = make([]int32, f.starts[len(f.starts)-1])
	for i := range f.c.rows {
		if parent := f.c.rows[i].parent; parent != none {
			f.children[next[parent]] = int32(i)
			next[parent]++
		}
	}
}

// stands makes a row the one that the name of a parent stands for, and adds the name to the known ones.
func (f *families) stands(row, key, depth int32, known []int32) []int32 {
	f.join(row, f.named[key])
	if f.depth[key] == none {
		f.depth[key] = depth
		known = append(known, key)
	}
	return known
}

// below goes down from parents that are known to the rows of parents below them.
func (f *families) below(known []int32) {
	for len(known) > 0 {
		key := known[0]
		known = known[1:]
		for _, child := range f.children[f.starts[key]:f.starts[key+1]] {
			id, depth := f.c.rows[child].id, f.depth[key]+1
			if id != none && id != key && f.named[id] != none && (f.depth[id] == none || f.depth[id] == depth) {
				known = f.stands(child, id, depth, known)
			}
		}
	}
}

// of returns the row that stands for a row's family.
func (f *families) of(row int32) int32 {
	for f.above[row] != row {
		f.above[row] = f.above[f.above[row]]
		row = f.above[row]
	}
	return row
}

// join makes the families of two rows one. The earliest row stands for it.
func (f *families) join(a, b int32) {
	a, b = f.of(a), f.of(b)
	f.above[max(a, b)] = min(a, b)
}
