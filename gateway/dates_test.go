package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestDates shows that sales end at 00:00 in Washington on 20 July 2024 and updates on 29 September 2024, to the
// nanosecond, for everybody in the jurisdiction and for whoever cannot be placed.
func TestDates(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok)})
	buyers := []struct {
		address, reason string // why refused; empty for who never is
		country         string // as the upstream is told
	}{
		{american, "listed_country", "US"},
		{"2600:1f00::1", "listed_country", "US"},
		{puertoRican, "listed_country", "PR"},
		{guamanian, "listed_country", "GU"},
		{german, "", "DE"},
		{"2a01:4f8::1", "", "DE"},
		{nowhere, "unknown_country", ""},
		{private, "private_network", ""},
		{nobody, "client_address", ""},
	}
	for _, deal := range []struct {
		url, rule, sentence string
		from                time.Time
	}{
		{"http://shop.example/buy/kaspersky-standard", "kaspersky-us-2024/sales", theSentence, time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)},
		{
			"http://updates.example/updates/bases.dat", "kaspersky-us-2024/updates",
			"For legal compliance purposes, Kaspersky products cannot be updated from your country.", time.Date(2024, 9, 29, 4, 0, 0, 0, time.UTC),
		},
	} {
		for _, step := range []time.Duration{-365 * 24 * time.Hour, -time.Second, -1, 0, 1, time.Second, 365 * 24 * time.Hour} {
			g.now.set(deal.from.Add(step))
			for _, buyer := range buyers {
				a := g.get(t, buyer.address, deal.url, "Accept", "application/json")
				if step < 0 || buyer.reason == "" {
					if a.StatusCode != http.StatusOK || a.text != "ok" || a.Header.Get("X-Told-Country") != buyer.country {
						t.Errorf("%s for %s at %v%+d: %d %q, told country %q; want 200 and country %q", deal.url, buyer.address, deal.from, step, a.StatusCode, a.text, a.Header.Get("X-Told-Country"), buyer.country)
					}
					continue
				}
				var told struct{ Detail, Reason, Rule, Country, Since string }
				if err := json.Unmarshal([]byte(a.text), &told); err != nil {
					t.Fatalf("%s for %s at %v%+d: %d %q: %v", deal.url, buyer.address, deal.from, step, a.StatusCode, a.text, err)
				}
				sentence := deal.sentence
				if buyer.reason != "listed_country" {
					sentence = theOtherSentence
				}
				if a.StatusCode != 451 || told.Reason != buyer.reason || told.Rule != deal.rule || told.Country != buyer.country || !strings.HasPrefix(told.Detail, sentence) {
					t.Errorf("%s for %s at %v%+d: %d %+v", deal.url, buyer.address, deal.from, step, a.StatusCode, told)
				}
				if buyer.reason == "listed_country" && told.Detail != deal.sentence {
					t.Errorf("detail %q, want exactly %q", told.Detail, deal.sentence)
				}
			}
		}
	}
	if a := g.get(t, american, "http://shop.example/about"); a.StatusCode != http.StatusOK {
		t.Errorf("a page that nobody governs: %d", a.StatusCode)
	}
}

// TestForms shows that each kind of client is told in its own form.
func TestForms(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: "refusal: {blocked_by: \"https://shop.example/legal\"}\n"})
	for _, c := range []struct {
		name, method string
		headers      []string
		mediaType    string
		contains     []string
	}{
		{"browser", "GET", []string{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Dest", "document"}, "text/html; charset=utf-8", []string{"<!DOCTYPE html>", theSentence, "20 July 2024, 00:00 <bdi dir=\"ltr\">EDT (UTC-04:00)"}},
		{"program", "POST", []string{"Accept", "application/json"}, "application/problem+json", []string{`"status":451`, `"detail":"` + theSentence + `"`, `"since":"2024-07-20T00:00:00-04:00"`}},
		{"updater", "GET", nil, "text/plain; charset=utf-8", []string{theSentence, "89 FR 52434"}},
		{"head", "HEAD", []string{"Accept", "text/html"}, "text/html; charset=utf-8", nil},
	} {
		a := g.send(t, american, c.method, "http://shop.example/cart", nil, c.headers...)
		if a.StatusCode != 451 || a.Header.Get("Content-Type") != c.mediaType {
			t.Errorf("%s: %d %s", c.name, a.StatusCode, a.Header.Get("Content-Type"))
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Vary": "Accept, Accept-Language", "Link": `<https://shop.example/legal>; rel="blocked-by"`, "Content-Language": "en",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
		reference := a.Header.Get("Gate451-Reference")
		if len(reference) != len("XXXX-XXXX") || c.method != "HEAD" && !strings.Contains(a.text, reference) {
			t.Errorf("%s: reference %q in %q", c.name, reference, a.text)
		}
		for _, part := range c.contains {
			if !strings.Contains(a.text, part) {
				t.Errorf("%s: no %q in %q", c.name, part, a.text)
			}
		}
		if c.method == "HEAD" && a.text != "" {
			t.Errorf("%s: body %q", c.name, a.text)
		}
	}
}
