package refusal

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Palette are the colors of the page on one kind of screen, each #rrggbb or #rgb. Accent is that of links and of the
// line above the page.
type Palette struct{ Background, Text, Accent string }

var (
	lightDefaults = Palette{Background: "#ffffff", Text: "#1b1f24", Accent: "#0a5bd3"}
	darkDefaults  = Palette{Background: "#14171b", Text: "#e8eaed", Accent: "#8ab4f8"}
)

// leastContrast is what text needs on its background to be read by people with low vision (WCAG 2.2, 1.4.3).
const leastContrast = 4.5

// rgb is a color, each part 0 to 255.
type rgb [3]float64

// parseColor reads a color.
func parseColor(text string) (c rgb, ok bool) {
	digits, ok := strings.CutPrefix(text, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	n, err := strconv.ParseUint(digits, 16, 24)
	if !ok || err != nil || len(digits) != 6 {
		return c, false
	}
	return rgb{float64(n >> 16), float64(n >> 8 & 0xff), float64(n & 0xff)}, true
}

// String returns the color as CSS writes it.
func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

// luminance returns the relative luminance (WCAG 2.2, definition), 0 to 1.
func (c rgb) luminance() float64 {
	var linear rgb
	for i, part := range c {
		if part /= 255; part <= 0.04045 {
			linear[i] = part / 12.92
		} else {
			linear[i] = math.Pow((part+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*linear[0] + 0.7152*linear[1] + 0.0722*linear[2]
}

// contrast returns the contrast ratio of two colors, 1 to 21.
func contrast(a, b rgb) float64 {
	light, dark := a.luminance(), b.luminance()
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

// mix returns a color between two, share of the first. It is rounded, so that what is checked is what is shown.
func mix(a, b rgb, share float64) (c rgb) {
	for i := range c {
		c[i] = math.Round(a[i]*share + b[i]*(1-share))
	}
	return c
}

// readable returns the color that is nearest to c, and between it and black or white, and can be read on all of the
// backgrounds.
func (c rgb) readable(backgrounds ...rgb) rgb {
	enough := func(c rgb) bool {
		for _, b := range backgrounds {
			if contrast(c, b) < leastContrast {
				return false
			}
		}
		return true
	}
	end := rgb{}
	if contrast(rgb{}, backgrounds[0]) < contrast(rgb{255, 255, 255}, backgrounds[0]) {
		end = rgb{255, 255, 255}
	}
	for share := 1.0; share > 0; share -= 0.02 {
		if near := mix(c, end, share); enough(near) {
			return near
		}
	}
	return end
}

// variables returns the custom properties of a palette as CSS. Those that are not given follow from those that are, and
// can be read as well. An error is about a color that cannot, and says which could.
func (p Palette) variables(key string, defaults Palette) (css string, background rgb, err error) {
	var colors [3]rgb
	given := [...]string{p.Background, p.Text, p.Accent}
	names := [...]string{"background", "text", "accent"}
	presets := [...]string{defaults.Background, defaults.Text, defaults.Accent}
	for i, preset := range presets {
		var ok bool
		if colors[i], ok = parseColor(cmp.Or(given[i], preset)); !ok {
			return "", background, &Fault{key + "." + names[i], fmt.Sprintf("%q is no color; write one such as \"#0a5bd3\", in quotes", given[i])}
		}
	}
	background, text, accent := colors[0], colors[1], colors[2]
	for i, c := range colors[1:] {
		if ratio := contrast(c, background); ratio < leastContrast {
			at := names[i+1]
			if given[i+1] == "" || given[i+1] == presets[i+1] {
				at = names[0] // which somebody wrote
			}
			return "", background, &Fault{key + "." + at, fmt.Sprintf("%s %s on background %s has a contrast of %.2f, and text needs %.1f to be read; %[1]s %[6]s would do",
				names[i+1], c, background, math.Floor(ratio*100)/100, leastContrast, c.readable(background))}
		}
	}
	tint := mix(accent, background, 0.06)
	if contrast(text, tint) < leastContrast {
		tint = background
	}
	muted := mix(text, background, 0.68).readable(background, tint)
	if contrast(muted, background) < leastContrast || contrast(muted, tint) < leastContrast {
		muted = text
	}
	return fmt.Sprintf("--background: %s; --text: %s; --accent: %s; --muted: %s; --line: %s; --tint: %s;",
		background, text, accent, muted, mix(text, background, 0.18), tint), background, nil
}
