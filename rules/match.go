package rules

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// selector says which requests belong to an activity or a product: those for any of the hosts (none: any
// host) under any of the paths (none: any path). One of a product may ask for any of the SKUs as well, for goods of a
// catalogue, or for parameters of the query; one of an activity may say in which fields a product is carried, and that only
// what carries one belongs to the activity.
type selector struct {
	hosts, paths []string
	skus         []string // folded
	catalogue    []named
	at           Problem // where what is asked of a catalogue stands
	query        []named
	dialect      Dialect // empty without fields
	fields       []Field
	where        []Condition
	carried      bool
	cart         *Cart
}

// matcher finds the activities or products whose selectors match a host and path. Its cost grows with the
// length of the path and not with the number of selectors.
type matcher struct {
	exact map[string]*node // by host
	below map[string]*node // by parent domain, of patterns such as *.example
	any   *node
}

// node is a state of the automaton that reads a path segment by segment.
type node struct {
	ends  []int32          // what matches here and below
	next  map[string]*node // by folded literal segment
	globs []globs          // patterns with * in this segment
	deep  *node            // behind a **: reached without a segment
	loop  bool             // this node is behind a **: it stays for every further segment
}

// globs are patterns of one segment that begin with literals of the same length.
type globs struct {
	length   int
	byPrefix map[string][]glob
}

// glob is a pattern of one segment: the literal prefix is known to match, then come the parts, in order,
// with anything between.
type glob struct {
	parts [][]byte // behind the prefix; the last must be the end
	node  *node
}

// add makes the matcher answer id where the selector matches.
func (m *matcher) add(s selector, id int32) {
	hosts, paths := s.hosts, s.paths
	if len(hosts) == 0 {
		hosts = []string{"*"}
	}
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	for _, host := range hosts {
		root := m.root(host)
		for _, path := range paths {
			end := root.grow(path)
			if !slices.Contains(end.ends, id) {
				end.ends = append(end.ends, id)
			}
		}
	}
}

func (m *matcher) root(host string) *node {
	if host == "*" {
		if m.any == nil {
			m.any = new(node)
		}
		return m.any
	}
	table := &m.exact
	if parent, ok := strings.CutPrefix(host, "*."); ok {
		table, host = &m.below, parent
	}
	if *table == nil {
		*table = make(map[string]*node)
	}
	if (*table)[host] == nil {
		(*table)[host] = new(node)
	}
	return (*table)[host]
}

// grow returns the node at the end of the path pattern.
func (n *node) grow(path string) *node {
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case segment == "":
		case segment == "**":
			if n.deep == nil {
				n.deep = &node{loop: true}
			}
			n = n.deep
		case strings.Contains(segment, "*"):
			n = n.growGlob(string(appendFolded(nil, segment)))
		default:
			folded := string(appendFolded(nil, segment))
			if n.next == nil {
				n.next = make(map[string]*node)
			}
			if n.next[folded] == nil {
				n.next[folded] = new(node)
			}
			n = n.next[folded]
		}
	}
	return n
}

func (n *node) growGlob(pattern string) *node {
	parts := bytes.Split([]byte(pattern), []byte("*"))
	prefix, parts := string(parts[0]), parts[1:]
	i := slices.IndexFunc(n.globs, func(g globs) bool { return g.length == len(prefix) })
	if i < 0 {
		i = len(n.globs)
		n.globs = append(n.globs, globs{length: len(prefix), byPrefix: make(map[string][]glob)})
	}
	for _, g := range n.globs[i].byPrefix[prefix] {
		if slices.EqualFunc(g.parts, parts, bytes.Equal) {
			return g.node
		}
	}
	g := glob{parts: parts, node: new(node)}
	n.globs[i].byPrefix[prefix] = append(n.globs[i].byPrefix[prefix], g)
	return g.node
}

// match appends to hits the ids of all selectors that match, each once.
func (m *matcher) match(host, path string, hits []int32) []int32 {
	if m.any != nil {
		hits = m.any.walk(path, hits)
	}
	if n := m.exact[host]; n != nil {
		hits = n.walk(path, hits)
	}
	if m.below != nil {
		for rest := host; ; {
			dot := strings.IndexByte(rest, '.')
			if dot < 0 {
				break
			}
			rest = rest[dot+1:]
			if n := m.below[rest]; n != nil {
				hits = n.walk(path, hits)
			}
		}
	}
	return hits
}

// walk runs the automaton from n over the path. All its states are followed side by side, so that the cost
// is bounded by the length of the path times the number of states that patterns with ** keep alive.
func (n *node) walk(path string, hits []int32) []int32 {
	var stateA, stateB [8]*node
	var fold [64]byte
	states, spare := stateA[:0], stateB[:0]
	states, hits = n.enter(states, hits)
	for rest := strings.TrimPrefix(path, "/"); len(states) > 0; {
		segment, tail, more := rest, "", false
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			segment, tail, more = rest[:slash], rest[slash+1:], true
		}
		folded := appendFolded(fold[:0], segment)
		next := spare[:0]
		for _, s := range states {
			if s.loop {
				next, hits = s.enter(next, hits)
			}
			if c := s.next[string(folded)]; c != nil {
				next, hits = c.enter(next, hits)
			}
			for i := range s.globs {
				next, hits = s.globs[i].step(folded, next, hits)
			}
		}
		if !more {
			break
		}
		states, spare, rest = next, states, tail
	}
	return hits
}

// enter adds a node, and what is reached from it without a segment, to the states, and its ids to the hits.
func (n *node) enter(states []*node, hits []int32) ([]*node, []int32) {
	for ; n != nil; n = n.deep {
		for _, id := range n.ends {
			if !slices.Contains(hits, id) {
				hits = append(hits, id)
			}
		}
		if (n.next != nil || n.globs != nil || n.loop) && !slices.Contains(states, n) {
			states = append(states, n)
		}
	}
	return states, hits
}

func (g *globs) step(segment []byte, states []*node, hits []int32) ([]*node, []int32) {
	if len(segment) < g.length || len(segment) == 0 {
		return states, hits
	}
	for _, glob := range g.byPrefix[string(segment[:g.length])] {
		if glob.matches(segment[g.length:]) {
			states, hits = glob.node.enter(states, hits)
		}
	}
	return states, hits
}

// matches takes each part at its first occurrence, which is right because only the last is tied to a place.
func (g *glob) matches(rest []byte) bool {
	last := len(g.parts) - 1
	for _, part := range g.parts[:last] {
		i := bytes.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return bytes.HasSuffix(rest, g.parts[last])
}

// appendFolded appends the segment with letter case folded (Unicode simple folding), so that two segments
// that differ only in case become equal. Bytes that are no UTF-8 stay as they are.
func appendFolded(dst []byte, segment string) []byte {
	for i := 0; i < len(segment); i++ {
		c := segment[i]
		if c >= utf8.RuneSelf {
			return appendFoldedRunes(dst, segment[i:])
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

func appendFoldedRunes(dst []byte, segment string) []byte {
	for len(segment) > 0 {
		r, size := utf8.DecodeRuneInString(segment)
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, segment[0])
		} else {
			dst = utf8.AppendRune(dst, foldRune(r))
		}
		segment = segment[size:]
	}
	return dst
}

// foldRune returns the one representative of all runes that differ from r in case only: the lower-case
// ASCII letter if there is one among them, and the smallest otherwise.
func foldRune(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
