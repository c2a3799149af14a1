package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Parse reads a policy in its YAML form. The file name is used in messages only. An error is of type Problems:
// all that is wrong in the file, each with its place and with what would be right.
func Parse(file string, src []byte) (*Policy, error) {
	l := newLoader(file)
	if root := l.root(src); root != nil {
		l.policy(root)
	}
	if len(l.problems) > 0 {
		return nil, l.problems.sorted()
	}
	return l.compile(), nil
}

func newLoader(file string) *loader {
	return &loader{
		reader:        reader{file: file},
		jurisdictions: builtInJurisdictions(),
		activities:    make(map[string][]selector),
		products:      make(map[string][]selector),
		titles:        make(map[string]string),
		defaults:      defaultSettings,
		ids:           make(map[string]Problem),
	}
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

// The keys of an element of an activity, and of a product.
var (
	activityKeys = []string{"all", "hosts", "paths", "preset", "base"}
	productKeys  = []string{"all", "hosts", "paths"}
)

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
		l.readSelectors(n, "activities", activityKeys, l.activities)
	}
	if n, ok := v["products"]; ok {
		l.readSelectors(n, "products", productKeys, l.products)
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

// readSelectors reads the activities or the products, whose elements have the given keys.
func (l *loader) readSelectors(n ast.Node, what string, known []string, into map[string][]selector) {
	pairs, _ := l.pairs(n, what)
	for _, p := range pairs {
		if !l.name(p, "one of the "+what) {
			continue
		}
		into[p.key] = []selector{}
		for _, element := range l.list(p.value, p.key+" of "+what) {
			into[p.key] = append(into[p.key], l.selector(element, p.key, what, known))
		}
	}
}

func (l *loader) selector(n ast.Node, name, what string, known []string) (s selector) {
	what = name + " of " + what
	v := l.keys(n, what, known)
	all, everything := v["all"]
	preset, base := v["preset"], v["base"]
	switch {
	case len(v) == 0:
		l.fail(n, "%s selects nothing; give hosts, paths, both, or all: true", what)
	case everything && len(v) > 1:
		l.fail(all, "all: true is given beside hosts or paths in %s; leave one out", what)
	case preset != nil && v["paths"] != nil:
		l.fail(preset, "preset is given beside paths in %s; write two elements, one with each", what)
	case base != nil && preset == nil:
		l.fail(base, "base is given without preset in %s; write it in front of the paths, or name a preset", what)
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
	if preset != nil {
		s.paths = append(s.paths, l.readPreset(preset, base, name)...)
	}
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
