package rules

import (
	"bytes"
	_ "embed" // for the schema
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the policy language, for editors.
func Schema() []byte { return bytes.Clone(schema) }
