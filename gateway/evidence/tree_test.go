package evidence

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// TestTree compares every tree of up to 300 leaves with one of tlog's.
func TestTree(t *testing.T) {
	t.Parallel()
	var own tree
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for n := range int64(300) {
		want, err := tlog.TreeHash(n, reader)
		must(t, err)
		if got := own.root(); got != want || own.size != n {
			t.Fatalf("the root of %d leaves is %s, want %s", own.size, got, want)
		}
		data := fmt.Appendf(nil, "line %d", n)
		leaf := leafOf(append([]byte{'\n'}, data...))
		if leaf != tlog.RecordHash(data) {
			t.Fatalf("the hash of %q is %s", data, leaf)
		}
		own.add(leaf)
		hashes, err := tlog.StoredHashes(n, data, reader)
		must(t, err)
		stored = append(stored, hashes...)
	}
}

// TestHashReader proves every line of a log of several segments, with its leaf hashes and without.
func TestHashReader(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, true)
	segments, err := listSegments(dir)
	must(t, err)
	_, cp, err := lastCheckpoint(dir, segments)
	must(t, err)
	h := &hashReader{dir: dir, segments: segments, size: cp.Size}
	root, err := tlog.TreeHash(cp.Size, h)
	must(t, err)
	if root != cp.Root {
		t.Errorf("the root is %s, want %s", root, cp.Root)
	}
	for n := range cp.Size {
		line, err := lineAt(dir, segments, n)
		must(t, err)
		proof, err := tlog.ProveRecord(cp.Size, n, h)
		must(t, err)
		must(t, tlog.CheckRecord(proof, cp.Size, cp.Root, n, tlog.RecordHash(line)))
	}
	h.dir = t.TempDir()
	if _, err := tlog.TreeHash(cp.Size, h); err == nil {
		t.Error("hashes are read out of nothing")
	}
}
