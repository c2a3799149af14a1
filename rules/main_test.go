package rules

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a policy such as the README shows.
const shop = `
version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale:
    - {hosts: [shop.example], paths: [/cart, /checkout, /buy]}
  update:
    - {hosts: [updates.example], paths: [/updates]}
products:
  kaspersky: [{all: true}]
  kaspersky-training: [{paths: [/buy/kaspersky-training]}]
`

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func from(code string) *Origin { return &Origin{Client: addr("192.0.2.1"), Country: CountryOf(code)} }
