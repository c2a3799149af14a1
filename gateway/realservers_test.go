package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gate451/gateway"
	"gate451/gateway/canonical"
	"gate451/rules"
)

const realServersPolicy = `version: 1
activities:
  sale: [{paths: [/cart]}]
rules:
  - {id: sales, activity: sale, countries: [US], from: 2024-07-20T00:00:00Z, unknown_country: block}
`

// TestRealServers plays targets at real web servers, of which each has a page at the governed path. None that the policy
// lets pass may bring the page up, and for each program there are some that would, if not for the readings.
func TestRealServers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a dozen programs")
	}
	seed := realServersSeed(t)
	t.Logf("GATE451_TEST_SEED=%d", seed)
	s := newStreet(t)

	known := append(corpusTargets(t), knownTargets...)
	known = append(known, newTargets(seed).some(200)...)
	reached, slipped := s.playDirectly(t, known)
	unseen := map[string]int{}
	for _, shop := range s.shops {
		t.Logf("%s: %d of %d targets bring the page up, %d of them unseen by a plain look", shop.host, reached[shop], len(known), slipped[shop])
		if reached[shop] < 5 {
			t.Errorf("%s: only %d targets bring the page up: it proves nothing", shop.host, reached[shop])
		}
		unseen[shop.address] += slipped[shop]
	}
	for address, n := range unseen {
		if n < 5 {
			t.Errorf("the server at %s: only %d targets bring the page up unseen by a plain look: it proves nothing", address, n)
		}
	}

	all := append(known, newTargets(seed+1).some(3000)...)
	var pass []attempt
	for _, a := range all {
		if s.passes(a) {
			pass = append(pass, a)
		}
	}
	t.Logf("%d of %d targets pass", len(pass), len(all))
	if len(pass) < len(all)/20 {
		t.Errorf("only %d of %d targets pass: the generator has become tame", len(pass), len(all))
	}
	s.each(func(shop *shop) {
		if shop.style {
			return
		}
		for _, a := range pass {
			s.playGated(t, shop, a)
		}
	})
	// What the policy does not let pass, the gateway does not either.
	for _, a := range known {
		if !s.passes(a) {
			s.playGated(t, s.shops[0], a)
		}
	}
	s.checkOpen(t)
}

// FuzzRealServers looks for a target that the policy lets pass and that brings the page up.
func FuzzRealServers(f *testing.F) {
	if testing.Short() {
		f.Skip("starts a dozen programs")
	}
	for i, a := range append(corpusTargets(f), knownTargets...) {
		f.Add([]byte(a.target), uint64(0), byte(slices.Index(methods, a.method)))
		f.Add([]byte(a.target), uint64(i+1), byte(0))
	}
	if fuzzing := flag.Lookup("test.fuzz"); fuzzing.Value.String() != "" && flag.Lookup("test.fuzzworker").Value.String() != "true" {
		f.Fuzz(func(*testing.T, []byte, uint64, byte) {}) // here only the workers need servers
		return
	}
	// A worker talks to the fuzzer by the first files after the standard ones. Servers that had them too would keep the fuzzer
	// waiting for a worker that is gone.
	for fd := 3; fd <= 5; fd++ {
		syscall.CloseOnExec(fd)
	}
	s := newStreet(f)
	f.Fuzz(func(t *testing.T, target []byte, seed uint64, method byte) {
		a := attempt{methods[int(method)%len(methods)], string(target)}
		if seed != 0 {
			a.target = newTargets(seed).change(a.target)
		}
		if !s.passes(a) {
			return
		}
		s.each(func(shop *shop) {
			if !shop.style {
				s.playGated(t, shop, a)
			}
		})
	})
}

// street is a row of shops, and the gateway before them.
type street struct {
	*fleet
	gate   *gate
	policy *rules.Policy
	buyer  rules.Origin
}

func newStreet(t testing.TB) *street {
	t.Helper()
	s := &street{fleet: newFleet(t)}
	var err error
	if s.policy, err = rules.Parse("policy.yaml", []byte(realServersPolicy)); err != nil {
		t.Fatal(err)
	}
	us, err := rules.ParseCountry("US")
	if err != nil {
		t.Fatal(err)
	}
	s.buyer = rules.Origin{Client: netip.MustParseAddr(american), Country: us}
	var routes strings.Builder
	routes.WriteString("routes:\n")
	for _, shop := range s.shops {
		fmt.Fprintf(&routes, "  - {hosts: [%s], upstreams: [\"http://%s\"]}\n", shop.host, shop.address)
	}
	s.gate = start(t, setup{policy: realServersPolicy, config: routes.String(), options: func(o *gateway.Options) {
		o.Logger = slog.New(slog.DiscardHandler) // nothing grows in a long run
	}})
	for _, shop := range s.shops {
		shop.direct = &wire{dial: func() (net.Conn, error) { return net.Dial("tcp", shop.address) }}
		shop.gated = &wire{dial: func() (net.Conn, error) { return s.gate.dial(american) }}
		shop.open = &wire{dial: func() (net.Conn, error) { return s.gate.dial(german) }}
	}
	t.Cleanup(func() {
		for _, shop := range s.shops {
			shop.direct.close()
			shop.gated.close()
			shop.open.close()
		}
	})
	s.checkOpen(t)
	return s
}

// checkOpen shows that every shop is there, behind the gateway as well: who may buy sees the page, who may not is told.
func (s *street) checkOpen(t testing.TB) {
	t.Helper()
	s.each(func(shop *shop) {
		for _, target := range honest {
			if s.play(t, shop.open, shop, attempt{http.MethodGet, target}) == nil {
				continue
			}
			if got, err := shop.gated.ask(attempt{http.MethodGet, target}, shop.host); err != nil || got.status != http.StatusUnavailableForLegalReasons {
				t.Errorf("%s: %s from the United States: %+v, %v, want 451", shop.host, target, got, err)
			}
			return
		}
		t.Errorf("%s: the page is not there", shop.host)
	})
}

// each does something with all shops at once.
func (s *street) each(do func(*shop)) {
	var all sync.WaitGroup
	for _, shop := range s.shops {
		all.Go(func() { do(shop) })
	}
	all.Wait()
}

// passes reports whether the policy lets an attempt pass, by all its readings.
func (s *street) passes(a attempt) bool {
	var r rules.Request
	if canonical.ReadTarget(a.method, a.target, shopName, &r) != nil {
		return false
	}
	return s.allows(&r)
}

// passesPlainly reports whether it would pass if its path were judged as net/http reads it.
func (s *street) passesPlainly(a attempt) bool {
	u, err := url.ParseRequestURI(a.target)
	if err != nil {
		return false
	}
	return s.allows(&rules.Request{Host: shopName, Paths: []string{"/" + strings.TrimLeft(u.Path, "/")}})
}

func (s *street) allows(r *rules.Request) bool {
	d := s.policy.Decide(r, &s.buyer, time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
	return d.Verdict == rules.Allow
}

// playDirectly plays targets at all shops without a gateway and counts those that bring the page up, and those of them that
// would pass by a plain look. None may that passes by all readings.
func (s *street) playDirectly(t testing.TB, attempts []attempt) (reached, slipped map[*shop]int) {
	t.Helper()
	var mu sync.Mutex
	reached, slipped = map[*shop]int{}, map[*shop]int{}
	s.each(func(shop *shop) {
		var all, unseen int
		for _, a := range attempts {
			if strings.ContainsAny(a.target, "\r\n") || s.play(t, shop.direct, shop, a) == nil {
				continue
			}
			all++
			if s.passesPlainly(a) {
				unseen++
			}
			if s.passes(a) {
				t.Errorf("%s: %s %q would pass, and brings the page up", shop.host, a.method, a.target)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		reached[shop], slipped[shop] = all, unseen
	})
	return reached, slipped
}

// playGated makes an attempt at a shop through the gateway, from the United States.
func (s *street) playGated(t testing.TB, shop *shop, a attempt) {
	t.Helper()
	if got := s.play(t, shop.gated, shop, a); got != nil {
		t.Errorf("%s: %s %q brings the page up through the gateway: %d %s", shop.host, a.method, a.target, got.status, got.header.Get("Shop-Style"))
	}
}

// play makes an attempt at a shop and returns the answer if it brings the page up.
func (s *street) play(t testing.TB, w *wire, shop *shop, a attempt) *received {
	a.target = strings.ReplaceAll(a.target, shopName, shop.host)
	got, err := w.ask(a, shop.host)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Errorf("%s: %s %q: %v", shop.host, a.method, a.target, err)
	}
	if err == nil && (a.method == http.MethodHead && got.length == int64(len(s.page)) || bytes.Contains(got.text, []byte(s.secret))) {
		return got
	}
	return nil
}

func realServersSeed(t testing.TB) uint64 {
	text := os.Getenv("GATE451_TEST_SEED")
	if text == "" {
		return 451
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal("GATE451_TEST_SEED: ", err)
	}
	return seed
}

// corpusTargets are the targets with which the corpus attempts a governed path.
func corpusTargets(t testing.TB) (all []attempt) {
	t.Helper()
	text, err := os.ReadFile("testdata/bypass.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	governed := strings.NewReplacer("/buy", "/cart", "/BUY", "/CART", "/%62uy", "/%63art")
	for line := range bytes.Lines(text) {
		var r struct{ Group, Method, Target string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{"path", "host", "method"}, r.Group) && slices.Contains(methods, r.Method) && r.Target != "" {
			all = append(all, attempt{r.Method, governed.Replace(r.Target)})
		}
	}
	if len(all) < 70 {
		t.Fatalf("the corpus has %d targets only", len(all))
	}
	return all
}
