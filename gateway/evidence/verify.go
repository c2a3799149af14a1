package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// VerifyOptions say what a log is verified against. The zero VerifyOptions are usable.
type VerifyOptions struct {
	// Key is the verifier key of the log. Empty means the sign.pub beside it, which whoever can rewrite the log can replace.
	Key string
	// Checkpoints are signed notes that were kept elsewhere; the log must be one that has grown from each of them.
	Checkpoints [][]byte
	// EverySignature has the signature of every checkpoint checked. Otherwise it is that of the last one in every segment,
	// which covers all the others.
	EverySignature bool
	// Partial says that the log may begin with any segment, as a copy does that was begun late. Checkpoints that were kept
	// from before its beginning are then passed over.
	Partial bool
	// Progress, if not nil, is told now and then how many lines have been verified.
	Progress func(lines int64)

	// each is told of every line that is there, whether it is what was signed or not.
	each func(line []byte, k kind)
}

// mostFindings is how many findings are listed; a log that is wrong everywhere needs no longer list.
const mostFindings = 100

// Verification is what came of verifying a log.
type Verification struct {
	// Dir is the folder of the log, Origin the name of the key that signed it.
	Dir    string `json:"dir"`
	Origin string `json:"origin"`
	// Lines is how many lines the log has, Dropped how many of them are dropped by retention and known by their hashes
	// alone. Records is how many decisions there are among the lines that are there.
	Lines   int64 `json:"lines"`
	Dropped int64 `json:"dropped"`
	Records int64 `json:"records"`
	// Segments, Checkpoints and Signatures are how many of these were verified.
	Segments    int   `json:"segments"`
	Checkpoints int64 `json:"checkpoints"`
	Signatures  int64 `json:"signatures"`
	// Begins is the index of the first line; it is above 0 only if Partial was allowed.
	Begins int64 `json:"begins"`
	// Covered is how many lines the last checkpoint covers, Checkpoint that one's signed note.
	Covered    int64  `json:"covered"`
	Checkpoint string `json:"checkpoint"`
	// Open says that some process has the log open: it may have lines that no checkpoint covers yet.
	Open bool `json:"open"`
	// Findings are what is wrong, in the order of the log; More says that there are more of them.
	Findings []Finding `json:"findings"`
	More     bool      `json:"more"`
}

// OK reports whether nothing is wrong.
func (v *Verification) OK() bool { return len(v.Findings) == 0 }

// Verify reads a log, whether it is being written or not, and compares every line with the tree, the tree with every
// checkpoint, the checkpoints with their signatures, and the leaf hashes with the lines. An error means that the log
// could not be read; what is wrong with it is in the Verification.
func Verify(dir string, opts VerifyOptions) (*Verification, error) {
	keyText := opts.Key
	if keyText == "" {
		text, err := os.ReadFile(filepath.Join(dir, verifierName))
		if err != nil {
			return nil, fmt.Errorf("verifier key: %w; give the log's public key, or a folder that has it", err)
		}
		keyText = string(text)
	}
	verifier, err := newVerifier(keyText)
	if err != nil {
		return nil, err
	}
	v := &verification{opts: opts, verifier: verifier, result: &Verification{Dir: dir, Origin: verifier.Name(), Open: inUse(dir), Findings: []Finding{}}}
	for _, text := range opts.Checkpoints {
		cp, err := openNote(text, verifier)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint that was kept: %w", err)
		}
		v.kept = append(v.kept, cp)
	}
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	for i, s := range segments {
		next := int64(-1)
		if i+1 < len(segments) {
			next = segments[i+1].first
		}
		if err := v.segment(s, next); err != nil {
			return nil, err
		}
	}
	v.finish(segments)
	return v.result, nil
}

// verification is a Verify on its way.
type verification struct {
	opts     VerifyOptions
	verifier note.Verifier
	result   *Verification
	kept     []Checkpoint // those that were kept and not yet reached

	tree    tree
	begun   bool
	until   int64 // retention says that it has dropped all lines before
	missing []segmentName
	note    []byte // room
	told    time.Time
	// uncovered is how many lines there are behind the last checkpoint, which stands in a file's line.
	uncovered int64
	file      string
	line      int
}

func (v *verification) find(file string, line int, index int64, format string, args ...any) {
	if len(v.result.Findings) == mostFindings {
		v.result.More = true
		return
	}
	v.result.Findings = append(v.result.Findings, Finding{file, line, index, fmt.Sprintf(format, args...)})
}

// segment verifies one segment. The next one begins at next; -1 means that there is none.
func (v *verification) segment(s segmentName, next int64) error {
	dir := v.result.Dir
	if !v.begun {
		v.begun = true
		if s.first > 0 && v.opts.Partial {
			v.result.Begins = s.first
			v.skipTo(s.first)
		}
	}
	if v.tree.size != s.first {
		v.find(segmentPath(dir, s.first, plainSuffix), 0, v.tree.size, "the log has %d lines before this segment, which begins with line %d of the log; restore the segments that are missing", v.tree.size, s.first)
		v.skipTo(s.first)
	}
	if !s.hasLines() {
		v.missing = append(v.missing, s)
		return v.dropped(s, next)
	}
	pass := &pass{v: v, first: s.first, last: next < 0, base: v.tree.clone(), found: len(v.result.Findings)}
	err := pass.run()
	if errors.Is(err, fs.ErrNotExist) { // retention was faster; what it says of that may not be read any more
		return v.dropped(s, next)
	}
	if err != nil {
		return err
	}
	v.result.Segments++
	if pass.suspect {
		return v.explain(pass, next)
	}
	return nil
}

// skipTo takes a segment's own word for what is before it. The segment's next checkpoint signs that word.
func (v *verification) skipTo(first int64) {
	v.tree = unknownTree(first)
	r, err := openSegment(v.result.Dir, first)
	if err != nil {
		return // reading the segment finds the same
	}
	defer r.close()
	line, _, _ := r.next()
	if h, _, err := parseHeader(line, first); err == nil {
		frontier := h.frontier()
		v.tree = frontier.clone()
	}
}

// dropped takes the leaf hashes for the lines.
func (v *verification) dropped(s segmentName, next int64) error {
	r, err := openLeaves(v.result.Dir, s.first)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		leaf, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		v.tree.add(leaf)
		v.reached()
	}
	v.result.Dropped += v.tree.size - s.first
	if next < 0 || v.tree.size != next || r.odd {
		v.find(segmentPath(v.result.Dir, s.first, leavesSuffix), 0, s.first, "the lines are gone and %d leaf hashes are left; restore the segment, or all of its leaf hashes", v.tree.size-s.first)
	}
	return nil
}

// reached compares the tree with the checkpoints that were kept.
func (v *verification) reached() {
	for i, cp := range v.kept {
		if cp.Size != v.tree.size {
			continue
		}
		if root := v.tree.root(); root != cp.Root {
			v.find(v.result.Dir, 0, cp.Size, "the first %d lines are not those of the checkpoint that was kept: their root is %s, and it signs %s", cp.Size, root, cp.Root)
		}
		v.kept = append(v.kept[:i:i], v.kept[i+1:]...)
		return
	}
}

// finish judges what only the whole log shows.
func (v *verification) finish(segments []segmentName) {
	r := v.result
	r.Lines = v.tree.size
	for _, s := range v.missing {
		if s.first >= v.until {
			v.find(segmentPath(r.Dir, s.first, plainSuffix), 0, s.first, "the lines are gone, and the log does not say that retention dropped them; restore the segment")
		}
	}
	for _, cp := range v.kept {
		if cp.Size >= v.result.Begins {
			v.find(r.Dir, 0, v.tree.size, "the log has %d lines, and the checkpoint that was kept has %d; restore the lines that were cut off", v.tree.size, cp.Size)
		}
	}
	switch {
	case len(segments) == 0:
		v.find(r.Dir, 0, -1, "there is no segment of a log; name the folder that has them")
	case r.Checkpoint == "" && !r.Open:
		v.find(r.Dir, 0, -1, "the log has no checkpoint, and no process has it open; open it once, so that its end is found")
	case v.uncovered > 0 && !r.Open:
		v.find(v.file, v.line+1, r.Covered+1, "no checkpoint covers the last %d lines, and no process has the log open; open it once, so that its end is found", v.uncovered)
	}
	if v.opts.Progress != nil {
		v.opts.Progress(r.Lines)
	}
}
