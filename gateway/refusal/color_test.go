package refusal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestContrast compares with ratios that WCAG's own documents and tools give.
func TestContrast(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want float64
	}{
		{"#000", "#ffffff", 21}, {"#777777", "#FFF", 4.48}, {"#767676", "#ffffff", 4.54}, {"#123456", "#123456", 1}, {"#ff0000", "#ffffff", 4}, {"#0000ff", "#ffffff", 8.59},
	} {
		a, _ := parseColor(test.a)
		b, _ := parseColor(test.b)
		if got := contrast(a, b); math.Abs(got-test.want) > 0.005 || contrast(b, a) != got {
			t.Errorf("%s on %s: %.3f, want %.2f", test.a, test.b, got, test.want)
		}
	}
}

func TestBadColors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		light, dark Palette
		key, want   string
	}{
		{Palette{Accent: "#ffcc00"}, Palette{}, "colors.accent", "accent #ffcc00 on background #ffffff has a contrast of 1.51, and text needs 4.5 to be read; accent #8f7200 would do"},
		{Palette{Background: "#1b1f24"}, Palette{}, "colors.background", "text #1b1f24 on background #1b1f24 has a contrast of 1.00, and text needs 4.5 to be read; text "},
		{Palette{}, Palette{Text: "#555555"}, "dark_colors.text", "text #555555 on background #14171b has a contrast of 2.41, and text needs 4.5 to be read; text "},
		{Palette{Background: "#777", Text: "#fff"}, Palette{}, "colors.text", "text #ffffff on background #777777 has a contrast of 4.47, "},
		{Palette{Text: "red"}, Palette{}, "colors.text", "\"red\" is no color; write one such as \"#0a5bd3\", in quotes"},
		{Palette{Background: "#12345"}, Palette{}, "colors.background", "\"#12345\" is no color; "},
		{Palette{Accent: "#+1+1+1"}, Palette{}, "colors.accent", "\"#+1+1+1\" is no color; "},
	} {
		_, err := New(Config{Light: test.light, Dark: test.dark})
		if fault := theFault(err); fault.Key != test.key || !strings.HasPrefix(fault.Message, test.want) {
			t.Errorf("%v %v: %s: %s", test.light, test.dark, fault.Key, fault.Message)
		}
	}
}

var variable = regexp.MustCompile(`--(\w+): (#[0-9a-f]{6});`)

// TestEveryPaletteCanBeRead makes up palettes. One that is accepted has no text that cannot be read, and what is said to do
// instead of one that is not is accepted.
func TestEveryPaletteCanBeRead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 51))
	pick := func() string { return fmt.Sprintf("#%06x", random.IntN(1<<24)) }
	accepted := 0
	for range 3000 {
		p := Palette{pick(), pick(), pick()}
		css, _, err := p.variables("colors", lightDefaults)
		for range 2 { // text, and then accent
			if err != nil {
				would := strings.Fields(err.Error()[strings.LastIndex(err.Error(), "; ")+2:])
				if would[0] == "text" {
					p.Text = would[1]
				} else {
					p.Accent = would[1]
				}
				css, _, err = p.variables("colors", lightDefaults)
			}
		}
		if err != nil {
			t.Fatalf("%v: what would do does not: %v", p, err)
		}
		colors := map[string]rgb{}
		for _, m := range variable.FindAllStringSubmatch(css, -1) {
			colors[m[1]], _ = parseColor(m[2])
		}
		for _, text := range []string{"text", "accent", "muted"} {
			for _, ground := range []string{"background", "tint"} {
				if text == "accent" && ground == "tint" {
					continue // there is no link in the box
				}
				if got := contrast(colors[text], colors[ground]); got < leastContrast {
					t.Fatalf("%v: %s on %s has a contrast of %.2f: %s", p, text, ground, got, css)
				}
			}
		}
		accepted++
	}
	if accepted == 0 {
		t.Error("no palette was accepted")
	}
}
