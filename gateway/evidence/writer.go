package evidence

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// writer is what the committer knows.
type writer struct {
	tree    tree // of the durable lines
	next    tree // of these and what is being written
	segment *activeSegment
	pending []any // lines about this start, and events, to be written as soon as possible
	note    []byte
	out     []byte
	leaves  []tlog.Hash
	spare   group
	failing bool
	err     error
}

// activeSegment is the segment that is written to.
type activeSegment struct {
	first  int64
	begun  time.Time
	path   string
	file   segmentFile
	leaves *os.File // nil if they could not be written: a later start or sealing makes them from the lines
	size   int64    // up to where the file is durable, in bytes
	room   int64    // up to where blocks are reserved for it
	broken bool     // there may be more in the file than that
}

// write writes one group with whatever else there is to say, and a checkpoint, and makes all of it durable.
func (l *Log) write(g *group, missing gap, last bool) error {
	w, now := &l.w, l.cfg.Now().UTC()
	w.pending = append(w.pending, g.events[:max(0, min(len(g.events), mostEvents-len(w.pending)))]...)
	if len(g.leaves) == 0 && len(w.pending) == 0 && missing == (gap{}) && !last {
		return nil
	}
	if err := w.ready(now, l.cfg.SegmentBytes); err != nil {
		return err
	}
	if err := l.compose(g, missing, last, now); err != nil {
		return err
	}
	note, err := l.key.sign(&w.next)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	w.line(append(appendCheckpointLine(nil, note), '\n'))
	if w.segment == nil {
		if w.segment, err = l.begin(now); err != nil {
			return fmt.Errorf("evidence: %w", err)
		}
	}
	if err := l.persist(); err != nil {
		w.segment.broken = true
		return fmt.Errorf("evidence: %w", err)
	}
	l.accept(note)
	return nil
}

// ready ends a segment that must not be written to any longer.
func (w *writer) ready(now time.Time, segmentBytes int64) error {
	s := w.segment
	if s == nil {
		return nil
	}
	year, month, day := s.begun.Date()
	y, m, d := now.Date()
	switch {
	case s.broken:
		if err := s.cut(); err != nil {
			return fmt.Errorf("evidence: cut back %s: %w", s.path, err)
		}
	case s.size >= segmentBytes || y != year || m != month || d != day:
		s.close()
	default:
		return nil
	}
	w.segment = nil
	return nil
}

// end leaves the last segment as it is to be found by the next start.
func (w *writer) end() error {
	switch {
	case w.segment == nil:
	case w.segment.broken:
		err := w.segment.cut()
		if err != nil {
			w.segment.close()
		}
		return err
	default:
		w.segment.close()
	}
	return nil
}

// cut removes what is not durable from a segment's file and closes it. The file is never synced again: after a sync that
// failed, the system takes for written what is not, and would report success. The cut itself becomes durable with the
// next segment, which a journal keeps in order.
func (s *activeSegment) cut() error {
	var err error
	if s.size > 0 {
		err = s.file.Truncate(s.size)
	} else if err = os.Remove(s.path); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err == nil {
		s.close()
	}
	return err
}

// reserveBytes is how much room is reserved at a time.
const reserveBytes = 4 << 20

// reserve sees to it that so many more bytes find room on the disk, and some of the next ones too. What is left of it when the log is
// closed waits for the next start, and sealing gives it back with the file.
func (s *activeSegment) reserve(more, most int64) {
	if s.size+more > s.room {
		step := max(more, min(reserveBytes, most))
		s.file.Reserve(s.size, step)
		s.room = s.size + step
	}
}

func (s *activeSegment) close() {
	_ = s.file.Close() // all that matters of it is durable
	if s.leaves != nil {
		_ = s.leaves.Close() // sealing compares them with the lines
	}
}

// compose puts the lines of a group together, up to the checkpoint.
func (l *Log) compose(g *group, missing gap, last bool, now time.Time) error {
	w, stamped := &l.w, now.Format(stamp)
	w.out, w.leaves = w.out[:0], w.leaves[:0]
	w.next.copyFrom(&w.tree)
	var lines []any
	if w.segment == nil {
		frontier := w.tree.clone()
		lines = append(lines, segmentLine{kindWords[kindSegment], formatVersion, frontier.size, stamped, l.cfg.Replica, nonNil(frontier.edge)})
	}
	lines = append(lines, w.pending...)
	if missing != (gap{}) {
		lines = append(lines, gapLine{kindWords[kindGap], stamped, missing.since.UTC().Format(stamp), missing.lost, missing.failed})
	}
	for _, line := range lines {
		text, err := appendLine(nil, line)
		if err != nil {
			return err
		}
		w.line(text)
	}
	w.out = append(w.out, g.text...)
	w.leaves = append(w.leaves, g.leaves...)
	for _, leaf := range g.leaves {
		w.next.add(leaf)
	}
	if last {
		text, err := appendLine(nil, stopLine{kindWords[kindStop], stamped})
		if err != nil {
			return err
		}
		w.line(text)
	}
	return nil
}

// line adds a line, which ends in a newline.
func (w *writer) line(text []byte) {
	leaf := tlog.RecordHash(text[:len(text)-1])
	w.out = append(w.out, text...)
	w.leaves = append(w.leaves, leaf)
	w.next.add(leaf)
}

// begin makes the file of a new segment.
func (l *Log) begin(now time.Time) (*activeSegment, error) {
	first := l.w.tree.size
	path := segmentPath(l.cfg.Dir, first, plainSuffix)
	f, err := l.cfg.create(path)
	if err != nil {
		return nil, err
	}
	return &activeSegment{first: first, begun: now, path: path, file: f}, nil
}

// persist writes what was put together and waits for the disk.
func (l *Log) persist() error {
	w := &l.w
	w.segment.reserve(int64(len(w.out)), l.cfg.SegmentBytes)
	if _, err := w.segment.file.Write(w.out); err != nil {
		return err
	}
	began := time.Now()
	if err := w.segment.file.Datasync(); err != nil {
		return fmt.Errorf("%s: %w", w.segment.path, err)
	}
	l.counts.lastSync.Store(int64(time.Since(began)))
	if w.segment.size == 0 {
		return syncFolder(l.cfg.Dir) // or else the file might have no name after a power cut
	}
	return nil
}

// accept takes what was written for durable.
func (l *Log) accept(note []byte) {
	w, s := &l.w, l.w.segment
	fresh := s.size == 0
	s.size += int64(len(w.out))
	at := w.tree.size
	w.tree.copyFrom(&w.next)
	w.pending, w.note = nil, note
	if fresh {
		s.leaves = l.createLeaves(s.first)
	}
	if s.leaves != nil {
		if err := appendLeaves(s.leaves, s.first, at, w.leaves); err != nil {
			_ = s.leaves.Close()
			s.leaves = nil
			l.leavesFailed(err)
		}
	}
	l.places.grow(w.tree.size, s.first, s.begun)
	l.newest.set(note)
	if fresh {
		l.signal(l.sealing)
	}
}

func (l *Log) createLeaves(first int64) *os.File {
	f, err := os.OpenFile(segmentPath(l.cfg.Dir, first, leavesSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		l.leavesFailed(err)
		return nil
	}
	return f
}

// leavesFailed is no failure of the log: the hashes follow from the lines.
func (l *Log) leavesFailed(err error) {
	l.cfg.Logger.Warn("leaf hashes of the evidence cannot be written; they will be made from the lines", slog.Any("error", err))
}

// nonNil has an empty list written as one.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
