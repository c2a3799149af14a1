package console

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast holds the colors of texts, signs and drawings to what people with low vision need, on light and on dark
// screens: 4.5 for texts, 3 for all else (WCAG 2.2, 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	t.Parallel()
	text, err := files.ReadFile("pages/console.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(text), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "box-sizing")
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]+)`).FindAllStringSubmatch(css, -1) {
			colors[m[1]] = luminance(t, m[2])
		}
		if len(colors) != 15 {
			t.Errorf("%s: %d colors", scheme, len(colors))
		}
		least := func(want float64, front string, backs ...string) {
			t.Helper()
			for _, back := range backs {
				a, b := colors[front]+0.05, colors[back]+0.05
				if got := math.Max(a/b, b/a); got < want {
					t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", scheme, front, back, got, want)
				}
			}
		}
		for _, front := range []string{"ink", "soft", "link"} {
			least(4.5, front, "ground", "surface", "faint")
		}
		least(4.5, "ink", "block-tint")
		for _, kind := range []string{"block", "allow", "shadow"} {
			least(4.5, kind, kind+"-tint", "surface")
		}
		least(4.5, "good", "ground", "surface")
		least(3, "now", "surface")
	}
}

// luminance returns the relative luminance of a color (WCAG 2.2, definition).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	n, err := strconv.ParseUint(hex, 16, 24)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(part uint64) float64 {
		c := float64(part&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}
