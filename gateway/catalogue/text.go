package catalogue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gate451/rules"
)

// The bounds of a file, after it was decompressed. Few goods take more than a few hundred bytes.
const (
	mostBytes = 4 << 30
	mostRow   = 4 << 20 // of one row or entry
)

var (
	errLong = fmt.Errorf("the file is longer than %d GiB; split it", mostBytes>>30)
	errRow  = fmt.Errorf("a row is longer than %d MiB; close the quote or the tag that is never closed", mostRow>>20)
)

// text is a file of which the bytes are known to be UTF-8, without a byte order mark. It knows lines, and bounds what a
// parser may gather.
type text struct {
	path string
	src  io.Reader
	buf  []byte // what was read and not yet given
	room []byte // where buf is filled again
	held []byte // the beginning of a character whose end has not come
	err  error
	page []byte

	given  int64   // bytes
	passed int64   // where the row that is being read begins
	breaks []int64 // where lines end from there on
	line   int     // the line of passed, from 1
	start  int64   // where that line begins
}

func newText(path string, src io.Reader) *text {
	return &text{path: path, src: src, page: make([]byte, 64<<10), line: 1}
}

// head returns how the text begins.
func (t *text) head() []byte {
	for len(t.buf) < 512 && t.err == nil {
		t.fill()
	}
	return t.buf[:min(len(t.buf), 512)]
}

// fill reads on.
func (t *text) fill() {
	first := t.given == 0 && len(t.buf) == 0
	n := copy(t.page, t.held)
	read, err := t.src.Read(t.page[n:])
	got := t.page[:n+read]
	t.held = t.held[:0]
	if first {
		for len(got) < 3 && err == nil {
			read, err = t.src.Read(t.page[len(got):])
			got = t.page[:len(got)+read]
		}
		got = bytes.TrimPrefix(got, []byte("\ufeff"))
	}
	t.err = err
	var wrong bool
	if !utf8.Valid(got) {
		whole := len(got)
		for back := 1; back < utf8.UTFMax && back <= whole && err == nil; back++ {
			if at := whole - back; utf8.RuneStart(got[at]) {
				if !utf8.FullRune(got[at:]) {
					whole = at
				}
				break
			}
		}
		t.held = append(t.held, got[whole:]...)
		if got = got[:whole]; !utf8.Valid(got) {
			good := 0
			for good < len(got) {
				r, size := utf8.DecodeRune(got[good:])
				if r == utf8.RuneError && size == 1 {
					break
				}
				good += size
			}
			got, wrong = got[:good], true
		}
	}
	if len(t.buf) == 0 {
		t.buf = t.room[:0]
	}
	if t.buf = append(t.buf, got...); cap(t.buf) > cap(t.room) {
		t.room = t.buf
	}
	if wrong {
		line, column := t.end()
		t.err = problem(t.path, line, column, "the file is not UTF-8; save it as UTF-8")
	}
}

// end returns where what has been read ends.
func (t *text) end() (line, column int) {
	line = t.line + len(t.breaks) + bytes.Count(t.buf, []byte("\n"))
	start := t.start
	if i := bytes.LastIndexByte(t.buf, '\n'); i >= 0 {
		start = t.given + int64(i) + 1
	} else if n := len(t.breaks); n > 0 {
		start = t.breaks[n-1] + 1
	}
	return line, int(t.given+int64(len(t.buf))-start) + 1
}

// Read implements io.Reader.
func (t *text) Read(p []byte) (int, error) {
	for len(t.buf) == 0 && t.err == nil {
		t.fill()
	}
	switch {
	case len(t.buf) == 0 && t.err != nil:
		return 0, t.err
	case t.given-t.passed > mostRow:
		return 0, errRow
	case t.given > mostBytes:
		return 0, errLong
	}
	n := copy(p, t.buf)
	for rest, at := t.buf[:n], t.given; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			break
		}
		t.breaks = append(t.breaks, at+int64(i))
		rest, at = rest[i+1:], at+int64(i)+1
	}
	t.given += int64(n)
	t.buf = t.buf[n:]
	return n, nil
}

// pass says that a row begins at an offset, and returns its line.
func (t *text) pass(offset int64) int {
	n := 0
	for n < len(t.breaks) && t.breaks[n] < offset {
		t.line++
		t.start = t.breaks[n] + 1
		n++
	}
	t.breaks = append(t.breaks[:0], t.breaks[n:]...)
	t.passed = max(t.passed, offset)
	return t.line
}

// because says where the row is that a failure stopped at, unless the failure says it.
func (t *text) because(err error) error {
	return t.placed(err, t.line, int(t.passed-t.start)+1, "")
}

// placed puts a failure where a row is, unless it has a place of its own.
func (t *text) placed(err error, line, column int, entry string) error {
	if _, ok := errors.AsType[rules.Problems](err); ok {
		return err
	}
	return problem(t.path, line, column, "%s%v%s", entry, err, remedy(err))
}

// remedy says what would be right where the failure does not.
func remedy(err error) string {
	switch {
	case strings.Contains(err.Error(), "; "): // it does
		return ""
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "; the file may have been cut off: write it whole, and give it its name when it is"
	}
	return "; write the file again, whole"
}
