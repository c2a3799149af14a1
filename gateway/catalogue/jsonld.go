package catalogue

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"gate451/rules"
)

// linked reads goods in JSON-LD, schema.org's Product and ProductGroup wherever they stand in an entry.
type linked struct {
	rows    *rows
	d       *document
	parents map[string]string // by @id: the group whose hasVariant refers to it
	waiting []waiting
}

// waiting is a good that a group may yet refer to.
type waiting struct {
	good         rules.Good
	ref          string
	line, column int
}

const deepest = 50

// entry reads one entry.
func (l *linked) entry() error {
	var value any
	if err := l.d.decode(&value); err != nil {
		return err
	}
	return l.take(value, "", 0)
}

// take takes the goods in a value; the parent is that of variants.
func (l *linked) take(value any, parent string, depth int) error {
	if depth > deepest {
		return errors.New("the document is nested too deeply; goods stand at most a few levels deep")
	}
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			if err := l.take(one, parent, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		if isGood(value) || parent != "" {
			return l.good(value, parent, depth)
		}
		for _, key := range []string{"@graph", "itemListElement", "item", "mainEntity", "itemOffered"} {
			if err := l.take(value[key], "", depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// isGood reports whether an object is one of the types that goods have.
func isGood(object map[string]any) bool {
	return slices.ContainsFunc(textsOf(object["@type"]), func(kind string) bool {
		kind = kind[strings.LastIndexAny(kind, "/:")+1:]
		return strings.HasPrefix(kind, "Product") || kind == "IndividualProduct" || kind == "SomeProducts" || kind == "Vehicle"
	})
}

// good takes one good, and its variants.
func (l *linked) good(object map[string]any, parent string, depth int) error {
	line, column := l.d.in.line, int(l.d.in.passed-l.d.in.start)+1
	ref, _ := object["@id"].(string)
	if parent != "" && ref != "" && len(object) == 1 {
		l.parents[ref] = parent // it stands elsewhere
		return nil
	}
	r := l.rows
	r.begin(line)
	for _, key := range []string{"productGroupID", "productID", "sku", "mpn", "gtin", "gtin8", "gtin12", "gtin13", "gtin14", "inProductGroupWithID"} {
		for _, text := range textsOf(object[key]) {
			switch key {
			case "productGroupID", "productID":
				r.column("id", text)
			case "inProductGroupWithID":
				r.column("parent", text)
			default:
				r.column(rules.Column(key), text)
			}
		}
	}
	for _, offer := range objectsOf(object["offers"]) {
		for _, key := range []string{"sku", "mpn", "gtin"} {
			for _, text := range textsOf(offer[key]) {
				r.column(key, text)
			}
		}
	}
	if ref != "" {
		r.good.Others = append(r.good.Others, ref)
	}
	for key, value := range object {
		switch key {
		case "productGroupID", "productID", "sku", "mpn", "inProductGroupWithID", "offers", "hasVariant", "isVariantOf", "@id", "@type", "@context":
			continue
		}
		name := rules.Column(key)
		if strings.HasPrefix(key, "gtin") || name == "id" || name == "parent" || name == "handle" {
			continue
		}
		for _, text := range namesOf(value) {
			r.column(name, text)
		}
	}
	r.column("parent", parent)
	for _, group := range objectsOf(object["isVariantOf"]) {
		for _, key := range []string{"productGroupID", "productID", "sku", "@id"} {
			for _, text := range textsOf(group[key]) {
				r.column("parent", text) // the first one counts
			}
		}
	}
	for _, text := range textsOf(object["isVariantOf"]) {
		r.column("parent", text)
	}
	good := r.good
	good.Others, good.Values = slices.Clone(good.Others), slices.Clone(good.Values)
	if err := l.add(good, ref, line, column); err != nil {
		return err
	}
	variants := object["hasVariant"]
	if variants == nil {
		return nil
	}
	name := good.ID
	if name == "" && len(good.Others) > 0 {
		name = good.Others[0]
	}
	return l.take(variants, name, depth+1)
}

// add takes a good in, at once unless a group may yet refer to it.
func (l *linked) add(good rules.Good, ref string, line, column int) error {
	if ref != "" && good.Parent == "" {
		l.waiting = append(l.waiting, waiting{good, ref, line, column})
		return nil
	}
	l.rows.good = good
	if err := l.rows.end(line, column); err != nil {
		return l.d.in.placed(err, line, column, "")
	}
	return nil
}

// end takes in what has been waiting.
func (l *linked) end() error {
	for _, w := range l.waiting {
		w.good.Parent = l.parents[w.ref]
		if err := l.add(w.good, "", w.line, w.column); err != nil {
			return err
		}
	}
	return nil
}

// textsOf returns a text or number, or the ones in a list.
func textsOf(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case json.Number:
		return []string{value.String()}
	case []any:
		var all []string
		for _, one := range value {
			if _, list := one.([]any); !list {
				all = append(all, textsOf(one)...)
			}
		}
		return all
	}
	return nil
}

// objectsOf returns an object, or the ones in a list.
func objectsOf(value any) []map[string]any {
	switch value := value.(type) {
	case map[string]any:
		return []map[string]any{value}
	case []any:
		var all []map[string]any
		for _, one := range value {
			if object, ok := one.(map[string]any); ok {
				all = append(all, object)
			}
		}
		return all
	}
	return nil
}

// namesOf returns texts, and the names of objects, such as of a Brand.
func namesOf(value any) []string {
	all := textsOf(value)
	for _, object := range objectsOf(value) {
		all = append(all, textsOf(object["name"])...)
	}
	return all
}
