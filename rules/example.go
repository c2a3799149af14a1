package rules

import (
	"bytes"
	_ "embed" // for the example
	"fmt"
)

//go:embed example.yaml
var example []byte

// Example returns a commented policy to start from.
func Example() []byte { return bytes.Clone(example) }

// exampleUpdate is the element of the example's activity update for which a preset may stand.
const exampleUpdate = "    - hosts: [updates.example]\n      paths: [/updates]\n"

// ExampleOf returns the example with a preset in the place of the paths by which it knows updates. Its error says which
// presets there are.
func ExampleOf(preset string) ([]byte, error) {
	if _, ok := PresetText(preset); !ok {
		return nil, fmt.Errorf("unknown preset %q; %s", preset, instead(preset, Presets()))
	}
	return bytes.Replace(example, []byte(exampleUpdate), []byte("    - {preset: "+preset+", hosts: [updates.example]}\n"), 1), nil
}
