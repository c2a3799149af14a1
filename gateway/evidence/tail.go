package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tail is what a segment's file holds.
type tail struct {
	name   segmentName
	path   string
	header segmentLine
	begun  time.Time
	tree   tree  // of all lines up to the last whole one
	size   int64 // in bytes up to there
	leaves []tlog.Hash
	note   []byte // the last checkpoint in it; nil if there is none
	torn   []byte // what stands behind the last whole line
}

// readTail reads a segment and checks every checkpoint in it against the lines, and the last one's signature.
func readTail(dir string, name segmentName, verifier note.Verifier) (*tail, error) {
	if !name.hasLines() {
		return nil, fmt.Errorf("%s is missing, though its leaf hashes are there; restore it from a copy, or begin a log in another folder",
			segmentPath(dir, name.first, plainSuffix))
	}
	r, err := openSegment(dir, name.first)
	if err != nil {
		return nil, err
	}
	defer r.close()
	t := &tail{name: name, path: r.path}
	if err := t.read(r); err != nil {
		return nil, t.refuse(dir, verifier, err)
	}
	if t.note != nil {
		if _, err := openNote(t.note, verifier); err != nil {
			return nil, t.refuse(dir, verifier, fmt.Errorf("%s: %w", t.path, err))
		}
	}
	return t, t.complete(dir)
}

// refuse says where the segment is not what was signed, as exactly as can be told.
func (t *tail) refuse(dir string, verifier note.Verifier, err error) error {
	found := err.Error()
	if d, failed := diagnose(dir, t.name.first, t.header.frontier(), verifier, true); failed == nil && len(d.findings) > 0 {
		found = d.findings[0].String()
	}
	return fmt.Errorf("%s; a log is not continued behind lines that were altered: restore the segment from a copy, or begin a log in another folder", found)
}

// read reads all lines and stops at the first that a crash may have left: what is no JSON behind the last checkpoint.
func (t *tail) read(r *lineReader) error {
	var room, torn []byte
	for {
		line, leaf, ok := r.next()
		if !ok {
			break
		}
		if torn != nil || !whole(line) || kindOf(line) == kindSegment && r.number > 1 {
			torn = append(append(torn, line...), '\n')
			continue
		}
		switch k := kindOf(line); {
		case r.number == 1:
			if err := t.readHeader(line); err != nil {
				return fmt.Errorf("%s:1: %w", t.path, err)
			}
		case k == kindCheckpoint:
			var err error
			if room, err = t.check(room[:0], line); err != nil {
				return fmt.Errorf("%s:%d: %w", t.path, r.number, err)
			}
		}
		t.tree.add(leaf)
		t.leaves = append(t.leaves, leaf)
		t.size = r.offset
	}
	if err := r.failure(); err != nil {
		return fmt.Errorf("%s:%d: %w", t.path, r.number+1, err)
	}
	t.torn = append(torn, r.rest()...)
	if checkpointIn(t.torn) {
		return fmt.Errorf("%s:%d: the line is none of a log, and a checkpoint stands behind it", t.path, len(t.leaves)+1)
	}
	if len(t.torn) > 0 && !t.name.plain {
		return fmt.Errorf("%s:%d: the compressed segment has a torn line", t.path, len(t.leaves)+1)
	}
	return nil
}

// whole reports whether a line may have been written as it is: a line that a power cut left half on disk is no JSON.
func whole(line []byte) bool { return kindOf(line) != kindNone && json.Valid(line) }

// checkpointIn reports whether any line of the text is a checkpoint; no crash leaves one behind a torn line.
func checkpointIn(text []byte) bool {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if note, ok := noteOfLine(nil, line); ok {
			if _, err := readNote(note); err == nil {
				return true
			}
		}
	}
	return false
}

func (t *tail) readHeader(line []byte) (err error) {
	if t.header, t.begun, err = parseHeader(line, t.name.first); err == nil {
		t.tree = t.header.frontier()
		t.tree = t.tree.clone()
	}
	return err
}

// parseHeader reads the first line of a segment that begins at first.
func parseHeader(line []byte, first int64) (h segmentLine, begun time.Time, err error) {
	if kindOf(line) != kindSegment {
		return h, begun, errors.New("the segment does not begin with its own line")
	}
	if err = json.Unmarshal(line, &h); err != nil {
		return h, begun, fmt.Errorf("the segment's first line cannot be read: %w", err)
	}
	if h.Version != formatVersion {
		return h, begun, fmt.Errorf("the segment has version %d of the format; this program knows version %d", h.Version, formatVersion)
	}
	if h.First != first || len(h.Frontier) != bits.OnesCount64(uint64(first)) {
		return h, begun, fmt.Errorf("the segment's first line is of another segment, %d", h.First)
	}
	if begun, err = time.Parse(time.RFC3339Nano, h.Time); err != nil {
		err = fmt.Errorf("the segment's time cannot be read: %w", err)
	}
	return h, begun, err
}

// check compares a checkpoint with the lines before it. It reuses room and returns it.
func (t *tail) check(room, line []byte) ([]byte, error) {
	text, ok := noteOfLine(room, line)
	if !ok {
		return room, errCheckpoint
	}
	cp, err := readNote(text)
	if err != nil {
		return text, err
	}
	if cp.Size != t.tree.size || cp.Root != t.tree.root() {
		return text, fmt.Errorf("the checkpoint is not of the %d lines before it", t.tree.size)
	}
	t.note = bytes.Clone(text)
	return text, nil
}

// complete compares the lines with their leaf hashes. Those are written once the lines are durable, so that there are
// never more of them; and once the lines are found to be what was signed, hashes that differ are made anew.
func (t *tail) complete(dir string) error {
	have, err := readLeaves(dir, t.name.first)
	if err != nil {
		return err
	}
	if len(have) > len(t.leaves) {
		return fmt.Errorf("%s ends behind line %d, and %d lines were once there; restore it from a copy, or begin a log in another folder", t.path, len(t.leaves), len(have))
	}
	if slices.Equal(have, t.leaves) {
		return nil
	}
	return writeLeaves(dir, t.name.first, t.leaves)
}

func writeLeaves(dir string, first int64, leaves []tlog.Hash) error {
	data := make([]byte, 0, len(leaves)*tlog.HashSize)
	for _, leaf := range leaves {
		data = append(data, leaf[:]...)
	}
	return writeWhole(segmentPath(dir, first, leavesSuffix), data, 0o600)
}

// setAside moves what stands behind the last whole line into a file of its own.
func (t *tail) setAside(dir string, now time.Time) (*tornLine, error) {
	now = now.UTC()
	name := "torn-" + now.Format("20060102T150405.000000000Z")
	for try := 1; ; try++ { // a clock may stand still
		_, err := os.Lstat(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		name = fmt.Sprintf("torn-%s-%d", now.Format("20060102T150405.000000000Z"), try)
	}
	if err := writeWhole(filepath.Join(dir, name), t.torn, 0o600); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(t.path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(t.size)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return &tornLine{kindWords[kindTorn], now.Format(stamp), name, int64(len(t.torn))}, nil
}
