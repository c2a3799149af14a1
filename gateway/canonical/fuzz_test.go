package canonical

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gate451/rules"
)

// odds are the parts from which odd targets are made.
var odds = []string{
	"/", "//", `\`, ".", "..", "/../", "/./", ";", ";a=b", "%2f", "%5C", "%2e", "%252e", "%25", "%3b", "%3F", "%23", "%20", ".php", ".php/", "+", ".json/", "index.php/",
	"cart", "buy", "x", "é", "%C3%A9", "／", "%EF%BC%8F", "．", "%uff0f", "%c0%ae", "%00", "%0d", "(S(x))", "::$DATA", "%A0", "\u200b", "%", "?", "#", "*", ":",
}

func seeds(f *testing.F) {
	for _, first := range odds {
		f.Add("/" + first)
		f.Add("/cart" + first)
		for _, second := range odds {
			f.Add("/x" + first + second + "cart")
		}
	}
}

// FuzzReadings holds the readings of any target against what is promised of them.
func FuzzReadings(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, target string) {
		out := rules.Request{Host: "before", Paths: []string{"/before"}}
		if err := ReadTarget("GET", target, "shop.example", &out); err != nil {
			var refused *Malformed
			if !errors.As(err, &refused) || !slices.Contains(Causes(), refused.Cause) || refused.Status < 400 || refused.Detail == "" {
				t.Fatalf("%q: refused with %#v", target, err)
			}
			if out.Host != "" || len(out.Paths) > 0 {
				t.Fatalf("%q: refused, yet read as %+v", target, out)
			}
			return
		}
		path, _, _ := strings.Cut(target, "?")
		if path[0] == '/' && out.Paths[0] != unescape(path, false) {
			t.Errorf("%q: the plain reading is %q", target, out.Paths[0])
		}
		if len(out.Paths) > mostReadings {
			t.Errorf("%q: %d readings", target, len(out.Paths))
		}
		if unique := slices.Compact(slices.Sorted(slices.Values(out.Paths))); len(unique) != len(out.Paths) {
			t.Errorf("%q: a reading is there twice: %q", target, out.Paths)
		}
		for _, reading := range out.Paths {
			if !strings.HasPrefix(reading, "/") || strings.ContainsFunc(reading, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q: read as %q", target, reading)
			}
			// Whatever still holds an encoding is there decoded as well.
			if further := unescape(reading, false); !slices.Contains(out.Paths, further) {
				t.Errorf("%q: read as %q but not as %q", target, reading, further)
			}
			checkFixedPoint(t, target, reading, out.Paths)
		}
	})
}

// checkFixedPoint reads a reading as if it had come in a target: that must add nothing.
func checkFixedPoint(t *testing.T, target, reading string, all []string) {
	t.Helper()
	again, err := appendReadings(nil, reading, oddIn(reading))
	if err != nil {
		return
	}
	for _, path := range again {
		if !slices.Contains(all, path) {
			t.Errorf("%q: its reading %q is read as %q, which is not among %q", target, reading, path, all)
		}
	}
}

// FuzzModels holds the readings against naive models of real programs: whatever path one of them would act
// on must be among the readings, but for slashes at the end, which no rule depends on.
func FuzzModels(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, target string) {
		if !strings.HasPrefix(target, "/") {
			return
		}
		paths, err := read(target)
		if err != nil {
			return
		}
		known := make(map[string]bool, len(paths))
		for _, path := range paths {
			known[strings.TrimRight(path, "/")] = true
		}
		raw, _, _ := strings.Cut(target, "?")
		for name, model := range models {
			for _, path := range model(raw) {
				if !known[strings.TrimRight(path, "/")] {
					t.Errorf("%q: %s reads %q, which is not among %q", target, name, path, paths)
				}
			}
		}
	})
}

// FuzzHost holds hosts against what is promised of them: reading the host that was read changes nothing.
func FuzzHost(f *testing.F) {
	for _, field := range []string{"shop.example", "Shop.Example.:80", "[::1]:1", "[::FFFF:1.2.3.4]", "a_b-c", "-", "a..b", "a:00080", "ｓ"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		host, err := readHost(field)
		if err != nil {
			if host != "" {
				t.Errorf("%q: refused, yet read as %q", field, host)
			}
			return
		}
		if again, err := readHost(host); err != nil || again != host {
			t.Errorf("%q: read as %q, and that as %q, %v", field, host, again, err)
		}
		if host != strings.ToLower(host) || strings.ContainsAny(host, " /\\?#@%,") || host == "" {
			t.Errorf("%q: read as %q", field, host)
		}
	})
}
