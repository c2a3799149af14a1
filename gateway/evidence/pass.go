package evidence

import (
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// pass is one reading of a segment that compares lines with hashes and checkpoints. It only notices that something is
// wrong; explain finds out what.
type pass struct {
	v       *verification
	first   int64
	last    bool // of the log
	base    tree // of the lines before
	lines   *lineReader
	leaves  *leafReader
	found   int // how many findings there were before
	suspect bool
	// note and noteLine are the last checkpoint and where it stands.
	note     []byte
	noteLine int
	ended    bool // the leaf hashes are fewer than the lines
}

func (p *pass) run() error {
	v := p.v
	var err error
	if p.lines, err = openSegment(v.result.Dir, p.first); err != nil {
		if errors.Is(err, errSeal) {
			p.suspect = true
			v.find(segmentPath(v.result.Dir, p.first, packedSuffix), 0, p.first, "%v; restore it from a copy", err)
			return nil
		}
		return err
	}
	defer p.lines.close()
	if p.leaves, err = openLeaves(v.result.Dir, p.first); err != nil {
		return err
	}
	defer p.leaves.close()
	for {
		line, leaf, ok := p.lines.next()
		if !ok {
			break
		}
		if err := p.take(line, leaf); err != nil {
			return err
		}
	}
	return p.end()
}

// take verifies one line.
func (p *pass) take(line []byte, leaf tlog.Hash) error {
	v := p.v
	k := kindOf(line)
	switch k {
	case kindDecision:
		v.result.Records++
	case kindCheckpoint:
		p.checkpoint(line)
	case kindSegment:
		p.header(line)
	case kindDropped:
		var d droppedLine
		if json.Unmarshal(line, &d) == nil {
			v.until = max(v.until, d.Until)
		}
	case kindNone:
		p.suspect = true
	}
	if k != kindSegment && p.lines.number == 1 {
		p.suspect = true
	}
	if k != kindCheckpoint {
		v.uncovered++
	}
	want, ok, err := p.leaves.next()
	if err != nil {
		return err
	}
	if ok && want != leaf {
		p.suspect = true
	}
	p.ended = p.ended || !ok
	v.tree.add(leaf)
	if len(v.kept) > 0 {
		v.reached()
	}
	if v.opts.each != nil {
		v.opts.each(line, k)
	}
	if v.opts.Progress != nil && v.tree.size&0xfff == 0 && time.Since(v.told) > progressEvery {
		v.told = time.Now()
		v.opts.Progress(v.tree.size)
	}
	return nil
}

// progressEvery is how often Progress is called at most.
const progressEvery = 100 * time.Millisecond

func (p *pass) header(line []byte) {
	h, _, err := parseHeader(line, p.first)
	frontier := h.frontier()
	if err != nil || p.lines.number != 1 || !frontier.equal(&p.base) {
		p.suspect = true
	}
}

// checkpoint compares a checkpoint with the lines before it.
func (p *pass) checkpoint(line []byte) {
	v := p.v
	text, ok := noteOfLine(v.note[:0], line)
	if ok {
		v.note = text
	}
	cp, err := readNote(text)
	if !ok || err != nil || cp.Size != v.tree.size || cp.Root != v.tree.root() || cp.Origin != v.result.Origin {
		p.suspect = true
		return
	}
	v.result.Checkpoints++
	v.uncovered, v.file, v.line = 0, p.lines.path, p.lines.number
	p.note, p.noteLine = append(p.note[:0], text...), p.lines.number
	if v.opts.EverySignature {
		p.signature()
	}
}

// signature checks the signature of the last checkpoint.
func (p *pass) signature() {
	v := p.v
	cp, err := openNote(p.note, v.verifier)
	if err != nil {
		// The lines may be whole and the key another one; explain would find nothing.
		index := p.first + int64(p.noteLine) - 1
		v.find(p.lines.path, p.noteLine, index, "%v; expected the signature of the key %s+%08x", err, v.verifier.Name(), v.verifier.KeyHash())
		p.suspect = true
		return
	}
	v.result.Signatures++
	if cp.Size >= v.result.Covered {
		v.result.Covered, v.result.Checkpoint = cp.Size, string(p.note)
	}
}

// end judges the end of the segment.
func (p *pass) end() error {
	v, r := p.v, p.lines
	if p.note != nil && !v.opts.EverySignature {
		p.signature()
	}
	index := p.first + int64(r.number)
	if err := r.failure(); err != nil {
		line := r.number + 1
		if errors.Is(err, errSeal) {
			line = 0
		}
		v.find(r.path, line, index, "%v; restore the file from a copy", err)
		p.suspect = true
	}
	if rest := r.rest(); len(rest) > 0 && (!p.last || !v.result.Open) {
		v.find(r.path, r.number+1, index, "the line does not end; open the log once, so that %d bytes are set aside, or restore the file from a copy", len(rest))
		p.suspect = true
	}
	_, more, err := p.leaves.next()
	if err != nil {
		return err
	}
	growing := p.last && v.result.Open
	if p.leaves.odd && !growing {
		v.find(segmentPath(v.result.Dir, p.first, leavesSuffix), r.number, index-1, "the file ends within a hash; remove it and open the log once, so that it is made anew")
	}
	if p.ended && !p.last || more && !growing {
		p.suspect = true
	}
	return nil
}
