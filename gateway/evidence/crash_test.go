package evidence

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// childDir and childFirst are a child's folder and the number of its first entry.
const (
	childDir   = "GATE451_EVIDENCE_TEST_DIR"
	childFirst = "GATE451_EVIDENCE_TEST_FIRST"
)

// childEntries calls record for entries with ever new numbers from several goroutines and says on standard output which of
// them were acknowledged.
func childEntries(l *Log, more func(n int) bool) {
	first, _ := strconv.Atoi(os.Getenv(childFirst))
	var mu sync.Mutex
	next := first
	var going sync.WaitGroup
	for range 8 {
		going.Go(func() {
			for {
				mu.Lock()
				n := next
				next++
				mu.Unlock()
				if !more(n - first) {
					return
				}
				word := "recorded"
				if err := l.Record(context.Background(), entry(n)); err != nil {
					word = "refused"
				}
				fmt.Printf("%s %d\n", word, n) // one write each
			}
		})
	}
	going.Wait()
}

// appendForever is a child that is to be killed.
func appendForever() int {
	l, err := Open(Config{Dir: os.Getenv(childDir), Replica: "test-1", SegmentBytes: 60_000})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	childEntries(l, func(int) bool { return true })
	return 0
}

// appendLimited is a child whose files must not grow beyond a limit that is set on it. The runtime would die of SIGXFSZ.
func appendLimited() int {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := Open(Config{Dir: os.Getenv(childDir), Replica: "test-1"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	childEntries(l, func(n int) bool { return n < 400 })
	if err := l.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// said starts a child, collects what it says of its entries, and kills it after a time if that is not 0.
func said(t *testing.T, cmd *exec.Cmd, kill time.Duration) (recorded, refused []int) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if kill > 0 {
		defer time.AfterFunc(kill, func() { _ = cmd.Process.Kill() }).Stop()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		word, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			continue // cut short by the kill
		}
		if word == "recorded" {
			recorded = append(recorded, n)
		} else {
			refused = append(refused, n)
		}
	}
	return recorded, refused
}

// TestKilled kills a process that records, again and again on one folder. The log verifies after every start, has all that was
// acknowledged, and at most one torn line for each kill, which is counted.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 100
	if testing.Short() {
		kills = 8
	}
	r := rand.New(rand.NewPCG(testSeed(t), 0))
	dir := t.TempDir()
	first, acknowledged := 0, 0
	var kept []byte
	for kill := range kills {
		cmd := child(t, "append", childDir+"="+dir, childFirst+"="+strconv.Itoa(first))
		recorded, refused := said(t, cmd, time.Duration(10+r.IntN(60))*time.Millisecond)
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
			t.Fatal("the process was not killed: ", err)
		}
		l := open(t, Config{Dir: dir, SegmentBytes: 60_000})
		must(t, l.Close())
		last := kill == kills-1
		if kill%10 == 9 || last || testing.Short() {
			verified(t, dir, VerifyOptions{Checkpoints: nonEmpty(kept)})
			kept = l.Checkpoint()
		}
		if len(refused) > 0 {
			t.Errorf("%d records were refused", len(refused))
		}
		findAll(t, dir, recorded)
		acknowledged += len(recorded)
		first += 1_000_000
	}
	torn, err := filepath.Glob(filepath.Join(dir, "torn-*"))
	must(t, err)
	report, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if len(torn) > kills || report.Torn != int64(len(torn)) {
		t.Errorf("%d torn ends are set aside and %d counted after %d kills", len(torn), report.Torn, kills)
	}
	t.Logf("%d kills, %d acknowledged, %d recorded, %d torn", kills, acknowledged, report.Records, len(torn))
	if acknowledged == 0 {
		t.Error("that proves nothing")
	}
}

func nonEmpty(note []byte) [][]byte {
	if note == nil {
		return nil
	}
	return [][]byte{note}
}

// findAll checks that every record is in the log, once. It reads the newest segments first, where they must be.
func findAll(t *testing.T, dir string, numbers []int) {
	t.Helper()
	missing := make(map[string]bool, len(numbers))
	for _, n := range numbers {
		missing[reference(n)] = true
	}
	segments, err := listSegments(dir)
	must(t, err)
	for i := len(segments) - 1; i >= 0 && len(missing) > 0; i-- {
		r, err := openSegment(dir, segments[i].first)
		must(t, err)
		var f fields
		for line, _, ok := r.next(); ok; line, _, ok = r.next() {
			if f.split(line) == nil {
				delete(missing, string(f[fieldReference]))
			}
		}
		r.close()
	}
	if len(missing) > 0 {
		t.Errorf("%d acknowledged records are not in the log", len(missing))
	}
}

// checkChild compares what a child said with the log that it left.
func checkChild(t *testing.T, dir string, recorded, refused []int) {
	t.Helper()
	must(t, open(t, Config{Dir: dir}).Close())
	verified(t, dir, VerifyOptions{})
	findAll(t, dir, recorded)
	for _, n := range refused {
		if found, err := Find(dir, reference(n)); err != nil || len(found) > 0 {
			t.Errorf("record %d was refused, and is found as %v, %v", n, found, err)
		}
	}
	r, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if r.Records != int64(len(recorded)) || r.Failed > int64(len(refused)) {
		t.Errorf("%d recorded and %d refused, the log has %d and says that %d failed", len(recorded), len(refused), r.Records, r.Failed)
	}
	t.Logf("%d recorded, %d refused, %d segments", len(recorded), len(refused), len(r.Logs))
}

// TestFileLimit has a process that may not write files beyond 64 KiB: each segment ends there, and the next one goes on.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("prlimit")
	need(t, err == nil, "prlimit (Debian: util-linux)")
	dir := t.TempDir()
	cmd := child(t, "limited", childDir+"="+dir)
	cmd.Args = append([]string{path, "--fsize=65536"}, cmd.Args...)
	cmd.Path = path
	recorded, refused := said(t, cmd, 0)
	must(t, cmd.Wait())
	if len(recorded) == 0 || len(refused) == 0 || len(glob(t, dir, plainSuffix))+len(glob(t, dir, packedSuffix)) < 2 {
		t.Errorf("%d recorded, %d refused", len(recorded), len(refused))
	}
	checkChild(t, dir, recorded, refused)
}

// TestSyncFails has the system fail every few syncs.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("strace")
	need(t, err == nil, "strace (Debian: strace)")
	dir := t.TempDir()
	cmd := child(t, "limited", childDir+"="+dir)
	cmd.Args = append([]string{path, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=3+5"}, cmd.Args...)
	cmd.Path = path
	recorded, refused := said(t, cmd, 0)
	err = cmd.Wait()
	if len(recorded) == 0 || len(refused) == 0 {
		need(t, err == nil, "leave to trace processes")
		t.Errorf("%d recorded, %d refused: %v", len(recorded), len(refused), err)
	}
	checkChild(t, dir, recorded, refused)
}

// mount mounts a small file system in memory, until the test ends.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).Run()
	need(t, err == nil, "leave to mount (run it as root)")
	t.Cleanup(func() { // another test's child may hold our files for the moment between its fork and its exec
		eventually(t, "the file system can be unmounted", func() bool { return exec.Command("umount", dir).Run() == nil })
	})
	return dir
}

// TestDiskFull fills a disk of 64 KiB, makes room, and finds the log going on without a restart.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	for _, durability := range []Durability{Strict, BestEffort} {
		dir := mount(t, "size=64k")
		ballast := filepath.Join(dir, "ballast")
		must(t, os.WriteFile(ballast, make([]byte, 20<<10), 0o600))
		l := open(t, Config{Dir: dir, Durability: durability, FlushEvery: time.Millisecond, QueueBytes: 8 << 10, Logger: loud(t)})
		var recorded, refused []int
		try := func(n int) error {
			err := l.Record(t.Context(), entry(n))
			if err == nil {
				recorded = append(recorded, n)
			} else {
				refused = append(refused, n)
			}
			return err
		}
		for n := 0; n < 1000 && l.Stats().Lost+l.Stats().Failed < 5; n++ {
			if err := try(n); err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Error(err)
			}
		}
		must(t, os.Remove(ballast))
		eventually(t, "the log goes on", func() bool {
			written := l.Stats().Written
			_ = try(1000 + len(recorded) + len(refused))
			time.Sleep(2 * time.Millisecond)
			return l.Stats().Written > written
		})
		must(t, l.Close())
		v := verified(t, dir, VerifyOptions{})
		s := l.Stats()
		if s.Lost+s.Failed < 5 || v.Records != s.Written || s.Written+s.Lost+s.Failed != int64(len(recorded)+len(refused)) {
			t.Errorf("%s: %+v; %d acknowledged, %d refused, %d in the log", durability, s, len(recorded), len(refused), v.Records)
		}
		if durability == Strict {
			findAll(t, dir, recorded)
		}
	}
}

// TestReadOnly has a disk become read-only, as a file system does after an error, and writable again.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	dir := mount(t, "size=1m")
	inner := filepath.Join(dir, "evidence")
	l := open(t, Config{Dir: inner, Logger: loud(t)})
	record(t, l, 0, 5)
	must(t, l.Close()) // files that are open for writing keep a file system writable
	must(t, exec.Command("mount", "-o", "remount,ro", dir).Run())
	if _, err := Open(Config{Dir: inner, Replica: "test-1"}); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a read-only disk: %v", err)
	}
	verified(t, inner, VerifyOptions{})
	must(t, exec.Command("mount", "-o", "remount,rw", dir).Run())
	l = open(t, Config{Dir: inner})
	record(t, l, 5, 10)
	must(t, l.Close())
	verified(t, inner, VerifyOptions{})
}

// TestFullDevice writes segments to a device that is always full.
func TestFullDevice(t *testing.T) {
	t.Parallel()
	cfg := Config{Dir: t.TempDir()}
	cfg.create = func(string) (segmentFile, error) { return openSegmentFile("/dev/full", 0) }
	l := open(t, cfg)
	for n := range 3 {
		if err := l.Record(t.Context(), entry(n)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a full device: %v", err)
		}
	}
	if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("closing: %v", err)
	}
	if s := l.Stats(); s.Failed != 3 || s.Written != 0 || s.Lines != 0 || l.Checkpoint() != nil {
		t.Errorf("%+v", s)
	}
}
