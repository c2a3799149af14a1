package canonical

import (
	"strings"
	"testing"
	"time"

	"gate451/rules"
)

// TestNoDisguiseIsExempt tries to be taken for a path that a rule excepts while asking for another. What is exempt every model of
// a program must read as within the excepted path, however it is written; the models share nothing with the readings.
func TestNoDisguiseIsExempt(t *testing.T) {
	t.Parallel()
	policy, err := rules.Parse("policy.yaml", []byte(`version: 1
activities: {sale: [{hosts: [shop.example]}]}
rules: [{id: a, activity: sale, countries: [US], except: [{paths: [/free]}]}]
`))
	if err != nil {
		t.Fatal(err)
	}
	from := &rules.Origin{Country: rules.CountryOf("US")}
	exempt, refused := map[bool]int{}, 0
	try := func(target string) {
		out := rules.Request{}
		if ReadTarget("GET", target, "shop.example", &out) != nil {
			refused++
			return
		}
		d := policy.Decide(&out, from, time.Time{})
		if exempt[d.Verdict == rules.Allow]++; d.Verdict == rules.Block {
			return
		}
		if d.Reason != rules.ReasonExempt {
			t.Errorf("%q passes because of %v", target, d.Reason)
		}
		raw, _, _ := strings.Cut(target, "?")
		for name, model := range models {
			for _, path := range model(raw) {
				first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
				if !strings.EqualFold(first, "free") {
					t.Errorf("%q is exempt, and %s reads it as %q", target, name, path)
				}
			}
		}
	}
	for _, honest := range []string{"/free", "/free/", "/Free/x", "/free/x?y=/cart", "/%66ree/caf%C3%A9", "/free/a.b"} {
		before := exempt[true]
		if try(honest); exempt[true] == before {
			t.Errorf("%s is not exempt", honest)
		}
	}
	for _, first := range odds {
		for _, second := range odds {
			try("/free" + first + second + "cart")
			try("/cart" + first + second + "free")
			try("/free/" + first + second + "/" + first + "cart")
			try("/" + first + "free" + second + "/../cart")
		}
	}
	for _, row := range readRows(t) {
		if strings.HasPrefix(row.Target, "/") {
			for _, before := range []string{"/free", "/free/..", "/free/%2e%2e", "/free%2f..", "/free/..;x", `/free\..`, "/free//..", "/free/.", "/free;", "/free%00"} {
				try(before + row.Target)
			}
		}
	}
	t.Logf("%d targets were exempt, %d not, %d refused", exempt[true], exempt[false], refused)
	if exempt[true] < 100 || exempt[false] < 1000 {
		t.Error("the targets are not what they are meant to be")
	}
}
