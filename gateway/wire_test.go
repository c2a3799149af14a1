package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestCacheControl shows which answers are kept out of shared caches.
func TestCacheControl(t *testing.T) {
	t.Parallel()
	upstream := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if said := r.URL.Query().Get("said"); said != "" {
			w.Header().Set("Cache-Control", said)
		}
		w.Header().Set("Surrogate-Control", "max-age=60")
	})
	for _, c := range []struct {
		config, path, said, want, surrogate string
	}{
		{"", "/cart", "", "private", ""},
		{"", "/cart", "public,%20max-age=60,%20s-maxage=600", "max-age=60, private", ""},
		{"", "/cart", "no-store", "no-store, private", ""},
		{"", "/about", "public,%20max-age=60", "public, max-age=60", "max-age=60"},
		{"", "/about", "", "", "max-age=60"},
		{"governed_cache: untouched\n", "/cart", "public,%20max-age=60", "public, max-age=60", "max-age=60"},
		{"governed_cache: untouched\n", "/cart", "", "", "max-age=60"},
	} {
		g := start(t, setup{upstream: upstream, config: c.config})
		a := g.get(t, german, "http://shop.example"+c.path+"?said="+c.said)
		if got := a.Header.Get("Cache-Control"); a.StatusCode != 200 || got != c.want || a.Header.Get("Surrogate-Control") != c.surrogate {
			t.Errorf("%q %s where the upstream says %q: %d %q, Surrogate-Control %q", c.config, c.path, c.said, a.StatusCode, got, a.Header.Get("Surrogate-Control"))
		}
		if a := g.get(t, american, "http://shop.example/cart"); a.StatusCode != 451 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("a refusal: %d %q", a.StatusCode, a.Header.Get("Cache-Control"))
		}
	}
}

// TestCountryHeader shows the header that tells the country: on every request, by the name that the operator chose, and
// absent where the country is unknown.
func TestCountryHeader(t *testing.T) {
	t.Parallel()
	upstream := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Country-Code", "X-Buyer"} {
			_, _ = io.WriteString(w, strings.Join(r.Header[name], "+")+";") // an error shows in the answer
		}
	})
	for config, want := range map[string]map[string]string{
		"":                          {american: "US;;", german: "DE;;", nowhere: ";;", private: ";;"},
		"country_header: X-Buyer\n": {american: ";US;", german: ";DE;", nowhere: ";;", private: ";;"},
	} {
		g := start(t, setup{upstream: upstream, config: config})
		for buyer, text := range want {
			a := g.get(t, buyer, "http://shop.example/about", "X-Country-Code", "FR", "X-Buyer", "FR")
			if config == "" {
				text = strings.TrimSuffix(text, ";") + "FR;" // a header like any other here
			}
			if a.text != text {
				t.Errorf("%q for %s: %q, want %q", config, buyer, a.text, text)
			}
		}
	}
}

// TestUntouched shows that the upstream gets the target, the method and the body as they came, and the client the answer.
func TestUntouched(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url})
	for _, target := range []string{"/a%2Fb//c;d=1?x=%zz&y=a+b", "/%E4%BD%A0?q=%F0%9F%98%80&&;", "/a/./b?../cart", "/about?"} {
		_, reader := g.raw(t, german, "PROPFIND "+target+" HTTP/1.1\r\nHost: Shop.Example:80\r\naccept: x\r\n\r\n")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		heads := seen.take()
		if res.StatusCode != 200 || len(heads) != 1 || !strings.HasPrefix(heads[0], "PROPFIND "+target+" HTTP/1.1\r\nHost: Shop.Example:80\r\n") {
			t.Errorf("%s: %d, upstream saw %q", target, res.StatusCode, heads)
		}
	}
}

// TestShadow shows that a rule in shadow mode is counted and changes no byte of the answer.
func TestShadow(t *testing.T) {
	t.Parallel()
	const plain = "version: 1\nactivities:\n  sale: [{paths: [/cart]}]\nrules:\n  - {id: germans, activity: sale, countries: [DE]}\n"
	const shadowed = plain + "  - {id: watched, activity: sale, countries: [US], mode: shadow}\n"
	var answers [2]string
	var gates [2]*gate
	seen := newWitness(t)
	for i, policy := range []string{plain, shadowed} {
		gates[i] = start(t, setup{policy: policy, upstream: seen.url})
		_, reader := gates[i].raw(t, american, "GET /cart HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "Date: ") {
				answers[i] += line
			}
		}
		answers[i] += "\nupstream saw " + strings.Join(seen.take(), "\n")
	}
	if !strings.HasPrefix(answers[0], "HTTP/1.1 200 OK\r\n") || answers[0] != answers[1] {
		t.Errorf("without %q\nwith %q", answers[0], answers[1])
	}
	const counted = `gate451_decisions_total{activity="sale",country="US",mode="shadow",reason="listed_country",rule="watched",verdict="block"}`
	if got := gates[1].metric(t, counted); got != "1" {
		t.Errorf("counted %q times", got)
	}
	if got := gates[0].metric(t, counted); got != "" {
		t.Errorf("without the rule counted %q times", got)
	}
	if a := gates[1].get(t, american, "http://shop.example/about"); a.StatusCode != 200 {
		t.Errorf("%d", a.StatusCode)
	}
	if got := gates[1].metric(t, `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="country_not_listed",rule="",verdict="allow"}`); got != "1" {
		t.Errorf("the decision itself is counted %q times", got)
	}
}
