package rules

import (
	"embed"
	"io/fs"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// Presets returns the names of the presets that are shipped with the program, sorted. A preset is the ways in
// which a known program does an activity: paths, and the fields in which its requests carry a product.
func Presets() []string { return embedded(presetFiles, "presets") }

// PresetText returns the YAML text of a preset; ok is false if there is no such preset.
func PresetText(name string) (text []byte, ok bool) {
	text, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	return text, err == nil
}

// embedded returns the names of the YAML files in a folder of the program.
func embedded(files fs.FS, folder string) []string {
	entries, _ := fs.ReadDir(files, folder) // the folder is part of the program
	names := make([]string, len(entries))
	for i, f := range entries {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// The keys of a preset's elements, and of a preset, which is one element itself or lists several.
var (
	presetElementKeys = []string{"paths", "dialect", "fields", "when", "where", "cart"}
	presetKeys        = append([]string{"preset", "activity", "elements"}, presetElementKeys...)
)

// readPreset returns what the preset stands for that an activity's element names at n: the preset's elements, with their
// paths below the element's base and with the element's own fields beside theirs.
func (l *loader) readPreset(n, base ast.Node, activity string, own []Field) []selector {
	name, ok := l.text(n, "preset")
	if !ok {
		return nil
	}
	text, err := fs.ReadFile(l.presets, "presets/"+name+".yaml")
	if err != nil {
		l.fail(n, "unknown preset %q; %s", name, instead(name, embedded(l.presets, "presets")))
		return nil
	}
	below, ok := l.base(base)
	if !ok {
		return nil
	}
	in := reader{file: name + ".yaml"}
	root := in.root(text)
	v := in.keys(root, "a preset", presetKeys, "preset", "activity")
	if does, _ := in.text(v["activity"], "activity"); does != activity && (activity == "sale" || activity == "update") {
		l.fail(n, "preset %s is about activity %s, not %s; write it under %[2]s, or under an activity with a name of your own", name, does, activity)
		return nil
	}
	elements := in.presetElements(root, v, below)
	l.problems = append(l.problems, in.problems...)
	for i := range elements {
		s := &elements[i]
		if hasStar(below) && slices.ContainsFunc(s.fields, func(f Field) bool { return f.In == InPath }) {
			l.fail(base, "base %q holds *, which stands for the product in a path of preset %s; write ** for any folders", below, name)
			return nil
		}
		if s.cart != nil {
			continue // a further product makes no request one that is about the cart
		}
		if s.fields = sortFields(append(s.fields, own...)); len(s.fields) > 0 && s.dialect == "" {
			s.dialect = Exact
		}
	}
	return elements
}

// base reads the path below which those of a preset are, and returns it without a slash at the end.
func (l *loader) base(n ast.Node) (string, bool) {
	if n == nil {
		return "", true
	}
	text, ok := l.text(n, "base")
	if !ok {
		return "", false
	}
	path, err := parsePath(text)
	if err != nil {
		l.fail(n, "%v", err)
	}
	return strings.TrimSuffix(path, "/"), err == nil
}

func (r *reader) presetElements(n ast.Node, v map[string]ast.Node, below string) []selector {
	if (v["elements"] == nil) == (v["paths"] == nil) {
		r.fail(n, "a preset has either paths or elements; give one of them")
	}
	if v["elements"] == nil {
		return []selector{r.element(v, "a preset", below)}
	}
	var elements []selector
	for _, n := range r.list(v["elements"], "elements") {
		elements = append(elements, r.element(r.keys(n, "an element of a preset", presetElementKeys, "paths"), "a preset", below))
	}
	return elements
}
