package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// read returns the lines of a log with their numbers, and what was said to be bad.
func read(t *testing.T, from io.Reader) (lines map[int64]string, bad map[int64]string) {
	t.Helper()
	lines, bad = make(map[int64]string), make(map[int64]string)
	if err := Read(from, func(b Block) error {
		if b.Bad != nil {
			bad[b.First] = b.Bad.Error()
			return nil
		}
		n := b.First
		for line := range strings.Lines(b.Lines) {
			lines[n] = strings.TrimSuffix(line, "\n")
			n++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines, bad
}

// numbered is a log of which each line says its number, of many lengths.
func numbered(n int) []byte {
	random := rand.New(rand.NewPCG(4, 5))
	var log bytes.Buffer
	for i := range n {
		fmt.Fprintf(&log, "%d %s\n", i+1, strings.Repeat("x", random.IntN(400)))
	}
	return log.Bytes()
}

func compressed(t *testing.T, text []byte, with string) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&out)
	if with == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&out); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadKeepsEveryLine(t *testing.T) {
	t.Parallel()
	const n = 8000
	text := numbered(n)
	for name, from := range map[string]io.Reader{
		"plain": bytes.NewReader(text), "without the last end": bytes.NewReader(text[:len(text)-1]), "slow": iotest.HalfReader(bytes.NewReader(text)),
		"gzip": bytes.NewReader(compressed(t, text, "gzip")), "zstd": bytes.NewReader(compressed(t, text, "zstd")),
		"gzip in two members": io.MultiReader(bytes.NewReader(compressed(t, text[:len(text)/2], "gzip")), bytes.NewReader(compressed(t, text[len(text)/2:], "gzip"))),
	} {
		lines, bad := read(t, from)
		if len(lines) != n || len(bad) != 0 {
			t.Errorf("%s: %d lines, bad %v", name, len(lines), bad)
		}
		for number, line := range lines {
			if !strings.HasPrefix(line, fmt.Sprint(number, " ")) {
				t.Fatalf("%s: line %d is %.20q", name, number, line)
			}
		}
	}
	if lines, bad := read(t, strings.NewReader("")); len(lines)+len(bad) != 0 {
		t.Error("an empty log has", lines, bad)
	}
}

// TestReadOfACutLog: what was whole before a file ends within is told, with the number of the line that is lost.
func TestReadOfACutLog(t *testing.T) {
	t.Parallel()
	text := numbered(8000)
	for _, with := range []string{"gzip", "zstd"} {
		whole := compressed(t, text, with)
		told := 0
		for _, end := range []int{5, 11, len(whole) / 3, len(whole) / 2, len(whole) - 3} {
			lines, bad := read(t, bytes.NewReader(whole[:end]))
			if len(bad) != 1 {
				t.Errorf("%s cut at %d: bad %v", with, end, bad)
			}
			for number := range bad {
				if number != int64(len(lines))+1 {
					t.Errorf("%s cut at %d: line %d is bad behind %d", with, end, number, len(lines))
				}
			}
			for number, line := range lines {
				if !strings.HasPrefix(line, fmt.Sprint(number, " ")) || !bytes.Contains(text, []byte("\n"+line+"\n")) && number > 1 {
					t.Fatalf("%s cut at %d: line %d is %.20q", with, end, number, line)
				}
			}
			told += len(lines)
		}
		if told == 0 {
			t.Errorf("of no cut log of %s was a line told", with)
		}
	}
	broken := io.MultiReader(strings.NewReader("1 a\n2 b\n3"), iotest.ErrReader(errors.New("the disk is gone")))
	if lines, bad := read(t, broken); len(lines) != 2 || !strings.Contains(bad[3], "the disk is gone") {
		t.Error(lines, bad)
	}
}

// TestReadOfALongLine: one that is too long is lost alone, wherever it stands.
func TestReadOfALongLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*LongestLine)
	for _, test := range []struct {
		text  string
		lines int
		bad   int64
	}{
		{"1 a\n2 " + long + "\n3 c\n4 d\n", 3, 2}, {"1 " + long + "\n2 b", 1, 1}, {"1 a\n2 b\n3 " + long, 2, 3}, {long + "\n" + "2 " + long[:LongestLine/2] + "\n", 1, 1},
	} {
		lines, bad := read(t, strings.NewReader(test.text))
		if len(lines) != test.lines || len(bad) != 1 || !strings.Contains(bad[test.bad], "longer than") {
			t.Errorf("%d lines, bad %v", len(lines), bad)
		}
		for number, line := range lines {
			if !strings.HasPrefix(line, fmt.Sprint(number, " ")) {
				t.Errorf("line %d is %.20q", number, line)
			}
		}
	}
}

func TestReadEndsWhereItIsTold(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for _, text := range []string{"1 a\n", string(numbered(8000)), strings.Repeat("x", 3*LongestLine)} {
		calls := 0
		err := Read(strings.NewReader(text), func(Block) error {
			calls++
			return enough
		})
		if !errors.Is(err, enough) || calls != 1 {
			t.Errorf("%d calls, error %v", calls, err)
		}
	}
}
