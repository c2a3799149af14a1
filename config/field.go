package config

import (
	"cmp"
	"reflect"
	"strings"
)

// field is one key of a mapping: a struct field and what its tags say.
type field struct {
	key      string
	format   string   // of the value, or of each value of a list or mapping; none: text, or a mapping of its own
	names    string   // format of the keys, where the value is a mapping whose keys are the operator's
	enum     []string // the only values allowed
	min      string
	preset   string // the default
	example  string
	doc      string
	required bool
	index    int
	typ      reflect.Type
}

// fields returns the keys of a mapping, in the order in which they are declared.
func fields(mapping reflect.Type) []field {
	var all []field
	for i := range mapping.NumField() {
		f := mapping.Field(i)
		key, ok := f.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		var enum []string
		if list := f.Tag.Get("enum"); list != "" {
			enum = strings.Split(list, "|")
		}
		all = append(all, field{
			key: key, format: f.Tag.Get("format"), names: f.Tag.Get("key"), enum: enum, min: f.Tag.Get("min"), preset: f.Tag.Get("default"),
			example: f.Tag.Get("example"), doc: f.Tag.Get("doc"), required: f.Tag.Get("required") != "", index: i, typ: f.Type,
		})
	}
	return all
}

// shape is what a field's value looks like in YAML.
type shape string

const (
	scalar  shape = "a single value"
	list    shape = "a list"
	mapping shape = "a mapping"
)

func (f field) shape() shape {
	switch {
	case f.typ.Kind() == reflect.Slice:
		return list
	case f.typ.Kind() == reflect.Map, f.keyed():
		return mapping
	}
	return scalar
}

// keyed reports whether the value is a mapping with keys of ours.
func (f field) keyed() bool { return f.typ.Kind() == reflect.Struct && f.format == "" }

// entry is the field of each value of a list or mapping.
func (f field) entry() field {
	return field{key: "an entry of " + f.key, format: f.format, typ: f.typ.Elem()}
}

// right says how the value may be written.
func (f field) right() string {
	switch such := cmp.Or(f.example, f.preset); {
	case f.keyed():
		return "write a mapping of " + enumerate(keys(f.typ), "and")
	case such != "":
		return "write " + string(f.shape()) + ", such as " + f.key + ": " + such
	}
	return formats[f.format].right
}

// each calls visit for every key below a mapping that is reached through mappings only, with its path.
func each(v reflect.Value, path []string, visit func(path []string, f field, v reflect.Value)) {
	for _, f := range fields(v.Type()) {
		if f.keyed() {
			each(v.Field(f.index), below(path, f.key), visit)
			continue
		}
		visit(below(path, f.key), f, v.Field(f.index))
	}
}

// below returns the path of a key in a mapping, sharing nothing with the mapping's own.
func below(path []string, key string) []string { return append(path[:len(path):len(path)], key) }

func keys(mapping reflect.Type) []string {
	var all []string
	for _, f := range fields(mapping) {
		all = append(all, f.key)
	}
	return all
}
