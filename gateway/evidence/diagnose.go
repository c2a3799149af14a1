package evidence

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// diagnosis finds out which lines of a segment are not what was signed. The leaf hashes tell, if they are what was signed:
// if they make up the root of a checkpoint whose signature is right, in this segment or the first one behind it, then a
// line with another hash is another line. If they do not, the checkpoints tell between which of them it is.
type diagnosis struct {
	dir      string
	first    int64
	path     string
	lines    []tlog.Hash
	kinds    []kind
	signed   []signedAt
	cut      bool // the file does not end with a line, or cannot be read to its end
	leaves   []tlog.Hash
	byLines  tree
	byLeaves tree
	// sure is how many leaf hashes, and good up to which line the lines, a signature vouches for.
	sure, good int
	findings   []Finding
}

// signedAt is a checkpoint whose signature is right, and the line that it stands in, counted from 1.
type signedAt struct {
	Checkpoint
	line int
}

// region is where lines and leaf hashes differ: from a line on (counted from 0) have lines stand where from an index in
// the segment on there were had.
type region struct{ line, have, index, had int }

// explain replaces what a pass noticed by what is wrong, and goes on behind the segment as well as can be.
func (v *verification) explain(p *pass, next int64) error {
	d, err := diagnose(v.result.Dir, p.first, p.base, v.verifier, p.last)
	if err != nil {
		return err
	}
	for _, f := range d.findings {
		v.find(f.File, f.Line, f.Index, "%s", f.Problem)
	}
	if len(v.result.Findings) == p.found {
		v.find(segmentPath(v.result.Dir, p.first, plainSuffix), 1, p.first, "the segment does not go on where the log before it ends; restore the segments from a copy")
	}
	switch {
	case next < 0:
		v.uncovered = 0 // what is wrong with the end is said
	case d.sure == len(d.leaves) && d.byLeaves.size == next:
		v.tree = d.byLeaves
	case d.good == len(d.lines) && d.byLines.size == next:
		v.tree = d.byLines
	default:
		v.skipTo(next)
	}
	return nil
}

// diagnose compares a segment's lines, leaf hashes and checkpoints with each other. Base is the log before the segment.
func diagnose(dir string, first int64, base tree, verifier note.Verifier, last bool) (*diagnosis, error) {
	d := &diagnosis{dir: dir, first: first, byLines: base.clone(), byLeaves: base.clone()}
	err := d.scan(verifier, 0)
	if err == nil {
		d.leaves, err = readLeaves(dir, first)
	}
	if err != nil {
		return nil, err
	}
	d.vouchLeaves(verifier)
	d.vouchLines()
	altered := false
	for _, r := range d.regions() {
		altered = d.judge(r, last) || altered
	}
	if !altered {
		d.odd()
	}
	return d, nil
}

// scan reads the lines, up to a number of signed checkpoints if most is not 0.
func (d *diagnosis) scan(verifier note.Verifier, most int) error {
	r, err := openSegment(d.dir, d.first)
	if errors.Is(err, errSeal) {
		d.path, d.cut = segmentPath(d.dir, d.first, packedSuffix), true
		return nil
	}
	if err != nil {
		return err
	}
	defer r.close()
	d.path = r.path
	for most == 0 || len(d.signed) < most {
		line, leaf, ok := r.next()
		if !ok {
			break
		}
		k := kindOf(line)
		if k == kindCheckpoint {
			if cp, ok := signedLine(line, verifier); ok {
				d.signed = append(d.signed, signedAt{cp, r.number})
			} else {
				k = kindNone
			}
		}
		d.lines, d.kinds = append(d.lines, leaf), append(d.kinds, k)
	}
	d.cut = r.failure() != nil || len(r.rest()) > 0
	return nil
}

// signedLine reads a checkpoint's line; ok is false unless it is signed.
func signedLine(line []byte, verifier note.Verifier) (cp Checkpoint, ok bool) {
	text, ok := noteOfLine(nil, line)
	if !ok {
		return cp, false
	}
	cp, err := openNote(text, verifier)
	return cp, err == nil
}

// vouchLeaves finds out how many leaf hashes make up what was signed.
func (d *diagnosis) vouchLeaves(verifier note.Verifier) {
	signed := d.signed
	later, beyond := d.behind(verifier)
	if later != nil {
		signed = append(signed[:len(signed):len(signed)], *later)
	}
	t := d.byLeaves.clone()
	for i, leaf := range append(d.leaves[:len(d.leaves):len(d.leaves)], beyond...) {
		t.add(leaf)
		if i < len(d.leaves) {
			d.byLeaves.add(leaf)
		}
		for _, cp := range signed {
			if cp.Size == t.size && cp.Root == t.root() {
				d.sure = min(i+1, len(d.leaves))
			}
		}
		for len(signed) > 0 && signed[0].Size <= t.size {
			signed = signed[1:]
		}
	}
}

// behind returns the first checkpoint behind the segment and the leaf hashes from the segment's end up to it.
func (d *diagnosis) behind(verifier note.Verifier) (*signedAt, []tlog.Hash) {
	segments, err := listSegments(d.dir)
	if err != nil {
		return nil, nil
	}
	for _, s := range segments {
		if s.first <= d.first {
			continue
		}
		next := &diagnosis{dir: d.dir, first: s.first}
		if err := next.scan(verifier, 1); err != nil || len(next.signed) == 0 {
			return nil, nil
		}
		leaves, err := readLeaves(d.dir, s.first)
		count := next.signed[0].Size - s.first
		if err != nil || count < 0 || int64(len(leaves)) < count {
			return nil, nil
		}
		return &next.signed[0], leaves[:count]
	}
	return nil, nil
}

// vouchLines finds out up to which line the lines make up what was signed.
func (d *diagnosis) vouchLines() {
	signed := d.signed
	for i, leaf := range d.lines {
		if len(signed) > 0 && signed[0].line == i+1 {
			if signed[0].Size == d.byLines.size && signed[0].Root == d.byLines.root() {
				d.good = i + 1
			}
			signed = signed[1:]
		}
		d.byLines.add(leaf)
	}
}

// regions returns where the lines differ from the leaf hashes.
func (d *diagnosis) regions() []region {
	at := make(map[tlog.Hash]int, len(d.leaves))
	for i, leaf := range d.leaves {
		at[leaf] = i
	}
	var found []region
	i, j := 0, 0
	for i < len(d.lines) || j < len(d.leaves) {
		if i < len(d.lines) && j < len(d.leaves) && d.lines[i] == d.leaves[j] {
			i, j = i+1, j+1
			continue
		}
		r := region{line: i, index: j, had: len(d.leaves) - j}
		for ; i < len(d.lines); i++ {
			if known, ok := at[d.lines[i]]; ok && known >= j {
				r.had = known - j
				break
			}
		}
		r.have, j = i-r.line, j+r.had
		found = append(found, r)
	}
	return found
}

// judge says whether it is the lines or the leaf hashes that are wrong in a region, and reports whether it is lines.
func (d *diagnosis) judge(r region, last bool) bool {
	atEnd := r.line+r.have == len(d.lines)
	switch {
	case r.index < d.sure:
		if !d.cut || !atEnd || r.have > 0 { // that the end is missing is said already
			d.differ(r)
		}
		return true
	case r.had == 0 && atEnd && (last || r.line >= d.good):
		return false // leaf hashes are written behind the lines, and may be fewer; whether a checkpoint covers the lines is judged elsewhere
	case r.line < d.good:
		d.find(segmentPath(d.dir, d.first, leavesSuffix), r.line, "the leaf hashes from here on are not those of the lines; remove the file and open the log once, so that they are made anew")
		return false
	case d.later(r.line):
		return false // the checkpoints tell
	}
	d.differ(r)
	return true
}

// later reports whether a signed checkpoint stands behind a line.
func (d *diagnosis) later(line int) bool {
	return len(d.signed) > 0 && d.signed[len(d.signed)-1].line > line
}

func (d *diagnosis) differ(r region) {
	switch {
	case r.have == 1 && r.had == 1:
		d.find(d.path, r.line, "the line is not the one that was written; restore the file from a copy")
	case r.have == 0:
		d.find(d.path, r.line, "lines are missing here, %d of them; restore the file from a copy", r.had)
	case r.had == 0:
		d.find(d.path, r.line, "lines were added here, %d of them; restore the file from a copy", r.have)
	default:
		d.find(d.path, r.line, "lines from here on are not those that were written, %d instead of %d; restore the file from a copy", r.have, r.had)
	}
}

// odd finds what is wrong with lines that do not differ from the leaf hashes, or have none that could be trusted.
func (d *diagnosis) odd() {
	to := len(d.lines)
	for _, cp := range d.signed {
		if cp.line > d.good {
			to = cp.line
			break
		}
	}
	for i := d.good; i < to; i++ {
		if d.kinds[i] == kindNone || (d.kinds[i] == kindSegment) != (i == 0) {
			d.find(d.path, i, "the line is none that a log has here; restore the file from a copy")
			return
		}
	}
	if to < len(d.lines) || d.later(d.good) {
		d.find(d.path, d.good, "something in lines %d to %d is not what was signed, and the leaf hashes do not tell what; restore the file from a copy", d.good+1, to)
	}
}

// find adds a finding about a line, counted from 0.
func (d *diagnosis) find(path string, line int, format string, args ...any) {
	if len(d.findings) < mostFindings {
		d.findings = append(d.findings, Finding{path, line + 1, d.first + int64(line), fmt.Sprintf(format, args...)})
	}
}
