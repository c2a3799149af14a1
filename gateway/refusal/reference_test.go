package refusal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNewReference(t *testing.T) {
	t.Parallel()
	for bits, want := range map[string]string{
		"\x00\x00\x00\x00\x00": "0000-0000",
		"\x00\x00\x00\x00\x01": "0000-0001",
		"\xff\xff\xff\xff\xff": "ZZZZ-ZZZZ",
		"\x80\x00\x00\x00\x00": "G000-0000",
		"\x01\x23\x45\x67\x89": "04HM-ASW9",
	} {
		if got := NewReference(strings.NewReader(bits + "more")); got != want {
			t.Errorf("%x: got %s, want %s", bits, got, want)
		}
	}
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for range 100 {
		for _, got := range []string{NewReference(nil), NewReference(strings.NewReader("four")), NewReference(iotest.ErrReader(bytes.ErrTooLarge))} {
			if !form.MatchString(got) || seen[got] {
				t.Errorf("%q is malformed, or came twice", got)
			}
			seen[got] = true
		}
	}
}

func TestNewReferenceAllocatesLittle(t *testing.T) {
	// Two, because the race detector makes the pool behind crypto/rand forget.
	if n := testing.AllocsPerRun(100, func() { NewReference(nil) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNewReference(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NewReference(nil)
	}
}
