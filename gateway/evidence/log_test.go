package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestStrict records from many goroutines and finds every record on disk when its call returns.
func TestStrict(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, SegmentBytes: 50_000, Logger: loud(t)})
	each(500, func(i int) {
		if err := l.Record(context.Background(), entry(i)); err != nil {
			t.Error(err)
		}
		if i%100 == 0 {
			if found, err := Find(dir, reference(i)); err != nil || len(found) != 1 {
				t.Errorf("record %d is found as %v, %v", i, found, err)
			}
		}
	})
	v := verified(t, dir, VerifyOptions{})
	if !v.Open || v.Records != 500 {
		t.Errorf("open %t with %d records", v.Open, v.Records)
	}
	must(t, l.Close())
	v = verified(t, dir, VerifyOptions{EverySignature: true})
	if v.Open || v.Records != 500 || v.Segments < 2 || v.Covered != v.Lines-1 || v.Signatures != v.Checkpoints {
		t.Errorf("%+v", v)
	}
	if s := l.Stats(); s.Written != 500 || s.Failed+s.Lost+s.Waiting != 0 || s.Lines != v.Lines || s.LastSync <= 0 {
		t.Errorf("%+v", s)
	}
	if err := l.Record(t.Context(), entry(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed log says %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("a log is closed twice: %v", err)
	}
}

// TestBestEffort overflows the queue: what is lost is counted, and the log says so.
func TestBestEffort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Durability: BestEffort, QueueBytes: 4000, FlushEvery: time.Hour})
	const n = 5000
	record(t, l, 0, n)
	must(t, l.Note(t.Context(), PolicyChanged{})) // for events there is always room
	must(t, l.Close())
	s := l.Stats()
	if s.Lost == 0 || s.Written+s.Lost != n {
		t.Errorf("%+v", s)
	}
	v := verified(t, dir, VerifyOptions{})
	r, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if len(r.Events) != 1 || v.Records != s.Written || r.Records != s.Written || r.Lost != s.Lost || r.Failed != 0 {
		t.Errorf("%d records and %d lost in the log, %+v", r.Records, r.Lost, s)
	}
	if err := l.Record(t.Context(), entry(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed log says %v", err)
	}
}

// TestBestEffortFlushes waits for a record that nothing but the time makes durable.
func TestBestEffortFlushes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Durability: BestEffort, FlushEvery: time.Millisecond})
	record(t, l, 0, 1)
	eventually(t, "the record is durable", func() bool { return l.Stats().Written == 1 })
	verified(t, dir, VerifyOptions{})
}

func TestStrictRefuses(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Dir: t.TempDir(), QueueBytes: 2000})
	e := entry(1)
	e.Path = strings.Repeat("x", 3000)
	if err := l.Record(t.Context(), e); !errors.Is(err, ErrFull) {
		t.Errorf("a queue without room says %v", err)
	}
	e.Path = strings.Repeat("x", maxLine)
	if err := l.Record(t.Context(), e); !errors.Is(err, ErrTooLong) {
		t.Errorf("a line without end: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Record(ctx, entry(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is over: %v", err)
	}
	record(t, l, 2, 3)
	if s := l.Stats(); s.Failed != 2 || s.Written != 1 {
		t.Errorf("%+v", s)
	}
}

// TestDays begins a segment with every day.
func TestDays(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	l := open(t, Config{Dir: dir, Now: c.now})
	for day := range 3 {
		record(t, l, day*5, day*5+5)
		c.move(24 * time.Hour)
	}
	must(t, l.Close())
	v := verified(t, dir, VerifyOptions{})
	if v.Segments != 4 { // the log was closed on the fourth day
		t.Errorf("%d segments", v.Segments)
	}
}

// TestRetention drops segments that are old, keeps their leaf hashes, and verifies.
func TestRetention(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	cfg := Config{Dir: dir, Now: c.now, Retention: 48 * time.Hour, Logger: loud(t)}
	l := open(t, cfg)
	var kept []byte
	for day := range 6 {
		record(t, l, day*5, day*5+5)
		if day == 1 {
			kept = l.Checkpoint()
		}
		c.move(24 * time.Hour)
	}
	eventually(t, "old segments are dropped", func() bool {
		segments, err := listSegments(dir)
		must(t, err)
		return !segments[0].hasLines() && !segments[1].hasLines()
	})
	oldest := l.places.oldest()
	if _, err := l.ReadFrom(0, 10); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the oldest that is there is %d", oldest)) {
		t.Errorf("dropped lines are read: %v", err)
	}
	must(t, l.Close())
	v := verified(t, dir, VerifyOptions{Checkpoints: [][]byte{kept}})
	if v.Dropped == 0 || v.Records >= 30 || v.Begins != 0 {
		t.Errorf("%+v", v)
	}
	if _, err := ProveIndex(dir, 0); err == nil || !strings.Contains(err.Error(), "was dropped") {
		t.Errorf("a dropped line is proven: %v", err)
	}
	if _, err := Prove(dir, reference(29)); err != nil {
		t.Error(err)
	}
	// A restart finds old segments again.
	c.move(30 * 24 * time.Hour)
	l = open(t, cfg)
	record(t, l, 100, 101)
	eventually(t, "all are dropped but the last and the one before, which ended only now", func() bool {
		return len(glob(t, dir, packedSuffix))+len(glob(t, dir, plainSuffix)) == 2
	})
	must(t, l.Close())
	verified(t, dir, VerifyOptions{})
	// Somebody else drops one more.
	leaves := glob(t, dir, leavesSuffix)
	must(t, os.Remove(leaves[0]))
	if v, err := Verify(dir, VerifyOptions{}); err != nil || v.OK() {
		t.Errorf("missing leaf hashes are not found: %v, %v", v, err)
	}
}

func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	_, err := Open(Config{Dir: dir, Replica: "test-1"})
	if err == nil || !strings.Contains(err.Error(), dir+" is in use by another process; stop that one") {
		t.Errorf("a second log on the folder: %v", err)
	}
	if _, err := OpenCopy(dir, ""); err == nil {
		t.Error("a copy on the folder of a log")
	}
	must(t, l.Close())
	must(t, open(t, Config{Dir: dir}).Close())
}

// TestRefusals opens logs that must not be opened.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	for _, test := range []struct {
		name   string
		change func(dir string, cfg *Config)
		want   string
	}{
		{"no folder", func(_ string, c *Config) { c.Dir = "" }, "the log has no folder"},
		{"a blank in the name", func(_ string, c *Config) { c.Replica = "a b" }, `replica name "a b" cannot name a log`},
		{"no name", func(_ string, c *Config) { c.Replica = "" }, "expected 1 to 128 letters"},
		{"a plus in the name", func(_ string, c *Config) { c.Replica = "a+b" }, "cannot name a log"},
		{"another name", func(_ string, c *Config) { c.Replica = "test-2" }, "name the replica as before"},
		{"another durability", func(_ string, c *Config) { c.Durability = "some" }, "expected strict or best_effort"},
		{"another form", func(_ string, c *Config) { c.Client = "some" }, "expected truncated, hmac or full"},
		{"less than nothing", func(_ string, c *Config) { c.Retention = -1 }, "below zero"},
		{"no key", func(dir string, _ *Config) { must(t, os.Remove(filepath.Join(dir, signKeyName))) }, "is missing, and the log has lines that it signed; put the key back"},
		{"a key that is none", func(dir string, _ *Config) {
			must(t, os.WriteFile(filepath.Join(dir, signKeyName), []byte("key"), 0o600))
		}, "no signing key"},
		{"a client key that is none", func(dir string, c *Config) {
			c.Client = ClientHMAC
			must(t, os.WriteFile(filepath.Join(dir, clientKeyName), []byte("key"), 0o600))
		}, "no client key"},
		{"no last segment", func(dir string, _ *Config) {
			names := glob(t, dir, plainSuffix)
			must(t, os.Remove(names[len(names)-1]))
		}, "is missing, though its leaf hashes are there"},
		{"a folder that is a file", func(dir string, c *Config) { c.Dir = filepath.Join(dir, signKeyName) }, "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFolder(t, dir)
			cfg := Config{Dir: dir, Replica: "test-1"}
			test.change(dir, &cfg)
			l, err := Open(cfg)
			if err == nil {
				must(t, l.Close())
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestKeys makes keys that nobody else can read, and reads them again.
func TestKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Client: ClientHMAC})
	for _, name := range []string{signKeyName, clientKeyName} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	public, err := os.ReadFile(filepath.Join(dir, verifierName))
	must(t, err)
	if string(public) != l.Verifier()+"\n" {
		t.Errorf("the public key is %q, want %q", public, l.Verifier())
	}
	must(t, l.Close())
	again := open(t, Config{Dir: dir, Client: ClientHMAC})
	if again.Verifier() != l.Verifier() {
		t.Error("the key is another one")
	}
	cp, err := ParseCheckpoint(again.Checkpoint(), l.Verifier())
	must(t, err)
	if cp.Origin != "gate451/test-1" || cp.Size == 0 {
		t.Errorf("%+v", cp)
	}
}

// TestOnCheckpoint has a listener that is slow: it hears of the newest checkpoint, and the log does not wait for it.
func TestOnCheckpoint(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var last []byte
	var calls atomic.Int64
	release := make(chan struct{})
	l := open(t, Config{Dir: t.TempDir(), OnCheckpoint: func(note []byte) {
		calls.Add(1)
		<-release
		mu.Lock()
		defer mu.Unlock()
		last = note
	}})
	record(t, l, 0, 50)
	close(release)
	must(t, l.Close())
	if !bytes.Equal(last, l.Checkpoint()) || calls.Load() > 3 {
		t.Errorf("told %d times, at last of %q; the newest is %q", calls.Load(), last, l.Checkpoint())
	}
}

// TestEvents writes every kind of event.
func TestEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	at := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, e := range []Event{
		PolicyChanged{"sha256:7c0a", "policy.yaml"},
		DatabaseChanged{"GeoLite2-Country", "2026-02-24", at},
		CatalogueChanged{"goods.csv", "9f86d0", 512000},
		RulePaused{"cuba-sales", at, "licence\n{\"kind\":\"stop\"}", "ops"},
		RuleResumed{"cuba-sales", "", "ops"},
	} {
		must(t, l.Note(t.Context(), e))
	}
	if err := l.Note(t.Context(), RulePaused{Until: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("a time that JSON has no words for is written")
	}
	must(t, l.Close())
	verified(t, dir, VerifyOptions{})
	text, err := os.ReadFile(glob(t, dir, plainSuffix)[0])
	must(t, err)
	if n := bytes.Count(text, []byte("\n"+`{"kind":"event","time":"`)); n != 5 {
		t.Errorf("%d events in\n%s", n, text)
	}
}

// TestStandsStill gives up waiting for a disk that stands still, and does not wait where nobody does.
func TestStandsStill(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	cfg := Config{Dir: t.TempDir(), Replica: "test-1"}
	cfg.create = func(path string) (segmentFile, error) {
		f, err := createSegment(path)
		return &faultyFile{segmentFile: f, sync: func() error { <-stuck; return nil }}, err
	}
	cfg.Patience = 10 * time.Millisecond
	l := open(t, cfg)
	if err := l.Record(t.Context(), entry(1)); !errors.Is(err, ErrLate) {
		t.Errorf("a disk that stands still: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Record(ctx, entry(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	close(stuck)
	must(t, l.Close())
	verified(t, cfg.Dir, VerifyOptions{})
}
