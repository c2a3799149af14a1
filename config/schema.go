package config

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"strings"
)

//go:embed gateway.yaml
var example []byte

// Example returns a gateway.yaml to start from: complete as it is, with every other key in a comment that
// shows its default.
func Example() []byte { return append([]byte(nil), example...) }

// Schema returns the JSON Schema (draft 2020-12) of gateway.yaml, for editors. What it refuses, Load
// refuses as well; Load knows more.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[Config]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "gateway.yaml of gate451"
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil // strings, maps and slices of them always encode
	}
	return []byte(text.String())
}

func schemaOf(mapping reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fields(mapping) {
		properties[f.key] = f.schema()
		if f.required {
			required = append(required, f.key)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func (f field) schema() map[string]any {
	s := map[string]any{}
	switch {
	case f.keyed():
		s = schemaOf(f.typ)
	case f.shape() == list:
		s["type"], s["items"] = "array", f.entry().schema()
		if f.required {
			s["minItems"] = 1
		}
	case f.shape() == mapping:
		s["type"], s["additionalProperties"] = "object", f.entry().schema()
		s["propertyNames"] = map[string]any{"pattern": formats[f.names].pattern.String()}
	case f.enum != nil:
		s["type"], s["enum"] = "string", f.enum
	default:
		s["type"], s["pattern"] = "string", formats[f.format].pattern.String()
		if bare := formats[f.format].bare; bare != "" {
			s["type"] = []string{"string", bare}
			switch bare {
			case "integer":
				s["minimum"] = 0
			case "number":
				s["minimum"], s["maximum"] = 0, 1
			}
		}
	}
	if f.doc != "" {
		s["description"] = f.doc
	}
	if f.preset != "" {
		s["default"] = f.preset
	}
	if f.min != "" {
		s["description"] = f.doc + " At least " + f.min + "."
	}
	return s
}
