package rules

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

// The keys of an element of an activity, and of one of a product.
var (
	activityKeys = []string{"all", "hosts", "paths", "preset", "base", "dialect", "fields", "when", "where", "cart"}
	productKeys  = []string{"all", "hosts", "paths", "skus", "catalogue", "query"}
)

// dialects are the languages that shops are written in, as far as they read differently.
var dialects = []string{string(Exact), string(PHP), string(Node), string(Python)}

// whenCarried is the word for: a request is one of the activity only if it carries something.
const whenCarried = "carried"

// selectors reads an element of an activity or a product. One that names a preset may stand for several.
func (l *loader) selectors(n ast.Node, name, what string, known []string) []selector {
	what = name + " of " + what
	v := l.keys(n, what, known)
	l.checkElement(n, v, what)
	var hosts []string
	l.texts(v["hosts"], "hosts", func(n ast.Node, text string) {
		host, err := parseHost(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		hosts = append(hosts, host)
	})
	slices.Sort(hosts)
	s := l.element(v, what, "")
	s.skus = l.readSKUs(v["skus"])
	s.query = l.readNamed(v["query"], "query", paramName)
	s.catalogue = l.readNamed(v["catalogue"], "catalogue", Column)
	if n := v["catalogue"]; n != nil {
		s.at = l.at(n, "")
		l.stocked = append(l.stocked, n)
	}
	for _, key := range []string{"skus", "catalogue"} {
		if v[key] != nil && l.unread[name] == nil {
			l.unread[name] = v[key]
		}
	}
	all := []selector{s}
	if v["preset"] != nil {
		all = l.readPreset(v["preset"], v["base"], name, s.fields)
	}
	for i := range all {
		all[i].hosts = hosts
	}
	return all
}

// checkElement checks which keys stand beside which.
func (l *loader) checkElement(n ast.Node, v map[string]ast.Node, what string) {
	given := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return v[key] != nil })
	}
	all, preset, base := v["all"], v["preset"], v["base"]
	switch {
	case all != nil && given("hosts", "paths", "preset", "base", "skus", "catalogue", "query"):
		l.fail(all, "all: true is given beside hosts, paths or skus in %s; leave one out", what)
	case v["skus"] != nil && given("catalogue", "query"), v["catalogue"] != nil && v["query"] != nil:
		l.fail(n, "%s has more than one of skus, catalogue and query; write an element for each, because any of a product's elements is enough", what)
	case preset != nil && v["paths"] != nil:
		l.fail(preset, "preset is given beside paths in %s; write two elements, one with each", what)
	case base != nil && preset == nil:
		l.fail(base, "base is given without preset in %s; write it in front of the paths, or name a preset", what)
	case all != nil:
		if !isTrue(all) {
			l.fail(all, "all can only be true; leave it out otherwise")
		}
	case given("fields", "cart") && !given("hosts", "paths", "preset", "when"):
		l.fail(n, "%s takes every request for one that carries a product; give hosts, paths, both, or when: carried", what)
	case !given("hosts", "paths", "preset", "skus", "catalogue", "query", "fields", "cart"):
		l.fail(n, "%s selects nothing; give hosts, paths, both, or all: true", what)
	}
	for _, key := range []string{"dialect", "when", "where", "cart"} {
		if v[key] != nil && preset != nil {
			l.fail(v[key], "%s is given beside preset in %s; leave it out, because the preset says it", key, what)
		}
	}
}

// element reads what elements of activities and of presets have in common; paths are below another.
func (r *reader) element(v map[string]ast.Node, what, below string) (s selector) {
	r.texts(v["paths"], "paths", func(n ast.Node, text string) {
		path, err := parseBelow(below, text)
		if err != nil {
			r.fail(n, "%v", err)
		}
		s.paths = append(s.paths, path)
	})
	slices.Sort(s.paths)
	if n, ok := v["cart"]; ok {
		s.cart = r.readCart(n, below)
	}
	s.fields = r.readFields(v["fields"], below, s.cart != nil)
	for _, key := range []string{"dialect", "when"} {
		if v[key] != nil && v["fields"] == nil && v["cart"] == nil && v["preset"] == nil {
			r.fail(v[key], "%s is given without fields in %s; say in which fields a product is carried, or leave it out", key, what)
		}
	}
	if v["fields"] != nil || s.cart != nil {
		s.dialect = Exact
	}
	if n, ok := v["dialect"]; ok {
		word, _ := r.word(n, "dialect", dialects)
		s.dialect = Dialect(word)
	}
	if n, ok := v["when"]; ok {
		word, _ := r.word(n, "when", []string{whenCarried})
		s.carried = word != ""
	}
	if n, ok := v["where"]; ok {
		s.where = r.readWhere(n)
		if !s.carried && v["preset"] == nil {
			r.fail(n, "where is given without when: carried in %s; write that beside it, because only what meets the conditions is of the activity", what)
		}
	}
	r.checkCart(v, &s, what)
	return s
}

// parseBelow reads a path pattern that is below another, which ends in no slash.
func parseBelow(below, text string) (string, error) {
	if _, err := parsePath(text); err != nil {
		return "", err
	}
	return parsePath(below + text)
}
