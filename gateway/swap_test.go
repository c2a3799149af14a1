package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gate451/rules"
)

// TestSwapsUnderLoad replaces policy and database a thousand times while buyers come. Every answer must be one that
// some policy gives with some database, and none may mix two.
func TestSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	policies := [2]string{restricted("a", "US"), restricted("b", "DE")}
	databases := [2][]byte{
		database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE", "93.0.0.0/16": "US"}),
		database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE", "93.0.0.0/16": "DE", "94.0.0.0/16": "FR"}),
	}
	g := start(t, setup{
		policy: policies[0], upstream: newShop(t, ok), config: "geoip: {databases: [geo.mmdb]}\n", files: map[string][]byte{"geo.mmdb": databases[0]},
	})
	possible := map[string][]string{
		american:   {"451 block-a US", `200 allow; reason=exempt; rule="version-b" US`},
		german:     {"451 block-b DE", `200 allow; reason=exempt; rule="version-a" DE`},
		"93.0.0.1": {"451 block-a US", `200 allow; reason=exempt; rule="version-b" US`, "451 block-b DE", `200 allow; reason=exempt; rule="version-a" DE`},
	}
	stop, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	for buyer := range possible {
		for range 2 {
			load.Go(func() {
				for stop.Err() == nil {
					outcome, err := g.outcome(buyer)
					if err != nil {
						outcome = err.Error()
					}
					mu.Lock()
					counts[buyer+": "+outcome]++
					mu.Unlock()
				}
			})
		}
	}
	for i := range 1000 {
		g.replace(t, "policy.yaml", []byte(policies[i%2]))
		g.replace(t, "geo.mmdb", databases[i/2%2])
		if err := g.Reload(); err != nil {
			t.Error(err)
			break
		}
	}
	end()
	load.Wait()
	for buyer, outcomes := range possible {
		for _, outcome := range outcomes {
			if counts[buyer+": "+outcome] == 0 {
				t.Errorf("%s was never answered %q", buyer, outcome)
			}
			delete(counts, buyer+": "+outcome)
		}
	}
	for outcome, n := range counts {
		t.Errorf("%d times %s", n, outcome)
	}
	g.digestsAgree(t, policies)
}

// outcome tells what became of a buyer, by whom and as of which country.
func (g *gate) outcome(buyer string) (string, error) {
	r, err := http.NewRequest(http.MethodGet, "http://shop.example/cart", nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Accept", "application/json")
	a, err := g.client(buyer).Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return "", err
	}
	if a.StatusCode != 451 {
		return fmt.Sprintf("%d %s %s", a.StatusCode, a.Header.Get("X-Told"), a.Header.Get("X-Told-Country")), nil
	}
	var told struct{ Rule, Country string }
	if err := json.Unmarshal(text, &told); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s %s", a.StatusCode, told.Rule, told.Country), nil
}

// digestsAgree compares the rule and the policy that each refusal was logged with.
func (g *gate) digestsAgree(t *testing.T, policies [2]string) {
	t.Helper()
	digests := map[string]string{}
	for i, version := range []string{"a", "b"} {
		p, err := rules.Parse("policy.yaml", []byte(policies[i]))
		if err != nil {
			t.Fatal(err)
		}
		digests["block-"+version] = p.Digest()
	}
	lines := g.log.lines(t, "request refused")
	if len(lines) == 0 {
		t.Error("no refusal is logged")
	}
	for _, line := range lines {
		var said struct{ Rule, Policy, Country string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if said.Policy != digests[said.Rule] || !strings.HasPrefix(said.Policy, "sha256:") || said.Country != map[string]string{"block-a": "US", "block-b": "DE"}[said.Rule] {
			t.Fatalf("a refusal mixes policies: %s", line)
		}
	}
}
