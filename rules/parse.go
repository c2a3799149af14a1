package rules

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gaissmai/bart"
	"github.com/goccy/go-yaml/ast"
)

// Parse reads a policy in its YAML form. The file name is used in messages only. An error is of type Problems:
// all that is wrong in the file, each with its place and with what would be right.
func Parse(file string, src []byte) (*Policy, error) {
	l := loader{
		reader:        reader{file: file},
		jurisdictions: builtInJurisdictions(),
		activities:    make(map[string][]selector),
		products:      make(map[string][]selector),
		titles:        make(map[string]string),
		defaults:      defaultSettings,
		ids:           make(map[string]Problem),
	}
	if root := l.root(src); root != nil {
		l.policy(root)
	}
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	return l.compile(), nil
}

// loader gathers what a policy and its packs say.
type loader struct {
	reader
	zone          *time.Location
	jurisdictions map[string][]string
	activities    map[string][]selector
	products      map[string][]selector
	titles        map[string]string
	defaults      Settings
	rules         []*Rule
	ids           map[string]Problem // where an id stands

	pack     string          // the pack being read, if any
	optional map[string]bool // products that this pack may name without the store defining them
}

var policyKeys = []string{"version", "time_zone", "packs", "activities", "products", "titles", "rules", "defaults", "jurisdictions"}

// policy reads the top level, in the order in which its parts refer to one another.
func (l *loader) policy(root ast.Node) {
	v := l.keys(root, "the policy", policyKeys, "version")
	if n, ok := v["version"]; ok {
		l.word(n, "version", []string{"1"})
	}
	if n, ok := v["time_zone"]; ok {
		l.zone = l.timeZone(n)
	}
	if n, ok := v["jurisdictions"]; ok {
		l.readJurisdictions(n)
	}
	if n, ok := v["activities"]; ok {
		l.readSelectors(n, "activities", l.activities)
	}
	if n, ok := v["products"]; ok {
		l.readSelectors(n, "products", l.products)
	}
	if n, ok := v["defaults"]; ok {
		l.readSettings(l.keys(n, "defaults", settingKeys()), &l.defaults)
	}
	l.texts(v["packs"], "packs", l.readPack)
	if n, ok := v["titles"]; ok {
		l.readTitles(n)
	}
	for _, n := range l.list(v["rules"], "rules") {
		l.readRule(n)
	}
}

func (l *loader) timeZone(n ast.Node) *time.Location {
	name, ok := l.text(n, "time_zone")
	if !ok {
		return time.UTC
	}
	zone, err := ParseZone(name)
	if err != nil {
		l.fail(n, "%v", err)
		return time.UTC // so that dates are not reported as well
	}
	return zone
}

// name checks the name of something that the policy defines.
func (l *loader) name(p pair, what string) bool {
	if !namePattern.MatchString(p.key) {
		l.fail(p.name, "%q cannot name %s; use letters, digits, and . _ - between them", p.key, what)
		return false
	}
	return true
}

func (l *loader) readJurisdictions(n ast.Node) {
	builtIn := builtInJurisdictions()
	pairs, _ := l.pairs(n, "jurisdictions")
	for _, p := range pairs {
		if builtIn[strings.ToLower(p.key)] != nil || len(p.key) == 2 || subdivisionCode.MatchString(p.key) {
			l.fail(p.name, "%q is built in or reads as a code; choose another name for the jurisdiction", p.key)
			continue
		}
		if l.name(p, "a jurisdiction") {
			l.jurisdictions[strings.ToLower(p.key)] = l.places(p.value, "jurisdiction "+p.key, builtIn)
		}
	}
}

// places reads a list of countries, subdivisions and jurisdictions and returns the codes, sorted.
func (l *loader) places(n ast.Node, what string, jurisdictions map[string][]string) []string {
	codes := []string{}
	l.texts(n, what, func(n ast.Node, text string) {
		place, err := parsePlace(text, jurisdictions)
		if err != nil {
			l.fail(n, "%v", err)
		}
		codes = append(codes, place...)
	})
	slices.Sort(codes)
	return slices.Compact(codes)
}

// readSelectors reads the activities or the products.
func (l *loader) readSelectors(n ast.Node, what string, into map[string][]selector) {
	pairs, _ := l.pairs(n, what)
	for _, p := range pairs {
		if !l.name(p, "one of the "+what) {
			continue
		}
		into[p.key] = []selector{}
		for _, element := range l.list(p.value, p.key+" of "+what) {
			into[p.key] = append(into[p.key], l.selector(element, p.key+" of "+what))
		}
	}
}

func (l *loader) selector(n ast.Node, what string) (s selector) {
	v := l.keys(n, what, []string{"all", "hosts", "paths"})
	all, everything := v["all"]
	switch {
	case len(v) == 0:
		l.fail(n, "%s selects nothing; give hosts, paths, both, or all: true", what)
	case everything && len(v) > 1:
		l.fail(all, "all: true is given beside hosts or paths in %s; leave one out", what)
	case everything:
		if b, ok := all.(*ast.BoolNode); !ok || !b.Value {
			l.fail(all, "all can only be true; leave it out otherwise")
		}
	}
	l.texts(v["hosts"], "hosts", func(n ast.Node, text string) {
		host, err := parseHost(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		s.hosts = append(s.hosts, host)
	})
	l.texts(v["paths"], "paths", func(n ast.Node, text string) {
		path, err := parsePath(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		s.paths = append(s.paths, path)
	})
	slices.Sort(s.hosts)
	slices.Sort(s.paths)
	return s
}

func settingKeys() []string {
	keys := make([]string, len(settings))
	for i, s := range settings {
		keys[i] = s.key
	}
	return keys
}

func (l *loader) readSettings(v map[string]ast.Node, into *Settings) {
	for _, s := range settings {
		n, ok := v[s.key]
		if !ok {
			continue
		}
		known := make([]string, len(s.values))
		for i, value := range s.values {
			known[i] = string(value)
		}
		if word, ok := l.word(n, s.key, known); ok {
			*s.of(into) = Setting(word)
		}
	}
}

func (l *loader) readTitles(n ast.Node) {
	pairs, _ := l.pairs(n, "titles")
	for _, p := range pairs {
		if _, ok := l.products[p.key]; !ok {
			l.fail(p.name, "unknown product %q; %s", p.key, instead(p.key, names(l.products)))
			continue
		}
		if title, ok := l.text(p.value, "the title of "+p.key); ok {
			l.titles[p.key] = title
		}
	}
}

// readPack adds the rules of a pack that the policy names at n.
func (l *loader) readPack(n ast.Node, name string) {
	text, ok := PackText(name)
	if !ok {
		l.fail(n, "unknown pack %q; %s", name, instead(name, Packs()))
		return
	}
	in := *l
	in.reader = reader{file: name + ".yaml"}
	in.pack, in.optional, in.rules = name, make(map[string]bool), nil
	v := in.keys(in.root(text), "a pack", []string{"pack", "title", "time_zone", "products", "rules"})
	in.zone = in.timeZone(v["time_zone"])
	pairs, _ := in.pairs(v["products"], "products")
	for _, p := range pairs {
		about := in.keys(p.value, "a product of a pack", []string{"title", "optional"}, "title")
		in.titles[p.key], _ = in.text(about["title"], "title")
		_, optional := about["optional"]
		in.optional[p.key] = optional
		if _, defined := in.products[p.key]; !defined && !optional {
			l.fail(n, "pack %s is about product %q, which is not defined; define it under products, with all: true if the store sells nothing else", name, p.key)
			return
		}
	}
	for _, rule := range in.list(v["rules"], "rules") {
		in.readRule(rule)
	}
	l.problems = append(l.problems, in.problems...)
	for _, rule := range in.rules {
		if _, ok := l.activities[rule.Activity]; ok {
			l.rules = append(l.rules, rule)
			continue
		}
		l.warn(n, "rule %s is left out, because activity %s is not defined; define it under activities if this gateway does it", rule.ID, rule.Activity)
	}
}

var ruleKeys = append([]string{"id", "activity", "products", "countries", "from", "until", "mode", "refusal", "except", "basis"}, settingKeys()...)

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
	v := l.keys(n, "an exception", []string{"networks", "products", "until", "note"})
	var x Exception
	l.texts(v["networks"], "networks", func(n ast.Node, text string) {
		prefix, err := parseNetwork(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		x.Networks = append(x.Networks, prefix)
	})
	products, named := v["products"]
	if x.Products = l.productNames(products); named && len(x.Products) == 0 {
		return // all of them are optional ones, which this store does not sell, or wrong
	}
	if _, networks := v["networks"]; !networks && !named {
		l.fail(n, "the exception names nobody; give networks or products")
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
		b.URL, ok = l.text(link, "url")
		u, err := url.Parse(b.URL)
		if ok && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
			l.fail(link, "%q is no web address; expected one such as https://www.federalregister.gov/d/2024-13532", b.URL)
		}
	}
	return b
}
