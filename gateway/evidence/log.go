package evidence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrClosed says that the log was closed.
var ErrClosed = errors.New("evidence: the log is closed")

// ErrFull says that too many records wait to be written.
var ErrFull = errors.New("evidence: too many records wait to be written; the disk is too slow, or stands still")

// ErrLate says that a record was not durable in time. It may become so yet.
var ErrLate = errors.New("evidence: the disk stands still")

// ErrTooLong says that a line would be longer than a line may be.
var ErrTooLong = fmt.Errorf("evidence: %w", errLongLine)

// Log is a log that is being written. It may be used by several goroutines at once.
type Log struct {
	cfg    Config
	key    *key
	client atomic.Pointer[clients]
	lock   *os.File
	lines  sync.Pool // of *[]byte, room for one line

	mu      sync.Mutex // guards what follows
	waiting *group     // what is written next
	closed  bool
	missing gap // what is to be told of in a gap's line

	wake    chan struct{} // there is something to write
	hurry   chan struct{} // there is so much that it should not wait for its time
	closing chan struct{}
	work    sync.WaitGroup

	w       writer // the committer's own
	places  places // where the durable lines are
	cursor  cursor // where ReadFrom has come to
	sealing chan struct{}
	newest  announcer
	counts  counters
}

// counters are what Stats returns.
type counters struct {
	written, lost, failed, waiting, lastSync atomic.Int64

	trouble atomic.Pointer[string] // nil while there is none
}

// Stats are figures of a log since it was opened.
type Stats struct {
	// Written is how many records are on disk, Lost how many BestEffort has lost and Failed how many were refused by
	// Strict, with an error to the caller.
	Written, Lost, Failed int64
	// Waiting is how many records wait to be written.
	Waiting int64
	// Lines is how many lines the log has on disk, since it was begun.
	Lines int64
	// LastSync is how long the disk took to make the newest lines durable.
	LastSync time.Duration
	// Trouble says why the last attempt to write failed; empty if it did not.
	Trouble string
}

// group is what is written and made durable together.
type group struct {
	text    []byte // the lines, each with its newline
	leaves  []tlog.Hash
	records int
	events  []any // lines that are written before these, or else with a later group
	once    sync.Once
	done    chan struct{} // closed once err is final
	err     error
	late    *time.Timer // ends the wait for a disk that stands still; nil if nobody waits
}

// gap counts decisions that are not in the log.
type gap struct {
	since        time.Time
	lost, failed int64
}

// add puts what was missing before into the gap.
func (g *gap) add(before gap) {
	g.lost, g.failed = g.lost+before.lost, g.failed+before.failed
	if !before.since.IsZero() {
		g.since = before.since
	}
}

func newGroup() *group { return &group{done: make(chan struct{})} }

// end tells those who wait how it went, if nobody has told them before.
func (g *group) end(err error) {
	g.once.Do(func() {
		g.err = err
		close(g.done)
	})
}

// Open opens the log in a folder, or begins one, and takes the folder for itself. A torn end is set aside; a log whose
// end is not what its last checkpoint signed is refused, with the file and line.
func Open(cfg Config) (*Log, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	l := &Log{
		cfg: cfg, waiting: newGroup(), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		closing: make(chan struct{}), sealing: make(chan struct{}, 1),
	}
	l.lines.New = func() any { return new([]byte) }
	if err := l.start(); err != nil {
		if l.lock != nil {
			_ = l.lock.Close() // nothing was written under it
		}
		return nil, fmt.Errorf("evidence: %w", err)
	}
	l.newest.start(&l.work, cfg.OnCheckpoint, l.w.note)
	l.work.Go(l.commitAll)
	l.work.Go(l.sealAll)
	l.signal(l.wake) // the log says that it was opened
	l.signal(l.sealing)
	return l, nil
}

// start takes the folder, reads the keys and finds the end of the log.
func (l *Log) start() error {
	cfg := &l.cfg
	err := os.MkdirAll(cfg.Dir, 0o700)
	if err == nil {
		l.lock, err = lockFolder(cfg.Dir)
	}
	if err != nil {
		return err
	}
	segments, err := listSegments(cfg.Dir)
	if err != nil {
		return err
	}
	if l.key, err = loadKey(cfg.SignKeyFile, cfg.Replica, len(segments) > 0, cfg.Random); err != nil {
		return err
	}
	if err := l.Reload(); err != nil {
		return err
	}
	end, err := findEnd(cfg.Dir, segments, l.key.verifier, cfg.Now)
	if err != nil {
		return err
	}
	if err := writeVerifier(filepath.Join(cfg.Dir, verifierName), l.key.text); err != nil {
		return err
	}
	if end.torn != nil {
		cfg.Logger.Warn("the evidence ends in a line that was not written to its end; it was set aside",
			slog.String("file", end.torn.File), slog.Int64("bytes", end.torn.Bytes))
	}
	return l.resume(end)
}

// writeVerifier puts the public key beside the log, for whoever is to verify it.
func writeVerifier(path, text string) error {
	if have, err := os.ReadFile(path); err == nil && string(have) == text+"\n" {
		return nil
	}
	return writeWhole(path, []byte(text+"\n"), 0o644)
}

// Reload reads the key of ClientHMAC again. If that fails, the key stays as it is.
func (l *Log) Reload() error {
	c, err := newClients(l.cfg.Client, l.cfg.ClientKeyFile, l.cfg.Random)
	if err != nil {
		return err
	}
	l.client.Store(c)
	return nil
}

// Verifier returns the key with which the log's checkpoints are verified, as a signed note has it.
func (l *Log) Verifier() string { return l.key.text }

// Checkpoint returns the newest signed checkpoint that is on disk; nil before the first one is.
func (l *Log) Checkpoint() []byte { return l.newest.get() }

// Stats returns the log's figures.
func (l *Log) Stats() Stats {
	c := &l.counts
	s := Stats{
		Written: c.written.Load(), Lost: c.lost.Load(), Failed: c.failed.Load(), Waiting: c.waiting.Load(),
		Lines: l.places.lines(), LastSync: time.Duration(c.lastSync.Load()),
	}
	if trouble := c.trouble.Load(); trouble != nil {
		s.Trouble = *trouble
	}
	return s
}

// Client returns an address as the log writes it at an instant; the empty string for none.
func (l *Log) Client(addr netip.Addr, at time.Time) string {
	return string(l.client.Load().append(nil, addr, at))
}

// Record writes a decision into the log. With Strict it returns nil only once the record is on disk; it returns an error
// if that failed, and the record will not turn up later. If the context ends first its error is returned, and ErrLate if that
// takes longer than Config.Patience; the record may or may not be written then. With BestEffort it returns at once, and an error only from a closed log.
func (l *Log) Record(ctx context.Context, e *Entry) error {
	room := l.lines.Get().(*[]byte)
	defer l.lines.Put(room)
	*room = append(l.appendRecord(append((*room)[:0], 0), e, l.cfg.Now()), '\n')
	return l.append(ctx, *room)
}

// mostEvents is how many events may wait for a disk that cannot be written to.
const mostEvents = 1000

// Note writes an event into the log, before the records that come after it. It waits as Record does. An event that could
// not be written is kept, and written as soon as that is possible, so an error only says that it is not in the log yet.
func (l *Log) Note(ctx context.Context, e Event) error {
	line := e.line(l.cfg.Now().UTC().Format(stamp))
	if _, err := appendLine(nil, line); err != nil {
		return err
	}
	l.mu.Lock()
	g := l.waiting
	switch {
	case l.closed:
		l.mu.Unlock()
		return ErrClosed
	case len(g.events) == mostEvents:
		l.mu.Unlock()
		return ErrFull
	}
	g.events = append(g.events, line)
	l.mu.Unlock()
	l.signal(l.wake)
	return l.written(ctx, g)
}

// append hands a record's line to the committer. The line has a spare byte before it and a newline behind it.
func (l *Log) append(ctx context.Context, spared []byte) error {
	if err := ctx.Err(); err != nil && l.cfg.Durability == Strict {
		return err
	}
	g, err := l.enqueue(spared[1:], leafOf(spared[:len(spared)-1]), 1)
	switch {
	case err == nil:
		return l.written(ctx, g)
	case l.cfg.Durability == BestEffort && !errors.Is(err, ErrClosed):
		return nil // what was lost is counted
	}
	return err
}

// written waits as long as the durability says.
func (l *Log) written(ctx context.Context, g *group) error {
	if l.cfg.Durability == BestEffort {
		return nil
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue adds a line to those that are written next.
func (l *Log) enqueue(line []byte, leaf tlog.Hash, records int) (*group, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.waiting
	switch {
	case l.closed:
		return nil, ErrClosed
	case len(line) > maxLine:
		l.miss(records)
		return nil, ErrTooLong
	case len(g.text)+len(line) > l.cfg.QueueBytes:
		l.miss(records)
		return nil, ErrFull
	}
	g.text = append(g.text, line...)
	g.leaves = append(g.leaves, leaf)
	if g.records += records; g.late == nil && l.cfg.Durability == Strict {
		g.late = time.AfterFunc(l.cfg.Patience, func() { g.end(ErrLate) })
	}
	l.counts.waiting.Add(int64(records))
	l.signal(l.wake)
	if l.cfg.Durability == BestEffort && len(g.text) > l.cfg.QueueBytes/4 {
		l.signal(l.hurry)
	}
	return g, nil
}

// miss counts records that do not get into the log. The mutex is held.
func (l *Log) miss(records int) {
	if records == 0 {
		return
	}
	if l.missing.since.IsZero() {
		l.missing.since = l.cfg.Now()
	}
	if l.cfg.Durability == BestEffort {
		l.missing.lost += int64(records)
		l.counts.lost.Add(int64(records))
		return
	}
	l.missing.failed += int64(records)
	l.counts.failed.Add(int64(records))
}

// signal leaves word for a goroutine that need not be told twice.
func (l *Log) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close writes what waits and that the log was closed, and gives the folder back. Its error says what of that failed.
func (l *Log) Close() error {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if was {
		return ErrClosed
	}
	close(l.closing)
	l.work.Wait()
	l.cursor.close()
	l.places.close()
	return errors.Join(l.w.err, l.w.end(), l.lock.Close())
}
