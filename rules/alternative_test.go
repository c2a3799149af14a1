package rules

import (
	"slices"
	"testing"
)

func TestAlternatives(t *testing.T) {
	t.Parallel()
	p := parse(t, `version: 1
activities: {sale: [{paths: [/cart]}]}
rules:
  - id: a
    activity: sale
    countries: [DE]
    alternatives:
      - {title: Others, url: "https://shop.example/others?a=b&c"}
      - {title: More, url: "http://shop.example"}
  - {id: b, activity: sale, countries: [FR]}
`)
	want := []Alternative{{"Others", "https://shop.example/others?a=b&c"}, {"More", "http://shop.example"}}
	if got := p.Rules()[0].Alternatives; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := p.Rules()[1].Alternatives; got != nil {
		t.Errorf("a rule without any has %v", got)
	}
	if again := parse(t, string(p.Text())); again.Digest() != p.Digest() || !slices.Equal(again.Rules()[0].Alternatives, want) {
		t.Errorf("the policy reads back differently:\n%s\n%s", p.Text(), again.Text())
	}
}
