package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// The keys of an element of an activity, of one of a product, and of a field.
var (
	activityKeys = []string{"all", "hosts", "paths", "preset", "base", "dialect", "fields", "when", "where", "cart"}
	productKeys  = []string{"all", "hosts", "paths", "skus", "catalogue", "query"}
	fieldKeys    = append(slices.Clone(fieldPlaces), "key", "split", "cut", "row", "cart", "hash")
)

// fieldPlaces are the parts of a request in which a product may be.
var fieldPlaces = []string{string(InQuery), string(InForm), string(InParam), string(InPath), string(InJSON), string(InGraphQL)}

// conditionPlaces are what a condition may be about.
var conditionPlaces = []string{string(InQuery), string(InForm), string(InParam), string(InJSON), string(InMethod)}

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
		if b, ok := all.(*ast.BoolNode); !ok || !b.Value {
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

// readFields reads the fields of an element, which may be about a cart that is asked for.
func (r *reader) readFields(n ast.Node, below string, cart bool) []Field {
	var fields []Field
	for _, element := range r.list(n, "fields") {
		f := r.readField(element, below, cart)
		if f.Name != "" && slices.Contains(fields, f) {
			r.fail(element, "the field stands twice in fields; leave one out")
		}
		fields = append(fields, f)
	}
	return sortFields(fields)
}

// readWhere reads the conditions of an element.
func (r *reader) readWhere(n ast.Node) []Condition {
	var all []Condition
	for _, element := range r.list(n, "where") {
		v := r.keys(element, "a condition", append(slices.Clone(conditionPlaces), "is"))
		given := slices.DeleteFunc(slices.Clone(conditionPlaces), func(place string) bool { return v[place] == nil })
		if len(given) != 1 {
			r.fail(element, "a condition is about exactly one parameter; give one of %s", strings.Join(conditionPlaces, ", "))
			continue
		}
		c := Condition{In: FieldPlace(given[0]), Name: r.printable(v, given[0]), Is: r.printable(v, "is")}
		if c.In == InMethod && v["is"] != nil {
			r.fail(v["is"], "is is given beside method; the method's name is all that there is to say")
		}
		if c.In == InJSON && c.Name != "" {
			if _, err := parseField(InJSON, c.Name, ""); err != nil {
				r.fail(v["json"], "%v", err)
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Condition) int { return bytes.Compare(marshal(a.text()), marshal(b.text())) })
	return slices.Compact(all)
}

// printable reads a text that a policy can be printed with; the key may be left out.
func (r *reader) printable(v map[string]ast.Node, key string) string {
	n, ok := v[key]
	if !ok {
		return ""
	}
	text, ok := r.text(n, key)
	if ok && !printable(text) {
		r.fail(n, "%s %q is empty or holds what cannot be printed; write it without, or leave it out", key, text)
	}
	return text
}

// sortFields sorts the fields and leaves out those that stand twice.
func sortFields(fields []Field) []Field {
	slices.SortFunc(fields, func(a, b Field) int { return bytes.Compare(marshal(a.text()), marshal(b.text())) })
	return slices.Compact(fields)
}

func (r *reader) readField(n ast.Node, below string, cart bool) (f Field) {
	v := r.keys(n, "a field", fieldKeys)
	places := slices.DeleteFunc(slices.Clone(fieldPlaces), func(place string) bool { return v[place] == nil })
	if len(places) != 1 {
		r.fail(n, "a field is in exactly one place; give one of %s", strings.Join(fieldPlaces, ", "))
		return f
	}
	name := v[places[0]]
	f.In = FieldPlace(places[0])
	if text, ok := r.text(name, places[0]); ok {
		var err error
		switch f.Name, err = parseField(f.In, text, below); {
		case err == nil:
		case cart && f.In == InGraphQL && printable(text) && !strings.Contains(text, "."):
			f.Name = text // the mutation itself
		default:
			r.fail(name, "%v", err)
		}
	}
	r.readRow(n, v, &f, cart)
	if key, ok := v["key"]; ok {
		f.Key = isTrue(key)
		parameter := f.In == InQuery || f.In == InForm || f.In == InParam || f.In == InJSON
		switch {
		case !f.Key:
			r.fail(key, "key can only be true; leave it out otherwise")
		case !parameter || !strings.Contains(f.Name, "*"):
			r.fail(key, "key: true is for the name of a parameter or a key of JSON, in which * stands for the product; write one such as {form: \"quantity[*]\", key: true}")
		}
	}
	f.Split, f.Cut = r.character(v, "split"), r.character(v, "cut")
	return f
}

// readRow reads what a field says that holds no product, but the key of a row or the id of a cart.
func (r *reader) readRow(n ast.Node, v map[string]ast.Node, f *Field, cart bool) {
	for key, value := range map[string]*bool{"row": &f.Row, "cart": &f.Cart} {
		switch n := v[key]; {
		case n == nil:
		case !isTrue(n):
			r.fail(n, "%s can only be true; leave it out otherwise", key)
		case !cart:
			r.fail(n, "%s: true is given where no cart is asked for; write cart: beside fields, with how the shop is asked", key)
		case f.In == InGraphQL && !strings.Contains(f.Name, "."):
			r.fail(n, "%s: true is given for a mutation without an argument, which has no value; write one such as adjustOrderLine.orderLineId", key)
		default:
			*value = true
		}
	}
	if f.Row && f.Cart {
		r.fail(n, "a field holds the key of a row and the id of a cart; write a field for each")
	}
	if hash, ok := v["hash"]; ok {
		f.Hash, _ = r.word(hash, "hash", []string{hashMD5})
		if v["row"] == nil {
			r.fail(hash, "hash is for the key of a row; write row: true beside it, or leave it out")
		}
	}
}

// hashMD5 is the one hash by which rows are known to be named.
const hashMD5 = "md5"

func isTrue(n ast.Node) bool {
	b, ok := n.(*ast.BoolNode)
	return ok && b.Value
}

// parseField checks the name of a field and returns it as carriers have it.
func parseField(in FieldPlace, text, below string) (string, error) {
	if !printable(text) {
		return "", fmt.Errorf("%s %q holds what cannot be printed; write it without", in, text)
	}
	switch in {
	case InPath:
		path, err := parseBelow(below, text)
		if err == nil && !hasStar(path) {
			return "", fmt.Errorf("path %q holds no * for the product; write one such as /product/*/buy", text)
		}
		return path, err
	case InGraphQL:
		if parts := strings.Split(text, "."); len(parts) < 2 || slices.Contains(parts, "") {
			return "", fmt.Errorf("graphql %q is no argument of a field; write one such as addItemToOrder.productVariantId", text)
		}
	case InJSON:
		// What other readers of such paths take for a condition would here be a key that no request has.
		if strings.Contains(text, "#(") || slices.Contains(strings.Split(text, "."), "") {
			return "", fmt.Errorf("json %q is no path of keys; write one such as items.#.id, with # for every element of a list and * for any key", text)
		}
	}
	return text, nil
}

// hasStar reports whether * is in a segment of the path that is not **.
func hasStar(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(segment string) bool { return segment != "**" && strings.Contains(segment, "*") })
}

// printable reports whether the text is one that a policy can be printed with: not empty, and without control characters.
func printable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\ufeff' || r == utf8.RuneError })
}

// character reads a text of one character; the key may be left out.
func (r *reader) character(v map[string]ast.Node, key string) string {
	n, ok := v[key]
	if !ok {
		return ""
	}
	text, ok := r.text(n, key)
	if ok && (utf8.RuneCountInString(text) != 1 || !printable(text)) {
		r.fail(n, "%s cannot be %q; expected one character, such as \",\"", key, text)
	}
	return text
}

func (l *loader) readSKUs(n ast.Node) []string {
	var skus []string
	l.texts(n, "skus", func(n ast.Node, text string) {
		sku := foldText(text)
		if !printable(sku) {
			l.fail(n, "SKU %q is blank or holds what cannot be printed; write it as the shop does, with * for any part of it", text)
		}
		skus = append(skus, sku)
	})
	slices.Sort(skus)
	return slices.Compact(skus)
}

// readNamed reads patterns by the names of columns or parameters. Names are compared as canonical returns them.
func (l *loader) readNamed(n ast.Node, what string, canonical func(string) string) []named {
	if n == nil {
		return nil
	}
	pairs, ok := l.pairs(n, what)
	if ok && len(pairs) == 0 {
		l.fail(n, "%s is empty; write a name with a pattern, such as {vendor: \"Kaspersky*\"}, or leave the key out", what)
	}
	var all []named
	for _, p := range pairs {
		one := named{name: canonical(p.key)}
		switch {
		case !printable(one.name):
			l.fail(p.name, "%q in %s is blank or holds what cannot be printed; write the name as it is there", p.key, what)
		case slices.ContainsFunc(all, func(other named) bool { return other.name == one.name }):
			l.fail(p.name, "%q stands twice in %s under another spelling; leave one out, and write several patterns as a list", p.key, what)
		}
		each := func(n ast.Node, text string) {
			pattern := foldText(text)
			if !printable(pattern) {
				l.fail(n, "%s %q is blank or holds what cannot be printed; write a value, with * for any part of it", p.key, text)
			}
			one.patterns = append(one.patterns, pattern)
		}
		if _, several := p.value.(*ast.SequenceNode); several {
			l.texts(p.value, p.key, each)
		} else if text, ok := l.text(p.value, p.key); ok {
			each(p.value, text)
		}
		slices.Sort(one.patterns)
		one.patterns = slices.Compact(one.patterns)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return all
}

// readCatalogues reads the names of the files that say which ids are which goods'.
func (l *loader) readCatalogues(n ast.Node) []string {
	var files []string
	l.texts(n, "catalogues", func(n ast.Node, text string) {
		if !printable(text) {
			l.fail(n, "catalogue %q holds what cannot be printed; name a file, such as goods.csv", text)
		}
		files = append(files, text)
	})
	slices.Sort(files)
	return files
}

// checkCatalogues finds what is asked of a catalogue where none is named.
func (l *loader) checkCatalogues() {
	for _, n := range l.stocked {
		if len(l.catalogues) == 0 {
			l.fail(n, "catalogue is given, and the policy names no file of goods; add one, such as catalogues: [goods.csv]")
		}
	}
}

// warnOfSKUs points at products that no request can be found to carry.
func (l *loader) warnOfSKUs() {
	for _, selectors := range l.activities {
		if slices.ContainsFunc(selectors, func(s selector) bool { return len(s.fields) > 0 || s.cart != nil }) {
			return
		}
	}
	for _, product := range names(l.unread) {
		l.warn(l.unread[product], "no activity carries the SKUs of %s; say under activities in which fields they are, or name a preset that does", product)
	}
}
