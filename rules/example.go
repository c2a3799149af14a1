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

// The elements of the example for which a preset may stand.
const (
	exampleSale   = "    - hosts: [shop.example]\n      paths: [/cart, /checkout, /buy]\n"
	exampleUpdate = "    - hosts: [updates.example]\n      paths: [/updates]\n"
)

// ExampleOf returns the example with a preset in the place of the paths by which it knows sales, or updates. Its error says
// which presets there are.
func ExampleOf(preset string) ([]byte, error) {
	text, ok := PresetText(preset)
	if !ok {
		return nil, fmt.Errorf("unknown preset %q; %s", preset, instead(preset, Presets()))
	}
	element, host := exampleUpdate, "updates.example"
	if bytes.Contains(text, []byte("\nactivity: sale\n")) {
		element, host = exampleSale, "shop.example"
	}
	return bytes.Replace(example, []byte(element), []byte("    - {preset: "+preset+", hosts: ["+host+"]}\n"), 1), nil
}
