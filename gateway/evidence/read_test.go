package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// allLines returns the lines of a log, as its files have them.
func allLines(t testing.TB, dir string) [][]byte {
	t.Helper()
	var lines [][]byte
	segments, err := listSegments(dir)
	must(t, err)
	for _, s := range segments {
		r, err := openSegment(dir, s.first)
		must(t, err)
		for line, _, ok := r.next(); ok; line, _, ok = r.next() {
			lines = append(lines, bytes.Clone(line))
		}
		r.close()
	}
	return lines
}

// TestReadFrom reads a log from every index while it is open, in steps of any size.
func TestReadFrom(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, true)
	l := open(t, Config{Dir: dir, Now: newClock().now})
	record(t, l, 100, 110)
	want := allLines(t, dir)
	r := rand.New(rand.NewPCG(testSeed(t), 0))
	for from := range want {
		most := 1 + r.IntN(60)
		got, err := l.ReadFrom(int64(from), most)
		must(t, err)
		if len(got) != min(most, len(want)-from) || !bytes.Equal(bytes.Join(got, nil), bytes.Join(want[from:from+len(got)], nil)) {
			t.Fatalf("from %d: %d lines of %d", from, len(got), most)
		}
	}
	if got, err := l.ReadFrom(int64(len(want)), 5); len(got) > 0 || err != nil {
		t.Errorf("behind the end: %q, %v", got, err)
	}
	if got, err := l.ReadFrom(-1, 5); len(got) > 0 || err != nil {
		t.Errorf("before the beginning: %q, %v", got, err)
	}
	must(t, l.Close())
}

func TestWait(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Dir: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := l.Wait(ctx, 1000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing came: %v", err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := l.Wait(context.Background(), 20); err != nil {
			t.Error(err)
		}
	})
	waiting.Go(func() {
		if err := l.Wait(context.Background(), 1000); !errors.Is(err, ErrClosed) {
			t.Errorf("the log was closed: %v", err)
		}
	})
	record(t, l, 0, 20)
	must(t, l.Close())
	waiting.Wait()
}

// ship brings the lines of a log into a copy, in steps, some of them twice, as a network does that fails now and then.
func ship(t *testing.T, r *rand.Rand, l *Log, c *Copy, until int64) {
	t.Helper()
	for c.Next() < until {
		from := max(0, c.Next()-int64(r.IntN(5)))
		must(t, l.Wait(t.Context(), c.Next()))
		lines, err := l.ReadFrom(from, 1+r.IntN(40))
		must(t, err)
		must(t, c.Append(from, lines))
	}
}

// TestCopy collects a log while it is written, opens the copy again now and then, and compares the files.
func TestCopy(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(testSeed(t), 0))
	dir, to := t.TempDir(), t.TempDir()
	l := open(t, Config{Dir: dir, SegmentBytes: 9000})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := range 100 {
			if err := l.Record(context.Background(), entry(i)); err != nil {
				t.Error(err)
			}
		}
	})
	for until := int64(20); until <= 180; until += 20 {
		c, err := OpenCopy(to, l.Verifier())
		must(t, err)
		ship(t, r, l, c, until)
		must(t, c.Close())
		names := glob(t, to, plainSuffix)
		if r.IntN(2) == 0 { // killed while it wrote
			f, err := os.OpenFile(names[len(names)-1], os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = f.WriteString(`{"verdict":"bl`)
			must(t, errors.Join(err, f.Close()))
		}
	}
	writing.Wait()
	c, err := OpenCopy(to, l.Verifier())
	must(t, err)
	ship(t, r, l, c, l.Stats().Lines)
	must(t, c.Close())
	v := verified(t, to, VerifyOptions{EverySignature: true, Checkpoints: [][]byte{l.Checkpoint()}})
	if v.Records != 100 || v.Segments < 3 {
		t.Errorf("%+v", v)
	}
	if !bytes.Equal(bytes.Join(allLines(t, dir), []byte{'\n'}), bytes.Join(allLines(t, to), []byte{'\n'})) {
		t.Error("the copy differs")
	}
	for _, path := range glob(t, to, leavesSuffix) {
		a, err := os.ReadFile(path)
		must(t, err)
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(path)))
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs from the log's", path)
		}
	}
	must(t, l.Close())
}

// TestCopyRefuses gives a copy lines that are not the next ones of its log.
func TestCopyRefuses(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	lines := allLines(t, dir)
	_, other, err := note.GenerateKey(nil, "gate451/test-1")
	must(t, err)
	altered := func(at int, old, with string) [][]byte {
		changed := append([][]byte(nil), lines...)
		changed[at] = bytes.Replace(changed[at], []byte(old), []byte(with), 1)
		return changed
	}
	key, err := os.ReadFile(filepath.Join(dir, verifierName))
	must(t, err)
	for _, test := range []struct {
		name  string
		key   string
		first int64
		lines [][]byte
		want  string
		kept  int64
	}{
		{"a gap", string(key), 25, lines[25:], "add the lines between first", 20},
		{"another line where one is", string(key), 0, altered(15, `"`, `'`), "line 15 differs from the one", 20},
		{"an altered line", string(key), 20, altered(20, "i", "j")[20:], "of the log: ", 20},
		{"a line that is none", string(key), 20, [][]byte{[]byte("what?")}, "none of a log", 20},
		{"two lines in one", string(key), 20, [][]byte{[]byte("{\"kind\":\"stop\"}\n{")}, "none of a log", 20},
		{"another key", other, 0, lines, "no verifiable signatures", 0},
		{"no beginning", string(key), 0, lines[1:], "begins with a segment's line", 0},
		{"another segment", string(key), 20, lines[:1], "of another segment", 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := OpenCopy(t.TempDir(), test.key)
			must(t, err)
			defer c.Close()
			if test.kept > 0 {
				must(t, c.Append(0, lines[:test.kept]))
			}
			if err := c.Append(test.first, test.lines); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if c.Next() < test.kept || test.kept > 0 && c.Next() > test.kept {
				t.Errorf("the copy has %d lines, want %d", c.Next(), test.kept)
			}
		})
	}
	t.Run("another log's key in the folder", func(t *testing.T) {
		to := t.TempDir()
		c, err := OpenCopy(to, string(key))
		must(t, err)
		must(t, c.Close())
		if err := c.Append(0, lines); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed copy says %v", err)
		}
		if _, err := OpenCopy(to, other); err == nil || !strings.Contains(err.Error(), "another key") {
			t.Error(err)
		}
	})
	t.Run("an altered copy", func(t *testing.T) {
		to := t.TempDir()
		c, err := OpenCopy(to, "")
		must(t, err)
		must(t, c.Append(0, lines[:20]))
		must(t, c.Close())
		path := glob(t, to, plainSuffix)[0]
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, bytes.Replace(data, []byte("shop"), []byte("shot"), 1), 0o600))
		if _, err := OpenCopy(to, ""); err == nil || !strings.Contains(err.Error(), fmt.Sprint(path, ":")) {
			t.Error(err)
		}
	})
}

// TestCopyBegunLate begins a copy with a segment in the middle of a log.
func TestCopyBegunLate(t *testing.T) {
	t.Parallel()
	dir, to := grownLog(t, false), t.TempDir()
	key, err := os.ReadFile(filepath.Join(dir, verifierName))
	must(t, err)
	segments, err := listSegments(dir)
	must(t, err)
	lines, first := allLines(t, dir), segments[1].first
	for range 2 {
		c, err := OpenCopy(to, string(key))
		must(t, err)
		must(t, c.Append(first, lines[first:]))
		must(t, c.Append(0, lines)) // what is older than the copy is passed over
		if c.Next() != int64(len(lines)) {
			t.Errorf("the copy has %d lines of %d", c.Next(), len(lines))
		}
		must(t, c.Close())
	}
	if v := verified(t, to, VerifyOptions{Partial: true}); v.Begins != first {
		t.Errorf("the copy begins with %d, want %d", v.Begins, first)
	}
	if v, err := Verify(to, VerifyOptions{}); err != nil || v.OK() {
		t.Errorf("a log without its beginning: %v, %v", v, err)
	}
}

// TestCopyFails has a copy's file fail: it takes nothing more until it is opened again.
func TestCopyFails(t *testing.T) {
	t.Parallel()
	lines, to := allLines(t, grownLog(t, false)), t.TempDir()
	c, err := OpenCopy(to, "")
	must(t, err)
	must(t, c.Append(0, lines[:10]))
	must(t, c.file.Close())
	for range 2 {
		if err := c.Append(10, lines[10:]); !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "opened again") {
			t.Error(err)
		}
	}
	must(t, c.Close())
	if c, err = OpenCopy(to, ""); err != nil || c.Next() != 10 {
		t.Fatal(c.Next(), err)
	}
	must(t, c.Append(0, lines))
	must(t, c.Close())
}

// TestCopyTornFirst opens copies that were killed while they began a file.
func TestCopyTornFirst(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	lines := allLines(t, dir)
	segments, err := listSegments(dir)
	must(t, err)
	for _, s := range segments[:2] {
		to := t.TempDir()
		c, err := OpenCopy(to, "")
		must(t, err)
		must(t, c.Append(0, lines[:s.first]))
		must(t, c.Close())
		must(t, os.WriteFile(segmentPath(to, s.first, plainSuffix), lines[s.first][:9], 0o600))
		c, err = OpenCopy(to, "")
		must(t, err)
		if c.Next() != s.first {
			t.Errorf("the copy has %d lines, want %d", c.Next(), s.first)
		}
		must(t, c.Append(s.first, lines[s.first:]))
		must(t, c.Close())
		if !bytes.Equal(bytes.Join(allLines(t, to), nil), bytes.Join(lines, nil)) {
			t.Error("the copy differs")
		}
	}
}
