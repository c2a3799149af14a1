package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// token is what a partner was given, and its digest as sha256sum prints it.
const (
	token       = "3f6c0b5d9a1e47288c0f5b7d6e9a1c24"
	tokenDigest = "sha256:97dccec8e80889ac529e5efd2a6f9537cab5d883d62a12f4e6ee4d74202b173d"
)

const noticePolicy = `version: 1
time_zone: America/New_York
activities: {sale: [{hosts: [shop.example], paths: [/cart]}, {hosts: [shop.example], fields: [{query: add}], when: carried}]}
products: {kaspersky: [{all: true}], tea: [{skus: [TEA]}]}
titles: {kaspersky: "Käse \"100%\""}
rules:
  - {id: pack/sales, activity: sale, products: [kaspersky], countries: [US], unknown_country: allow, notice_from: 2024-06-20, from: 2024-07-20}
  - {id: tea, activity: sale, products: [tea], countries: [DE], unknown_country: allow, notice_from: 2024-06-20, from: 2024-07-20}
`

// TestNotice tells the upstream and the browser of a rule that is announced, and nobody else of it.
func TestNotice(t *testing.T) {
	t.Parallel()
	told := make(chan string, 1)
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		told <- strings.Join(r.Header["Gate451-Notice"], "|")
		for name := range r.Header {
			if strings.Contains(strings.ToLower(name), "notice") && name != "Gate451-Notice" {
				t.Errorf("the upstream sees %s", name)
			}
		}
		w.Header().Set("Gate451-Notice", "the shop's own")
		w.Header().Set("Cache-Control", "public, max-age=60")
		ok(w, r)
	})
	g := start(t, setup{upstream: shop, policy: noticePolicy, at: time.Date(2024, 6, 20, 4, 0, 0, 0, time.UTC)})
	const ours = `"pack/sales"; from="2024-07-20T00:00:00-04:00"; text=%"From 20 July 2024, 00:00 EDT (UTC-04:00): For legal compliance purposes, K%c3%a4se %22100%25%22 cannot be purchased from your country."`
	for _, c := range []struct{ buyer, method, target, want string }{
		{american, "GET", "/cart", ours},
		{american, "HEAD", "/cart", ours},
		{american, "GET", "/%63art/../cart?x=1", ours},
		{german, "GET", "/cart", ""},
		{american, "GET", "/about", ""},
		{german, "GET", "/about?add=TEA", `"tea"; from="2024-07-20T00:00:00-04:00"; text=%"From 20 July 2024, 00:00 EDT (UTC-04:00): For legal compliance purposes, tea products cannot be purchased from your country."`},
		{german, "GET", "/about?add=COFFEE", ""},
	} {
		got := g.send(t, c.buyer, c.method, "http://shop.example"+c.target, nil, "Gate451-Notice", "spoofed", "Gate451_notice", "spoofed", "Connection", "Gate451-Notice")
		answered := c.want
		if answered == "" {
			answered = "the shop's own"
		}
		if said := <-told; got.StatusCode != 200 || said != c.want || strings.Join(got.Header["Gate451-Notice"], "|") != answered {
			t.Errorf("%s %s: %d, the upstream was told %s, the browser %q", c.method, c.target, got.StatusCode, said, got.Header["Gate451-Notice"])
		}
		if cache := got.Header.Get("Cache-Control"); c.want != "" && cache != "max-age=60, private" {
			t.Errorf("%s may be kept: %s", c.target, cache)
		}
	}
	if n := g.metric(t, `gate451_notices_total{activity="sale",country="US",rule="pack/sales"}`); n != "3" {
		t.Errorf("%s notices are counted, want 3", n)
	}
	if at := g.metric(t, `gate451_rule_effective_timestamp_seconds{boundary="notice_from",rule="tea"}`); at != "1.718856e+09" {
		t.Errorf("the rule is announced at %s", at)
	}
	g.now.set(time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC))
	if got := g.get(t, american, "http://shop.example/cart"); got.StatusCode != 451 || got.Header["Gate451-Notice"] != nil {
		t.Errorf("on the day: %d %v", got.StatusCode, got.Header)
	}
	g.now.set(time.Date(2024, 6, 20, 3, 59, 59, 0, time.UTC))
	if got := g.get(t, american, "http://shop.example/cart"); got.StatusCode != 200 || <-told != "" {
		t.Errorf("before the notice: %d %v", got.StatusCode, got.Header)
	}
}

func TestForwardAuthTellsNotices(t *testing.T) {
	t.Parallel()
	a := startAsked(t, setup{upstream: "http://127.0.0.1:1", policy: noticePolicy, at: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)})
	got := a.ask(t, "GET", "/forward-auth", nil, forwarded(american, "GET", "shop.example", "/cart", "Gate451-Notice", "spoofed")...)
	if got.StatusCode != 200 || !strings.HasPrefix(got.Header.Get("Gate451-Notice"), `"pack/sales"; from=`) {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
}

// TestTokens lets by who shows the one token, in the one way, and never tells the upstream.
func TestTokens(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, policy: `version: 1
activities: {sale: [{hosts: [shop.example], paths: [/cart]}, {hosts: [shop.example], fields: [{query: add}], when: carried}]}
rules:
  - id: sales
    activity: sale
    countries: [US]
    except:
      - {tokens: ["` + tokenDigest + `"], until: 2025-06-01T00:00:00Z, note: licence}
      - {paths: [/cart/return]}
  - {id: other, activity: sale, countries: [CU], unknown_country: allow}
`})
	for _, c := range []struct {
		name    string
		target  string
		headers []string
		status  int
	}{
		{"the token", "/cart", []string{"Gate451-Token", token}, 200},
		{"no token", "/cart", nil, 451},
		{"another token", "/cart", []string{"Gate451-Token", strings.ToUpper(token)}, 451},
		{"its digest", "/cart", []string{"Gate451-Token", tokenDigest}, 451},
		{"the token twice", "/cart", []string{"Gate451-Token", token, "Gate451-Token", token}, 451},
		{"the token beside another", "/cart", []string{"Gate451-Token", "x", "Gate451-Token", token}, 451},
		{"a list", "/cart", []string{"Gate451-Token", token + ", " + token}, 451},
		{"an empty token", "/cart", []string{"Gate451-Token", ""}, 451},
		{"a name that merely looks like it", "/cart", []string{"Gate451_Token", token}, 451},
		{"both", "/cart", []string{"Gate451_Token", "x", "Gate451-Token", token}, 200},
		{"a token that is a query", "/cart?Gate451-Token=" + token, nil, 451},
		{"elsewhere", "/about", []string{"Gate451-Token", token, "Gate451_Token", token}, 200},
		{"an exempt path", "/cart/return", nil, 200},
		{"an exempt path in every reading", "/CART/%72eturn/x?y=1", nil, 200},
		{"an exempt path that is left", "/cart/return/..%2fbuy", nil, 451},
		{"an exempt path that is left by another door", "/cart/return/..;/buy", nil, 451},
		{"an exempt path with a product", "/cart/return?add=1", nil, 451},
		{"a product elsewhere", "/about?add=1", nil, 451},
		{"a product and the token", "/about?add=1", []string{"Gate451-Token", token}, 200},
	} {
		seen.take()
		got := g.get(t, american, "http://shop.example"+c.target, c.headers...)
		heads := seen.take()
		if got.StatusCode != c.status || len(heads) != map[int]int{451: 0, 200: 1}[c.status] {
			t.Errorf("%s: %d, and the upstream saw %q", c.name, got.StatusCode, heads)
		}
		for _, head := range heads {
			if strings.Contains(strings.ToLower(head), "token: ") || strings.Contains(head, token) && !strings.Contains(c.target, token) {
				t.Errorf("%s: the upstream saw %q", c.name, head)
			}
		}
	}
	if n := g.metric(t, `gate451_decisions_total{activity="sale",country="US",mode="enforce",reason="exempt",rule="sales",verdict="allow"}`); n != "4" {
		// What nothing could block is not read for products, and so is no sale.
		t.Errorf("%s exempt requests are counted, want 4", n)
	}
	if strings.Contains(g.log.String(), token) {
		t.Error("the log holds the token")
	}
	g.now.set(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC))
	if got := g.get(t, american, "http://shop.example/cart", "Gate451-Token", token); got.StatusCode != 451 {
		t.Errorf("after the exception has ended: %d", got.StatusCode)
	}
}

// TestRolloutAcrossReplicas has two gateways, one of them started later, block the same clients, and leave everything that the
// others are told as it is without the rule.
func TestRolloutAcrossReplicas(t *testing.T) {
	t.Parallel()
	const policy = `version: 1
activities: {sale: [{hosts: [shop.example], paths: [/cart]}]}
rules:
  - {id: sales, activity: sale, countries: [US], unknown_country: allow%s}
`
	shop := newShop(t, ok)
	first := start(t, setup{upstream: shop, policy: fmt.Sprintf(policy, ", rollout: 50%")})
	shadow := start(t, setup{upstream: shop, policy: fmt.Sprintf(policy, ", mode: shadow")})
	told := func(a answer) string {
		a.Header.Del("Date")
		return fmt.Sprint(a.StatusCode, a.Header, a.text)
	}
	const clients = 40
	ask := func(g *gate) (blocked []int) {
		for i := range clients {
			buyer := fmt.Sprintf("50.114.0.%d", i+1)
			got := g.get(t, buyer, "http://shop.example/cart")
			if got.StatusCode == 451 {
				blocked = append(blocked, i)
			} else if want := told(shadow.get(t, buyer, "http://shop.example/cart")); told(got) != want {
				t.Errorf("%s is told %s, in shadow mode %s", buyer, told(got), want)
			}
		}
		return blocked
	}
	blocked := ask(first)
	if len(blocked) < 5 || len(blocked) > clients-5 {
		t.Errorf("of %d clients, %d are half", clients, len(blocked))
	}
	if again := ask(start(t, setup{upstream: shop, policy: fmt.Sprintf(policy, ", rollout: 50%")})); !slices.Equal(blocked, again) {
		t.Errorf("one gateway blocks %v, another %v", blocked, again)
	}
	for mode, want := range map[string]int{"enforce": len(blocked), "shadow": clients - len(blocked)} {
		if got := first.metric(t, `gate451_decisions_total{activity="sale",country="US",mode="`+mode+`",reason="listed_country",rule="sales",verdict="block"}`); got != fmt.Sprint(want) {
			t.Errorf("in mode %s %s blocks are counted, want %d", mode, got, want)
		}
	}
}
