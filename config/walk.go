package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// inList stands in a path for an entry of a list. No variable can have it in its name.
const inList = "="

// walker fills a Config from a syntax tree. It reports what is wrong and goes on.
type walker struct {
	file     string
	folder   string            // absolute, what relative paths start from
	lines    []int             // characters in each line of the file
	environ  map[string]string // the variables that may override a key
	places   map[any]Problem
	problems []Problem
	warnings []Problem
}

// report places a problem at the first of the fields that somebody wrote.
func (w *walker) report(message string, fields ...any) {
	w.problems = append(w.problems, placed(w.places, w.file, message, fields...))
}

func (w *walker) reportAt(place Problem, format string, args ...any) {
	place.Message = fmt.Sprintf(format, args...)
	w.problems = append(w.problems, place)
}

// place is where a node begins, and always within the file.
func (w *walker) place(node ast.Node) Problem {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	at := node.GetToken().Position
	line := max(1, min(at.Line, len(w.lines)))
	return Problem{File: w.file, Line: line, Column: max(1, min(at.Column, w.lines[line-1]+1))}
}

// preset sets the defaults of a mapping and of the mappings in it.
func (w *walker) preset(v reflect.Value) {
	each(v, nil, func(_ []string, f field, v reflect.Value) {
		if f.preset != "" {
			w.set(f.preset, f, v, Problem{File: w.file})
		}
	})
}

// set parses a text into a value, or reports it and leaves the value zero, so that later checks pass it by.
func (w *walker) set(text string, f field, into reflect.Value, place Problem) bool {
	value, err := f.parse(text)
	if err != nil {
		into.SetZero()
		w.reportAt(place, "%v", err)
		return false
	}
	if f.format == "file" && !filepath.IsAbs(text) {
		value = reflect.ValueOf(filepath.Join(w.folder, text))
	}
	into.Set(value)
	return true
}

func (w *walker) value(node ast.Node, place Problem, f field, path []string, into reflect.Value) {
	w.places[into.Addr().Interface()] = place
	switch node := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		w.reportAt(place, "%s has an anchor or alias, which is not supported; write the value out, in quotes if it begins with * or &", f.key)
	case *ast.NullNode:
		if f.format == "color" {
			w.reportAt(place, "%s has no value, as # begins a comment; %s", f.key, formats[f.format].right)
			return
		}
		w.reportAt(place, "%s has no value; write one, or leave it out", f.key)
	case *ast.SequenceNode:
		if f.shape() != list {
			w.reportAt(place, "%s is a list; %s", f.key, f.right())
			return
		}
		w.list(node, f, path, into)
	case *ast.MappingNode:
		switch {
		case f.shape() != mapping:
			w.reportAt(place, "%s is a mapping; %s", f.key, f.right())
		case f.keyed():
			w.mapping(node.Values, place, path, into)
		default:
			w.pairs(node.Values, f, into)
		}
	default:
		text, ok := scalarText(node)
		if f.shape() != scalar || !ok {
			w.reportAt(place, "%s is a single value; %s", f.key, f.right())
			return
		}
		if w.set(text, f, into, place) && !isText(node) && formats[f.format].bare == "" {
			w.reportAt(place, "%s is not text to YAML; put it in quotes", show(text))
		}
	}
}

// mapping fills a struct: a mapping whose keys are ours.
func (w *walker) mapping(values []*ast.MappingValueNode, place Problem, path []string, into reflect.Value) {
	known := fields(into.Type())
	given := map[string]bool{}
	w.pass(values, "", func(key string, at Problem, value *ast.MappingValueNode) {
		i := slices.IndexFunc(known, func(f field) bool { return f.key == key })
		if i < 0 {
			w.reportAt(at, "unknown key %s; %s", show(key), unknown(key, keys(into.Type())))
			return
		}
		f := known[i]
		given[f.key] = true
		w.value(value.Value, w.valuePlace(value, at), f, below(path, f.key), into.Field(f.index))
	})
	for _, f := range known {
		_, overridden := w.environ[variable(below(path, f.key))]
		if f.required && !given[f.key] && !overridden {
			w.reportAt(place, "%s is missing; %s", f.key, f.right())
		}
	}
}

// pairs fills a map: a mapping whose keys are the operator's.
func (w *walker) pairs(values []*ast.MappingValueNode, f field, into reflect.Value) {
	into.Set(reflect.MakeMap(f.typ))
	names := field{format: f.names, typ: f.typ.Key()}
	w.pass(values, " of "+f.key, func(key string, at Problem, value *ast.MappingValueNode) {
		name := reflect.New(f.typ.Key()).Elem()
		entry := reflect.New(f.typ.Elem()).Elem()
		known := w.set(key, names, name, at)
		w.value(value.Value, w.valuePlace(value, at), f.entry(), nil, entry)
		if !known {
			return
		}
		if first, again := w.places[name.Interface()]; again {
			w.reportAt(at, "%s occurs twice, first on line %d; keep one of the two", name.Interface(), first.Line)
			return
		}
		w.places[name.Interface()] = w.valuePlace(value, at)
		into.SetMapIndex(name, entry)
	})
}

// list fills a slice. Its elements never move, so pointers to them can tell their places.
func (w *walker) list(node *ast.SequenceNode, f field, path []string, into reflect.Value) {
	into.Set(reflect.MakeSlice(f.typ, len(node.Values), len(node.Values)))
	if f.required && len(node.Values) == 0 {
		w.reportAt(w.place(node), "%s is empty; %s", f.key, f.right())
	}
	for i, value := range node.Values {
		element := into.Index(i)
		if f.entry().keyed() {
			w.preset(element)
		}
		w.value(value, w.place(value), f.entry(), below(path, inList), element)
	}
}

// pass hands on the pairs of a mapping whose key is a text that did not occur before.
func (w *walker) pass(values []*ast.MappingValueNode, of string, next func(key string, at Problem, value *ast.MappingValueNode)) {
	seen := map[string]Problem{}
	for _, value := range values {
		at := w.place(value.Key)
		key, ok := scalarText(value.Key)
		first, again := seen[key]
		switch {
		case !ok:
			w.reportAt(at, "a key%s is no plain text; write the keys out one by one, without <<, ?, & or *", of)
		case again:
			w.reportAt(at, "key %s occurs twice, first on line %d; keep one of the two", show(key), first.Line)
		default:
			seen[key] = at
			next(key, at, value)
		}
	}
}

// valuePlace is where a pair's value begins, or its key where there is no value to be seen.
func (w *walker) valuePlace(pair *ast.MappingValueNode, key Problem) Problem {
	if _, ok := pair.Value.(*ast.NullNode); ok {
		return key
	}
	return w.place(pair.Value)
}

func isText(node ast.Node) bool {
	return node.Type() == ast.StringType || node.Type() == ast.LiteralType
}

// scalarText returns a scalar as it was written, without quotes, so that a number or a date keeps its form.
func scalarText(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// unknown says what an unknown key could have meant: a key beside it, one elsewhere, or none of ours.
func unknown(key string, beside []string) string {
	if near := nearest(key, beside); near != "" {
		return "did you mean " + near + "?"
	}
	for _, path := range paths(reflect.TypeFor[Config](), "") {
		if strings.HasSuffix(path, "."+key) || path == key {
			return "did you mean " + path + "?"
		}
	}
	return "the keys here are " + enumerate(beside, "and")
}

// paths returns every key of gateway.yaml with the keys above it.
func paths(t reflect.Type, above string) []string {
	var all []string
	for _, f := range fields(t) {
		all = append(all, above+f.key)
		switch {
		case f.keyed():
			all = append(all, paths(f.typ, above+f.key+".")...)
		case f.shape() == list && f.entry().keyed():
			all = append(all, paths(f.typ.Elem(), above+f.key+".")...)
		}
	}
	return all
}
