package gateway_test

import (
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gate451/config"
	"gate451/gateway"
)

// placed makes a record of a place: a country, the parts of it, and further fields by their names.
func placed(country string, parts []string, fields ...string) mmdbtype.Map {
	m := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(country)}}
	var all mmdbtype.Slice
	for _, part := range parts {
		all = append(all, mmdbtype.Map{"iso_code": mmdbtype.String(part)})
	}
	if all != nil {
		m["subdivisions"] = all
	}
	for i := 0; i < len(fields); i += 2 {
		m[mmdbtype.String(fields[i])] = mmdbtype.Map{"iso_code": mmdbtype.String(fields[i+1]), "type": mmdbtype.String("military")}
	}
	return m
}

// Buyers of the databases here.
const (
	crimean   = "91.210.0.1"
	kyivan    = "91.210.1.1"
	ukrainian = "91.210.2.1" // nobody knows in which part
	soldier   = "84.200.0.1" // of an American base in Germany
)

const dividedPolicy = `version: 1
activities: {sale: [{paths: [/cart]}], update: [{paths: [/updates]}]}
rules:
  - {id: crimea, activity: sale, countries: [DE, UA-43]}
  - {id: lax, activity: update, countries: [UA-43], unknown_country: allow}
`

func cityDatabase(t testing.TB, at time.Time) []byte {
	t.Helper()
	return databaseOf(t, at, "GeoLite2-City", map[string]mmdbtype.Map{
		"91.210.0.0/24": placed("UA", []string{"43"}), "91.210.1.0/24": placed("UA", []string{"30"}), "91.210.2.0/24": placed("UA", nil),
		"50.114.0.0/16": placed("US", []string{"NY"}),
	})
}

// answered asks for a path and returns the reason of a refusal, or pass.
func answered(t testing.TB, g *gate, buyer, path string, headers ...string) string {
	t.Helper()
	a := g.get(t, buyer, "http://shop.example"+path, append([]string{"Accept", "application/json"}, headers...)...)
	if a.StatusCode == http.StatusOK {
		return "pass"
	}
	_, rest, _ := strings.Cut(a.text, `"reason":"`)
	reason, _, _ := strings.Cut(rest, `"`)
	return reason
}

// TestPartsOfCountries has a rule for Crimea, buyers who are there, elsewhere, or nobody knows where, and databases that no
// longer tell.
func TestPartsOfCountries(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), policy: dividedPolicy, config: "geoip: {databases: [city.mmdb], overrides: {91.210.9.0/24: UA-43, 91.210.8.0/24: UA}}\nevidence: {dir: evidence}\n" + withPreviews,
		files: map[string][]byte{"city.mmdb": cityDatabase(t, built), "preview.token": previewFile["preview.token"]}, at: built.Add(time.Hour),
	})
	check := func(when string) {
		t.Helper()
		for buyer, want := range map[string][2]string{
			crimean: {"listed_country", "listed_country"}, kyivan: {"pass", "pass"}, ukrainian: {"unknown_country", "pass"}, american: {"pass", "pass"},
			"91.210.9.1": {"listed_country", "listed_country"}, "91.210.8.1": {"unknown_country", "pass"},
		} {
			if got := [2]string{answered(t, g, buyer, "/cart"), answered(t, g, buyer, "/updates")}; got != want {
				t.Errorf("%s, %s: %v, want %v", when, buyer, got, want)
			}
		}
	}
	check("at first")
	for name, want := range map[string]string{
		`gate451_decisions_total{activity="sale",country="UA",mode="enforce",reason="unknown_country",rule="crimea",verdict="block"}`: "2",
		`gate451_decisions_total{activity="update",country="UA",mode="enforce",reason="unknown_country",rule="lax",verdict="allow"}`:  "2",
	} {
		if got := g.metric(t, name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	account, err := g.Explain(gateway.Question{IP: netip.MustParseAddr(ukrainian), URL: "http://shop.example/cart", At: built})
	must(t, err)
	if words := steps(account); !strings.Contains(words, "rule: crimea blocks: no source knows in which part of UA the buyer is, and the rule lists one; ") ||
		!strings.Contains(words, "verdict: BLOCK, answered 451: unknown_country (no source knows in which part of UA the buyer is, and the rule lists one), by crimea") {
		t.Errorf("explained:\n%s", words)
	}

	// An auditor sees what buyers in a part of the country are told, and those of whom no part is known.
	for place, want := range map[string]string{"UA-43": "reason=listed_country", "UA-30": "reason=country_not_listed", "UA": "reason=unknown_country"} {
		a := g.get(t, american, "http://shop.example/cart", previewed("country="+place)...)
		if told := a.Header.Get("Gate451-Preview"); !strings.Contains(told, want) {
			t.Errorf("a preview of %s: %s, want %s", place, told, want)
		}
	}

	// A database that tells no parts is refused, and so is a policy that needs those of another country.
	g.replace(t, "city.mmdb", database(t, built.Add(time.Hour), map[string]string{"91.210.0.0/16": "UA"}))
	const lacking = "the policy in force cannot be decided with them: "
	problem := g.file("policy.yaml") + ":4:50: no database tells parts of UA, so that nobody is known to be in UA-43; name a city database, such as GeoLite2-City, under geoip.databases, or write UA\n"
	if err := g.Reload(); err == nil || !strings.HasPrefix(err.Error(), lacking+problem) {
		t.Errorf("a database without parts: %v", err)
	}
	eventually(t, "the refusal is counted", func() bool {
		return g.metric(t, `gate451_geoip_reloads_total{database="city.mmdb",result="refused"}`) != ""
	})
	if lines := g.log.lines(t, "geoip databases not reloaded, the loaded ones stay in use"); len(lines) == 0 || !strings.Contains(lines[0], "policy.yaml:4:50") {
		t.Errorf("logged: %s", lines)
	}
	check("after a database without parts")
	g.replace(t, "city.mmdb", cityDatabase(t, built.Add(2*time.Hour)))
	must(t, g.Reload())
	g.replace(t, "policy.yaml", []byte(strings.Replace(dividedPolicy, "[DE, UA-43]", "[DE, GB-ENG, UA-43]", 1)))
	if err := g.Reload(); err == nil || !strings.HasPrefix(err.Error(), g.file("policy.yaml")+":4:50: no database tells parts of GB, so that nobody is known to be in GB-ENG; ") {
		t.Errorf("a policy for parts of another country: %v", err)
	}
	eventually(t, "the policy is refused", func() bool { return g.metric(t, "gate451_policy_last_reload_successful") == "0" })
	check("after a policy for parts of another country")
	g.replace(t, "policy.yaml", []byte(strings.Replace(dividedPolicy, "[DE, UA-43]", "[DE, UA-43, US-CA]", 1)))
	must(t, g.Reload())
	check("after a policy for parts that are told")

	// Both change at once, to a policy that only the new database can decide.
	g.replace(t, "policy.yaml", []byte(strings.Replace(dividedPolicy, "[DE, UA-43]", "[DE, UA-43, JP-13]", 1)))
	g.replace(t, "city.mmdb", databaseOf(t, built.Add(3*time.Hour), "GeoLite2-City", map[string]mmdbtype.Map{
		"91.210.0.0/24": placed("UA", []string{"43"}), "126.0.0.0/8": placed("JP", []string{"13"}), "50.114.0.0/16": placed("US", []string{"NY"}),
	}))
	must(t, g.Reload())
	if got := answered(t, g, "126.0.0.1", "/cart"); got != "listed_country" {
		t.Errorf("after both: %s", got)
	}
}

// steps joins the steps of an account.
func steps(account *gateway.Account) string {
	var all []string
	for _, step := range account.Steps() {
		all = append(all, step.About+": "+step.Text)
	}
	return strings.Join(all, "\n")
}

// TestPartsNeedADatabase has every way to load a policy refuse parts of countries that nobody tells.
func TestPartsNeedADatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := setup{policy: dividedPolicy, config: "redis: {addrs: [\"127.0.0.1:1\"], timeout: 1ms}\n"}
	load := func() *config.Config {
		cfg, err := config.Load(s.write(t, dir), nil)
		must(t, err)
		return cfg
	}
	cfg := load()
	const remedy = "; name a city database, such as GeoLite2-City, under geoip.databases, or write UA"
	want := cfg.Policy + ":4:50: no database tells parts of UA, so that nobody is known to be in UA-43" + remedy + "\n" +
		cfg.Policy + ":5:45: no database tells parts of UA, so that nobody is known to be in UA-43" + remedy
	expect := func(what string, err error) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", what, err, want)
		}
	}
	_, err := gateway.New(cfg, gateway.Options{})
	expect("serve", err)
	_, _, err = gateway.Check(cfg, gateway.Options{})
	expect("validate", err)
	_, err = gateway.NewEnforcer(cfg, gateway.Options{})
	expect("explain", err)
	_, err = gateway.NewPolicyEnforcer(load(), cfg.Policy, gateway.Options{})
	expect("policy test with a configuration", err)
	operator, err := gateway.Operate(cfg, gateway.Options{})
	must(t, err)
	defer operator.Close()
	_, _, err = operator.Push(t.Context(), cfg.Policy, "me", gateway.LatestGeneration)
	expect("policy push", err)
	if _, err := gateway.NewPolicyEnforcer(nil, cfg.Policy, gateway.Options{}); err != nil {
		t.Errorf("nothing says which databases are asked, and yet: %v", err)
	}

	// A policy of which one part is told, by the second database, and one is not.
	writeFile(t, dir+"/city.mmdb", cityDatabase(t, built))
	writeFile(t, dir+"/country.mmdb", database(t, built, map[string]string{"50.114.0.0/16": "US"}))
	s.config = "geoip: {databases: [country.mmdb, city.mmdb]}\n"
	s.policy = strings.Replace(dividedPolicy, "countries: [UA-43]", "countries: [US-NY]", 1)
	want = cfg.Policy + ":5:45: no database tells parts of US, so that nobody is known to be in US-NY; name a city database, such as GeoLite2-City, under geoip.databases, or write US"
	_, _, err = gateway.Check(load(), gateway.Options{})
	expect("where the first database knows the country and not its parts", err)
	s.config = "geoip: {databases: [country.mmdb, city.mmdb], decide: any}\n"
	if _, _, err := gateway.Check(load(), gateway.Options{}); err != nil {
		t.Error(err)
	}

	s.config = "geoip: {overrides: {203.0.113.0/24: UA-99, 198.51.100.0/24: US-PR}}\n"
	s.policy = packPolicy
	_, err = gateway.Databases(load(), built)
	file := dir + "/gateway.yaml"
	want = file + ":1:61: US-PR is a country of its own to ISO 3166-1 and to every database; write PR\n" +
		file + `:1:37: unknown subdivision "UA-99"; did you mean UA-09?`
	expect("overrides", err)
}

// TestAnonymousNetworks follows the anonymous database through the whole gateway: every flag, every setting of anonymized, an
// override, a new file, and its age.
func TestAnonymousNetworks(t *testing.T) {
	t.Parallel()
	flags := []string{"is_anonymous", "is_anonymous_vpn", "is_hosting_provider", "is_public_proxy", "is_residential_proxy", "is_tor_exit_node"}
	networks := map[string]mmdbtype.Map{}
	for i, flag := range flags {
		networks[netip.PrefixFrom(netip.AddrFrom4([4]byte{85, 214, byte(i), 0}), 24).String()] = mmdbtype.Map{mmdbtype.String(flag): mmdbtype.Bool(true)}
	}
	networks["50.114.1.0/24"] = mmdbtype.Map{"is_tor_exit_node": mmdbtype.Bool(true)}
	list := func(age time.Duration, networks map[string]mmdbtype.Map) []byte {
		return databaseOf(t, built.Add(-age), "GeoIP-Anonymous-Plus", networks)
	}
	g := start(t, setup{
		upstream: newShop(t, ok), at: built.Add(time.Hour), config: "geoip: {databases: [geo.mmdb], anonymous: list.mmdb, max_age: 10d, overrides: {85.214.0.128/25: DE}}\nevidence: {dir: evidence}\n",
		policy: `version: 1
activities: {sale: [{paths: [/cart]}], trial: [{paths: [/trial]}], update: [{paths: [/updates]}]}
rules:
  - {id: blocks, activity: sale, countries: [US], anonymized: block}
  - {id: country, activity: trial, countries: [US]}
  - {id: allows, activity: update, countries: [US], anonymized: allow}
`,
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"50.114.0.0/16": "US", "85.214.0.0/16": "DE"}), "list.mmdb": list(0, networks)},
	})
	check := func(buyer string, want ...string) {
		t.Helper()
		got := []string{answered(t, g, buyer, "/cart"), answered(t, g, buyer, "/trial"), answered(t, g, buyer, "/updates")}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", buyer, got, want)
		}
	}
	for i := range flags {
		check(netip.AddrFrom4([4]byte{85, 214, byte(i), 1}).String(), "anonymized", "pass", "pass")
	}
	check("50.114.1.1", "anonymized", "listed_country", "pass")
	check(american, "listed_country", "listed_country", "listed_country")
	check("85.214.99.1", "pass", "pass", "pass")
	check("85.214.0.200", "pass", "pass", "pass") // the operator knows better
	if got := g.metric(t, `gate451_geoip_traits_total{trait="anonymized"}`); got != "21" {
		t.Errorf("counted %s times", got)
	}
	account, err := g.Explain(gateway.Question{IP: netip.MustParseAddr("85.214.5.1"), URL: "http://shop.example/cart", At: built})
	must(t, err)
	if words := steps(account); !strings.Contains(words, "source: list.mmdb: is_tor_exit_node for 85.214.5.0/24") ||
		!strings.Contains(words, "verdict: BLOCK, answered 451: anonymized (the address hides where the buyer is), by blocks") {
		t.Errorf("explained:\n%s", words)
	}

	// The file is watched, and a new one counts without being asked for.
	g.replace(t, "list.mmdb", list(9*24*time.Hour, map[string]mmdbtype.Map{"50.114.0.0/16": {"is_anonymous_vpn": mmdbtype.Bool(true)}}))
	eventually(t, "the new list counts", func() bool { return answered(t, g, american, "/cart") == "anonymized" })
	check("85.214.5.1", "pass", "pass", "pass")
	if g.metric(t, `gate451_geoip_reloads_total{database="list.mmdb",result="loaded"}`) == "" {
		t.Error("that it was loaded again is not counted")
	}
	var noted []string
	for _, line := range linesOf(t, g.file("evidence")) {
		if line.Event == "database" {
			noted = append(noted, line.text)
		}
	}
	if len(noted) != 3 || !strings.Contains(noted[2], "list.mmdb") {
		t.Errorf("the evidence says of databases: %s", noted)
	}
	g.now.set(built.Add(2 * 24 * time.Hour)) // only the list is older than ten days
	if got := answered(t, g, "85.214.5.1", "/cart"); got != "pass" {
		t.Errorf("stale_database: decide, and yet %s", got)
	}
	if got := g.metric(t, `gate451_geoip_traits_total{trait="stale_database"}`); got != "1" {
		t.Errorf("a request judged by an old list is counted %q times", got)
	}
	cfg, err := config.Load(g.file("gateway.yaml"), nil)
	must(t, err)
	databases, err := gateway.Databases(cfg, g.now.now())
	if err != nil || len(databases) != 2 || !databases[1].Anonymous || !databases[1].Stale || databases[0].Stale {
		t.Errorf("described: %+v, %v", databases, err)
	}
	known, err := gateway.Locate(cfg, netip.MustParseAddr(american), built)
	if err != nil || known.Findings[1].String() != "is_anonymous_vpn for 50.114.0.0/16" {
		t.Errorf("looked up: %+v, %v", known, err)
	}
}

// TestRegisteredAndRepresentedCountries has a soldier at an American base in Germany, for whom other fields say other things.
func TestRegisteredAndRepresentedCountries(t *testing.T) {
	t.Parallel()
	base := databaseOf(t, built, "GeoIP2-Country", map[string]mmdbtype.Map{
		"84.200.0.0/24": placed("DE", nil, "registered_country", "US", "represented_country", "US"), "85.214.0.0/16": placed("DE", nil, "registered_country", "DE"),
		"62.0.0.0/16": placed("FR", nil, "registered_country", "US"),
	})
	for _, test := range []struct {
		geoip                  string
		soldier, german, owned string
		sources, pairs         string
	}{
		{"", "pass", "pass", "pass", "", ""},
		{", fields: [country, registered_country]", "pass", "pass", "pass", "geo.mmdb DE", ""},
		{", fields: [represented_country, country]", "listed_country", "pass", "pass", "geo.mmdb:represented_country US", ""},
		{", decide: any, fields: [country, represented_country]", "listed_country", "pass", "pass", "geo.mmdb DE, geo.mmdb:represented_country US", "1"},
		{", decide: any, fields: [country, registered_country, represented_country]", "listed_country", "pass", "listed_country",
			"geo.mmdb DE, geo.mmdb:registered_country US, geo.mmdb:represented_country US", "1"},
	} {
		g := start(t, setup{
			upstream: newShop(t, ok), at: built, files: map[string][]byte{"geo.mmdb": base}, config: "geoip: {databases: [geo.mmdb]" + test.geoip + "}\nevidence: {dir: evidence}\n",
			policy: "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules: [{id: us, activity: sale, countries: [US]}]\n",
		})
		got := [3]string{answered(t, g, soldier, "/cart"), answered(t, g, german, "/cart"), answered(t, g, "62.0.0.1", "/cart")}
		if want := [3]string{test.soldier, test.german, test.owned}; got != want {
			t.Errorf("%s: %v, want %v", test.geoip, got, want)
		}
		for _, line := range linesOf(t, g.file("evidence")) {
			if line.Verdict != "" {
				if line.Sources != test.sources || line.Database == "" {
					t.Errorf("%s: the evidence says sources %q, database %q", test.geoip, line.Sources, line.Database)
				}
				break // the soldier is the first
			}
		}
		if got := g.metric(t, `gate451_geoip_disagreements_total{a="geo.mmdb",b="geo.mmdb:represented_country"}`); got != test.pairs {
			t.Errorf("%s: disagreed %q times, want %q", test.geoip, got, test.pairs)
		}
		account, err := g.Explain(gateway.Question{IP: netip.MustParseAddr(soldier), URL: "http://shop.example/cart", At: built})
		must(t, err)
		if words := steps(account); strings.Contains(test.geoip, "represented") && !strings.Contains(words, "source: geo.mmdb:represented_country: US for 84.200.0.0/24") {
			t.Errorf("%s: explained:\n%s", test.geoip, words)
		}
		if got := g.metric(t, `gate451_geoip_disagreements_total{a="geo.mmdb",b="geo.mmdb:represented_country"}`); got != test.pairs {
			t.Errorf("%s: what is only explained is counted: %q", test.geoip, got)
		}
	}
}

const edgePolicy = `version: 1
activities: {sale: [{paths: [/cart]}], trial: [{paths: [/trial]}], update: [{paths: [/updates]}]}
rules:
  - {id: us, activity: sale, countries: [US]}
  - {id: hidden, activity: trial, countries: [US], anonymized: block}
  - {id: lax, activity: update, countries: [US], anonymized: allow, unknown_country: allow}
`

// TestHeaderOfAProxy has Cloudflare, or somebody else, say where buyers are.
func TestHeaderOfAProxy(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{
		upstream: seen.url, at: built, policy: edgePolicy,
		config: "client_ip: {proxy_protocol: [127.0.0.1/32], trusted_proxies: [10.0.0.0/8]}\n" +
			"geoip: {databases: [geo.mmdb], decide: any, header: Edge-Country, overrides: {85.214.9.0/24: DE}}\nevidence: {dir: evidence}\n",
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"85.214.0.0/16": "DE", "50.114.0.0/16": "US"})},
	})
	const proxy = "10.1.2.3"
	const pass, listed, unknown, hidden = "pass", "listed_country", "unknown_country", "anonymized"
	for _, test := range []struct {
		peer, buyer string
		lines       []string
		want        [3]string // of /cart, /trial and /updates
	}{
		// What the proxy says adds a country, and its word on who hides adds that.
		{proxy, german, nil, [3]string{pass, pass, pass}},
		{proxy, german, []string{"DE"}, [3]string{pass, pass, pass}},
		{proxy, german, []string{"US"}, [3]string{listed, listed, listed}},
		{proxy, german, []string{"us "}, [3]string{listed, listed, listed}},
		{proxy, german, []string{"XX"}, [3]string{pass, pass, pass}},
		{proxy, german, []string{"T1"}, [3]string{pass, hidden, pass}},
		{proxy, german, []string{"USA"}, [3]string{unknown, unknown, pass}},
		{proxy, german, []string{"DE", "US"}, [3]string{listed, listed, listed}},
		{proxy, german, []string{"DE, US"}, [3]string{listed, listed, listed}},
		// It lifts nothing: not that an address is American, unknown, or that of nobody.
		{proxy, american, []string{"DE"}, [3]string{listed, listed, listed}},
		{proxy, american, []string{"T1"}, [3]string{listed, listed, listed}},
		{proxy, american, []string{"nonsense"}, [3]string{listed, listed, listed}},
		{proxy, nowhere, []string{"DE"}, [3]string{unknown, unknown, pass}},
		{proxy, nowhere, []string{"US"}, [3]string{listed, listed, listed}},
		{proxy, "", []string{"DE"}, [3]string{"client_address", "client_address", "client_address"}},
		// Nobody else is believed, and an override settles it.
		{german, "", []string{"US"}, [3]string{pass, pass, pass}},
		{american, "", []string{"DE"}, [3]string{listed, listed, listed}},
		{proxy, "85.214.9.1", []string{"US"}, [3]string{pass, pass, pass}},
	} {
		var headers []string
		if test.buyer != "" {
			headers = append(headers, "X-Forwarded-For", test.buyer)
		}
		for _, line := range test.lines {
			headers = append(headers, "Edge-Country", line)
		}
		got := [3]string{answered(t, g, test.peer, "/cart", headers...), answered(t, g, test.peer, "/trial", headers...), answered(t, g, test.peer, "/updates", headers...)}
		if got != test.want {
			t.Errorf("%s for %q with %q: %v, want %v", test.peer, test.buyer, test.lines, got, test.want)
		}
	}
	g.get(t, proxy, "http://shop.example/about", "X-Forwarded-For", german, "Edge-Country", "US", "EDGE_COUNTRY", "US", "Connection", "Edge-Country")
	for _, head := range seen.take() {
		if strings.Contains(strings.ToLower(head), "edge") || strings.Contains(head, "X-Country-Code: US") {
			t.Errorf("the shop is told:\n%s", head)
		}
	}
	for name, want := range map[string]string{
		`gate451_geoip_disagreements_total{a="geo.mmdb",b="header"}`: "16", // five buyers, three times each, and the last one
		`gate451_geoip_header_total{result="absent"}`:                "3",
		`gate451_geoip_header_total{result="anonymized"}`:            "6",
		`gate451_geoip_header_total{result="none"}`:                  "3",
		`gate451_geoip_header_total{result="several"}`:               "6",
		`gate451_geoip_header_total{result="unreadable"}`:            "6",
		`gate451_geoip_traits_total{trait="anonymized"}`:             "6",
	} {
		if got := g.metric(t, name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	var sources []string
	for _, line := range linesOf(t, g.file("evidence")) {
		if line.Verdict != "" && line.Path == "/cart" {
			sources = append(sources, line.Country+": "+line.Sources)
		}
	}
	want := []string{
		"DE: ", "DE: ", "US: geo.mmdb DE, header US", "US: geo.mmdb DE, header US", "DE: ", "DE: geo.mmdb DE, header anonymized", ": geo.mmdb DE, header unreadable",
		"US: geo.mmdb DE, header DE, header US", "US: geo.mmdb DE, header DE, header US", "US: geo.mmdb US, header DE", "US: geo.mmdb US, header anonymized",
		"US: geo.mmdb US, header unreadable", ": header DE", "US: header US", ": ", "DE: ", "US: ", "DE: ",
	}
	if !slices.Equal(sources, want) {
		t.Errorf("the evidence says\n%q, want\n%q", sources, want)
	}
	for _, test := range []struct {
		peer, buyer, line string
		want              []string
	}{
		{proxy, german, "US", []string{`source: geo.mmdb: DE for 85.214.0.0/16`, `source: header: "US"`, "country: DE, Germany; and US, the United States", "listed_country"}},
		{proxy, nowhere, "DE", []string{`source: header: "DE"`, "country: unknown; and DE, Germany", "unknown_country (no source knows the country)"}},
		{proxy, german, "T1", []string{`source: header: "T1", by which the buyer hides`}},
		{proxy, german, "XX", []string{`source: header: "XX", which is no country`, "does not list DE"}},
		{proxy, german, "FR", []string{`source: header: "FR"`, "does not list DE, FR"}},
		{proxy, german, "x y", []string{"of which not all can be read, so that the country may be any as well", "unknown_country (what the proxy says of the country cannot be read)"}},
		{proxy, german, "", []string{"source: header: the proxy has sent none"}},
		{german, "", "US", []string{"source: header: not looked at, because no trusted proxy has told the client's address"}},
	} {
		header := http.Header{}
		if test.buyer != "" {
			header.Set("X-Forwarded-For", test.buyer)
		}
		if test.line != "" {
			header.Set("Edge-Country", test.line)
		}
		account, err := g.Explain(gateway.Question{IP: netip.MustParseAddr(test.peer), URL: "http://shop.example/cart", Header: header, At: built})
		must(t, err)
		for _, want := range test.want {
			if words := steps(account); !strings.Contains(words, want) {
				t.Errorf("explained:\n%s\nwant %s", words, want)
			}
		}
	}
	account, err := g.Explain(gateway.Question{IP: netip.MustParseAddr(proxy), URL: "http://shop.example/trial", Header: http.Header{"X-Forwarded-For": {german}, "Edge-Country": {"T1"}}, At: built})
	must(t, err)
	if words := steps(account); !strings.Contains(words, "anonymized (the proxy says that the buyer hides)") {
		t.Errorf("explained:\n%s", words)
	}
	if f := account.Findings(); len(f) != 2 || f[1].Source != "header" || !slices.Equal(f[1].Said, []string{"T1"}) || f[1].Network != "" {
		t.Errorf("findings: %+v", f)
	}
}

// TestReplayedCountryHeader has a log say what the proxy said.
func TestReplayedCountryHeader(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := setup{policy: edgePolicy, config: "client_ip: {trusted_proxies: [10.0.0.0/8]}\ngeoip: {databases: [geo.mmdb], decide: any, header: CF-IPCountry}\n",
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"85.214.0.0/16": "DE"})}}
	cfg, err := config.Load(s.write(t, dir), nil)
	must(t, err)
	e, err := gateway.NewEnforcer(cfg, gateway.Options{})
	must(t, err)
	const row = `{"time":"2026-06-01T00:00:00Z","remote_addr":"10.1.2.3","http_x_forwarded_for":"85.214.1.1","http_cf_ipcountry":"?","request":"GET /cart HTTP/1.1","status":"200","http_host":"shop.example"}` + "\n"
	log := dir + "/access.log"
	must(t, os.WriteFile(log, []byte(strings.Replace(row, "?", "US", 1)+strings.Replace(row, "?", "DE", 1)+strings.Replace(row, "?", "-", 1)), 0o600))
	report, err := e.Replay([]string{log}, gateway.ReplayOptions{})
	must(t, err)
	if report.Lines != 3 || report.Unreadable != 0 || report.Verdicts.Block != 1 || report.Verdicts.Allow != 2 {
		t.Errorf("replayed: %+v", report)
	}
}

// TestAllowsOfOtherCountries records what was allowed to buyers of whom another source names a country that a rule lists.
func TestAllowsOfOtherCountries(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), at: built, policy: "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules: [{id: us, activity: sale, countries: [US], until: 2020-01-01T00:00:00Z}]\n",
		config: "client_ip: {proxy_protocol: [127.0.0.1/32], trusted_proxies: [10.0.0.0/8]}\nreplica: gate-1\n" +
			"geoip: {databases: [geo.mmdb], decide: any, header: CF-IPCountry}\nevidence: {dir: evidence, allows: governed_country}\n",
		files: map[string][]byte{"geo.mmdb": database(t, built, map[string]string{"85.214.0.0/16": "DE"})},
	})
	for _, said := range []string{"DE", "US", "FR"} {
		if got := answered(t, g, "10.1.2.3", "/cart", "X-Forwarded-For", german, "Cf-Ipcountry", said); got != "pass" {
			t.Errorf("%s: %s", said, got)
		}
	}
	g.stop()
	must(t, g.end())
	records := decisionsOf(linesOf(t, g.file("evidence")))
	if len(records) != 1 || records[0].Sources != "geo.mmdb DE, header US" || records[0].Country != "US" || records[0].Reason != "not_effective" {
		t.Errorf("recorded: %+v", records)
	}
	verified(t, g.file("evidence"))
	report, err := gateway.ReportEvidence([]string{g.file("evidence")}, gateway.ReportOptions{})
	if err != nil || len(report.Countries) != 1 || report.Unreadable != 0 {
		t.Errorf("reported: %+v, %v", report, err)
	}
}
