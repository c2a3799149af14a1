package evidence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// end is where a log goes on.
type end struct {
	tree     tree
	note     []byte // the last checkpoint; nil if there is none
	segments []segmentName
	last     *tail // nil if the next line begins a segment
	torn     *tornLine
}

// findEnd reads as much of a log as it takes to know where it goes on, from its last segment backwards, and compares it
// with what was signed. What a crash left torn it sets aside.
func findEnd(dir string, segments []segmentName, verifier note.Verifier, now func() time.Time) (*end, error) {
	if err := removeTemporary(dir); err != nil {
		return nil, err
	}
	e := &end{segments: segments}
	var later *tail // of which nothing is signed
	for {
		if len(e.segments) == 0 {
			return e, e.join(later, &tree{})
		}
		name := e.segments[len(e.segments)-1]
		if later != nil {
			var err error
			if name, err = before(e.segments, later); err != nil {
				return nil, err
			}
		}
		t, err := readTail(dir, name, verifier)
		if err != nil {
			return nil, err
		}
		if e.last == nil && len(t.torn) > 0 {
			if e.torn, err = t.setAside(dir, now()); err != nil {
				return nil, err
			}
		}
		if e.last == nil && len(t.leaves) == 0 { // not even its first line was written
			if err := os.Remove(t.path); err != nil {
				return nil, err
			}
			e.segments = e.segments[:len(e.segments)-1]
			continue
		}
		if e.last == nil {
			e.last = t
		}
		switch {
		case t.note != nil:
			e.note = t.note
			return e, e.join(later, &t.tree)
		case t.name.first == 0:
			return e, e.join(t, &tree{})
		}
		if err := e.join(later, &t.tree); err != nil {
			return nil, err
		}
		later = t
	}
}

// before returns the segment before another.
func before(segments []segmentName, t *tail) (segmentName, error) {
	i := slices.IndexFunc(segments, func(s segmentName) bool { return s.first == t.name.first })
	if i <= 0 {
		return segmentName{}, fmt.Errorf("%s:1: nothing in the segment is signed, and the segment before it is missing; restore that from a copy, or begin a log in another folder", t.path)
	}
	return segments[i-1], nil
}

// join checks that a segment of which nothing is signed begins where the log before it ends.
func (e *end) join(later *tail, earlier *tree) error {
	if e.last != nil {
		e.tree = e.last.tree
	}
	if later == nil {
		return nil
	}
	if frontier := later.header.frontier(); !frontier.equal(earlier) {
		return fmt.Errorf("%s:1: the segment does not begin where the one before it ends; restore the segments from a copy, or begin a log in another folder", later.path)
	}
	return nil
}

// removeTemporary removes what was being made when the process ended.
func removeTemporary(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, strings.Repeat("[0-9]", indexDigits)+".*"+temporarySuffix))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// unsigned returns how many whole lines stand behind the last checkpoint.
func (e *end) unsigned() (int64, error) {
	if e.note == nil {
		return e.tree.size, nil
	}
	cp, err := readNote(e.note)
	return e.tree.size - cp.Size - 1, err // the checkpoint is a line itself
}

// resume prepares the committer to go on at the end of the log.
func (l *Log) resume(e *end) error {
	w := &l.w
	w.tree, w.note = e.tree.clone(), e.note
	for _, s := range e.segments {
		l.places.segments = append(l.places.segments, place{first: s.first, gone: !s.hasLines()})
	}
	l.places.durable = w.tree.size
	unsigned, err := e.unsigned()
	if err != nil {
		return err
	}
	w.pending = []any{startLine{kindWords[kindStart], l.cfg.Now().UTC().Format(stamp), l.cfg.Replica, l.cfg.Durability, l.cfg.Client, unsigned}}
	if e.torn != nil {
		w.pending = append(w.pending, *e.torn)
	}
	if e.last == nil || !e.last.name.plain {
		return nil
	}
	f, err := openSegmentFile(e.last.path, 0)
	if err != nil {
		return err
	}
	if err := f.Datasync(); err != nil { // lines that no checkpoint covers may not be on disk yet
		return errors.Join(err, f.Close())
	}
	leaves, err := os.OpenFile(segmentPath(l.cfg.Dir, e.last.name.first, leavesSuffix), os.O_WRONLY, 0)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.segment = &activeSegment{first: e.last.name.first, begun: e.last.begun, path: e.last.path, file: f, leaves: leaves, size: e.last.size}
	return nil
}
