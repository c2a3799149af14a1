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

// fieldPlaces are the parts of a request in which a product may be.
var fieldPlaces = []string{string(InQuery), string(InForm), string(InParam), string(InPath), string(InJSON), string(InGraphQL)}

// fieldKeys are the keys of a field.
var fieldKeys = append(slices.Clone(fieldPlaces), "key", "split", "cut", "row", "cart", "hash")

// conditionPlaces are what a condition may be about.
var conditionPlaces = []string{string(InQuery), string(InForm), string(InParam), string(InJSON), string(InMethod)}

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
