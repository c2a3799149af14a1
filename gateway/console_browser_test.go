package gateway_test

import (
	"bytes"
	"cmp"
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
	"slices"
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
    countries: [CU, IR, KP]
    from: 2022-02-21
    basis: {title: 31 CFR part 515, url: "https://law.example/515"}
    except: [{networks: [198.51.100.0/24], until: 2024-12-31, note: licence 1234}]
  - {id: german-pilot, activity: sale, countries: [DE, FR], from: 2024-06-01, until: 2025-03-01, mode: shadow}
  - {id: winter-stop, activity: sale, countries: [JP], from: 2023-11-01, until: 2024-02-01}
`

// operated starts a gateway of which there is something to see, and has buyers come by for some minutes.
func operated(t *testing.T, minutes int) *gate {
	t.Helper()
	end := time.Date(2024, 9, 26, 14, 20, 30, 0, time.UTC)
	g := start(t, setup{
		policy: operatedPolicy, upstream: newShop(t, ok), at: end.Add(-time.Duration(minutes) * time.Minute),
		config: "replica: gate-1\nevidence: {dir: evidence}\ngeoip: {databases: [countries.mmdb]}\n" + tokenOfAdmin,
		files: map[string][]byte{
			"admin.token": []byte(adminToken + "\n"),
			"countries.mmdb": database(t, end.AddDate(0, 0, -9), map[string]string{
				"50.114.0.0/16": "US", "66.50.0.0/16": "PR", "85.214.0.0/16": "DE", "88.120.0.0/16": "FR", "152.206.0.0/16": "CU", "126.0.0.0/8": "JP", "202.128.0.0/16": "GU",
			}),
		},
	})
	random := rand.New(rand.NewPCG(4, 51))
	for minute := range minutes {
		g.now.set(end.Add(time.Duration(minute-minutes) * time.Minute))
		wave := 1 + 0.7*math.Sin(float64(minute)/17) + float64(minute)/200
		for _, s := range []struct {
			address, url string
			often        float64
		}{
			{american, "http://shop.example/buy/kaspersky-standard", 1.4}, {puertoRican, "http://shop.example/cart", 0.3}, {guamanian, "http://shop.example/checkout", 0.1},
			{"152.206.1.1", "http://shop.example/cart", 0.15}, {german, "http://shop.example/buy/kaspersky-plus", 0.9}, {"88.120.0.1", "http://shop.example/checkout", 0.4},
			{"126.1.1.1", "http://shop.example/cart", 0.5}, {nowhere, "http://shop.example/cart", 0.05}, {american, "http://updates.example/updates/bases.dat", 0.8},
			{german, "http://shop.example/about", 0.6},
		} {
			for often := s.often * wave * (0.4 + 1.2*random.Float64()); often > random.Float64(); often-- {
				g.get(t, s.address, s.url)
			}
		}
		g.console(t, "/") // which takes a look
	}
	g.now.set(end)
	return g
}

// real returns what a test needs that is really there, or skips the test where it is not to be had.
func real(t *testing.T, path string, err error) string {
	t.Helper()
	if err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skipf("%v; deployments/test.sh installs it", err)
	}
	return path
}

// axeScript finds axe-core, which deployments/test.sh fetches.
func axeScript() (string, error) {
	if given := os.Getenv("AXE"); given != "" {
		return given, nil
	}
	found, err := filepath.Glob("../.bin/*/axe-core-*.js")
	if err == nil && len(found) == 0 {
		return "", fmt.Errorf("axe-core: %w", os.ErrNotExist)
	}
	return slices.Max(append(found, "")), err
}

// viewer is a browser in front of which the operator sits.
type viewer struct {
	t   *testing.T
	g   *gate
	tab context.Context
	axe string
}

func newViewer(t *testing.T, g *gate) *viewer {
	t.Helper()
	path, err := find("chromium")
	chromium := real(t, path, err)
	path, err = axeScript()
	script, err := os.ReadFile(real(t, path, err))
	must(t, err)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	tab, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	must(t, chromedp.Do(tab)) // the browser lives as long as this context
	return &viewer{t, g, tab, string(script)}
}

func (v *viewer) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.tab, 2*patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// visit shows a page of the console.
func (v *viewer) visit(page string) {
	v.t.Helper()
	v.do(chromedp.Navigate("http://" + v.g.AdminAddr().String() + page))
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

// scripts switches the page's scripts on or off.
func (v *viewer) scripts(on bool) {
	v.t.Helper()
	v.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// see returns what an expression is worth in the page.
func see[T any](v *viewer, expression string, options ...chromedp.EvaluateOption) T {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.tab, 2*patience)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, options...))
	if err != nil {
		v.t.Fatalf("%.200s: %v", expression, err)
	}
	return got
}

func (v *viewer) text() string { return see[string](v, `document.body.innerText`) }

// TestConsoleInABrowser has Chromium show every page under real traffic, on small and large, light and dark screens. It has
// axe-core look for what would keep people from using them (WCAG 2.2, levels A and AA), and holds them to scroll nowhere
// sideways, to load nothing but what the console serves, and to break none of their own rules. With -update it takes the
// pictures of deployments/console anew.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	minutes := 3
	if *update {
		minutes = 120
	}
	g := operated(t, minutes)
	v := newViewer(t, g)
	v.screen(1440, "light")
	v.visit("/calendar")
	v.good("the form to sign in", 1440)
	v.do(chromedp.SendKeys("#token", "a wrong one\r"), chromedp.WaitVisible("#problem"))
	v.good("a wrong token", 1440)
	v.do(chromedp.SendKeys("#token", adminToken+"\r"), chromedp.WaitVisible("#timeline"))
	reference := g.get(t, american, "http://shop.example/checkout").Header.Get("Gate451-Reference")

	pages := []string{"/", "/calendar", "/live", "/policy", "/why?reference=" + reference}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1440} {
			v.screen(width, scheme)
			for _, page := range pages {
				v.visit(page)
				v.good(fmt.Sprintf("%s, %s, %d", page, scheme, width), width)
			}
		}
	}
	v.screen(1440, "light")
	v.pictures(map[string]string{"overview": "/", "calendar": "/calendar", "live": "/live"})

	v.visit("/why")
	v.do(chromedp.SendKeys("#ip", "66.50.0.1"), chromedp.SendKeys("#url", "https://shop.example/checkout"), chromedp.SendKeys("#at", "2024-07-20\r"), chromedp.WaitVisible("#steps-head"))
	if text := v.text(); !strings.Contains(text, "BLOCK, answered 451: listed_country") || !strings.Contains(text, "PR, Puerto Rico") {
		t.Errorf("the explanation:\n%s", text)
	}
	v.good("an explanation", 1440)
	v.pictures(map[string]string{"why": ""})

	g.replace(t, "policy.yaml", []byte(strings.Replace(operatedPolicy, "activity: sale\n    countries: [CU", "activty: sale\n    countries: [CU", 1)))
	v.visit("/policy")
	v.do(chromedp.Click(`form[action="/policy/reload"] button`), chromedp.WaitVisible("#refused-head"))
	v.good("a policy that is refused", 1440)
	v.pictures(map[string]string{"policy": ""})
	v.screen(390, "dark")
	v.visit("/?span=days")
	if text := v.text(); !strings.Contains(text, "The last version of the policy could not be loaded") {
		t.Errorf("the overview says nothing of a bad policy:\n%s", text)
	}
	v.good("an overview with a worry", 390)
	v.do(chromedp.Click(".leave button"), chromedp.WaitVisible("#token"))
}

// good judges the page that is shown.
func (v *viewer) good(what string, width int64) {
	v.t.Helper()
	v.do(chromedp.Evaluate[chromedp.Void](v.axe))
	found := see[struct{ Passes, Violations, Incomplete []string }](v,
		`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations", "incomplete"]}).then(r => {
			const said = v => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map(n => n.html + " " + n.failureSummary).join(" | ");
			return {passes: r.passes.map(p => p.id), violations: r.violations.map(said),
				// Contrasts that it cannot tell are those of drawings, signs and lines that are half in sight. The style sheet's test has them all.
				incomplete: r.incomplete.filter(v => v.id !== "color-contrast").map(said)};
		})`, chromedp.EvalAwaitPromise)
	if len(found.Violations) > 0 || len(found.Incomplete) > 0 {
		v.t.Errorf("%s: axe-core finds\n%s\nand cannot tell\n%s", what, strings.Join(found.Violations, "\n"), strings.Join(found.Incomplete, "\n"))
	}
	if !slices.Contains(found.Passes, "color-contrast") || len(found.Passes) < 15 {
		v.t.Errorf("%s: axe-core looked at little: %v", what, found.Passes)
	}
	seen := see[struct {
		Weight   string
		Sideways int64
		Targets  []string
		Loaded   []string
	}](v, `({
		weight: getComputedStyle(document.querySelector("h1")).fontWeight,
		sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
		targets: [...document.querySelectorAll("nav a, button, input, .switch a, summary")].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24 && e.type !== "hidden").map(e => e.outerHTML),
		loaded: performance.getEntriesByType("resource").map(e => e.name).filter(name => !name.startsWith(location.origin + "/assets/") && !name.startsWith(location.origin + "/live/events")),
	})`)
	if seen.Weight != "680" {
		v.t.Errorf("%s: the style sheet is not applied: the heading's weight is %s", what, seen.Weight)
	}
	if seen.Sideways > 0 {
		v.t.Errorf("%s: the page is %d pixels wider than the screen of %d", what, seen.Sideways, width)
	}
	if len(seen.Targets) > 0 || len(seen.Loaded) > 0 {
		v.t.Errorf("%s: too small to press (WCAG 2.2, 2.5.8): %v; loaded from elsewhere: %v", what, seen.Targets, seen.Loaded)
	}
}

// pictures takes pictures of pages for people who read deployments/CONSOLE.md, if new ones are wanted. An empty address is
// that of the page which is shown already.
func (v *viewer) pictures(of map[string]string) {
	v.t.Helper()
	if !*update {
		return
	}
	for name, page := range of {
		if page != "" {
			v.visit(page)
		}
		// The folder of a test is not where an operator has a policy.
		see[bool](v, `(() => {
			const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll("`+v.g.dir+`", "/etc/gate451");
			return true;
		})()`)
		shot, err := chromedp.Run(v.tab, chromedp.CaptureScreenshot())
		must(v.t, err)
		whole, err := png.Decode(bytes.NewReader(shot))
		must(v.t, err)
		var small bytes.Buffer
		must(v.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColors(whole)))
		writeFile(v.t, filepath.Join("../deployments/console", name+".png"), small.Bytes())
	}
}

// fewColors makes a picture of no more than 96 colors, which is smaller: those that it has most of and that people can tell
// from each other. Every other becomes the nearest of them.
func fewColors(whole image.Image) image.Image {
	often := map[color.RGBA]int{}
	bounds := whole.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(whole.At(x, y)).(color.RGBA) }
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			often[at(x, y)]++
		}
	}
	var all color.Palette
	for c := range often {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.Color) int {
		return cmp.Or(cmp.Compare(often[b.(color.RGBA)], often[a.(color.RGBA)]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var few color.Palette
	for _, c := range all {
		if len(few) < 96 && !slices.ContainsFunc(few, func(near color.Color) bool { return distance(c.(color.RGBA), near.(color.RGBA)) < 20 }) {
			few = append(few, c)
		}
	}
	nearest := map[color.RGBA]uint8{}
	for c := range often {
		nearest[c] = uint8(few.Index(c))
	}
	small := image.NewPaletted(bounds, few)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	return small
}

// distance is how far one color is from another, 0 to 3 times 255.
func distance(a, b color.RGBA) (sum int) {
	for _, pair := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}} {
		sum += int(max(pair[0], pair[1]) - min(pair[0], pair[1]))
	}
	return sum
}

// TestConsoleIsLive has the browser show decisions as they are made, with a buyer among those who make them who attacks the
// operator; pause; and do without script.
func TestConsoleIsLive(t *testing.T) {
	t.Parallel()
	g := operated(t, 0)
	v := newViewer(t, g)
	v.visit("/live")
	v.do(chromedp.SendKeys("#token", adminToken+"\r"), chromedp.WaitVisible("#pause"))
	shows := func(text string) string {
		return `document.getElementById("decisions").innerText.includes("` + text + `")`
	}
	buy := func(path string) string {
		return g.get(t, american, "http://shop.example"+path).Header.Get("Gate451-Reference")
	}
	first := buy("/cart/first")
	v.await(shows(first))
	conn, answer := g.raw(t, american, "GET /cart/<img/src=x/onerror=document.title=1>\xe2\x80\xae%22%3Cscript%3E HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	res, err := http.ReadResponse(answer, nil)
	must(t, err)
	_ = res.Body.Close() // the answer has no more to tell
	_ = conn.Close()
	if res.StatusCode == http.StatusUnavailableForLegalReasons {
		v.await(shows(res.Header.Get("Gate451-Reference")))
	}
	if n := see[int](v, `document.querySelectorAll("main img, main script, td b b").length`); n != 0 || strings.Contains(v.text(), "\u202e") {
		t.Errorf("%d elements are a buyer's:\n%s", n, v.text())
	}
	v.do(chromedp.Click("#pause"))
	second := buy("/cart/second")
	v.await(`document.getElementById("status").innerText.includes("Paused, 1 new")`)
	if see[bool](v, shows(second)) {
		t.Error("a page that is paused moves")
	}
	v.do(chromedp.Click("#pause"))
	v.await(shows(second))
	g.get(t, german, "http://shop.example/cart/third")
	v.await(shows("/cart/third"))

	v.scripts(false)
	v.visit("/live?show=blocks")
	if text := v.text(); !strings.Contains(text, second) || !strings.Contains(text, "Renew") || strings.Contains(text, "Pause") {
		t.Errorf("without script:\n%s", text)
	}
	v.visit("/why")
	v.do(chromedp.SendKeys("#reference", first+"\r"))
	v.await(`document.body.innerText.includes("In the evidence")`)
	v.do(chromedp.SendKeys("#ip", american), chromedp.Click(`form[method="post"][action="/why"] button`))
	v.await(`document.body.innerText.includes("The way to the decision")`)
	v.visit("/policy")
	v.do(chromedp.Click(`form[action="/policy/reload"] button`))
	v.await(`document.body.innerText.includes("all are good")`)
	v.scripts(true)

	evil := newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<form method="post" action="http://%s/policy/reload"><button>Win</button></form>`, g.AdminAddr())
	})
	reloads := strings.Count(g.log.String(), `"msg":"geoip database loaded"`)
	v.do(chromedp.Navigate(evil), chromedp.Click("button"))
	v.await(`document.body.innerText.includes("cross-origin")`)
	if n := strings.Count(g.log.String(), `"msg":"geoip database loaded"`); n != reloads {
		t.Error("a page elsewhere has the operator's browser reload")
	}
}

// await waits until an expression holds in the page.
func (v *viewer) await(expression string) {
	v.t.Helper()
	eventually(v.t, expression, func() bool { return see[bool](v, "Boolean(document.body) && "+expression) })
}
