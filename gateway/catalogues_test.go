package gateway_test

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway"
)

// catalogued is a policy under which Americans may not buy what the catalogue says is of a vendor.
func catalogued(vendor string) string {
	return `version: 1
catalogues: [goods.csv]
activities:
  sale: [{paths: [/cart], fields: [{query: id}], when: carried}]
products:
  restricted: [{catalogue: {vendor: "` + vendor + `*"}}]
rules:
  - {id: sales, activity: sale, products: [restricted], countries: [US], unknown_country: allow}
`
}

// table is a catalogue of goods, each "id vendor [parent]".
func table(goods ...string) []byte {
	text := "id,vendor,parent\n"
	for _, good := range goods {
		words := append(strings.Fields(good), "")
		text += strings.Join(words[:3], ",") + "\n"
	}
	return []byte(text)
}

// buys tells which of the ids an American can put into the cart.
func (g *gate) buys(t testing.TB, ids ...string) (bought string) {
	t.Helper()
	for _, id := range ids {
		if g.get(t, american, "http://shop.example/cart?id="+id).StatusCode == http.StatusOK {
			bought += id + " "
		}
	}
	return strings.TrimSuffix(bought, " ")
}

// TestCatalogueFile shows that a change of a catalogue alone takes effect, that a bad one changes nothing and says so once,
// and that one that has lost most of its ids is told of.
func TestCatalogueFile(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), policy: catalogued("Kaspersky"), config: "evidence: {dir: evidence}\n",
		files: map[string][]byte{"goods.csv": table("1 Kaspersky", "2 Acme", "11 - 1", "3 Acme", "4 Acme")},
	})
	if got := g.buys(t, "1", "2", "11", "3", "9"); got != "2 3 9" {
		t.Errorf("at first an American buys %s", got)
	}
	modified := g.metric(t, `gate451_catalogue_modified_timestamp_seconds{file="goods.csv"}`)
	if got := g.metric(t, `gate451_catalogue_ids{file="goods.csv"}`); got != "5" || modified == "" {
		t.Errorf("%s ids, modified %s", got, modified)
	}
	g.replace(t, "goods.csv", table("1 Acme", "2 Kaspersky", "3 Acme", "4 Acme"))
	eventually(t, "the new catalogue is in force", func() bool { return g.buys(t, "1", "2", "11") == "1 11" })
	for name, bad := range map[string]string{
		"a login": "<!doctype html><form>", "nothing": "", "no ids": "vendor\nKaspersky\n", "cut off": "id,vendor\n1,Kaspersky\n2", "no vendor": "id,maker\n1,Kaspersky\n",
	} {
		g.replace(t, "goods.csv", []byte(bad))
		if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "goods.csv:") && !strings.Contains(err.Error(), "policy.yaml:6:") {
			t.Errorf("%s: %v", name, err)
		}
		if got := g.buys(t, "1", "2", "11"); got != "1 11" || g.metric(t, reloadOK) != "0" {
			t.Errorf("with %s in place of a catalogue an American buys %s, successful %s", name, got, g.metric(t, reloadOK))
		}
	}
	must(t, os.Remove(g.file("goods.csv")))
	before := len(g.log.lines(t, notMended))
	for range 3 {
		if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "goods.csv:1:1: no such file or directory; name a file that can be read under catalogues") {
			t.Error(err)
		}
	}
	if lines := g.log.lines(t, notMended); len(lines) != before+1 {
		t.Errorf("the failure is logged %d times, want once: %q", len(lines)-before, lines)
	}
	if lines := g.log.lines(t, "a catalogue has lost more than half of its ids; see whether whatever writes it has written it whole"); len(lines) != 0 {
		t.Errorf("%q", lines)
	}
	g.replace(t, "goods.csv", table("1 Kaspersky"))
	eventually(t, "the shorter catalogue is in force", func() bool { return g.buys(t, "1", "2", "11") == "2 11" && g.metric(t, reloadOK) == "1" })
	lost := g.log.lines(t, "a catalogue has lost more than half of its ids; see whether whatever writes it has written it whole")
	if len(lost) != 1 || !strings.Contains(lost[0], `"ids":1,"ids_before":4`) {
		t.Errorf("%q", lost)
	}
	g.stop()
	must(t, g.end())
	var noted []string
	for _, l := range linesOf(t, g.file("evidence")) {
		if l.Event == "catalogue" {
			_, ids, _ := strings.Cut(l.text, `"ids":`)
			if !strings.Contains(l.text, `"file":"goods.csv","sha256":"`) {
				t.Error(l.text)
			}
			noted = append(noted, strings.TrimSuffix(ids, "}"))
		}
	}
	if !slices.Equal(noted, []string{"5", "4", "1"}) {
		t.Errorf("the evidence has catalogues of %q ids", noted)
	}
}

// TestCatalogueIsNamedLater shows that catalogues are watched that a new version of the policy names.
func TestCatalogueIsNamedLater(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), policy: strings.Replace(catalogued("Kaspersky"), "catalogue: {vendor: \"Kaspersky*\"}", "skus: [1]", 1),
		files: map[string][]byte{"goods.csv": table("1 Acme"), "more.csv": table("1 Acme", "2 Kaspersky")},
	})
	g.replace(t, "policy.yaml", []byte(strings.Replace(catalogued("Kaspersky"), "goods.csv", "more.csv", 1)))
	eventually(t, "the new policy is in force", func() bool { return g.buys(t, "1", "2") == "1" })
	g.replace(t, "more.csv", table("1 Kaspersky", "2 Acme"))
	eventually(t, "its catalogue is watched", func() bool { return g.buys(t, "1", "2") == "2" })
	if got := g.metric(t, `gate451_catalogue_ids{file="more.csv"}`) + g.metric(t, `gate451_catalogue_ids{file="goods.csv"}`); got != "2" {
		t.Errorf("%s ids", got)
	}
}

// TestBadCatalogueAtTheStart shows that what cannot be read keeps a gateway from serving, all of it at once.
func TestBadCatalogueAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := setup{policy: strings.Replace(catalogued("Kaspersky"), "[goods.csv]", "[goods.csv, feed.xml]", 1), files: map[string][]byte{"goods.csv": []byte("vendor\n")}}
	cfg, err := config.Load(s.write(t, dir), nil)
	must(t, err)
	_, _, err = gateway.Check(cfg, gateway.Options{})
	want := dir + "/feed.xml:1:1: no such file or directory; name a file that can be read under catalogues\n" +
		dir + "/goods.csv:1:1: the table has no column of ids; name one id or sku in its first row, which now is \"vendor\""
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestCatalogueSwapsUnderLoad replaces policy and catalogue hundreds of times while an American asks for two goods, of which
// each version of either restricts exactly one. Whoever looks one up in one version and the other in another lets both pass.
func TestCatalogueSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	policies := [2]string{catalogued("Kaspersky"), catalogued("Acme")}
	catalogues := [2][]byte{table("1 Kaspersky", "2 Acme"), table("1 Acme", "2 Kaspersky")}
	g := start(t, setup{upstream: newShop(t, ok), policy: policies[0], files: map[string][]byte{"goods.csv": catalogues[0]}})
	stop, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var mu sync.Mutex
	var passed, refused int
	for range 4 {
		load.Go(func() {
			for stop.Err() == nil {
				r, err := http.NewRequest(http.MethodGet, "http://shop.example/cart?id=1&id=2", nil)
				if err != nil {
					t.Error(err)
					return
				}
				a, err := g.client(american).Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				a.Body.Close()
				mu.Lock()
				if a.StatusCode == http.StatusUnavailableForLegalReasons {
					refused++
				} else {
					passed++
				}
				mu.Unlock()
			}
		})
	}
	seen := map[string]int{}
	for i := range 300 {
		g.replace(t, "policy.yaml", []byte(policies[i%2]))
		g.replace(t, "goods.csv", catalogues[i/2%2])
		if err := g.Reload(); err != nil {
			t.Error(err)
			break
		}
		if i%10 == 0 {
			seen[g.buys(t, "1", "2")]++
		}
	}
	end()
	load.Wait()
	if passed > 0 || refused < 100 || len(seen) != 2 || seen["1"] == 0 || seen["2"] == 0 {
		t.Errorf("%d passed, %d were refused; one by one, %v", passed, refused, seen)
	}
}

// TestCatalogueExplained shows that explain says by which row an id is of a product.
func TestCatalogueExplained(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		policy: strings.Replace(catalogued("Kaspersky"), "rules:", "  named: [{skus: [KL1]}]\nrules:", 1),
		files:  map[string][]byte{"goods.csv": table("1 Kaspersky", "11 - 1", "KL1 Acme")},
	})
	a, err := g.Explain(gateway.Question{IP: netip.MustParseAddr(american), URL: "http://shop.example/cart?id=11&id=1&id=kl1&id=5", At: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)})
	must(t, err)
	var got []string
	for _, step := range a.Steps() {
		if step.About == "catalogue" {
			got = append(got, step.Text)
		}
	}
	want := []string{
		`"11" is of product restricted: it stands in goods.csv:3, which is of one family with goods.csv:2, whose columns are what the policy asks for`,
		`"1" is of product restricted: it stands in goods.csv:2, whose columns are what the policy asks for`,
		`"kl1" is of product named: it stands in goods.csv:4, whose id "kl1" the policy names`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestCatalogueOfTheFleetsPolicy shows that a replica reads its own files for a policy that the fleet has published, and
// refuses one whose files it does not have.
func TestCatalogueOfTheFleetsPolicy(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	g := start(t, r.member("one", setup{upstream: newShop(t, ok), at: time.Now().Add(time.Minute), policy: numbered(1), files: map[string][]byte{"goods.csv": table("1 Kaspersky", "2 Acme")}}))
	o := r.operator(t)
	push := func(text string) {
		t.Helper()
		writeFile(t, g.file("push.yaml"), []byte(text))
		_, _, err := o.Push(t.Context(), g.file("push.yaml"), "ops", gateway.LatestGeneration)
		must(t, err)
	}
	push(catalogued("Kaspersky"))
	eventually(t, "the fleet's policy decides by the replica's file", func() bool { return g.buys(t, "1", "2", "9") == "2 9" })
	g.replace(t, "goods.csv", table("1 Acme", "2 Kaspersky"))
	eventually(t, "the file is watched", func() bool { return g.buys(t, "1", "2") == "1" })
	_, err := o.Pause(t.Context(), "sales", time.Now().Add(time.Hour), "a test", "ops")
	must(t, err)
	eventually(t, "a pause", func() bool { return g.buys(t, "1", "2") == "1 2" })
	_, err = o.Resume(t.Context(), "sales", "ops")
	must(t, err)
	eventually(t, "the end of the pause", func() bool { return g.buys(t, "1", "2") == "1" })
	g.replace(t, "policy.yaml", []byte("version: 1\nrulez: []\n"))
	eventually(t, "the replica's own policy is bad", func() bool { return g.metric(t, reloadOK) == "0" })
	g.replace(t, "goods.csv", table("1 Kaspersky", "2 Acme"))
	eventually(t, "the file of the fleet's policy is watched all the same", func() bool { return g.buys(t, "1", "2") == "2" })
	writeFile(t, g.file("goods.csv"), []byte("vendor\n"))
	if err := g.Reload(); err == nil || !strings.Contains(err.Error(), "rulez") || !strings.Contains(err.Error(), "goods.csv:1:1: ") {
		t.Error(err)
	}
	if got := g.buys(t, "1", "2"); got != "2" {
		t.Errorf("an American buys %s", got)
	}
	g.replace(t, "goods.csv", table("1 Acme", "2 Kaspersky"))
	eventually(t, "it is watched on", func() bool { return g.buys(t, "1", "2") == "1" })
	push(strings.Replace(catalogued("Acme"), "goods.csv", "missing.csv", 1))
	eventually(t, "what cannot be attached is refused", func() bool {
		s, err := o.Status(t.Context())
		must(t, err)
		return len(s.Replicas) == 1 && strings.Contains(s.Replicas[0].Refused, "missing.csv:1:1: no such file or directory")
	})
	if got := g.buys(t, "1", "2"); got != "1" {
		t.Errorf("an American buys %s", got)
	}
}
