package goods

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"gate451/rules"
)

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		dialect               rules.Dialect
		field, body           string
		present, undetermined bool
		ids                   []string
	}{
		{"node", "json variant_id", `{"variant_id":"variant_7","metadata":{"variant_id":"variant_8"}}`, true, false, []string{"variant_7"}},
		{"node", "json variant_id", `{"metadata":{"variant_id":"variant_8"}}`, false, false, nil},
		{"node", "json id", `{"id":1,"id":7}`, true, false, []string{"1", "7"}},
		{"node", "json id", `{"\u0069d":"\u0037"}`, true, false, []string{"7"}},
		{"node", "json id", `{"id":7.0}`, true, false, []string{"7"}},
		{"exact", "json id", `{"id":7e0}`, true, false, []string{"7"}},
		{"php", "json id", `{"id":43.9}`, true, false, []string{"43"}},
		{"php", "json id", `{"id":"43abc"}`, true, false, []string{"43"}},
		{"php", "json id", `{"id":18446744073709555712}`, true, false, nil},
		{"php", "json id", `{"id":null}`, true, false, nil},
		{"php", "json id", `{"id":{}}`, true, true, nil},
		{"php", "json id", `{"id":[7,"8",[9],{"id":10}]}`, true, false, []string{"7", "8"}},
		{"node", "json items.#.id", `{"items":[{"id":1},{"x":1},{"id":"7"}]}`, true, false, []string{"1", "7"}},
		{"node", "json items.#.id", `{"items":{"0":{"id":7}}}`, true, false, []string{"7"}},
		{"node", "json items.#.id", `{"items":{"id":7}}`, true, false, []string{"7"}},
		{"node", "json items.#.id", `{"items":[],"items":[{"id":7}]}`, true, false, []string{"7"}},
		{"node", "json items.#.id", `{"items":7,"id":7}`, false, false, nil},
		{"node", "json items.1.id", `{"items":[{"id":1},{"id":"7"}]}`, true, false, []string{"7"}},
		{"node", "json #.cart.sku", `[{"cart":{"sku":"KL1"}}]`, true, false, []string{"KL1"}},
		{"node", "json #.cart.sku", `{"cart":{"sku":"KL1"}}`, true, false, []string{"KL1"}},
		{"php", "json requests.#.body.id", `{"requests":[{"path":"/x","body":{"id":11}}]}`, true, false, []string{"11"}},
		{"php", "json requests.#.path?id", `{"requests":[{"path":"\/add-item?id=11&quantity=1"}]}`, true, false, []string{"11"}},
		{"php", "json requests.#.path?id", `{"requests":[{"path":"/add-item#?ids=11"}]}`, false, false, nil},
		{"php", "json requests.#.path?id", `{"requests":[{"path":"/add-item"}]}`, false, false, nil},
		{"exact", "json updates.* key cut=:", `{"updates":{"11:abc":2,"12":0}}`, true, false, []string{"11", "12"}},
		{"exact", "json updates.*", `{"updates":[1]}`, true, false, []string{"1"}},
		{"exact", `json a\.b.c`, `{"a.b":{"c":"KL1"}}`, true, false, []string{"KL1"}},
		{"exact", "json ids split=,", `{"ids":"a,b"}`, true, false, []string{"a", "b"}},
		{"exact", "json id", "\xef\xbb\xbf{\"id\":\"KL1\"}", true, false, []string{"KL1"}},
		{"exact", "json id", `{"id":"KL1"`, true, true, []string{"KL1"}},
		{"exact", "json id", `"KL1"`, false, true, nil},
		{"exact", "json id", ``, false, true, nil},
		{"exact", "json id", strings.Repeat("[", 600), false, true, nil},
	} {
		t.Run(tt.body, func(t *testing.T) {
			r := post("/", "application/json", tt.body)
			if tt.body == "" {
				r.ContentLength = -1
			}
			got := read(r, carrier(tt.dialect, tt.field))
			if tt.ids == nil && tt.present && !tt.undetermined {
				got.IDs = nil // Numbers without meaning are not compared.
			}
			check(t, got, tt.present, tt.undetermined, tt.ids...)
		})
	}
}

func TestJSONTypes(t *testing.T) {
	const body = `{"id":7}`
	for contentType, undetermined := range map[string]bool{
		"application/json":                                       false,
		"APPLICATION/JSON ; charset=utf-8":                       false,
		"application/vnd.api+json":                               false,
		"text/json":                                              false,
		"application/json; charset=iso-8859-1":                   false,
		"application/json; charset=utf-7":                        true,
		"application/json; charset=utf-8; charset=utf-7":         true,
		"application/json; x=\"charset=utf-8 ;\"; charset=utf-7": true,
		"application/json; x=\"\u212a\"; charset=utf-7":          true,
		"application/json; x=\"\u212a\xff\"; charset=utf-7":      true, // as long in small letters
		"text/plain":                             true,
		"":                                       true,
		"application/json; charset=utf-16":       false, // Which not everyone heeds.
		"application/json;charset = \"utf-8\"  ": false,
	} {
		check(t, read(post("/", contentType, body), carrier("node", "json id")), true, undetermined, "7")
	}
	for _, contentType := range []string{form, "multipart/form-data; boundary=x", "application/graphql"} {
		check(t, read(post("/", contentType, body), carrier("node", "json id")), false, false)
	}
}

func TestJSONCharsets(t *testing.T) {
	for name, e := range map[string]encoding.Encoding{
		"utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
		"utf-16be": unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
		"utf-16":   unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		"UTF-16":   unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
		"utf-32":   utf32.UTF32(utf32.LittleEndian, utf32.UseBOM),
		"utf-32le": utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
		"utf-32be": utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
	} {
		body, err := e.NewEncoder().String(`{"id":"Ł7"}`)
		if err != nil {
			t.Fatal(err)
		}
		for _, contentType := range []string{"application/json", "application/json; charset=" + name} {
			check(t, read(post("/", contentType, body), carrier("node", "json id")), true, false, "Ł7")
		}
	}
}
