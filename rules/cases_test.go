package rules

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const policyOfCases = `version: 1
time_zone: America/New_York
activities: {sale: [{paths: [/cart]}]}
products: {kaspersky: [{all: true}]}
rules:
  - {id: sales, activity: sale, products: [kaspersky], countries: [US], from: 2024-07-20}
  - {id: trial, activity: sale, countries: [DE], mode: shadow}
`

// findForCases is the policy of all cases here, whatever they name.
func findForCases(string) (*Policy, error) { return Parse("policy.yaml", []byte(policyOfCases)) }

func readCases(t *testing.T, file string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata/cases", file))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestCasesAreRead(t *testing.T) {
	t.Parallel()
	var named string
	cases, policy, err := ParseCases("cases.yaml", readCases(t, "good.yaml"), func(name string) (*Policy, error) {
		named = name
		return findForCases(name)
	})
	if err != nil || named != "other.yaml" || policy == nil {
		t.Fatalf("policy %q, error %v", named, err)
	}
	day := time.Date(2024, 7, 20, 0, 0, 0, 0, policy.Zone())
	ukraine := &Origin{Client: netip.MustParseAddr("50.114.0.1"), Country: CountryOf("UA"), Subdivisions: []string{"UA-43"}, Source: "case", Traits: Anonymized | StaleDatabase}
	want := []Case{
		{
			Name: "all that can be said", Line: 3, Column: 5, Method: "POST", URL: "https://shop.example/cart", Body: `{"sku":"KL1"}`,
			Header: map[string][]string{"Content-Type": {"application/json"}, "Cookie": {"a=1", "b=2"}},
			From:   CaseOrigin{ukraine.Client, ukraine}, At: day,
			Want: []Expectation{
				{"verdict", "block"}, {"reason", "listed_country"}, {"rule", "sales"}, {"activity", "sale"}, {"product", "kaspersky"}, {"country", "UA"},
				{"client", "50.114.0.1"}, {"at", "2024-07-20T00:00:00-04:00"}, {"policy", "sha256:0"}, {"shadow", "sales, trial"},
			},
		},
		{
			Name: "by address", Line: 8, Column: 5, URL: "https://shop.example/", From: CaseOrigin{netip.MustParseAddr("66.50.0.1"), nil}, At: day.Add(-4 * time.Hour),
			Want: []Expectation{{"rule", ""}, {"activity", ""}, {"product", ""}, {"country", ""}, {"client", ""}, {"at", ""}, {"policy", ""}, {"shadow", ""}, {"notice", ""}},
		},
		{
			Name: "nowhere, and refused", Line: 13, Column: 5, URL: "https://shop.example/../", From: CaseOrigin{netip.Addr{}, &Origin{Source: "case"}}, At: day,
			Want: []Expectation{{FieldRejected, "400"}, {"country", ""}},
		},
	}
	if diff := cmp.Diff(want, cases, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestBadCases pins every message, as TestBadPolicies does.
func TestBadCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/bad-*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		_, _, err := ParseCases("cases.yaml", readCases(t, filepath.Base(file)), findForCases)
		problems, ok := errors.AsType[Problems](err)
		if !ok {
			t.Errorf("%s: error %v", file, err)
			continue
		}
		want := strings.TrimSuffix(file, ".yaml") + ".want"
		if *update {
			if err := os.WriteFile(want, []byte(err.Error()+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		wanted, err := os.ReadFile(want)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(wanted), problems.Error()+"\n"); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func TestCasesWithoutAPolicy(t *testing.T) {
	t.Parallel()
	missing := errors.New("there is none")
	if _, _, err := ParseCases("cases.yaml", readCases(t, "good.yaml"), func(string) (*Policy, error) { return nil, missing }); !errors.Is(err, missing) {
		t.Errorf("error %v", err)
	}
}

func TestRecordFields(t *testing.T) {
	t.Parallel()
	r := Record{"block", "listed_country", "sales", "sale", "kaspersky", "US", "50.114.0.1", "2024-07-20T00:00:00-04:00", "sha256:0", []string{"b", "a"}, "soon"}
	want := map[string]string{
		"verdict": "block", "reason": "listed_country", "rule": "sales", "activity": "sale", "product": "kaspersky", "country": "US",
		"client": "50.114.0.1", "at": "2024-07-20T00:00:00-04:00", "policy": "sha256:0", "shadow": "a, b", "notice": "soon",
	}
	if diff := cmp.Diff(want, r.Fields()); diff != "" {
		t.Error(diff)
	}
}

// FuzzCases: whatever a file holds, there is an error with a place in it, or cases that come from somewhere and want something.
func FuzzCases(f *testing.F) {
	files, err := filepath.Glob("testdata/cases/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	policy, err := findForCases("")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		cases, _, err := ParseCases("cases.yaml", src, func(string) (*Policy, error) { return policy, nil })
		if err != nil {
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("error %T %v", err, err)
			}
			return
		}
		for _, c := range cases {
			if len(c.Want) == 0 || c.From.Stated == nil && !c.From.IP.IsValid() {
				t.Errorf("%+v", c)
			}
		}
	})
}
