package rules

import (
	"embed"
	"strings"
)

//go:embed packs/*.yaml
var packFiles embed.FS

// Packs returns the names of the packs that are shipped with the program, sorted.
func Packs() []string {
	files, _ := packFiles.ReadDir("packs") // the folder is part of the program
	packs := make([]string, len(files))
	for i, f := range files {
		packs[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return packs
}

// PackText returns the YAML text of a pack; ok is false if there is no such pack.
func PackText(name string) (text []byte, ok bool) {
	text, err := packFiles.ReadFile("packs/" + name + ".yaml")
	return text, err == nil
}
