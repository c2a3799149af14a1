package gateway

import (
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway/fleet"
	"gate451/rules"
)

// edged starts what decides by a policy, with the embedded database and a proxy that names countries in Edge-Country.
func edged(t testing.TB, policy string) *Enforcer {
	t.Helper()
	cfg, err := config.Parse(filepath.Join(t.TempDir(), "gateway.yaml"), []byte("routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:1\"]}]\npolicy: policy.yaml\n"+
		"client_ip: {trusted_proxies: [10.0.0.0/8]}\ngeoip: {decide: any, header: Edge-Country, overrides: {85.214.9.0/24: DE}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEnforcer(cfg, Options{Policy: []byte(policy), Now: func() time.Time { return time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const edgedRules = `version: 1
activities: {sale: [{paths: [/sale]}], update: [{paths: [/update]}]}
products: {a: [{paths: [/sale/a]}], b: [{query: {p: "*"}}]}
rules:
  - {id: us, activity: sale, countries: [US], anonymized: allow, private_networks: allow, client_address: allow}
  - {id: de, activity: sale, products: [a], countries: [DE], unknown_country: allow, anonymized: block, except: [{networks: [85.214.0.0/16]}]}
  - {id: fr, activity: update, countries: [FR, eu], unknown_country: allow, anonymized: allow}
  - {id: gone, activity: update, countries: [CU, DE], until: 2026-01-01T00:00:00Z}
  - {id: tried, activity: update, products: [b], countries: [US], mode: shadow, rollout: 50%}
`

// FuzzCountryHeader has a client write the header in which a proxy names countries, as far as the proxy lets it: with every
// value, no request passes that is blocked without the header, and what rules in shadow would block stays.
func FuzzCountryHeader(f *testing.F) {
	e := edged(f, edgedRules)
	for i, line := range []string{"", "US", "DE", "T1", "A1", "XX", "EU", "us,de", "USA", "nonsense", "DE, FR", "\t", "\x00"} {
		f.Add(line, "DE", byte(i), "50.114.0.1", false)
		f.Add(line, "", byte(0), "50.114.0.1", false)
		f.Add(line, line, byte(i), "85.214.132.117", true)
		f.Add("FR", line, byte(i), "2a0e:ffff::1", true)
	}
	f.Add("DE", "", byte(1), "unknown", true)
	f.Add("DE", "", byte(2), "192.168.1.1", false)
	paths := []string{"/sale", "/sale/a", "/update", "/update?p=1", "/about", "/sale;/../update"}
	f.Fuzz(func(t *testing.T, one, two string, path byte, client string, direct bool) {
		ask := func(lines ...string) (*judgement, error) {
			target := paths[int(path)%len(paths)]
			r := &http.Request{Method: http.MethodGet, Host: "shop.example", RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: "10.1.2.3:4"}
			r.Header = http.Header{"X-Forwarded-For": {client}}
			if addr, err := netip.ParseAddr(client); direct && err == nil {
				r.RemoteAddr = netip.AddrPortFrom(addr, 4).String()
			}
			if lines != nil {
				r.Header["Edge-Country"] = lines
			}
			j := new(judgement)
			return j, e.judge.judge(nil, r, j)
		}
		without, err := ask()
		if err != nil {
			t.Skip("no request")
		}
		for _, lines := range [][]string{{one}, {one, two}, {two + "," + one}} {
			with, err := ask(lines...)
			if err != nil {
				t.Fatalf("%q makes no request of it: %v", lines, err)
			}
			if without.decision.Verdict == rules.Block && with.decision.Verdict != rules.Block {
				t.Errorf("%q lifts %+v: %+v", lines, without.decision, with.decision)
			}
			if with.client.Header == "" && !samePlace(&without.origin, &with.origin) {
				t.Errorf("%q is believed from %s: %+v", lines, with.client.Peer, with.origin)
			}
			if with.origin.Country != without.origin.Country {
				t.Errorf("%q makes %v of %v", lines, with.origin.Country, without.origin.Country)
			}
			for s := range without.decision.Shadows {
				found := false
				for other := range with.decision.Shadows {
					found = found || other.Rule == s.Rule
				}
				if !found {
					t.Errorf("%q lifts %s in shadow", lines, s.Rule.ID)
				}
			}
		}
	})
}

func samePlace(a, b *rules.Origin) bool {
	return a.Country == b.Country && len(a.Others) == len(b.Others) && a.Traits == b.Traits
}

// TestCountryHeaderCostsNoAllocation judges requests of a buyer whose country the proxy and the database disagree about.
func TestCountryHeaderCostsNoAllocation(t *testing.T) {
	e := edged(t, edgedRules)
	for _, line := range []string{"DE", "FR", "T1", "XX"} {
		r := &http.Request{Method: http.MethodGet, Host: "shop.example", RequestURI: "/sale/b", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, RemoteAddr: "10.1.2.3:4"}
		r.Header = http.Header{"X-Forwarded-For": {"85.214.132.117"}, "Edge-Country": {line}}
		j := new(judgement)
		if allocations := testing.AllocsPerRun(50, func() {
			if err := e.judge.judge(nil, r, j); err != nil {
				t.Fatal(err)
			}
			e.countSources(r, j)
		}); allocations > 0 {
			t.Errorf("%s: %v allocations", line, allocations)
		}
	}
}

// TestPublishedPartsNeedADatabase has the fleet publish a policy that this replica's databases cannot decide: it stays at the
// one that it has.
func TestPublishedPartsNeedADatabase(t *testing.T) {
	t.Parallel()
	e := edged(t, edgedRules)
	text := strings.Replace(edgedRules, "countries: [US], anonymized", "countries: [US, ofac-comprehensive], anonymized", 1)
	p, err := rules.Parse("policy", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	before := e.Policy().Digest()
	err = e.policy.take(fleet.Published{Text: []byte(text), Digest: p.Digest(), Generation: 1})
	const want = "policy:5:46: ofac-comprehensive has UA-09, UA-14, UA-40, UA-43, and no database tells parts of UA; " +
		"name a city database, such as GeoLite2-City, under geoip.databases, or list UA beside it"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := e.Policy().Digest(); got != before {
		t.Errorf("in force is %s", got)
	}
}
