package refusal

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"gate451/rules"
)

// theFault returns the only fault of an error, or an empty one.
func theFault(err error) *Fault {
	fault, ok := errors.AsType[*Fault](err)
	if !ok {
		return &Fault{}
	}
	return fault
}

// picture returns a picture of noise, which cannot be compressed.
func picture(width, height int) image.Image {
	random := rand.New(rand.NewPCG(1, 2))
	p := image.NewNRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		for y := range height {
			p.Set(x, y, color.NRGBA{uint8(random.IntN(256)), uint8(random.IntN(256)), uint8(random.IntN(256)), 255})
		}
	}
	return p
}

func encoded(t *testing.T, kind string, p image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&b, p)
	case "jpeg":
		err = jpeg.Encode(&b, p, nil)
	default:
		err = gif.Encode(&b, p, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLogos(t *testing.T) {
	t.Parallel()
	for name, logo := range map[string][]byte{
		"image/png": encoded(t, "png", picture(20, 20)), "image/jpeg": encoded(t, "jpeg", picture(20, 20)),
		"image/svg+xml": []byte("<?xml version=\"1.0\"?>\n<!-- a circle -->\n<svg xmlns=\"http://www.w3.org/2000/svg\"><defs><g id=\"a\"/></defs><use href=\"#a\" fill=\"url(#b)\"/></svg>"),
	} {
		w := newWriter(t, Config{Name: "Shop & Co", Logo: logo})
		f := sales()
		var page bytes.Buffer
		w.compose(&page, page451, w.languages.all[0], &f, "/")
		want := "<img src=\"data:" + strings.ReplaceAll(name, "+", "&#43;") + ";base64,"
		if !strings.Contains(page.String(), want) || !strings.Contains(page.String(), `alt="Shop &amp; Co" class="chip"`) {
			t.Errorf("%s: no logo in %s", name, page.String())
		}
		if _, wrong := inspect(page.Bytes()); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

func TestBadLogos(t *testing.T) {
	t.Parallel()
	svg := func(inside string) []byte {
		return []byte(`<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">` + inside + `</svg>`)
	}
	wide := image.NewGray(image.Rect(0, 0, mostPixels+1, 1))
	for want, logo := range map[string][]byte{
		"logo has more than 32768 bytes; use a smaller picture, such as an SVG":                        make([]byte, MostLogo+1),
		"logo is 2049 by 1 pixels; it is shown at 56 pixels of height, so make it no larger than 2048": encoded(t, "png", wide),
		"logo is neither PNG nor JPEG nor SVG; convert it to one of them":                              encoded(t, "gif", picture(2, 2)),
		"logo is no SVG: it does not begin with <svg xmlns=":                                           []byte("<html><p>not a picture</p></html>"),
		"logo is no SVG: XML syntax error":                                                             []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"><g></svg>"),
		"logo is no SVG: EOF":                                                                          []byte("<!-- nothing -->"),
		"logo has a DOCTYPE or entities; save it as plain SVG":                                         append([]byte("<!DOCTYPE svg>"), svg("")...),
		"logo has more than 2000 elements; simplify it":                                                svg(strings.Repeat("<g/>", 2000)),
		"logo has the element script, which a picture cannot use; save it as plain SVG":                svg("<script>alert(1)</script>"),
		"logo has the element foreignobject, which a picture cannot use; save it as plain SVG":         svg("<foreignObject/>"),
		"logo has the attribute onload, which a picture cannot use; save it as plain SVG":              svg("<g ONLOAD='alert(1)'/>"),
		"logo has a link to outside, which a picture cannot use; save it as plain SVG":                 svg("<image xlink:href=' https://evil.example/a.png'/>"),
		"logo has a reference to outside, which a picture cannot use; save it as plain SVG":            svg("<g style='fill: URL(https://evil.example/a)'/>"),
		"with the logo the page has ":                                                                  encoded(t, "png", picture(60, 60)),
	} {
		_, err := New(Config{Name: "Shop", Logo: logo})
		if fault := theFault(err); fault.Key != "logo" || !strings.HasPrefix(fault.Message, want) {
			t.Errorf("%s: %s, want %s", fault.Key, fault.Message, want)
		}
	}
	good := svg("")
	for want, cfg := range map[string]Config{
		"logo: the logo has no name for those who do not see it; write the shop's name under refusal.name": {Logo: good},
		"logo_dark: logo_dark has no logo beside it; name both, or logo alone":                             {Name: "Shop", LogoDark: good},
		"logo_dark: logo_dark is neither PNG nor JPEG nor SVG; convert it to one of them":                  {Name: "Shop", Logo: good, LogoDark: []byte("GIF89a")},
		"alternatives: there are 9 alternatives; name the best 8":                                          {Alternatives: make([]rules.Alternative, 9)},
		"alternatives: alternative \"\" cannot be linked to \"https://shop.example\"; give it a title":     {Alternatives: []rules.Alternative{{Title: "", URL: "https://shop.example"}}},
		"alternatives: alternative \"A\" cannot be linked to \"javascript:alert(1)\"; give it a title":     {Alternatives: []rules.Alternative{{Title: "A", URL: "javascript:alert(1)"}}},
		"alternatives: alternative \"A\" cannot be linked to \"https://\"; give it a title":                {Alternatives: []rules.Alternative{{Title: "A", URL: "https://"}}},
	} {
		_, err := New(cfg)
		if fault := theFault(err); !strings.HasPrefix(fault.Key+": "+fault.Message, want) {
			t.Errorf("%s: %s, want %s", fault.Key, fault.Message, want)
		}
	}
}

// FuzzLogo checks that nothing that is accepted as a logo makes a page that runs or loads anything.
func FuzzLogo(f *testing.F) {
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><g style="fill:url(#a)"/></svg>`))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, logo []byte) {
		url, err := embedLogo("logo", logo)
		if err != nil || url == "" {
			return
		}
		if !strings.HasPrefix(url, "data:image/") || strings.ContainsAny(url, "\"'<> ") {
			t.Errorf("a logo became %q", url)
		}
	})
}
