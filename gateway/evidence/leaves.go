package evidence

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/tlog"
)

// The leaf hashes of a segment stand beside it, 32 bytes each. They follow from the lines and are not needed while those
// are there, except that they tell which line was altered. Once retention has dropped the lines, the hashes keep the
// tree whole.

// leafReader reads leaf hashes in order.
type leafReader struct {
	file *os.File
	in   *bufio.Reader
	odd  bool // the file ends within a hash
}

// openLeaves opens a segment's leaf hashes. A missing file reads like an empty one.
func openLeaves(dir string, first int64) (*leafReader, error) {
	f, err := os.Open(segmentPath(dir, first, leavesSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return &leafReader{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &leafReader{file: f, in: bufio.NewReaderSize(f, 64<<10)}, nil
}

// next returns the next hash; ok is false at the end.
func (r *leafReader) next() (leaf tlog.Hash, ok bool, err error) {
	if r.in == nil {
		return leaf, false, nil
	}
	// A hash that is read through an interface would be allocated, every time.
	data, err := r.in.Peek(tlog.HashSize)
	if len(data) == tlog.HashSize {
		copy(leaf[:], data)
		_, err = r.in.Discard(tlog.HashSize)
		return leaf, true, err
	}
	if errors.Is(err, io.EOF) {
		r.odd, err = len(data) > 0, nil
	}
	return leaf, false, err
}

// skip passes over hashes.
func (r *leafReader) skip(n int64) error {
	if r.file == nil || n == 0 {
		return nil
	}
	_, err := r.file.Seek(n*tlog.HashSize, io.SeekStart)
	r.in.Reset(r.file)
	return err
}

func (r *leafReader) close() {
	if r.file != nil {
		_ = r.file.Close() // it was only read
	}
}

// readLeaves returns all of a segment's leaf hashes.
func readLeaves(dir string, first int64) ([]tlog.Hash, error) {
	r, err := openLeaves(dir, first)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var leaves []tlog.Hash
	for {
		leaf, ok, err := r.next()
		if !ok || err != nil {
			return leaves, err
		}
		leaves = append(leaves, leaf)
	}
}

// appendLeaves writes hashes for the leaves from index at on into an open file of leaf hashes, of which the first is
// that of leaf first. The place in the file follows from the index, so that a write that failed shifts none after it.
func appendLeaves(f *os.File, first, at int64, leaves []tlog.Hash) error {
	data := make([]byte, 0, len(leaves)*tlog.HashSize)
	for _, leaf := range leaves {
		data = append(data, leaf[:]...)
	}
	_, err := f.WriteAt(data, (at-first)*tlog.HashSize)
	return err
}

// hashReader reads the hashes of a tree out of a log's leaf hashes, or out of its lines where those are missing.
type hashReader struct {
	dir      string
	segments []segmentName
	size     int64
}

// ReadHashes returns stored hashes as tlog numbers them.
func (h *hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		var t tree
		if err := h.each(n<<level, (n+1)<<level, t.add); err != nil {
			return nil, err
		}
		hashes[i] = t.root()
	}
	return hashes, nil
}

// each calls add with the hash of every leaf in [from, until).
func (h *hashReader) each(from, until int64, add func(tlog.Hash)) error {
	for i, s := range h.segments {
		end := h.size
		if i+1 < len(h.segments) {
			end = min(end, h.segments[i+1].first)
		}
		if end <= from || s.first >= until {
			continue
		}
		lo, hi := max(from, s.first), min(until, end)
		done, err := h.stored(s, lo, hi, add)
		if err == nil && done < hi {
			err = h.computed(s, done, hi, add)
		}
		if err != nil {
			return err
		}
		from = hi
	}
	if from < until {
		return fmt.Errorf("%s: lines %d to %d of the log are missing", h.dir, from, until-1)
	}
	return nil
}

// stored takes hashes from the file of leaf hashes and returns the first index that it does not have.
func (h *hashReader) stored(s segmentName, lo, hi int64, add func(tlog.Hash)) (int64, error) {
	r, err := openLeaves(h.dir, s.first)
	if err != nil {
		return lo, err
	}
	defer r.close()
	if err := r.skip(lo - s.first); err != nil {
		return lo, err
	}
	for lo < hi {
		leaf, ok, err := r.next()
		if !ok || err != nil {
			return lo, err
		}
		add(leaf)
		lo++
	}
	return lo, nil
}

// computed takes hashes from the lines.
func (h *hashReader) computed(s segmentName, lo, hi int64, add func(tlog.Hash)) error {
	r, err := openSegment(h.dir, s.first)
	if err != nil {
		return err
	}
	defer r.close()
	for index := s.first; index < hi; index++ {
		_, leaf, ok := r.next()
		if !ok {
			return errors.Join(fmt.Errorf("%s: line %d is missing", r.path, index-s.first+1), r.failure())
		}
		if index >= lo {
			add(leaf)
		}
	}
	return nil
}
