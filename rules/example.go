package rules

import (
	"bytes"
	_ "embed" // for the example
)

//go:embed example.yaml
var example []byte

// Example returns a commented policy to start from.
func Example() []byte { return bytes.Clone(example) }
