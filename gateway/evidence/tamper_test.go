package evidence

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// grownLog returns the folder of a closed log of several segments, of which the older ones are compressed if they are to be.
func grownLog(t testing.TB, packed bool) string {
	t.Helper()
	dir, c := t.TempDir(), newClock()
	cfg := Config{Dir: dir, Now: c.now, SegmentBytes: 12000}
	for part := range 3 { // three starts
		l := open(t, cfg)
		must(t, l.Note(t.Context(), PolicyChanged{Digest: "sha256:7c0a", Source: "policy.yaml"}))
		record(t, l, 20*part, 20*part+20)
		must(t, l.Close())
	}
	if packed {
		l := open(t, cfg)
		eventually(t, "only the last segment is plain", func() bool { return len(glob(t, dir, plainSuffix)) == 1 })
		must(t, l.Close())
		return dir
	}
	for _, path := range glob(t, dir, packedSuffix) { // the same log, as if sealing were still to come
		unpack(t, path)
	}
	return dir
}

// unpack turns a compressed segment into a plain one.
func unpack(t testing.TB, path string) {
	t.Helper()
	p, err := openPacked(path)
	must(t, err)
	defer p.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(p)
	must(t, err)
	must(t, os.WriteFile(strings.TrimSuffix(path, packedSuffix)+plainSuffix, text.Bytes(), 0o600))
	must(t, os.Remove(path))
}

// glob returns the files of a folder that end in a suffix, in order.
func glob(t testing.TB, dir, suffix string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	must(t, err)
	return found
}

// tampering changes one byte, removes one or adds one, and says what it did.
func tampering(r *rand.Rand, data []byte) (changed []byte, at int, what string) {
	at = r.IntN(len(data))
	b := byte(r.Uint32())
	switch r.IntN(4) {
	case 0:
		return slices.Delete(slices.Clone(data), at, at+1), at, "removed"
	case 1:
		return slices.Insert(slices.Clone(data), at, b), at, "added"
	case 2:
		b = '\n' // what makes lines of a line
	}
	for b == data[at] {
		b++
	}
	changed = slices.Clone(data)
	changed[at] = b
	return changed, at, "changed"
}

// TestTampering changes, removes or adds one byte anywhere in the files of a log. Verify names the file, and the line where
// the file has lines.
func TestTampering(t *testing.T) {
	t.Parallel()
	tries := 1000
	if testing.Short() || racing {
		tries = 200
	}
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("packed=%t", packed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(testSeed(t), 0))
			dir := grownLog(t, packed)
			verified(t, dir, VerifyOptions{EverySignature: true})
			files := append(append(glob(t, dir, plainSuffix), glob(t, dir, packedSuffix)...), glob(t, dir, leavesSuffix)...)
			for range tries {
				tamper(t, r, dir, files[r.IntN(len(files))])
			}
		})
	}
}

func tamper(t *testing.T, r *rand.Rand, dir, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	changed, at, what := tampering(r, data)
	must(t, os.WriteFile(path, changed, 0o600))
	defer func() { must(t, os.WriteFile(path, data, 0o600)) }()
	v, err := Verify(dir, VerifyOptions{})
	must(t, err)
	line := 1 + bytes.Count(data[:at], []byte{'\n'})
	for _, f := range v.Findings {
		if f.File != path {
			continue
		}
		if !strings.HasSuffix(path, plainSuffix) || f.Line == line {
			return
		}
		if what == "added" && f.Line == line+1 && changed[at] == '\n' && data[at] == '\n' {
			return // an empty line behind the line is the same as a newline before its end
		}
	}
	t.Errorf("%s: byte %d of line %d %s: %q became %q; found %v", filepath.Base(path), at, line, what,
		around(data, at), around(changed, at), v.Findings)
}

func around(data []byte, at int) []byte { return data[max(0, at-12):min(len(data), at+12)] }

// TestWholeLinesTampered removes, doubles, swaps and replaces lines and files.
func TestWholeLinesTampered(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	first := glob(t, dir, plainSuffix)[0]
	for _, test := range []struct {
		name   string
		change func(lines [][]byte) [][]byte
		line   int
		want   string
	}{
		{"one removed", func(l [][]byte) [][]byte { return slices.Delete(l, 4, 5) }, 5, "missing here, 1 of them"},
		{"three removed", func(l [][]byte) [][]byte { return slices.Delete(l, 4, 7) }, 5, "missing here, 3 of them"},
		{"one added", func(l [][]byte) [][]byte { return slices.Insert(l, 4, []byte(`{"kind":"stop"}`)) }, 5, "added here, 1 of them"},
		{"one doubled", func(l [][]byte) [][]byte { return slices.Insert(l, 4, l[4]) }, 6, "added here, 1 of them"},
		{"two swapped", func(l [][]byte) [][]byte { l[4], l[6] = l[6], l[4]; return l }, 5, "missing here"},
		{"one replaced", func(l [][]byte) [][]byte { l[4] = bytes.Replace(l[4], []byte("i"), []byte("j"), 1); return l }, 5, "not the one that was written"},
		{"the first removed", func(l [][]byte) [][]byte { return l[1:] }, 1, "missing here, 1 of them"},
		{"the last removed", func(l [][]byte) [][]byte { return l[:len(l)-1] }, -1, "missing here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := copyFolder(t, dir)
			path := filepath.Join(dir, filepath.Base(first))
			data, err := os.ReadFile(path)
			must(t, err)
			lines := bytes.Split(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\n'})
			if test.line < 0 {
				test.line = len(lines)
			}
			must(t, os.WriteFile(path, append(bytes.Join(test.change(lines), []byte{'\n'}), '\n'), 0o600))
			v, err := Verify(dir, VerifyOptions{})
			must(t, err)
			if len(v.Findings) == 0 || v.Findings[0].File != path || v.Findings[0].Line != test.line || !strings.Contains(v.Findings[0].Problem, test.want) {
				t.Errorf("found %v, want line %d: %s", v.Findings, test.line, test.want)
			}
		})
	}
}

// TestTamperedWithLeaves alters a line and its leaf hash, so that only the checkpoints tell.
func TestTamperedWithLeaves(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	path := glob(t, dir, plainSuffix)[1]
	data, err := os.ReadFile(path)
	must(t, err)
	lines := bytes.SplitAfter(data, []byte{'\n'})
	at := 4
	for kindOf(lines[at-1]) != kindCheckpoint || kindOf(lines[at]) != kindDecision || kindOf(lines[at+1]) != kindCheckpoint {
		at++
	}
	lines[at] = bytes.Replace(lines[at], []byte("shop"), []byte("shot"), 1)
	must(t, os.WriteFile(path, bytes.Join(lines, nil), 0o600))
	for _, name := range []string{"made anew", "removed"} {
		var leaves []byte
		for _, line := range lines {
			if len(line) > 0 {
				leaf := leafOf(append([]byte{0}, bytes.TrimSuffix(line, []byte{'\n'})...))
				leaves = append(leaves, leaf[:]...)
			}
		}
		beside := strings.TrimSuffix(path, plainSuffix) + leavesSuffix
		must(t, os.WriteFile(beside, leaves, 0o600))
		if name == "removed" {
			must(t, os.Remove(beside))
		}
		v, err := Verify(dir, VerifyOptions{})
		must(t, err)
		want := fmt.Sprintf("something in lines %d to %d", at+1, at+2)
		if !slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.File == path && strings.Contains(f.Problem, want) }) {
			t.Errorf("leaf hashes %s: found %v, want %s", name, v.Findings, want)
		}
	}
}

// TestCutBack cuts a log back to an earlier state of itself, of which nothing in the folder tells any more.
func TestCutBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	record(t, l, 0, 10)
	must(t, l.Close())
	earlier := copyFolder(t, dir)
	l = open(t, Config{Dir: dir})
	record(t, l, 10, 20)
	kept := l.Checkpoint()
	must(t, l.Close())
	verified(t, dir, VerifyOptions{Checkpoints: [][]byte{kept, l.Checkpoint()}})
	verified(t, earlier, VerifyOptions{})
	v, err := Verify(earlier, VerifyOptions{Checkpoints: [][]byte{kept}})
	must(t, err)
	if v.OK() || !strings.Contains(v.Findings[0].Problem, "restore the lines that were cut off") {
		t.Errorf("found %v", v.Findings)
	}
	// A log that was written anew with the same key is another one.
	other := t.TempDir()
	must(t, os.Rename(filepath.Join(earlier, signKeyName), filepath.Join(other, signKeyName)))
	l = open(t, Config{Dir: other})
	record(t, l, 5, 40)
	must(t, l.Close())
	verified(t, other, VerifyOptions{})
	v, err = Verify(other, VerifyOptions{Checkpoints: [][]byte{kept}})
	must(t, err)
	if v.OK() || !strings.Contains(v.Findings[0].Problem, "are not those of the checkpoint that was kept") {
		t.Errorf("found %v", v.Findings)
	}
}

// TestSegmentsRemoved removes whole segments, with or without their leaf hashes.
func TestSegmentsRemoved(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	names := glob(t, dir, plainSuffix)
	for i := range names {
		for _, leaves := range []bool{false, true} {
			dir := copyFolder(t, dir)
			path := filepath.Join(dir, filepath.Base(names[i]))
			must(t, os.Remove(path))
			if leaves {
				must(t, os.Remove(strings.TrimSuffix(path, plainSuffix)+leavesSuffix))
			}
			v, err := Verify(dir, VerifyOptions{})
			must(t, err)
			if v.OK() && !(leaves && i == len(names)-1) { // cut back as if the rest had never been
				t.Errorf("%s is gone, its leaf hashes too: %t; nothing was found", filepath.Base(path), leaves)
			}
		}
	}
}

// TestOtherKey verifies with a key that is not the log's.
func TestOtherKey(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	other := open(t, Config{Dir: t.TempDir(), Now: func() time.Time { return time.Unix(0, 0) }})
	v, err := Verify(dir, VerifyOptions{Key: other.Verifier()})
	must(t, err)
	if v.OK() || v.Findings[0].Line == 0 {
		t.Errorf("found %v", v.Findings)
	}
	if _, err := Verify(dir, VerifyOptions{Key: "gate451/x+00000000+AAAA"}); err == nil {
		t.Error("a key that is none is accepted")
	}
	if _, err := Verify(dir, VerifyOptions{Checkpoints: [][]byte{[]byte("gate451/test-1\n1\n")}}); err == nil {
		t.Error("a checkpoint that is none is accepted")
	}
	must(t, os.Remove(filepath.Join(dir, verifierName)))
	if _, err := Verify(dir, VerifyOptions{}); err == nil {
		t.Error("a log is verified without a key")
	}
}

// TestPackedCut cuts compressed segments short.
func TestPackedCut(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, true)
	path := glob(t, dir, packedSuffix)[1]
	data, err := os.ReadFile(path)
	must(t, err)
	for _, size := range []int{0, 10, sealBytes, len(data) / 2, len(data) - sealBytes, len(data) - 1} {
		must(t, os.WriteFile(path, data[:size], 0o600))
		v, err := Verify(dir, VerifyOptions{})
		must(t, err)
		if v.OK() || v.Findings[0].File != path {
			t.Errorf("%d bytes: found %v", size, v.Findings)
		}
		if _, err := Find(dir, reference(1)); err == nil && size < len(data)/2 {
			t.Errorf("%d bytes: a file that cannot be read is read", size)
		}
	}
}

// TestManyFindings alters every line of a log.
func TestManyFindings(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	for _, path := range glob(t, dir, plainSuffix) {
		data, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte("test-1"), []byte("test-2")), 0o600))
	}
	v, err := Verify(dir, VerifyOptions{})
	must(t, err)
	if v.OK() || len(v.Findings) > mostFindings {
		t.Errorf("%d findings", len(v.Findings))
	}
}

// TestProveWithoutLeaves proves a record of a log whose leaf hashes are missing, out of the lines.
func TestProveWithoutLeaves(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	key, err := os.ReadFile(filepath.Join(dir, verifierName))
	must(t, err)
	for _, path := range glob(t, dir, leavesSuffix) {
		must(t, os.Truncate(path, 64))
	}
	proof, err := Prove(dir, reference(30))
	must(t, err)
	if _, err := VerifyProof(proof, string(key)); err != nil {
		t.Error(err)
	}
	path := glob(t, dir, plainSuffix)[0]
	data, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Replace(data, []byte("POST"), []byte("PUSH"), 1), 0o600))
	if _, err := Prove(dir, reference(30)); err == nil || !strings.Contains(err.Error(), "verify the log") {
		t.Errorf("a log that was altered proves: %v", err)
	}
}
