package rules

import (
	"embed"

	"github.com/goccy/go-yaml/ast"
)

//go:embed packs/*.yaml
var packFiles embed.FS

// Packs returns the names of the packs that are shipped with the program, sorted.
func Packs() []string { return embedded(packFiles, "packs") }

// PackText returns the YAML text of a pack; ok is false if there is no such pack.
func PackText(name string) (text []byte, ok bool) {
	text, err := packFiles.ReadFile("packs/" + name + ".yaml")
	return text, err == nil
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
