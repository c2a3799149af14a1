package rules

import (
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, pattern string
		yes, no       string // host/path, separated by blanks
	}{
		{"shop.example", "/cart", "shop.example/cart shop.example/cart/ shop.example/cart/add/1 shop.example/CART shop.example/cArT/x",
			"shop.example/cartoon shop.example/ shop.example/blog/cart other.example/cart example/cart a.shop.example/cart shop.example//cart"},
		{"*", "/", "a/ b/x c.d/e/f", ""},
		{"*.example", "/a/b", "x.example/a/b x.y.example/A/B/c", "example/a/b x.example/a x.example/a/ x.example/a/bc xexample/a/b"},
		{"*", "/p/kaspersky-*", "x/p/kaspersky-total x/p/Kaspersky-/y x/p/kaspersky-a/b", "x/p/kaspersky x/p/xkaspersky-1 x/p/a/kaspersky-1"},
		{"*", "/p/*", "x/p/a x/p/a/b", "x/p x/p/ x/q/a"},
		{"*", "/p/*-k-*-z", "x/p/a-k-b-z x/p/-k--z x/p/a-k-z-k-z-z/y", "x/p/a-k-z x/p/k-b-z x/p/a-k-b-z1"},
		{"*", "/p/*k", "x/p/k x/p/ak x/p/kk", "x/p/kb x/p/a/k"},
		{"*", "/**/pay", "x/pay x/a/pay x/a/b/c/PAY/d", "x/payment x/a/repay x/"},
		{"*", "/a/**/b/**/c", "x/a/b/c x/a/1/b/2/3/c/d x/a/b/b/c", "x/a/c/b x/a/b x/b/c"},
		{"*", "/**", "x/ x/a", ""},
		{"*", "/straße/ſ", "x/straße/s x/STRAßE/S", "x/strasse/s"},
		{"*", "/\u212A", "x/k x/K x/\u212A", "x/q"},
		{"*", "/ÅÄ", "x/åä x/Åä", "x/aa"},
	} {
		var m matcher
		m.add(selector{hosts: []string{c.host}, paths: []string{c.pattern}}, 7)
		for _, want := range []bool{true, false} {
			targets := c.no
			if want {
				targets = c.yes
			}
			for target := range strings.FieldsSeq(targets) {
				host, rest, _ := strings.Cut(target, "/")
				if got := len(m.match(host, "/"+rest, nil)) > 0; got != want {
					t.Errorf("%s%s matches %s: %v", c.host, c.pattern, target, got)
				}
			}
		}
	}
}

// TestMatchAgainstNaive compares the automaton with a recursive walk over each pattern.
func TestMatchAgainstNaive(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 451))
	segments := []string{"a", "b", "ab", "a*", "*b", "*", "**", "a*b", "A", "\xff"}
	var matched int
	for range 3000 {
		var m matcher
		var patterns []string
		for id := range 1 + r.IntN(6) {
			pattern := ""
			for range r.IntN(4) {
				pattern += "/" + pick(r, segments...)
			}
			if pattern == "" {
				pattern = "/"
			}
			patterns = append(patterns, pattern)
			m.add(selector{paths: []string{pattern}}, int32(id))
		}
		target := ""
		for range 1 + r.IntN(5) {
			target += "/" + pick(r, "a", "b", "ab", "aab", "B", "", "c", "\xff")
		}
		got := m.match("host", target, nil)
		slices.Sort(got)
		var want []int32
		for id, pattern := range patterns {
			if naive(strings.Split(strings.Trim(strings.ToLower(pattern), "/"), "/"), strings.Split(strings.ToLower(target[1:]), "/")) {
				want = append(want, int32(id))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q of %q: got %v, want %v", target, patterns, got, want)
		}
		matched += len(got)
	}
	if matched < 1000 {
		t.Errorf("only %d matches: the test does not reach enough", matched)
	}
}

func naive(pattern, target []string) bool {
	if len(pattern) == 0 || len(pattern) == 1 && pattern[0] == "" {
		return true
	}
	if pattern[0] == "**" {
		for i := range len(target) + 1 {
			if naive(pattern[1:], target[i:]) {
				return true
			}
		}
		return false
	}
	if len(target) == 0 {
		return false
	}
	ok, _ := path.Match(pattern[0], target[0])
	return ok && (target[0] != "" || pattern[0] != "*") && naive(pattern[1:], target[1:])
}

func TestFoldRune(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x1FFFF; r++ { // no letter beyond has case
		if foldRune(r) != foldRune(unicode.ToUpper(r)) && unicode.ToLower(unicode.ToUpper(r)) == r {
			t.Errorf("%q and its capital fold to %q and %q", r, foldRune(r), foldRune(unicode.ToUpper(r)))
		}
		if f := foldRune(r); foldRune(f) != f {
			t.Errorf("folding %q twice differs", r)
		}
	}
}

// TestHostilePathsCostLittle holds the automaton to its promise: following all states side by side, it does
// not try the places for one ** again for every place of another.
func TestHostilePathsCostLittle(t *testing.T) {
	t.Parallel()
	var m matcher
	m.add(selector{paths: []string{"/**/a/**/a/**/a/**/a/**/a/**/b"}}, 1)
	if hits := m.match("x", strings.Repeat("/a", 4000), nil); len(hits) != 0 {
		t.Error("matched")
	}
	if hits := m.match("x", strings.Repeat("/a", 4000)+"/b", nil); len(hits) != 1 {
		t.Error("not matched")
	}
}

func TestSelectorsShareTheirNodes(t *testing.T) {
	t.Parallel()
	var m matcher
	for id := range int32(3) {
		m.add(selector{hosts: []string{"a.example", "*.b.example", "*"}, paths: []string{"/x/y-*", "/x/z", "/x/**/w", "/x/z"}}, id)
	}
	for _, host := range []string{"a.example", "c.b.example", "other"} {
		for _, p := range []string{"/x/y-1", "/x/z", "/x/1/2/w"} {
			if hits := m.match(host, p, nil); len(hits) != 3 {
				t.Errorf("%s%s: %v", host, p, hits)
			}
		}
	}
	if n := len(m.any.next["x"].globs[0].byPrefix["y-"]); n != 1 {
		t.Errorf("three equal patterns make %d", n)
	}
}
