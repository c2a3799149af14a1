package evidence

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTorn opens logs whose last write a crash has cut short.
func TestTorn(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	names := glob(t, dir, plainSuffix)
	last := filepath.Base(names[len(names)-1])
	data, err := os.ReadFile(names[len(names)-1])
	must(t, err)
	nuls := strings.Repeat("\x00", 100)
	whole := `{"kind":"stop","time":"2026-03-01T12:00:00.000000000Z"}` + "\n"
	for _, test := range []struct {
		name, added, torn string
		kept              int64 // lines that are kept of what was added
	}{
		{"nothing", "", "", 0},
		{"part of a line", `{"verdict":"block","re`, `{"verdict":"block","re`, 0},
		{"a line without its end", strings.TrimSpace(whole), strings.TrimSpace(whole), 0},
		{"a whole line", whole, "", 1},
		{"a whole line and part of one", whole + "{", "{", 1},
		{"zeros", nuls, nuls, 0},
		{"zeros behind a line", whole + nuls, nuls, 1},
		{"zeros in a line", whole + `{"kind":"stop` + nuls + "\n", `{"kind":"stop` + nuls + "\n", 1},
		{"a line behind zeros", nuls + "\n" + whole, nuls + "\n" + whole, 0},
		{"an empty line", "\n", "\n", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFolder(t, dir)
			before := verified(t, dir, VerifyOptions{}).Lines
			must(t, os.WriteFile(filepath.Join(dir, last), append(bytes.Clone(data), test.added...), 0o600))
			if v, err := Verify(dir, VerifyOptions{}); err != nil || v.OK() != (test.added == "") {
				t.Errorf("before the start: %v, %v", v.Findings, err)
			}
			must(t, open(t, Config{Dir: dir, Now: newClock().now, Logger: loud(t)}).Close())
			lines := before + test.kept + 4 // start and checkpoint, stop and checkpoint
			files := glob(t, dir, "")
			if test.torn != "" {
				lines++
			}
			v := verified(t, dir, VerifyOptions{})
			if v.Lines < lines-2 || v.Lines > lines { // the start may be written together with the stop
				t.Errorf("%d lines, want %d", v.Lines, lines)
			}
			var torn []byte
			for _, path := range files {
				if strings.HasPrefix(filepath.Base(path), "torn-") {
					torn, err = os.ReadFile(path)
					must(t, err)
				}
			}
			if string(torn) != test.torn {
				t.Errorf("%q was set aside, want %q", torn, test.torn)
			}
			r, err := NewReport([]string{dir}, ReportOptions{})
			must(t, err)
			if (r.Torn == 1) != (test.torn != "") {
				t.Errorf("%d torn lines are counted", r.Torn)
			}
		})
	}
}

// TestTornFirst opens logs that were cut short at the beginning of a segment.
func TestTornFirst(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	names := glob(t, dir, plainSuffix)
	last := names[len(names)-1]
	data, err := os.ReadFile(last)
	must(t, err)
	header := bytes.IndexByte(data, '\n') + 1
	second := header + bytes.IndexByte(data[header:], '\n') + 1
	for _, test := range []struct {
		name string
		keep int
		torn bool
	}{{"empty", 0, false}, {"part of the first line", 10, true}, {"one line", header, false}, {"two lines", second, false}, {"two lines and a bit", second + 5, true}} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFolder(t, dir)
			path := filepath.Join(dir, filepath.Base(last))
			must(t, os.WriteFile(path, data[:test.keep], 0o600))
			if _, err := Open(Config{Dir: dir, Replica: "test-1"}); err == nil || !strings.Contains(err.Error(), "lines were once there") {
				t.Errorf("durable lines are gone, and a start says %v", err)
			}
			must(t, os.Remove(strings.TrimSuffix(path, plainSuffix)+leavesSuffix)) // they had never been durable
			for _, left := range glob(t, dir, "") {
				if strings.HasPrefix(filepath.Base(left), "torn-") {
					must(t, os.Remove(left))
				}
			}
			must(t, os.WriteFile(path, data[:test.keep], 0o600))
			l := open(t, Config{Dir: dir, Now: newClock().now})
			record(t, l, 900, 901)
			must(t, l.Close())
			verified(t, dir, VerifyOptions{})
			r, err := NewReport([]string{dir}, ReportOptions{})
			must(t, err)
			if (r.Torn == 1) != test.torn {
				t.Errorf("%d torn lines", r.Torn)
			}
		})
	}
	t.Run("the first segment", func(t *testing.T) {
		dir := t.TempDir()
		l := open(t, Config{Dir: dir})
		must(t, l.Close())
		path := glob(t, dir, plainSuffix)[0]
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.Remove(glob(t, dir, leavesSuffix)[0]))
		for _, keep := range []int{0, 20, bytes.IndexByte(data, '\n') + 1} {
			must(t, os.WriteFile(path, data[:keep], 0o600))
			_ = os.Remove(strings.TrimSuffix(path, plainSuffix) + leavesSuffix)
			must(t, open(t, Config{Dir: dir}).Close())
			verified(t, dir, VerifyOptions{})
		}
	})
}

// TestForgedEnd does not continue a log whose last segment was altered, and says where.
func TestForgedEnd(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	names := glob(t, dir, plainSuffix)
	last := filepath.Base(names[len(names)-1])
	data, err := os.ReadFile(names[len(names)-1])
	must(t, err)
	lines := bytes.SplitAfter(data, []byte{'\n'})
	for _, test := range []struct {
		name   string
		change func(l [][]byte)
		want   string
	}{
		{"a line", func(l [][]byte) { l[3] = bytes.Replace(l[3], []byte("shop.example"), []byte("shop.examine"), 1) }, ":4: the line is not the one"},
		{"a line that is none", func(l [][]byte) { l[3] = []byte("what?\n") }, ":4: the line is not the one"},
		{"a line less", func(l [][]byte) { l[3] = nil }, ":4: lines are missing here, 1 of them"},
		{"the first line", func(l [][]byte) { l[0] = bytes.Replace(l[0], []byte(`"version":1`), []byte(`"version":2`), 1) }, ":1: the line is not the one"},
		{"a checkpoint", func(l [][]byte) { l[2] = bytes.Replace(l[2], []byte(`=\n\n`), []byte(`=\n`), 1) }, ":3: the line is not the one"},
		{"the last checkpoint", func(l [][]byte) {
			at := len(l) - 2
			l[at] = bytes.Replace(l[at], []byte("test-1 "), []byte("test-2 "), 1)
		}, "the line is not the one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFolder(t, dir)
			changed := append([][]byte(nil), lines...)
			test.change(changed)
			path := filepath.Join(dir, last)
			must(t, os.WriteFile(path, bytes.Join(changed, nil), 0o600))
			l, err := Open(Config{Dir: dir, Replica: "test-1"})
			if err == nil {
				must(t, l.Close())
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "a log is not continued") {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// TestCrashWhileSealing starts logs that were left between the steps of sealing a segment.
func TestCrashWhileSealing(t *testing.T) {
	t.Parallel()
	packed := grownLog(t, true)
	zst := glob(t, packed, packedSuffix)[0]
	data, err := os.ReadFile(zst)
	must(t, err)
	for name, prepare := range map[string]func(dir string){
		"a temporary file": func(dir string) {
			must(t, os.WriteFile(filepath.Join(dir, filepath.Base(zst)+temporarySuffix), data[:10], 0o600))
		},
		"both files": func(dir string) {
			path := filepath.Join(dir, filepath.Base(zst))
			unpack(t, path)
			must(t, os.WriteFile(path, data, 0o600))
		},
		"no leaf hashes": func(dir string) {
			path := filepath.Join(dir, filepath.Base(zst))
			unpack(t, path)
			must(t, os.Remove(strings.TrimSuffix(path, packedSuffix)+leavesSuffix))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyFolder(t, packed)
			prepare(dir)
			l := open(t, Config{Dir: dir, Now: newClock().now, Logger: loud(t)})
			eventually(t, "only the last segment is plain", func() bool { return len(glob(t, dir, plainSuffix)) == 1 })
			must(t, l.Close())
			verified(t, dir, VerifyOptions{})
			if left := glob(t, dir, temporarySuffix); len(left) > 0 {
				t.Error(left)
			}
		})
	}
}

// TestSealRefusesForged leaves a segment as it is whose lines are not what the next one goes on from.
func TestSealRefusesForged(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	path := glob(t, dir, plainSuffix)[0]
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Replace(data, []byte("shop"), []byte("shot"), 1), 0o600))
	must(t, os.Remove(strings.TrimSuffix(path, plainSuffix)+leavesSuffix))
	l := open(t, Config{Dir: dir, Now: newClock().now})
	eventually(t, "the others are sealed", func() bool { return len(glob(t, dir, plainSuffix)) == 2 })
	must(t, l.Close())
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// FuzzOpen opens a log with any bytes at its end. It either goes on and verifies, with all that was signed, or refuses.
func FuzzOpen(f *testing.F) {
	for _, end := range []string{"", "\n", "{", "\x00\x00\n\x00", `{"kind":"stop"}` + "\n", `{"kind":"checkpoint","note":""}` + "\n", `{"kind":"segment"}` + "\n", `{"verdict":"` + "\n"} {
		f.Add([]byte(end), 0)
	}
	f.Add([]byte{}, 300)
	dir := f.TempDir()
	l := open(f, Config{Dir: dir})
	record(f, l, 0, 3)
	must(f, l.Close())
	name := filepath.Base(glob(f, dir, plainSuffix)[0])
	data, err := os.ReadFile(filepath.Join(dir, name))
	must(f, err)
	f.Fuzz(func(t *testing.T, end []byte, cut int) {
		dir := copyFolder(t, dir)
		kept := data[:max(0, min(len(data), len(data)-cut))]
		must(t, os.WriteFile(filepath.Join(dir, name), append(bytes.Clone(kept), end...), 0o600))
		l, err := Open(Config{Dir: dir, Replica: "test-1"})
		if err != nil {
			if cut <= 0 && !bytes.Contains(end, []byte{'\n'}) {
				t.Error("what a crash may leave is refused: ", err)
			}
			return
		}
		record(t, l, 7, 8)
		must(t, l.Close())
		verified(t, dir, VerifyOptions{})
		if found, err := Find(dir, reference(2)); err != nil || len(found) != 1 {
			t.Errorf("a record is found as %v, %v", found, err)
		}
	})
}

// TestUnsignedLines: whole lines behind the last checkpoint are signed with the next, and the log says how many there were.
func TestUnsignedLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	record(t, l, 0, 3)
	must(t, l.Close())
	file := glob(t, dir, plainSuffix)[0]
	text, err := os.ReadFile(file)
	must(t, err)
	first := text[bytes.Index(text, []byte(`{"verdict"`)):]
	first = first[:bytes.IndexByte(first, '\n')+1]
	must(t, os.WriteFile(file, append(text, append(bytes.Clone(first), first...)...), 0o600)) // by whoever can write there
	must(t, open(t, Config{Dir: dir}).Close())
	verified(t, dir, VerifyOptions{})
	r, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if r.Unsigned != 2 || r.Records != 5 {
		t.Errorf("%d unsigned lines, %d records", r.Unsigned, r.Records)
	}
}
