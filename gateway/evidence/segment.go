package evidence

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// The files of a segment are named by the index of its first leaf and end in one of these.
const (
	plainSuffix  = ".jsonl"
	packedSuffix = ".jsonl.zst"
	leavesSuffix = ".leaves"
	indexDigits  = 19 // as many as the largest index has, so that names sort as indexes do
)

// segmentName is a segment of a folder and which of its files are there.
type segmentName struct {
	first                 int64
	plain, packed, leaves bool
}

// hasLines reports whether the segment's lines are there, and not only their hashes.
func (s segmentName) hasLines() bool { return s.plain || s.packed }

func segmentPath(dir string, first int64, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%0*d%s", indexDigits, first, suffix))
}

// listSegments returns a folder's segments in order. Files of other names are none of its business.
func listSegments(dir string) ([]segmentName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]segmentName)
	for _, entry := range entries {
		name := entry.Name()
		digits, suffix, _ := strings.Cut(name, ".")
		first, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || len(digits) != indexDigits || first < 0 {
			continue
		}
		s := found[first]
		s.first = first
		switch "." + suffix {
		case plainSuffix:
			s.plain = true
		case packedSuffix:
			s.packed = true
		case leavesSuffix:
			s.leaves = true
		default:
			continue
		}
		found[first] = s
	}
	list := make([]segmentName, 0, len(found))
	for _, s := range found {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b segmentName) int { return cmp.Compare(a.first, b.first) })
	return list, nil
}

// openSegment opens a segment's lines, whether compressed or not. Of both, the plain file counts: it is the original. A
// segment that is being compressed may change from the one to the other at any time.
func openSegment(dir string, first int64) (*lineReader, error) {
	for range 2 {
		path := segmentPath(dir, first, plainSuffix)
		f, err := os.Open(path)
		if err == nil {
			return newLineReader(f, path), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		path = segmentPath(dir, first, packedSuffix)
		r, err := openPacked(path)
		if err == nil {
			return newLineReader(r, path), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: %w", segmentPath(dir, first, plainSuffix), fs.ErrNotExist)
}

// maxLine is how long a line may be, in bytes. The longest target that a request may have is far shorter.
const maxLine = 1 << 20

var errLongLine = fmt.Errorf("a line is longer than %d bytes", maxLine)

// lineReader reads a segment line by line and hashes each line. It holds one part of the file at a time.
type lineReader struct {
	path   string
	src    io.ReadCloser
	buf    []byte // buf[0] is spare, so that there is a byte before every line
	at     int    // where the next line begins in buf
	end    int    // where what was read ends in buf
	scan   int    // up to where buf holds no newline
	number int    // of the line that next returned last, the first being 1
	offset int64  // in the file, or in what it holds compressed, behind that line
	err    error  // why there is no more
}

func newLineReader(src io.ReadCloser, path string) *lineReader {
	return &lineReader{path: path, src: src, buf: make([]byte, 256<<10), at: 1, end: 1, scan: 1}
}

// next returns the next line that ends in a newline, without it, and the line's hash. The line is good until the next
// call. ok is false at the end of such lines; at the end of a file that grows it may be called again.
func (r *lineReader) next() (line []byte, leaf tlog.Hash, ok bool) {
	for {
		if i := bytes.IndexByte(r.buf[r.scan:r.end], '\n'); i >= 0 {
			end := r.scan + i
			spared := r.buf[r.at-1 : end]
			r.offset += int64(end + 1 - r.at)
			r.at, r.scan = end+1, end+1
			r.number++
			return spared[1:], leafOf(spared), true
		}
		r.scan = r.end
		if !r.fill() {
			return nil, leaf, false
		}
	}
}

// fill reads more of the file behind what is not yet a line.
func (r *lineReader) fill() bool {
	if r.err != nil && !errors.Is(r.err, io.EOF) {
		return false
	}
	if r.at > 1 {
		r.end = 1 + copy(r.buf[1:], r.buf[r.at:r.end])
		r.at, r.scan = 1, r.end
	}
	if r.end == len(r.buf) {
		if len(r.buf) > maxLine {
			r.err = errLongLine
			return false
		}
		r.buf = slices.Grow(r.buf, len(r.buf))[:2*len(r.buf)]
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	r.err = err
	return n > 0
}

// rest returns what stands behind the last newline; it is not a line.
func (r *lineReader) rest() []byte { return r.buf[r.at:r.end] }

// failure returns what kept the reader from reading the file to its end.
func (r *lineReader) failure() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		return nil
	}
	return r.err
}

func (r *lineReader) close() { _ = r.src.Close() } // it was only read
