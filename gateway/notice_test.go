package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gate451/gateway/refusal"
	"gate451/rules"
)

func TestDisplayStrings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": `%""`, "plain; text, \\": `%"plain; text, \"`, "100% \"ß\"\r\n\x7f": `%"100%25 %22%c3%9f%22%0d%0a%7f"`, "\xff": `%"%ff"`,
	} {
		if got := displayString(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}

const steppedPolicy = `version: 1
time_zone: Europe/Berlin
activities: {sale: [{paths: [/cart]}]}
products: {a: [{all: true}], b: [{all: true}], c: [{all: true}], d: [{all: true}]}
titles: {b: "Bücher\nund mehr"}
rules:
  - {id: few, activity: sale, products: [a, b], countries: [US], notice_from: 2025-01-01, from: 2025-07-01T12:30, refusal: access}
  - {id: many, activity: sale, products: [a, b, c, d], countries: [CA], notice_from: 2025-01-01, from: 2025-07-01, refusal: update}
  - {id: some, activity: sale, countries: [US], rollout: 0.01%}
`

// TestNoticeNamesAFewProducts keeps the header short, and on one line whatever a product is called.
func TestNoticeNamesAFewProducts(t *testing.T) {
	t.Parallel()
	p, err := rules.Parse("policy.yaml", []byte(steppedPolicy))
	if err != nil {
		t.Fatal(err)
	}
	words, err := refusal.New(refusal.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for country, want := range map[string]string{
		"US": `"few"; from="2025-07-01T12:30:00+02:00"; text=%"From 1 July 2025, 12:30 CEST (UTC+02:00): For legal compliance purposes, a products and B%c3%bccher und mehr cannot be obtained from your country."`,
		"CA": `"many"; from="2025-07-01T00:00:00+02:00"; text=%"From 1 July 2025, 00:00 CEST (UTC+02:00): For legal compliance purposes, these products cannot be updated from your country."`,
		"DE": "",
	} {
		d := p.Decide(&rules.Request{Paths: []string{"/cart"}}, &rules.Origin{Country: rules.CountryOf(country), Client: netip.MustParseAddr("192.0.2.1")}, time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
		if country == "US" {
			const german = `"few"; from="2025-07-01T12:30:00+02:00"; lang="de"; text=%"Ab 1. Juli 2025, 12:30 Uhr CEST (UTC+02:00): Aus rechtlichen Gr%c3%bcnden k%c3%b6nnen Produkte von a und B%c3%bccher und mehr aus Ihrem Land nicht bezogen werden."`
			if got := noticeHeader(&d, p, words, http.Header{"Accept-Language": {"de-CH, fr;q=0.5"}}); got != german {
				t.Errorf("got %s, want %s", got, german)
			}
		}
		if got := noticeHeader(&d, p, words, nil); got != want {
			t.Errorf("%s: got %s, want %s", country, got, want)
		}
	}
}

func TestStepsTellHowRulesAreIntroduced(t *testing.T) {
	t.Parallel()
	e := explainer(t, steppedPolicy, "")
	account, err := e.Explain(Question{IP: netip.MustParseAddr("50.114.0.1"), URL: "https://shop.example/cart", At: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, step := range account.Steps() {
		got.WriteString(step.About + ": " + step.Text + "\n")
	}
	for _, want := range []string{
		"rule: few is not effective yet: from 2025-07-01T12:30:00+02:00; announced since 2025-01-01T00:00:00+01:00\n",
		"rule: some would block, but its rollout to 0.01% of clients has not reached this one: the rule lists the country; effective at all times\n",
		"shadow: some would block: listed_country\nnotice: \"few\"; from=\"2025-07-01T12:30:00+02:00\"; text=",
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is missing in\n%s", want, got.String())
		}
	}
	if record, err := account.Record(); err != nil || record.Notice != "few" || len(record.Shadow) != 1 {
		t.Errorf("%+v, %v", record, err)
	}
}
