package evidence

import (
	"crypto/sha256"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of an RFC 6962 Merkle tree: the roots of the complete subtrees that its leaves form, the
// largest first. That is all it takes to add leaves and to compute the root. The zero tree is empty.
type tree struct {
	size int64
	edge []tlog.Hash
}

// unknownTree returns a tree of so many leaves that nothing is known about. It grows, and has the root of no other.
func unknownTree(size int64) tree {
	return tree{size, make([]tlog.Hash, bits.OnesCount64(uint64(size)))}
}

// leafOf returns the hash of a leaf whose data stand behind one spare byte, which it overwrites. It is
// tlog.RecordHash without the copy.
func leafOf(spared []byte) tlog.Hash {
	spared[0] = 0 // RFC 6962, section 2.1: a leaf is hashed with a zero byte before it
	return sha256.Sum256(spared)
}

// add appends a leaf.
func (t *tree) add(leaf tlog.Hash) {
	last := len(t.edge) - 1
	for n := t.size; n&1 == 1; n >>= 1 {
		leaf = tlog.NodeHash(t.edge[last], leaf)
		t.edge = t.edge[:last]
		last--
	}
	t.edge = append(t.edge, leaf)
	t.size++
}

// root returns the hash of all leaves.
func (t *tree) root() tlog.Hash {
	if len(t.edge) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// clone returns a tree that grows independently.
func (t *tree) clone() tree { return tree{t.size, slices.Clone(t.edge)} }

// copyFrom makes t equal to other and keeps its memory.
func (t *tree) copyFrom(other *tree) {
	t.size, t.edge = other.size, append(t.edge[:0], other.edge...)
}

// equal reports whether both trees have the same leaves.
func (t *tree) equal(other *tree) bool {
	return t.size == other.size && slices.Equal(t.edge, other.edge)
}
