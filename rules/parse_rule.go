package rules

import (
	"net/netip"
	"slices"
	"time"

	"github.com/gaissmai/bart"
	"github.com/goccy/go-yaml/ast"
)

var ruleKeys = append([]string{"id", "activity", "products", "countries", "from", "until", "notice_from", "mode", "rollout", "refusal", "except", "basis", "alternatives"}, settingKeys()...)

// refusals are the sentences that a refused buyer can be told.
var refusals = []string{"purchase", "update", "access"}

func (l *loader) readRule(n ast.Node) {
	v := l.keys(n, "a rule", ruleKeys, "id", "activity", "countries")
	rule := &Rule{Mode: Enforce, Settings: l.defaults}
	if id, ok := v["id"]; ok {
		rule.ID = l.ruleID(id)
	}
	if activity, ok := v["activity"]; ok {
		rule.Activity = l.activity(activity)
	}
	rule.Refusal = defaultRefusal(rule.Activity)
	rule.Products = l.productNames(v["products"])
	if countries, ok := v["countries"]; ok {
		rule.Countries = l.places(countries, "countries", l.jurisdictions)
		l.warnOfTerritories(countries, rule)
	}
	rule.Effective = l.interval(v)
	if mode, ok := v["mode"]; ok {
		word, _ := l.word(mode, "mode", []string{string(Enforce), string(Shadow)})
		rule.Mode = Mode(word)
	}
	l.readSteps(v, rule)
	if refusal, ok := v["refusal"]; ok {
		rule.Refusal, _ = l.word(refusal, "refusal", refusals)
	}
	l.readSettings(v, &rule.Settings)
	for _, element := range l.list(v["except"], "except") {
		l.readException(element, rule)
	}
	if basis, ok := v["basis"]; ok {
		rule.Basis = l.basis(basis)
	}
	if alternatives, ok := v["alternatives"]; ok {
		rule.Alternatives = l.alternatives(alternatives)
	}
	l.rules = append(l.rules, rule)
}

func defaultRefusal(activity string) string {
	switch activity {
	case "sale":
		return "purchase"
	case "update":
		return "update"
	}
	return "access"
}

func (l *loader) ruleID(n ast.Node) string {
	id, ok := l.text(n, "id")
	if !ok {
		return ""
	}
	if !idPattern.MatchString(id) {
		l.fail(n, "%q cannot be a rule's id; use letters, digits, and . _ - / between them", id)
	}
	if l.pack != "" {
		id = l.pack + "/" + id
	}
	if other, taken := l.ids[id]; taken {
		l.fail(n, "rule id %q is taken by %s:%d; choose another", id, other.File, other.Line)
	}
	l.ids[id] = l.at(n, "")
	return id
}

// activity reads the activity of a rule. A pack may be about one that this gateway does not do.
func (l *loader) activity(n ast.Node) string {
	name, ok := l.text(n, "activity")
	if _, known := l.activities[name]; ok && !known && l.pack == "" {
		l.fail(n, "unknown activity %q; %s", name, instead(name, names(l.activities)))
	}
	return name
}

// productNames reads a list of products. A pack's optional ones that the store does not define are left
// out.
func (l *loader) productNames(n ast.Node) []string {
	var products []string
	l.texts(n, "products", func(n ast.Node, name string) {
		if _, known := l.products[name]; known {
			products = append(products, name)
		} else if !l.optional[name] {
			l.fail(n, "unknown product %q; %s", name, instead(name, names(l.products)))
		}
	})
	slices.Sort(products)
	return products
}

// warnOfTerritories points at the commonest mistake: to the law Puerto Rico is the United States, to ISO 3166 it
// is not.
func (l *loader) warnOfTerritories(n ast.Node, rule *Rule) {
	if missing := missingTerritories(rule.Countries); slices.Contains(rule.Countries, "US") && len(missing) > 0 {
		l.warn(n, "the rule names US without %v, which are the United States to its law; write us-jurisdiction to cover them", missing)
	}
}

func (l *loader) interval(v map[string]ast.Node) (i Interval) {
	from, hasFrom := v["from"]
	if hasFrom {
		i.From = l.instant(from, "from")
	}
	until, hasUntil := v["until"]
	if !hasUntil {
		return i
	}
	i.Until = l.instant(until, "until")
	if hasFrom && !i.From.IsZero() && !i.Until.IsZero() && !i.From.Before(i.Until) {
		l.fail(until, "the rule is never effective: until is not after from; exchange them or leave until out")
	}
	return i
}

func (l *loader) instant(n ast.Node, what string) time.Time {
	text, ok := l.text(n, what)
	if !ok {
		return time.Time{}
	}
	at, err := ParseInstant(text, l.zone)
	if err != nil {
		l.fail(n, "%s: %v", what, err)
	}
	return at
}

func (l *loader) readException(n ast.Node, rule *Rule) {
	v := l.keys(n, "an exception", exceptionKeys)
	var x Exception
	l.texts(v["networks"], "networks", func(n ast.Node, text string) {
		prefix, err := parseNetwork(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		x.Networks = append(x.Networks, prefix)
	})
	x.Paths, x.Tokens = l.exceptedPaths(v["paths"]), l.tokens(v["tokens"])
	products, named := v["products"]
	if x.Products = l.productNames(products); named && len(x.Products) == 0 {
		return // all of them are optional ones, which this store does not sell, or wrong
	}
	if v["networks"] == nil && v["paths"] == nil && v["tokens"] == nil && !named {
		l.fail(n, "the exception names nobody; give networks, products, paths or tokens")
	}
	if until, ok := v["until"]; ok {
		x.Until = l.instant(until, "until")
	}
	if note, ok := v["note"]; ok {
		x.Note, _ = l.text(note, "note")
	}
	slices.SortFunc(x.Networks, netip.Prefix.Compare)
	if len(x.Networks) > 0 {
		x.networks = new(bart.Lite)
		for _, prefix := range x.Networks {
			x.networks.Insert(prefix)
		}
	}
	rule.Exceptions = append(rule.Exceptions, x)
}

func (l *loader) basis(n ast.Node) (b Basis) {
	v := l.keys(n, "basis", []string{"title", "url"}, "title")
	if title, ok := v["title"]; ok {
		b.Title, _ = l.text(title, "title")
	}
	if link, ok := v["url"]; ok {
		b.URL = l.webAddress(link, "https://www.federalregister.gov/d/2024-13532")
	}
	return b
}
