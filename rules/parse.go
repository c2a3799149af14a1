package rules

import (
	"io/fs"
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
		presets:       presetFiles,
		unread:        make(map[string]ast.Node),
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
	presets       fs.FS
	unread        map[string]ast.Node // where a product's SKUs stand
	catalogues    []string
	stocked       []ast.Node // where something is asked of a catalogue
	divided       []divided

	pack     string          // the pack being read, if any
	optional map[string]bool // products that this pack may name without the store defining them
}

var policyKeys = []string{"version", "time_zone", "packs", "catalogues", "activities", "products", "titles", "rules", "defaults", "jurisdictions"}

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
	l.catalogues = l.readCatalogues(v["catalogues"])
	if n, ok := v["products"]; ok {
		l.readSelectors(n, "products", productKeys, l.products)
	}
	l.checkCatalogues()
	l.warnOfSKUs()
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
		if builtIn[strings.ToLower(p.key)] != nil || len(p.key) == 2 || subdivisionCode.MatchString(strings.ToUpper(p.key)) {
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
	var parts []divided
	l.texts(n, what, func(n ast.Node, text string) {
		place, doubt, err := parsePlace(text, jurisdictions)
		switch {
		case err != nil:
			l.fail(n, "%v", err)
			return
		case doubt != "":
			l.warn(n, "%s", doubt)
		}
		parts = append(parts, l.divide(n, text, place))
		codes = append(codes, place...)
	})
	slices.Sort(codes)
	l.needParts(parts, codes)
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
			into[p.key] = append(into[p.key], l.selectors(element, p.key, what, known)...)
		}
	}
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
