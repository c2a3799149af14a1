package catalogue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gate451/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const policyText = `version: 1
catalogues: [goods]
activities: {sale: [{paths: [/cart], fields: [{query: id}]}]}
products:
  kaspersky: [{catalogue: {vendor: "Kaspersky*"}}]
  knives: [{catalogue: {brand: Acme*}}]
rules: [{id: all, activity: sale, products: [kaspersky, knives], countries: [DE]}]
`

func newPolicy(tb testing.TB, text string) *rules.Policy {
	tb.Helper()
	p, err := rules.Parse("policy.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// belongings returns, for each id, of which products it is and where that stands.
func belongings(t *testing.T, p *rules.Policy, ids ...string) map[string]string {
	t.Helper()
	req := &rules.Request{Host: "shop.example", Paths: []string{"/cart"}, Carried: []rules.Carried{{Present: true, IDs: ids}}}
	all := map[string]string{}
	for _, b := range p.Explain(req, &rules.Origin{Country: rules.CountryOf("DE")}, time.Unix(0, 0)).Readings[0].Belongings {
		all[b.ID] = strings.TrimPrefix(fmt.Sprintf("%s,%s:%d:%d", all[b.ID], b.Product, b.Good.Line, b.Member.Line), ",")
	}
	return all
}
