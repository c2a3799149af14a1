package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// faultyFile is a segment's file that fails when it is told to.
type faultyFile struct {
	segmentFile
	write, sync, cut func() error
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.write != nil {
		if err := f.write(); err != nil {
			n, _ := f.segmentFile.Write(p[:len(p)/2])
			return n, err
		}
	}
	return f.segmentFile.Write(p)
}

func (f *faultyFile) Datasync() error {
	if f.sync != nil {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return f.segmentFile.Datasync()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.cut != nil {
		if err := f.cut(); err != nil {
			return err
		}
	}
	return f.segmentFile.Truncate(size)
}

// TestFaults has creating, writing, syncing and cutting fail at random. What was acknowledged is there once, what was refused is
// not there, and the log verifies. A sync that failed is never tried again on the same file.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, durability := range []Durability{Strict, BestEffort} {
		t.Run(string(durability), func(t *testing.T) {
			t.Parallel()
			seed := testSeed(t)
			var dice atomic.Uint64
			var over atomic.Bool // nothing could be said of a record that the last cut of all leaves behind
			roll := func(err error) error {
				if rand.New(rand.NewPCG(seed, dice.Add(1))).IntN(4) == 0 {
					return err
				}
				return nil
			}
			cfg := Config{Dir: t.TempDir(), Durability: durability, FlushEvery: time.Millisecond, SegmentBytes: 8000}
			cfg.create = func(path string) (segmentFile, error) {
				if err := roll(syscall.EMFILE); err != nil {
					return nil, err
				}
				f, err := createSegment(path)
				failed := false
				return &faultyFile{f, func() error { return roll(syscall.ENOSPC) }, func() error {
					if failed {
						t.Error("a file is synced again after that has failed")
					}
					err := roll(syscall.EIO)
					failed = err != nil
					return err
				}, func() error {
					if over.Load() {
						return nil
					}
					return roll(syscall.EROFS)
				}}, err
			}
			l := open(t, cfg)
			recorded := make([]bool, 200)
			each(len(recorded), func(i int) {
				err := l.Record(context.Background(), entry(i))
				recorded[i] = err == nil
				if err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.EROFS) && !errors.Is(err, syscall.EMFILE) {
					t.Error(err)
				}
				if i%8 == 0 {
					time.Sleep(2 * time.Millisecond)
				}
			})
			over.Store(true)
			_ = l.Close() // this may fail as well
			checkFaults(t, l, recorded)
		})
	}
}

// checkFaults compares a log that had failures with what was said of each of its records.
func checkFaults(t *testing.T, l *Log, recorded []bool) {
	t.Helper()
	must(t, open(t, Config{Dir: l.cfg.Dir}).Close())
	verified(t, l.cfg.Dir, VerifyOptions{})
	s := l.Stats()
	if s.Written+s.Lost+s.Failed != int64(len(recorded)) || s.Waiting != 0 {
		t.Errorf("%+v of %d records", s, len(recorded))
	}
	there := int64(0)
	for i, was := range recorded {
		found, err := Find(l.cfg.Dir, reference(i))
		must(t, err)
		there += int64(len(found))
		if l.cfg.Durability == Strict && was != (len(found) == 1) || len(found) > 1 {
			t.Errorf("record %d: acknowledged %t, there %d times", i, was, len(found))
		}
	}
	if there != s.Written {
		t.Errorf("%d records are there, and %d were counted", there, s.Written)
	}
	t.Logf("%+v", s)
}

// TestHeals has the disk fail for a while: the log then says what is missing, without a restart.
func TestHeals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		durability   Durability
		queue        int
		lost, failed [2]int64 // at least, at most
	}{
		{Strict, 0, [2]int64{}, [2]int64{5, 5}},
		{BestEffort, 0, [2]int64{}, [2]int64{}}, // there is room to wait for the disk
		{BestEffort, 1 << 10, [2]int64{1, 4}, [2]int64{}},
	} {
		var full atomic.Bool
		var tried atomic.Int64
		durability := c.durability
		cfg := Config{Dir: t.TempDir(), Durability: durability, FlushEvery: time.Millisecond, QueueBytes: c.queue, Logger: loud(t)}
		cfg.create = func(path string) (segmentFile, error) {
			f, err := createSegment(path)
			return &faultyFile{segmentFile: f, write: func() error {
				if full.Load() {
					tried.Add(1)
					return syscall.ENOSPC
				}
				return nil
			}}, err
		}
		l := open(t, cfg)
		for i := range 10 {
			record(t, l, i, i+1)
			eventually(t, "it is written", func() bool { return l.Stats().Written == int64(i+1) })
		}
		full.Store(true)
		for i := range 5 {
			if err := l.Record(t.Context(), entry(100+i)); (err == nil) != (durability == BestEffort) {
				t.Error(err)
			}
		}
		if err := l.Note(t.Context(), PolicyChanged{Digest: "sha256:7c0a"}); (err == nil) != (durability == BestEffort) {
			t.Error(err)
		}
		eventually(t, "the disk is tried, and what is missing is counted", func() bool {
			s := l.Stats()
			return tried.Load() > 0 && s.Lost >= c.lost[0] && s.Failed >= c.failed[0] && strings.Contains(s.Trouble, syscall.ENOSPC.Error())
		})
		full.Store(false)
		for i := range 10 {
			record(t, l, 10+i, 11+i)
			eventually(t, "all is written", func() bool { s := l.Stats(); return s.Waiting == 0 && s.Trouble == "" })
		}
		must(t, l.Close())
		verified(t, cfg.Dir, VerifyOptions{})
		r, err := NewReport([]string{cfg.Dir}, ReportOptions{})
		must(t, err)
		if len(r.Events) != 1 || r.Records+r.Lost+r.Failed != 25 || r.Lost < c.lost[0] || r.Lost > c.lost[1] || r.Failed < c.failed[0] || r.Failed > c.failed[1] ||
			len(r.Gaps) == 0 != (r.Lost+r.Failed == 0) {
			t.Errorf("%s with %d bytes of queue: %d records, %d lost, %d failed, gaps %v", durability, c.queue, r.Records, r.Lost, r.Failed, r.Gaps)
		}
	}
}

// TestKeepsTrying heals with nothing to record, so that the log says soon what is missing.
func TestKeepsTrying(t *testing.T) {
	t.Parallel()
	var fails atomic.Int64
	cfg := Config{Dir: t.TempDir()}
	cfg.create = func(path string) (segmentFile, error) {
		if fails.Add(1) < 3 {
			return nil, fmt.Errorf("attempt %d: %w", fails.Load(), io.ErrShortWrite)
		}
		return createSegment(path)
	}
	l := open(t, cfg)
	eventually(t, "the log has lines", func() bool { return l.Stats().Lines > 0 })
}

// TestLeavesFail has the leaf hashes fail to be written: that is no failure of the log, and the next start makes them anew.
func TestLeavesFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Logger: loud(t)})
	record(t, l, 0, 3)
	must(t, l.w.segment.leaves.Close()) // the committer has nothing to do
	record(t, l, 3, 6)
	must(t, l.Close())
	verified(t, dir, VerifyOptions{})
	want := l.Stats().Lines
	if have, err := readLeaves(dir, 0); err != nil || int64(len(have)) == want {
		t.Errorf("%d leaf hashes of %d: %v", len(have), want, err)
	}
	must(t, open(t, Config{Dir: dir}).Close())
	if have, err := readLeaves(dir, 0); err != nil || int64(len(have)) <= want {
		t.Errorf("%d leaf hashes after %d: %v", len(have), want, err)
	}
	verified(t, dir, VerifyOptions{})
}
