package refusal

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"gate451/rules"
)

var screens = flag.String("screens", "", "write pictures of the page into this folder")

// installed returns the path of something real that a test runs, or skips the test where it is not to be had.
func installed(t *testing.T, name string, find func() (string, error)) string {
	t.Helper()
	path, err := find()
	switch {
	case err == nil:
		return path
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("%s is not installed: %v", name, err)
	default:
		t.Skipf("%s is not installed, which deployments/test.sh does: %v", name, err)
	}
	return ""
}

// axe returns axe-core's script, which deployments/test.sh fetches.
func axe() (string, error) {
	if given := os.Getenv("AXE"); given != "" {
		return given, nil
	}
	found, err := filepath.Glob("../../.bin/*/axe-core-*.js")
	if err == nil && len(found) == 0 {
		err = os.ErrNotExist
	}
	if err != nil {
		return "", err
	}
	return found[len(found)-1], nil
}

// branded is a shop with everything of its own.
func branded() Config {
	const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 196 48"><rect width="48" height="48" rx="12" fill="%[1]s"/>` +
		`<path d="M13 30l7-14 5 9 4-6 6 11" fill="none" stroke="%[2]s" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"/>` +
		`<text x="62" y="32" font-family="sans-serif" font-size="24" font-weight="700" fill="%[3]s">Fjell Shop</text></svg>`
	return Config{
		BlockedBy: "https://shop.example/legal", Name: "Fjell Shop",
		Logo: fmt.Appendf(nil, logo, "#0f6b4f", "#ffffff", "#12211c"), LogoDark: fmt.Appendf(nil, logo, "#6fd3ae", "#10201b", "#eaf4f0"),
		Light: Palette{Accent: "#0f6b4f"}, Dark: Palette{Accent: "#6fd3ae"},
		Contact: "compliance@shop.example",
		Alternatives: []rules.Alternative{
			{Title: "Security software from other makers", URL: "https://shop.example/security"}, {Title: "Return a licence that you have", URL: "https://shop.example/returns"},
		},
	}
}

// TestPageInABrowser shows the page in a browser, in both directions of writing, on small and large, light and dark
// screens, and has axe-core look for what would keep people from reading it (WCAG 2.2, levels A and AA). The browser must
// apply the style sheet under the page's own policy, ask for nothing but the page, and scroll nowhere sideways.
func TestPageInABrowser(t *testing.T) {
	t.Parallel()
	chromium := installed(t, "chromium", func() (string, error) { return exec.LookPath("chromium") })
	script, err := os.ReadFile(installed(t, "axe-core", axe))
	if err != nil {
		t.Fatal(err)
	}
	plainShop := newWriter(t, Config{})
	shop := newWriter(t, branded())
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f := sales()
		w := shop
		switch r.URL.Path {
		case "/plain":
			w = plainShop
		case "/unknown":
			f.Reason = "anonymized"
		}
		w.Write(rw, r, &f)
	}))
	defer server.Close()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	browser, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	if err := chromedp.Do(browser); err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"en", "de", "ar", "ja"} {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int64{320, 390, 1440} {
				if width == 320 && (language != "de" || scheme != "light") {
					continue // the narrowest screen (WCAG 2.2, 1.4.10) is one for long words
				}
				// The shop's own page in all forms, and the others where they differ most.
				paths := []string{"/"}
				if language == "en" && scheme == "light" || language == "ar" && scheme == "dark" {
					paths = append(paths, "/plain", "/unknown")
				}
				for _, path := range paths {
					name := fmt.Sprintf("%s%s-%s-%d", language, strings.ReplaceAll(path, "/", "-"), scheme, width)
					t.Run(name, func(t *testing.T) { // one browser shows one page at a time
						show(t, browser, server.URL+path, language, scheme, width, string(script), name)
					})
				}
			}
		}
	}
}

// show has a browser show the page once, and judges what it shows.
func show(t *testing.T, browser context.Context, url, language, scheme string, width int64, script, name string) {
	t.Helper()
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	tab, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	err := chromedp.Do(tab,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": language}})
			return err
		}),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia,
				emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}),
		chromedp.EmulateViewport(width, 900),
		chromedp.Navigate(url),
	)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	seen, err := chromedp.Run(tab, chromedp.Evaluate[struct {
		Weight, Direction, Language string
		Sideways                    int
		Targets                     []float64
		Loaded                      []string
	}](`({
		weight: getComputedStyle(document.querySelector("h1")).fontWeight,
		direction: getComputedStyle(document.body).direction,
		language: document.documentElement.lang,
		sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
		targets: [...document.querySelectorAll("li a")].map(a => a.getBoundingClientRect().height),
		loaded: performance.getEntriesByType("resource").map(e => e.name).filter(name => !name.startsWith("data:")),
	})`))
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(tab, chromedp.Evaluate[struct{ Passes, Violations, Incomplete []string }](
		`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => ({
			passes: r.passes.map(p => p.id),
			violations: r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html + " " + n.failureSummary).join(" | ")),
			incomplete: r.incomplete.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html).join(" | ")),
		}))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if *screens != "" {
		if err := os.WriteFile(filepath.Join(*screens, name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(found.Violations) > 0 || len(found.Incomplete) > 0 {
		t.Errorf("axe-core finds\n%s\nand cannot tell\n%s", strings.Join(found.Violations, "\n"), strings.Join(found.Incomplete, "\n"))
	}
	if !strings.Contains(strings.Join(found.Passes, " "), "color-contrast") || len(found.Passes) < 15 {
		t.Errorf("axe-core looked at little: %v", found.Passes)
	}
	if seen.Weight != "650" {
		t.Errorf("the style sheet is not applied: the heading's weight is %s", seen.Weight)
	}
	if want := map[bool]string{true: "rtl", false: "ltr"}[language == "ar"]; seen.Direction != want || seen.Language != language {
		t.Errorf("written %s in language %s, want %s and %s", seen.Direction, seen.Language, want, language)
	}
	if seen.Sideways > 0 {
		t.Errorf("the page is %d pixels wider than the screen", seen.Sideways)
	}
	for _, height := range seen.Targets {
		if height < 24 { // WCAG 2.2, 2.5.8
			t.Errorf("a link is %v pixels high", height)
		}
	}
	if len(seen.Loaded) > 0 {
		t.Errorf("the page loads %v", seen.Loaded)
	}
}
