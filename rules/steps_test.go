package rules

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// rollout is a policy whose one rule has reached a share of clients.
func rollout(t testing.TB, id, share string) *Policy {
	return parse(t, "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules: [{id: "+id+", activity: sale, countries: [DE], rollout: "+share+"}]\n")
}

// blocked returns which of the clients a policy blocks.
func blocked(p *Policy, clients []netip.Addr) []bool {
	req, hit := &Request{Host: "s", Paths: []string{"/cart"}}, make([]bool, len(clients))
	for i, client := range clients {
		d := p.Decide(req, &Origin{Client: client, Country: CountryOf("DE")}, time.Unix(1.8e9, 0))
		hit[i] = d.Verdict == Block
	}
	return hit
}

func count(hits []bool) (n int) {
	for _, hit := range hits {
		if hit {
			n++
		}
	}
	return n
}

// TestRolloutReachesItsShare draws ten thousand neighbouring clients, because those of one shop are no random addresses.
func TestRolloutReachesItsShare(t *testing.T) {
	t.Parallel()
	kinds := map[string][]netip.Addr{}
	for i := range 10_000 {
		four, six := make([]byte, 4), make([]byte, 16)
		binary.BigEndian.PutUint32(four, 0xC6120000+uint32(i))
		binary.BigEndian.PutUint32(six, 0x20010db8)
		binary.BigEndian.PutUint32(six[4:], uint32(i))
		v4, _ := netip.AddrFromSlice(four)
		v6, _ := netip.AddrFromSlice(six)
		kinds["IPv4"], kinds["IPv6"] = append(kinds["IPv4"], v4), append(kinds["IPv6"], v6)
	}
	for kind, clients := range kinds {
		var replicas [3][]bool
		for i := range replicas { // each reads the policy for itself
			replicas[i] = blocked(rollout(t, "sales", "5%"), clients)
		}
		five, ten := replicas[0], blocked(rollout(t, "sales", "10%"), clients)
		if n := count(five); n < 400 || n > 600 {
			t.Errorf("5%% of %s are %d of 10,000", kind, n)
		}
		if !slices.Equal(five, replicas[1]) || !slices.Equal(five, replicas[2]) {
			t.Errorf("the replicas draw different clients of %s", kind)
		}
		for i := range five {
			if five[i] && !ten[i] {
				t.Fatalf("%v is blocked at 5%%, and not at 10%%", clients[i])
			}
		}
		if n := count(ten); n < 900 || n > 1100 {
			t.Errorf("10%% of %s are %d of 10,000", kind, n)
		}
		both, other := 0, blocked(rollout(t, "updates", "10%"), clients)
		for i := range ten {
			if ten[i] && other[i] {
				both++
			}
		}
		if both < 50 || both > 160 {
			t.Errorf("of the tenths that two rules draw of %s, %d clients are in both, as if one draw were for all rules", kind, both)
		}
		if n := count(blocked(rollout(t, "sales", "100%"), clients)); n != 10_000 {
			t.Errorf("100%% of %s are %d of 10,000", kind, n)
		}
		if n := count(blocked(rollout(t, "sales", "0.01%"), clients)); n > 10 {
			t.Errorf("0.01%% of %s are %d of 10,000", kind, n)
		}
	}
}

func TestRolloutDrawsNetworks(t *testing.T) {
	t.Parallel()
	rule := rollout(t, "sales", "50%").rules[0]
	if !rule.draws(netip.Addr{}) {
		t.Error("a client without an address is spared")
	}
	both := map[bool]int{}
	for i := range 100 {
		first := addr(fmt.Sprintf("2001:db8:0:%x::1", i))
		drawn := rule.draws(first)
		for _, other := range []string{"ffff:ffff:ffff:ffff", "1:2:3:4"} {
			if rule.draws(addr(fmt.Sprintf("2001:db8:0:%x:%s", i, other))) != drawn {
				t.Errorf("neighbours of %v in its /64 are drawn apart", first)
			}
		}
		four := addr(fmt.Sprintf("192.0.2.%d", i))
		if rule.draws(netip.AddrFrom16(four.As16())) != rule.draws(four) {
			t.Errorf("%v written as IPv6 is drawn apart", four)
		}
		both[drawn]++
	}
	if len(both) < 2 {
		t.Errorf("of 100 networks, half are %v", both)
	}
}

// TestADrawNeverChanges pins whom a share holds: a new build that drew others would let pass whom the old one blocks.
func TestADrawNeverChanges(t *testing.T) {
	t.Parallel()
	rule := rollout(t, "kaspersky-us-2024/sales", "10%").rules[0]
	var drawn []string
	for i := range 40 {
		for _, client := range []string{fmt.Sprintf("192.0.2.%d", i), fmt.Sprintf("2001:db8:%x::1", i)} {
			if rule.draws(addr(client)) {
				drawn = append(drawn, client)
			}
		}
	}
	if got, want := strings.Join(drawn, " "), "2001:db8:2::1 192.0.2.7 2001:db8:11::1 192.0.2.24 2001:db8:27::1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"5%": "5%", "005.50%": "5.5%", "0.01%": "0.01%", "0.29%": "0.29%", "99.99%": "99.99%", "100%": "100%", "100.00%": "100%"} {
		if got := rollout(t, "a", text).rules[0].Rollout.String(); got != want {
			t.Errorf("%s is read as %s", text, got)
		}
	}
	if whole := rollout(t, "a", "100%"); whole.Digest() != parse(t, strings.Replace(string(whole.Text()), `"mode"`, `"rollout":"100.0%","mode"`, 1)).Digest() {
		t.Error("a whole share is not the same as none")
	}
	if rollout(t, "a", "5%").Digest() == rollout(t, "a", "6%").Digest() {
		t.Error("a larger share does not change the digest")
	}
}

func TestStepsInShadowModeAreWarnedOf(t *testing.T) {
	t.Parallel()
	p := parse(t, "version: 1\nactivities: {sale: [{all: true}]}\nrules:\n"+
		"  - {id: a, activity: sale, countries: [DE], mode: shadow, rollout: 5%, from: 2024-01-02T00:00:00Z, notice_from: 2024-01-01T00:00:00Z}\n")
	if w := p.Warnings(); len(w) != 2 || w[0].Column != 69 || !strings.Contains(w[0].Message, "rollout makes no difference in shadow mode") {
		t.Errorf("the warnings are %v", w)
	}
	d := p.Decide(&Request{Paths: []string{"/"}}, from("DE"), instant(t, "2024-01-01T00:00:00Z"))
	if d.Notice != nil {
		t.Error("a rule in shadow mode is announced")
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	if TokenOf(secret[1:]) != (Token{}) || TokenOf("") != (Token{}) {
		t.Error("a short token is one")
	}
	token := TokenOf(secret)
	if got, err := parseToken(token.String()); got != token || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	other := TokenOf(secret + "x")
	for _, c := range []struct {
		token Token
		all   []Token
		want  bool
	}{
		{token, []Token{token}, true}, {token, []Token{other, token}, true}, {token, []Token{token, token}, true}, {token, []Token{other}, false},
		{token, nil, false}, {Token{}, []Token{{}}, false}, {Token{}, nil, false},
	} {
		if got := c.token.among(c.all); got != c.want {
			t.Errorf("%v among %v: %v", c.token, c.all, got)
		}
	}
}

// TestCartsAtExceptedPaths: what lies in the cart is not the request's to choose, as a path is, and so does not undo an exception;
// a row of the cart that the request names does.
func TestCartsAtExceptedPaths(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities:
  sale: [{paths: [/checkout], fields: [{query: row, row: true}], cart: {get: /cart, json: items.#.id, rows: items.#.key}}]
products: {knives: [{skus: [KNIFE]}]}
rules: [{id: a, activity: sale, products: [knives], countries: [DE], except: [{paths: [/checkout/done]}]}]
`)
	at := instant(t, "2024-01-01T00:00:00Z")
	for _, c := range []struct {
		path    string
		carried Carried
		want    string
	}{
		{"/checkout/done", Carried{}, "allow exempt a sale - DE"},
		{"/checkout/done", Carried{Answered: true}, "allow other_product - sale - DE"},
		{"/checkout/done", Carried{Answered: true, IDs: []string{"KNIFE"}}, "allow exempt a sale knives DE"},
		{"/checkout", Carried{Answered: true, IDs: []string{"KNIFE"}}, "block listed_country a sale knives DE"},
		{"/checkout/done", Carried{Present: true, Rows: []string{"r"}, Answered: true, IDs: []string{"KNIFE"}}, "block listed_country a sale knives DE"},
		{"/checkout/done", Carried{IDs: []string{"KNIFE"}}, "block listed_country a sale knives DE"},
		{"/checkout/done", Carried{Undetermined: true}, "block undetermined_product a sale - DE"},
	} {
		req := &Request{Host: "s", Paths: []string{c.path}, Carried: []Carried{c.carried}}
		if got := said(p.Decide(req, from("DE"), at)); got != c.want {
			t.Errorf("%s with %+v: %s, want %s", c.path, c.carried, got, c.want)
		}
	}
	if wanted := p.Wanted(&Request{Host: "s", Paths: []string{"/checkout/done"}}, from("DE"), at, nil); len(wanted) != 1 {
		t.Error("what is carried is not read where a path is excepted")
	}
}

// TestExemptionsAreJudgedByAllThatTheyName: a token beside a path or a network is one more thing that must hold, and what is beside
// the path is read even where a rule is about everything.
func TestExemptionsAreJudgedByAllThatTheyName(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{paths: [/checkout], fields: [{query: add}]}]}
rules:
  - {id: a, activity: sale, countries: [DE], except: [{paths: [/checkout/done], networks: [192.0.2.0/24], tokens: ["`+TokenOf(randomTokens[0]).String()+`", "`+TokenOf(randomTokens[1]).String()+`"]}]}
`)
	at := instant(t, "2024-01-01T00:00:00Z")
	for _, c := range []struct {
		client, token, path string
		want                Verdict
	}{
		{"192.0.2.1", randomTokens[0], "/checkout/done", Allow},
		{"192.0.2.1", randomTokens[1], "/checkout/done", Allow},
		{"192.0.2.1", randomTokens[2], "/checkout/done", Block},
		{"192.0.2.1", "", "/checkout/done", Block},
		{"192.0.3.1", randomTokens[0], "/checkout/done", Block},
		{"192.0.2.1", randomTokens[0], "/checkout", Block},
	} {
		o := &Origin{Client: addr(c.client), Country: CountryOf("DE"), Token: TokenOf(c.token)}
		req := &Request{Host: "s", Paths: []string{c.path}}
		if wanted := p.Wanted(req, o, at, nil); len(wanted) != 1 {
			t.Errorf("%+v: %d carriers are read", c, len(wanted))
		}
		req.Carried = []Carried{{}}
		if got := p.Decide(req, o, at); got.Verdict != c.want {
			t.Errorf("%+v: %s", c, said(got))
		}
	}
}

// alone returns the policy with one of its rules only.
func alone(t *testing.T, p *Policy, id string) *Policy {
	l := newLoader("policy")
	l.policy(l.root(p.text))
	l.rules = slices.DeleteFunc(l.rules, func(r *Rule) bool { return r.ID != id })
	q := l.compile()
	q.skus.stock = p.skus.stock
	return q
}

// TestNoRuleIsLiftedByAnother holds exceptions, rollouts and notices to their own rule: whatever one rule alone blocks is
// blocked by all of them together, and what all of them block one of them blocks.
func TestNoRuleIsLiftedByAnother(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	var exempt, blocks int
	for range 60 {
		p := randomlyStocked(t, random, parse(t, randomPolicy(random)))
		singles := map[string]*Policy{}
		for _, rule := range p.rules {
			singles[rule.ID] = alone(t, p, rule.ID)
		}
		for range 60 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			all, any, lifted := p.Decide(req, o, at), false, false
			for id, single := range singles {
				d := single.Decide(req, o, at)
				if d.Verdict == Block && all.Verdict != Block {
					t.Fatalf("%s alone says %s, and with the others %s: %+v from %+v at %v\n%s", id, said(d), said(all), req, o, at, p.Text())
				}
				any, lifted = any || d.Verdict == Block, lifted || d.Reason == ReasonExempt
			}
			if any != (all.Verdict == Block) {
				t.Fatalf("no rule alone blocks, and all together say %s: %+v from %+v at %v\n%s", said(all), req, o, at, p.Text())
			}
			if any {
				blocks++
			}
			if any && lifted {
				exempt++
			}
		}
	}
	if blocks == 0 || exempt == 0 {
		t.Errorf("%d blocks, %d of them where another rule was lifted: the test does not reach it", blocks, exempt)
	}
}

// TestAnnouncedBlocksComeTrue asks again, when the announced rule begins, who was told that it would block them.
func TestAnnouncedBlocksComeTrue(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	told := 0
	for range 200 {
		p := parse(t, randomPolicy(random))
		for range 40 {
			req, o, at := randomRequest(random, p), randomOrigin(random), randomInstant(random)
			d := p.Decide(req, o, at)
			if d.Notice == nil {
				continue
			}
			told++
			if d.Verdict != Allow || !at.Before(d.Notice.Effective.From) || at.Before(d.Notice.NoticeFrom) {
				t.Fatalf("at %v: %s", at, said(d))
			}
			if then := p.Decide(req, o, d.Notice.Effective.From); then.Verdict != Block || then.Notice != nil {
				t.Fatalf("%s, and then %s: %+v from %+v\n%s", said(d), said(then), req, o, p.Text())
			}
		}
	}
	if told == 0 {
		t.Error("nothing was announced: the test does not reach it")
	}
}

// TestShadowsComeTrue: what rules in shadow mode would block is what the same rules block when they are enforced, for all traffic,
// and in shadow mode they block nothing.
func TestShadowsComeTrue(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	blocked := 0
	for range 200 {
		text := randomPolicy(random)
		enforced, shadowed := parse(t, inMode(t, text, "enforce")), parse(t, inMode(t, text, "shadow"))
		for range 40 {
			req, o, at := randomRequest(random, enforced), randomOrigin(random), randomInstant(random)
			real, trial := enforced.Decide(req, o, at), shadowed.Decide(req, o, at)
			would := map[string]bool{}
			for shadow := range trial.Shadows {
				would[shadow.Rule.ID] = true
			}
			if trial.Verdict != Allow || (real.Verdict == Block) != (len(would) > 0) || real.Verdict == Block && !would[real.Rule.ID] {
				t.Fatalf("enforced %s, in shadow mode %s, which would be blocked by %v: %+v from %+v at %v\n%s", said(real), said(trial), would, req, o, at, text)
			}
			if real.Verdict == Block {
				blocked++
			}
		}
	}
	if blocked == 0 {
		t.Error("nothing was blocked: the test does not reach it")
	}
}

// inMode returns a policy with all of its rules in one mode. No rule begins with a share of the clients, because a block outside of
// that is a shadow's.
func inMode(t *testing.T, text, mode string) string {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	for _, rule := range doc["rules"].([]any) {
		rule := rule.(map[string]any)
		rule["mode"] = mode
		delete(rule, "rollout")
	}
	changed, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

func TestStepsAllocateNothing(t *testing.T) {
	p := parse(t, `version: 1
activities: {sale: [{paths: [/cart]}]}
rules:
  - {id: a, activity: sale, countries: [DE], rollout: 50%}
  - {id: b, activity: sale, countries: [DE], from: 2030-01-01T00:00:00Z, notice_from: 2020-01-01T00:00:00Z}
  - {id: c, activity: sale, countries: [DE], except: [{paths: [/cart/a]}, {tokens: ["`+TokenOf(randomTokens[0]).String()+`"]}]}
`)
	for _, path := range []string{"/cart", "/cart/a"} {
		for i := range byte(4) {
			o := &Origin{Country: CountryOf("DE"), Client: netip.AddrFrom4([4]byte{192, 0, 2, i}), Token: TokenOf(randomTokens[i])}
			req := &Request{Host: "s", Paths: []string{path}}
			if n := testing.AllocsPerRun(100, func() { decision = p.Decide(req, o, time.Unix(1.8e9, 0)) }); n != 0 {
				t.Errorf("%s: %v allocations", path, n)
			}
		}
	}
}
