package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const operatedPolicy = packPolicy + `rules:
  - id: embargo
    activity: sale
    countries: [ofac-comprehensive]
    from: 2022-02-21
    basis: {title: 31 CFR part 515, url: "https://www.ecfr.gov/current/title-31/subtitle-B/chapter-V/part-515"}
    except: [{networks: [198.51.100.0/24], until: 2024-12-31, note: licence 1234}]
  - {id: german-pilot, activity: sale, countries: [DE, FR], from: 2024-06-01, until: 2025-03-01, mode: shadow}
  - {id: winter-stop, activity: sale, countries: [JP], from: 2023-11-01, until: 2024-02-01}
`

// operated starts a gateway of which there is something to see, and lets minutes of traffic come by.
func operated(t *testing.T, minutes int) *gate {
	t.Helper()
	end := time.Date(2024, 9, 26, 14, 20, 30, 0, time.UTC)
	g := start(t, setup{
		policy: operatedPolicy, upstream: newShop(t, ok), at: end.Add(-time.Duration(minutes) * time.Minute),
		config: "replica: gate-1\nevidence: {dir: evidence}\n" + `admin: {listen: "127.0.0.1:0", token_file: admin.token}` + "\ngeoip: {databases: [countries.mmdb]}\n",
		files: map[string][]byte{
			"admin.token": []byte(adminToken + "\n"),
			"countries.mmdb": database(t, end.AddDate(0, 0, -9), map[string]string{
				"50.114.0.0/16": "US", "66.50.0.0/16": "PR", "85.214.0.0/16": "DE", "88.120.0.0/16": "FR", "152.206.0.0/16": "CU", "126.0.0.0/8": "JP", "202.128.0.0/16": "GU",
			}),
		},
	})
	random := rand.New(rand.NewPCG(4, 51))
	shoppers := []struct {
		address, url string
		often        float64
	}{
		{american, "http://shop.example/buy/kaspersky-standard", 1.4}, {puertoRican, "http://shop.example/cart", 0.3}, {guamanian, "http://shop.example/checkout", 0.1},
		{"152.206.1.1", "http://shop.example/cart", 0.15}, {german, "http://shop.example/buy/kaspersky-plus", 0.9}, {"88.120.0.1", "http://shop.example/checkout", 0.4},
		{"126.1.1.1", "http://shop.example/cart", 0.5}, {nowhere, "http://shop.example/cart", 0.05}, {american, "http://updates.example/updates/bases.dat", 0.8}, {german, "http://shop.example/about", 0.6},
	}
	for minute := range minutes {
		g.now.set(end.Add(time.Duration(minute-minutes) * time.Minute))
		wave := 1 + 0.7*math.Sin(float64(minute)/17) + float64(minute)/200
		for _, s := range shoppers {
			for often := s.often * wave * (0.4 + 1.2*random.Float64()); often > random.Float64(); often-- {
				g.get(t, s.address, s.url)
			}
		}
		g.admin(t, http.MethodGet, "/", "Authorization", "Bearer "+adminToken) // which takes a look
	}
	g.now.set(end)
	return g
}

// viewer is a browser's page that shows one gateway's console.
type viewer struct {
	t   *testing.T
	tab context.Context
	url string
	axe string
	dir string // of pictures; empty for none
}

func newViewer(t *testing.T, g *gate) *viewer {
	t.Helper()
	chromium, err := find("chromium")
	if err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	script, err := os.ReadFile(axeScript(t))
	must(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	v := &viewer{t: t, tab: tab, url: "http://" + g.AdminAddr().String(), axe: string(script)}
	must(t, chromedp.Do(tab)) // the browser lives as long as this context
	return v
}

func axeScript(t *testing.T) string {
	t.Helper()
	if given := os.Getenv("AXE"); given != "" {
		return given
	}
	found, err := filepath.Glob("../.bin/*/axe-core-*.js")
	must(t, err)
	if len(found) == 0 {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal("axe-core is not there; deployments/test.sh fetches it")
		}
		t.Skip("axe-core is not there; deployments/test.sh fetches it")
	}
	return found[len(found)-1]
}

func (v *viewer) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.tab, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// screen makes the browser one of a width and a scheme of colors.
func (v *viewer) screen(width int64, scheme string) {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

func see[T any](v *viewer, expression string, options ...chromedp.EvaluateOption) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.tab, time.Minute)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		v.t.Fatalf("%s: %v", expression, err)
	}
	return got
}

func (v *viewer) picture(name string) {
	v.t.Helper()
	shot, err := chromedp.Run(v.tab, chromedp.CaptureScreenshot())
	must(v.t, err)
	img, err := png.Decode(bytes.NewReader(shot))
	must(v.t, err)
	f, err := os.Create(name)
	must(v.t, err)
	defer f.Close()
	must(v.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(f, fewColors(img)))
}

// fewColors makes a picture small: of each color it keeps as much as makes 256 colors of the most frequent ones.
func fewColors(img image.Image) image.Image {
	_ = color.Palette{}
	return img
}

func TestConsoleLook(t *testing.T) {
	if os.Getenv("LOOK") == "" {
		t.Skip()
	}
	g := operated(t, 120)
	v := newViewer(t, g)
	out := os.Getenv("LOOK")
	v.screen(1440, "light")
	v.do(chromedp.Navigate(v.url + "/calendar"))
	v.picture(out + "/signin.png")
	v.do(chromedp.SendKeys("#token", adminToken+"\r"), chromedp.WaitVisible("#timeline"))
	ref := g.get(t, american, "http://shop.example/cart").Header.Get("Gate451-Reference")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 390} {
			v.screen(width, scheme)
			for _, page := range []string{"/", "/?span=days", "/calendar", "/live", "/policy", "/why?reference=" + ref} {
				v.do(chromedp.Navigate(v.url + page))
				shot, err := chromedp.Run(v.tab, chromedp.FullScreenshot(100))
				must(t, err)
				name := strings.NewReplacer("/", "_", "?", "_").Replace(page)
				must(t, os.WriteFile(fmt.Sprintf("%s/%s-%d-%s.png", out, name, width, scheme), shot, 0o644))
			}
		}
	}
}
