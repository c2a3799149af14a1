package gateway

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gate451/rules"
)

// TestPackCases tries the cases of the pack, as gate451 policy test does. They are about every date to the nanosecond, in every
// territory, and about every exemption; TestPackCasesCanFail says that they would notice.
func TestPackCases(t *testing.T) {
	t.Parallel()
	const file = "testdata/cases/kaspersky-us-2024.yaml"
	tried, err := TryCases([]string{file}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, r := range tried.Results {
		if !r.Passed {
			t.Errorf("%s:%d: %s: %+v", r.File, r.Line, r.Name, r.Fields)
		}
		for _, f := range r.Fields {
			seen[fmt.Sprintf("%s %s=%s", r.Request[strings.Index(r.Request, "from"):], f.Field, f.Want)] = true
		}
	}
	if len(tried.Unreached) > 0 || tried.Failed > 0 || tried.Passed != tried.Cases {
		t.Errorf("%d of %d, unreached %v", tried.Passed, tried.Cases, tried.Unreached)
	}
	policy, err := rules.Parse("policy.yaml", readFile(t, "testdata/cases/policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range policy.Rules() {
		for _, country := range rule.Countries {
			from := rule.Effective.From.In(policy.Zone())
			for at, verdict := range map[time.Time]string{from: "block", from.Add(-1): "allow"} {
				if want := fmt.Sprintf("from %s at %s verdict=%s", country, at.Format(time.RFC3339Nano), verdict); !seen[want] {
					t.Errorf("%s: no case is %s", rule.ID, want)
				}
			}
		}
		for _, x := range rule.Exceptions {
			for _, product := range x.Products {
				if !strings.Contains(string(readFile(t, file)), strings.TrimPrefix(product, "kaspersky-")) && !strings.Contains(string(readFile(t, file)), product) {
					t.Errorf("%s: no case is about %s", rule.ID, product)
				}
			}
		}
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestPackCasesCanFail changes the policy under the cases, in one place after another.
func TestPackCasesCanFail(t *testing.T) {
	t.Parallel()
	pack, ok := rules.PackText("kaspersky-us-2024")
	if !ok {
		t.Fatal("there is no such pack")
	}
	store := string(readFile(t, "testdata/cases/policy.yaml"))
	inPlace := func(change ...string) string {
		text := string(pack)[strings.Index(string(pack), "rules:"):]
		text = strings.NewReplacer("id: sales", "id: kaspersky-us-2024/sales", "id: updates", "id: kaspersky-us-2024/updates").Replace(text)
		return strings.Replace(store, "packs: [kaspersky-us-2024]\n", "", 1) + strings.NewReplacer(change...).Replace(text)
	}
	for _, test := range []struct {
		name, policy string
		fail         bool
	}{
		{"as it is", inPlace(), false},
		{"a nanosecond late", inPlace("from: 2024-07-20", "from: 2024-07-20T00:00:00.000000001"), true},
		{"a nanosecond early", inPlace("from: 2024-09-29", "from: 2024-09-28T23:59:59.999999999"), true},
		{"without a territory", inPlace("[us-jurisdiction]", "[US, AS, GU, MP, PR, VI]"), true},
		{"with one exemption less", inPlace("kaspersky-training, ", ""), true},
		{"in shadow", inPlace("refusal: update", "mode: shadow"), true},
		{"unknown countries allowed", inPlace("refusal: purchase", "unknown_country: allow"), true},
	} {
		dir := t.TempDir()
		cases, policy := filepath.Join(dir, "cases.yaml"), filepath.Join(dir, "policy.yaml")
		for name, text := range map[string]string{cases: string(readFile(t, "testdata/cases/kaspersky-us-2024.yaml")), policy: test.policy} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tried, err := TryCases([]string{cases}, nil, Options{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if (tried.Failed > 0) != test.fail {
			t.Errorf("%s: %d cases fail", test.name, tried.Failed)
		}
	}
}

// TestStatedOriginIsNotAskedFor: what a description says of the origin stands in place of all that would find it out.
func TestStatedOriginIsNotAskedFor(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	q := Question{IP: netip.MustParseAddr("10.0.0.1"), URL: "http://shop.example/buy", At: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, test := range []struct {
		from *rules.Origin
		want string
	}{
		{nil, "client_address"},
		{&rules.Origin{}, "unknown_country"},
		{&rules.Origin{Country: rules.CountryOf("PR")}, "listed_country"},
		{&rules.Origin{Country: rules.CountryOf("CA")}, "country_not_listed"},
		{&rules.Origin{Country: rules.CountryOf("CA"), Traits: rules.PrivateNetwork}, "private_network"},
	} {
		q.From = test.from
		account, err := e.Explain(q)
		if err != nil {
			t.Fatal(err)
		}
		record, err := account.Record()
		if err != nil || record.Reason != test.want || account.explanation.Decision.Reason.String() != test.want {
			t.Errorf("%+v: %+v, %v", test.from, record, err)
		}
	}
}

func TestDiffOfCatalogues(t *testing.T) {
	t.Parallel()
	const policy = "version: 1\ncatalogues: [goods.csv, %s]\nactivities: {sale: [{paths: [/cart], fields: [{query: sku}]}]}\nproducts: {x: [{catalogue: {brand: [X]}}]}\nrules: [{id: a, activity: sale, products: [x], countries: [CU]}]\n"
	var made []*rules.Policy
	for i, rows := range []string{"id,brand\n1,X\n", "id,brand\n1,X\n2,X\n"} {
		dir := t.TempDir()
		more := []string{"more.csv", "less.csv"}[i]
		for name, text := range map[string]string{"policy.yaml": fmt.Sprintf(policy, more), "goods.csv": rows, more: "id,brand\n9,Y\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		e, err := NewPolicyEnforcer(nil, filepath.Join(dir, "policy.yaml"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, e.Policy())
	}
	changes, err := DiffPolicies(made[0], made[1])
	if err != nil {
		t.Fatal(err)
	}
	want := []PolicyChange{
		{"policy", "", "catalogues", "has other catalogues: with less.csv; without more.csv"},
		{"catalogue", "goods.csv", "", "has 2 goods and 2 ids instead of 1 and 1"},
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Error(diff)
	}
}

func TestDiffInWords(t *testing.T) {
	t.Parallel()
	const base = `version: 1
time_zone: America/New_York
activities: {sale: [{paths: [/cart]}]}
products: {x: [{skus: [KL1]}], y: [{paths: [/y]}]}
titles: {x: The X}
rules:
  - {id: a, activity: sale, products: [x], countries: [CU, IR], from: 2024-07-20}
`
	for _, test := range []struct{ old, new, want string }{
		{"", "", ""},
		{"[CU, IR]", "[IR, CU]", ""},
		{"from: 2024-07-20", "from: 2024-07-20T04:00:00Z", ""},
		{"from: 2024-07-20", "from: 2024-07-21", "rule a begins at 2024-07-21T00:00:00-04:00 instead of 2024-07-20T00:00:00-04:00"},
		{", from: 2024-07-20", "", "rule a has no beginning any more; it was at 2024-07-20T00:00:00-04:00"},
		{"from: 2024-07-20", "from: 2024-07-20, until: 2030-01-01", "rule a ends at 2030-01-01T00:00:00-05:00, and had no end before"},
		{"[CU, IR]", "[CU, KP]", "rule a has other countries: with KP; without IR"},
		{"products: [x], ", "", "rule a is about everything, and no longer about x only"},
		{"from: 2024-07-20", "from: 2024-07-20, mode: shadow", "rule a has mode shadow instead of enforce"},
		{"from: 2024-07-20", "from: 2024-07-20, unknown_country: allow", "rule a has unknown_country allow instead of block"},
		{"from: 2024-07-20", "from: 2024-07-20, basis: {title: T}", `rule a has basis {"title":"T"}, and had none`},
		{"from: 2024-07-20", "from: 2024-07-20, except: [{networks: [192.0.2.1], note: n}]", `rule a has other except: with {"networks":["192.0.2.1/32"],"note":"n"}`},
		{"id: a", "id: b", "rule a is taken away; it was: blocks sale of x in CU IR from 2024-07-20T00:00:00-04:00\n" +
			"rule b is added: blocks sale of x in CU IR from 2024-07-20T00:00:00-04:00"},
		{"[/cart]", "[/buy, /cart]", `activity sale has other elements: with {"paths":["/buy","/cart"]}; without {"paths":["/cart"]}`},
		{", y: [{paths: [/y]}]", "", "product y is taken away"},
		{"y: [", "z: [{skus: [Z]}], y: [", `product z is added: {"skus":["z"]}`},
		{"The X", "Some X", "title x is Some X instead of The X"},
	} {
		before, err := rules.Parse("old.yaml", []byte(base))
		if err != nil {
			t.Fatal(err)
		}
		after, err := rules.Parse("new.yaml", []byte(strings.Replace(base, test.old, test.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		changes, err := DiffPolicies(before, after)
		if err != nil {
			t.Fatal(err)
		}
		var words []string
		for _, c := range changes {
			words = append(words, c.String())
		}
		if got := strings.Join(words, "\n"); got != test.want {
			t.Errorf("%s -> %s:\n%s\nwant\n%s", test.old, test.new, got, test.want)
		}
		if same := before.Digest() == after.Digest(); same != (len(changes) == 0) {
			t.Errorf("%s -> %s: %d changes, and the digests are equal: %v", test.old, test.new, len(changes), same)
		}
		if back, err := DiffPolicies(after, before); err != nil || len(back) != len(changes) {
			t.Errorf("%s -> %s: %d changes there, %d back", test.old, test.new, len(changes), len(back))
		}
	}
}

func TestCasesThatCannotBeTried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const one = "cases: [{name: a, request: {url: %q}, from: {country: DE}, at: 2024-07-20, want: {verdict: allow}}]\n"
	for name, text := range map[string]string{
		"policy.yaml": "version: 1\nactivities: {sale: [{paths: [/cart]}]}\nrules: [{id: a, activity: sale, countries: [CU]}]\n", "url.yaml": fmt.Sprintf(one, "shop.example"),
		"lost/cases.yaml": fmt.Sprintf(one, "https://shop.example/"), "bad/policy.yaml": "version: 2\n", "bad/cases.yaml": fmt.Sprintf(one, "https://shop.example/"),
		"form.yaml": "cases: []\n", "good.yaml": fmt.Sprintf(one, "https://shop.example/"), "failing.yaml": fmt.Sprintf(one, "https://shop.example/../"),
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"url.yaml": "url.yaml:1:9: \"shop.example\" is no URL", "lost/cases.yaml": "lost/cases.yaml:1:1: the cases have no policy: ", "bad/cases.yaml": "bad/policy.yaml:1:10: version",
		"form.yaml": "form.yaml:1:8: cases is empty", "absent.yaml": "name a readable file of cases",
	} {
		if _, err := TryCases([]string{filepath.Join(dir, name)}, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
	tried, err := TryCases([]string{filepath.Join(dir, "good.yaml"), filepath.Join(dir, "failing.yaml")}, nil, Options{})
	if err != nil || tried.Passed != 1 || tried.Failed != 1 || len(tried.Unreached) != 1 {
		t.Errorf("%+v, %v", tried, err)
	}
	if _, err := NewPolicyEnforcer(nil, filepath.Join(dir, "absent.yaml"), Options{}); err == nil || !strings.Contains(err.Error(), "name a readable policy file") {
		t.Errorf("error %v", err)
	}
}

// TestRawRequestIsJudgedAsADescribedOne asks the same twice, once in the words of the wire.
func TestRawRequestIsJudgedAsADescribedOne(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	american, at := netip.MustParseAddr("50.114.0.1"), time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for raw, described := range map[string]Question{
		"GET /x/..%2fcart HTTP/1.1\r\nHost: shop.example\r\n\r\n":                           {URL: "http://shop.example/x/..%2fcart"},
		"GET /x/..%2fcart HTTP/1.1\nHost: shop.example":                                     {URL: "http://shop.example/x/..%2fcart"},
		"POST /api HTTP/1.1\nHost: shop.example\nContent-Length: 13\n\n{\"sku\":\"KL1\"}\n": {Method: "POST", URL: "http://shop.example/api", Body: []byte(`{"sku":"KL1"}`)},
		"POST /api HTTP/1.1\nHost: shop.example\nContent-Length: 13\n\n{\"sku\":\"KL":       {Method: "POST", URL: "http://shop.example/api", Body: []byte(`{"sku":"KL`)},
		"POST /api HTTP/1.1\nHost: shop.example\nContent-Type: application/json\n":          {Method: "POST", URL: "http://shop.example/api", Header: map[string][]string{"Content-Type": {"application/json"}}},
		"TRACE / HTTP/1.1\nHost: shop.example\n\n":                                          {Method: "TRACE", URL: "http://shop.example/"},
		"GET http://shop.example/buy HTTP/1.1\nHost: shop.example\nX-Forwarded-For: a\n\n":  {URL: "http://shop.example/buy"},
	} {
		described.IP, described.At = american, at
		one, err := e.Explain(described)
		if err != nil {
			t.Fatal(err)
		}
		other, err := e.Explain(Question{IP: american, At: at, Raw: []byte(raw)})
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		want, wantErr := one.Record()
		got, gotErr := other.Record()
		if diff := cmp.Diff(want, got); diff != "" || (wantErr == nil) != (gotErr == nil) {
			t.Errorf("%q: %s, %v and %v", raw, diff, wantErr, gotErr)
		}
	}
	for raw, want := range map[string]string{
		"":                                   "no server could read the request",
		"GET / HTTP/1.1\nHost: a\nHost: b\n": "no server could read the request",
		"POST /cart HTTP/1.1\nHost: shop.example\n\n{\"sku\":\"KL1\"}": "add a Content-Length",
	} {
		if _, err := e.Explain(Question{IP: american, At: at, Raw: []byte(raw)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v", raw, err)
		}
	}
}
