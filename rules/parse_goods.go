package rules

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

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
