package console

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestStrange shows that what a client has chosen is printable ASCII, and bounded, whatever it was.
func TestStrange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/cart":                          "/cart",
		`/a "b" \ 'c'`:                   `/a "b" \\ 'c'`,
		"/\u202egnp.exe":                 `/\u202egnp.exe`,
		"/\u0430pple":                    `/\u0430pple`, // a Cyrillic letter
		"/\xff\x00\x1b[31m\n":            `/\xff\x00\x1b[31m\n`,
		"/e\u0301\U000e0041\ufeff\u200b": `/e\u0301\U000e0041\ufeff\u200b`,
		"":                               "",
	} {
		if got := strange(text, 100); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("\u202e", 1<<20), strings.Repeat("\"", 50), strings.Repeat("\xff", 40)} {
		if got := strange(text, 50); len(got) > 50 {
			t.Errorf("%d bytes are shown of %.10q", len(got), text)
		}
	}
	if got := strange(strings.Repeat("a", 51), 50); got != strings.Repeat("a", 47)+"..." {
		t.Errorf("the end is missing, and it is not said: %q", got)
	}
}

// TestStrangeIsHarmless holds the same of random texts.
func TestStrangeIsHarmless(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for range 2000 {
		var text strings.Builder
		for range random.IntN(60) {
			if random.IntN(2) == 0 {
				text.WriteByte(byte(random.UintN(256)))
			} else {
				text.WriteRune(rune(random.IntN(0x110000)))
			}
		}
		most := 4 + random.IntN(100)
		shown := strange(text.String(), most)
		if len(shown) > most || strings.IndexFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
			t.Errorf("seed %d: %q is shown as %q, at most %d", seed, text.String(), shown, most)
		}
	}
}

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"id: größe\t# 注":      "id: größe\t# 注",
		"id: \u202edekcolb":   "id: <U+202E>dekcolb",
		"zero\u200bwidth\x1b": "zero<U+200B>width<U+001B>",
		"bad \xff byte":       "bad \ufffd byte",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}

func TestNumbersAndSpans(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := number(n); got != want {
			t.Errorf("%d is written %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "less than 1 s", 59 * time.Second: "59 s", time.Minute: "1 min", 61 * time.Second: "1 min 1 s", 2*time.Hour + 3*time.Minute + 4*time.Second: "2 h 3 min",
		24 * time.Hour: "1 day", 49 * time.Hour: "2 days 1 h", -90 * time.Second: "1 min 30 s", 100 * 24 * time.Hour: "100 days", 61*24*time.Hour + time.Hour: "61 days", 800 * 24 * time.Hour: "2 years",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
	if got := moment(testNow); got != "26 Sep 2024, 14:20:30 UTC" {
		t.Error(got)
	}
	for text, want := range map[string]string{"sha256:0123456789abcdef": "0123456789ab", "sha256:01": "sha256:01", "other": "other"} {
		if got := digest(text); got != want {
			t.Errorf("%q is shortened to %q", text, got)
		}
	}
}
