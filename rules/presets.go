package rules

import (
	"embed"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// Presets returns the names of the presets that are shipped with the program, sorted. A preset is the paths by which a
// known program does an activity.
func Presets() []string { return embedded(presetFiles, "presets") }

// PresetText returns the YAML text of a preset; ok is false if there is no such preset.
func PresetText(name string) (text []byte, ok bool) {
	text, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	return text, err == nil
}

// embedded returns the names of the YAML files in a folder of the program.
func embedded(files embed.FS, folder string) []string {
	entries, _ := files.ReadDir(folder) // the folder is part of the program
	names := make([]string, len(entries))
	for i, f := range entries {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// readPreset returns the paths of the preset that an activity's element names at n, below the element's base.
func (l *loader) readPreset(n, base ast.Node, activity string) (paths []string) {
	name, ok := l.text(n, "preset")
	if !ok {
		return nil
	}
	text, ok := PresetText(name)
	if !ok {
		l.fail(n, "unknown preset %q; %s", name, instead(name, Presets()))
		return nil
	}
	below := ""
	if base != nil {
		if below, ok = l.text(base, "base"); !ok {
			return nil
		}
		path, err := parsePath(below)
		if err != nil {
			l.fail(base, "%v", err)
			return nil
		}
		below = strings.TrimSuffix(path, "/")
	}
	in := loader{reader: reader{file: name + ".yaml"}}
	v := in.keys(in.root(text), "a preset", []string{"preset", "activity", "paths"}, "preset", "activity", "paths")
	if does, _ := in.text(v["activity"], "activity"); does != activity && (activity == "sale" || activity == "update") {
		l.fail(n, "preset %s is about activity %s, not %s; write it under %[2]s, or under an activity with a name of your own", name, does, activity)
		return nil
	}
	in.texts(v["paths"], "paths", func(_ ast.Node, text string) {
		path, _ := parsePath(below + text) // both are part of one, as tests show of every preset
		paths = append(paths, path)
	})
	l.problems = append(l.problems, in.problems...)
	return paths
}
