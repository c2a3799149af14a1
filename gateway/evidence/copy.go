package evidence

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Copy is the log of a replica that is collected elsewhere, file for file the same. It may be used by several goroutines.
type Copy struct {
	dir      string
	verifier note.Verifier // nil if the key is not known
	lock     *os.File

	mu     sync.Mutex
	tree   tree
	begins int64 // index of its first line
	file   *os.File
	leaves *os.File
	first  int64 // of the segment that is written to
	names  []segmentName
	room   []byte
	err    error // why nothing more can be taken
}

// OpenCopy opens a copy in a folder, or begins one, and takes the folder for itself. With a verifier key the signatures
// of checkpoints are checked as they come, and the key is kept beside the copy as sign.pub; without one only the tree is.
// A torn end is cut off, because the lines will come again.
func OpenCopy(dir, verifierKey string) (*Copy, error) {
	c := &Copy{dir: dir}
	if err := c.open(verifierKey); err != nil {
		c.closeFiles()
		if c.lock != nil {
			_ = c.lock.Close() // nothing was written under it
		}
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return c, nil
}

func (c *Copy) open(verifierKey string) error {
	err := os.MkdirAll(c.dir, 0o700)
	if err == nil {
		c.lock, err = lockFolder(c.dir)
	}
	if err == nil && verifierKey != "" {
		if c.verifier, err = newVerifier(verifierKey); err == nil {
			err = keepVerifier(c.dir, verifierKey)
		}
	}
	if err == nil {
		err = removeTemporary(c.dir)
	}
	if err == nil {
		c.names, err = listSegments(c.dir)
	}
	if err != nil || len(c.names) == 0 {
		return err
	}
	c.begins = c.names[0].first
	return c.resume()
}

// resume finds the end of the copy. A segment whose first line never came whole is begun again.
func (c *Copy) resume() error {
	last := c.names[len(c.names)-1]
	path := segmentPath(c.dir, last.first, plainSuffix)
	r, err := openSegment(c.dir, last.first)
	if err != nil {
		return err
	}
	defer r.close()
	t := tail{name: last, path: path}
	for {
		line, leaf, ok := r.next()
		if !ok {
			break
		}
		if r.number == 1 {
			if err := t.readHeader(line); err != nil {
				return fmt.Errorf("%s:1: %w", path, err)
			}
		}
		if err := c.check(&t.tree, line); err != nil {
			return fmt.Errorf("%s:%d: %w", path, r.number, err)
		}
		t.tree.add(leaf)
		t.leaves, t.size = append(t.leaves, leaf), r.offset
	}
	if err := r.failure(); err != nil {
		return fmt.Errorf("%s:%d: %w", path, r.number+1, err)
	}
	c.tree = t.tree
	if len(t.leaves) == 0 {
		c.tree = tree{size: last.first}
		if c.names = c.names[:len(c.names)-1]; len(c.names) > 0 {
			if err := os.Remove(path); err != nil {
				return err
			}
			return c.resume()
		}
		c.tree, c.begins = tree{}, 0
		return os.Remove(path)
	}
	return c.reopen(&t)
}

// reopen prepares to write behind the last whole line.
func (c *Copy) reopen(t *tail) (err error) {
	if err := writeLeaves(c.dir, t.name.first, t.leaves); err != nil {
		return err
	}
	c.first = t.name.first
	if c.file, err = os.OpenFile(t.path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return err
	}
	if err := c.file.Truncate(t.size); err != nil {
		return err
	}
	c.leaves, err = os.OpenFile(segmentPath(c.dir, c.first, leavesSuffix), os.O_WRONLY, 0)
	return err
}

// keepVerifier puts the key beside the copy. A copy of one log never becomes one of another.
func keepVerifier(dir, text string) error {
	path := dir + string(os.PathSeparator) + verifierName
	have, err := os.ReadFile(path)
	want := bytes.TrimSpace([]byte(text))
	if err == nil && !bytes.Equal(bytes.TrimSpace(have), want) {
		return fmt.Errorf("%s is another key than the one given; give each log a folder of its own", path)
	}
	if err == nil {
		return nil
	}
	return writeWhole(path, append(want, '\n'), 0o644)
}

// check compares a checkpoint with the tree before it.
func (c *Copy) check(t *tree, line []byte) error {
	if kindOf(line) != kindCheckpoint {
		return nil
	}
	text, ok := noteOfLine(c.room[:0], line)
	if !ok {
		return errCheckpoint
	}
	c.room = text
	cp, err := readNote(text)
	if err == nil && c.verifier != nil {
		cp, err = openNote(text, c.verifier)
	}
	if err == nil && (cp.Size != t.size || cp.Root != t.root()) {
		err = fmt.Errorf("the checkpoint of %s is not of the %d lines before it", cp.Origin, t.size)
	}
	return err
}

// Next returns the index of the line that the copy needs next. An empty copy may also begin with any segment.
func (c *Copy) Next() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tree.size
}

// Append takes lines of the log, the first being that of an index, and returns once they are on disk. Lines that are
// there already are compared and passed over; an error says that lines differ, or that some before them are missing.
// Of lines that do not make up the tree that a checkpoint among them signs, those up to the checkpoint before are taken.
func (c *Copy) Append(first int64, lines [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(c.names) == 0 {
		c.begins, c.tree = 0, tree{}
		if len(lines) > 0 && kindOf(lines[0]) == kindSegment {
			c.begins, c.tree = first, tree{size: first}
		}
	}
	fresh, err := c.passOver(first, lines)
	if err != nil || len(fresh) == 0 {
		return err
	}
	return c.extend(fresh)
}

// passOver compares lines with those that are there and returns the others. Lines from before the copy was begun are nothing
// to it.
func (c *Copy) passOver(first int64, lines [][]byte) ([][]byte, error) {
	if first > c.tree.size {
		return nil, fmt.Errorf("evidence: %s has %d lines, and line %d was to be added; add the lines between first", c.dir, c.tree.size, first)
	}
	if older := c.begins - first; older > 0 {
		if older >= int64(len(lines)) {
			return nil, nil
		}
		first, lines = c.begins, lines[older:]
	}
	count := min(int64(len(lines)), c.tree.size-first)
	h := hashReader{dir: c.dir, segments: c.names, size: c.tree.size}
	i := int64(0)
	var different error
	err := h.each(first, first+count, func(leaf tlog.Hash) {
		if different == nil && tlog.RecordHash(lines[i]) != leaf {
			different = fmt.Errorf("evidence: line %d differs from the one in %s; one of the two logs was altered, or they are not the same log", first+i, c.dir)
		}
		i++
	})
	return lines[count:], errors.Join(err, different)
}

// extend adds lines that all come next.
func (c *Copy) extend(lines [][]byte) error {
	grown := c.tree.clone()
	signed := 0
	for i, line := range lines {
		if err := c.fits(&grown, line); err != nil {
			err = fmt.Errorf("evidence: %s: line %d of the log: %w", c.dir, grown.size, err)
			return errors.Join(err, c.write(lines[:signed]))
		}
		grown.add(tlog.RecordHash(line))
		if kindOf(line) == kindCheckpoint {
			signed = i + 1
		}
	}
	return c.write(lines)
}

// fits says what is wrong with a line as the next one.
func (c *Copy) fits(t *tree, line []byte) error {
	switch kindOf(line) {
	case kindNone:
		return errors.New("the line is none of a log")
	case kindSegment:
		h, _, err := parseHeader(line, t.size)
		if err != nil {
			return err
		}
		frontier := h.frontier()
		if t.size > 0 && len(t.edge) == 0 { // the first line of a copy that was begun late
			*t = frontier.clone()
			c.tree = frontier.clone()
		}
		if !frontier.equal(t) {
			return errors.New("the segment does not go on from the lines before it")
		}
	case kindCheckpoint:
		return c.check(t, line)
	default:
	}
	if bytes.IndexByte(line, '\n') >= 0 || len(line) > maxLine {
		return errors.New("the line is none of a log")
	}
	if t.size == c.begins && kindOf(line) != kindSegment {
		return errors.New("a log begins with a segment's line")
	}
	return nil
}

// write writes lines, a new file for each segment. After a failure the copy has to be opened again.
func (c *Copy) write(lines [][]byte) error {
	for len(lines) > 0 {
		if kindOf(lines[0]) == kindSegment {
			if err := c.nextFile(); err != nil {
				return c.fail(err)
			}
		}
		count := 1
		for count < len(lines) && kindOf(lines[count]) != kindSegment {
			count++
		}
		if err := c.writeSome(lines[:count]); err != nil {
			return c.fail(err)
		}
		lines = lines[count:]
	}
	return nil
}

func (c *Copy) fail(err error) error {
	c.err = fmt.Errorf("evidence: %w; the copy is to be opened again", err)
	return c.err
}

// nextFile ends a segment and begins the next one.
func (c *Copy) nextFile() (err error) {
	c.closeFiles()
	c.first = c.tree.size
	if c.file, err = os.OpenFile(segmentPath(c.dir, c.first, plainSuffix), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return err
	}
	if c.leaves, err = os.OpenFile(segmentPath(c.dir, c.first, leavesSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	c.names = append(c.names, segmentName{first: c.first, plain: true, leaves: true})
	return syncFolder(c.dir)
}

func (c *Copy) writeSome(lines [][]byte) error {
	var text []byte
	var leaves []tlog.Hash
	grown := c.tree.clone()
	for _, line := range lines {
		text = append(append(text, line...), '\n')
		leaf := tlog.RecordHash(line)
		leaves = append(leaves, leaf)
		grown.add(leaf)
	}
	if _, err := c.file.Write(text); err != nil {
		return err
	}
	if err := datasync(c.file); err != nil {
		return err
	}
	if err := appendLeaves(c.leaves, c.first, c.tree.size, leaves); err != nil {
		return err
	}
	c.tree = grown
	return nil
}

func (c *Copy) closeFiles() {
	for _, f := range []*os.File{c.file, c.leaves} {
		if f != nil {
			_ = f.Close() // what was acknowledged is durable
		}
	}
	c.file, c.leaves = nil, nil
}

// Close gives the folder back.
func (c *Copy) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = ErrClosed
	} else if errors.Is(c.err, ErrClosed) {
		return ErrClosed
	}
	c.closeFiles()
	return c.lock.Close()
}
