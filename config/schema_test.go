package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func schema(t testing.TB) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// refusal says why a schema refuses a value, for as much of JSON Schema as ours uses.
func refusal(s map[string]any, value any) string {
	switch value := value.(type) {
	case map[string]any:
		if s["type"] != "object" {
			return "an object is not " + fmt.Sprint(s["type"])
		}
		properties, _ := s["properties"].(map[string]any)
		required, _ := s["required"].([]any)
		for _, key := range required {
			if _, ok := value[key.(string)]; !ok {
				return fmt.Sprint("no ", key)
			}
		}
		for key, v := range value {
			if names, ok := s["propertyNames"].(map[string]any); ok && !regexp.MustCompile(names["pattern"].(string)).MatchString(key) {
				return "key " + key
			}
			below, ok := properties[key].(map[string]any)
			if !ok {
				if below, ok = s["additionalProperties"].(map[string]any); !ok {
					return "unknown key " + key
				}
			}
			if why := refusal(below, v); why != "" {
				return key + ": " + why
			}
		}
	case []any:
		if s["type"] != "array" {
			return "an array is not " + fmt.Sprint(s["type"])
		}
		if least, ok := s["minItems"].(float64); ok && len(value) < int(least) {
			return "too few"
		}
		for _, v := range value {
			if why := refusal(s["items"].(map[string]any), v); why != "" {
				return "[]: " + why
			}
		}
	case string:
		if !strings.Contains(fmt.Sprint(s["type"]), "string") {
			return "a string is not " + fmt.Sprint(s["type"])
		}
		if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, any(value)) {
			return value + " is not in the enum"
		}
		if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
			return value + " is not " + pattern
		}
	case uint64:
		if kinds := fmt.Sprint(s["type"]); !strings.Contains(kinds, "integer") && !strings.Contains(kinds, "number") {
			return "an integer is not " + kinds
		}
		if most, ok := s["maximum"].(float64); ok && float64(value) > most {
			return fmt.Sprint(value, " is too much")
		}
	case float64:
		if !strings.Contains(fmt.Sprint(s["type"]), "number") {
			return "a number is not " + fmt.Sprint(s["type"])
		}
		if least, ok := s["minimum"].(float64); !ok || value < least || value > s["maximum"].(float64) {
			return fmt.Sprint(value, " is too little or too much")
		}
	case bool:
		if !strings.Contains(fmt.Sprint(s["type"]), "boolean") {
			return "a boolean is not " + fmt.Sprint(s["type"])
		}
	default:
		return fmt.Sprintf("%T", value)
	}
	return ""
}

func schemaRefuses(t testing.TB, src []byte) string {
	t.Helper()
	var value map[string]any
	if err := yaml.Unmarshal(src, &value); err != nil {
		return err.Error()
	}
	return refusal(schema(t), value)
}

func TestTheSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	t.Parallel()
	good, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(good) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range append(good, "gateway.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if why := schemaRefuses(t, src); why != "" {
			t.Errorf("%s: %s", file, why)
		}
	}
}

func TestTheSchemaRefusesMistakes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"unknown_key", "later_keys", "wrong_type", "missing", "no_routes", "duration", "size", "switch", "override", "header", "enum", "listen", "host", "upstream", "url"} {
		src, err := os.ReadFile("testdata/bad/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if schemaRefuses(t, src) == "" {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheSchemaDescribesEveryKey(t *testing.T) {
	t.Parallel()
	s := schema(t)
	if s["$schema"] != "https://json-schema.org/draft/2020-12/schema" || s["title"] != "gateway.yaml of gate451" {
		t.Errorf("head: %v, %v", s["$schema"], s["title"])
	}
	var walk func(path string, t reflect.Type, s map[string]any)
	walk = func(path string, typ reflect.Type, s map[string]any) {
		properties := s["properties"].(map[string]any)
		if len(properties) != len(keys(typ)) {
			t.Errorf("%s has %d properties, want %v", path, len(properties), keys(typ))
		}
		for _, f := range fields(typ) {
			p := properties[f.key].(map[string]any)
			if text, _ := p["description"].(string); !strings.HasSuffix(text, ".") {
				t.Errorf("%s%s is described as %q", path, f.key, text)
			}
			switch {
			case f.keyed():
				walk(path+f.key+".", f.typ, p)
			case f.shape() == list && f.entry().keyed():
				walk(path+f.key+".", f.typ.Elem(), p["items"].(map[string]any))
			case f.preset+f.example == "":
				t.Errorf("%s%s has neither a default nor an example to show in errors", path, f.key)
			}
		}
	}
	walk("", reflect.TypeFor[Config](), s)
	limit := s["properties"].(map[string]any)["limits"].(map[string]any)["properties"].(map[string]any)["header_bytes"]
	got, err := json.Marshal(limit)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"default":"32KiB","description":"Largest request line and header together. At least 4KiB.","minimum":0,` +
		`"pattern":"^[0-9]+(KiB|MiB|GiB)?$","type":["string","integer"]}`; string(got) != want {
		t.Errorf("header_bytes: %s\nwant: %s", got, want)
	}
}

func TestDefaultsAndExamplesAreValid(t *testing.T) {
	t.Parallel()
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for _, f := range fields(typ) {
			if f.keyed() {
				walk(f.typ)
				continue
			}
			if f.shape() == list && f.entry().keyed() {
				walk(f.typ.Elem())
			}
			if f.preset != "" {
				if _, err := f.parse(f.preset); err != nil {
					t.Errorf("default of %s: %v", f.key, err)
				}
			}
			if f.example != "" {
				w := &walker{lines: []int{1000}, places: map[any]Problem{}}
				body, _, problems := parseTree("example", []byte(f.example))
				w.value(body, Problem{}, f, nil, reflect.New(f.typ).Elem())
				if len(problems)+len(w.problems) > 0 {
					t.Errorf("example of %s: %v %v", f.key, problems, w.problems)
				}
			}
		}
	}
	walk(reflect.TypeFor[Config]())
}

func TestTheExampleIsComplete(t *testing.T) {
	t.Parallel()
	c := parse(t, string(Example()))
	if len(c.Warnings()) > 0 {
		t.Errorf("as it is: %v", c.Warnings())
	}
	want := defaults()
	want.Routes[0].Name, want.Routes[0].Hosts = "shop.example", []string{"shop.example"}
	if d := diff(want, c); d != "" {
		t.Errorf("as it is, it should mean the defaults (-want +got):\n%s", d)
	}

	// With every commented key active, each key occurs and each default shown is the real one.
	full := regexp.MustCompile(`(?m)^#(  |[a-z])`).ReplaceAll(Example(), []byte("$1"))
	folder := t.TempDir()
	for _, secret := range []string{"admin.token", "redis.password", "sentinel.password", "maxmind.key", "acme.secret"} {
		if err := os.WriteFile(filepath.Join(folder, secret), []byte("s3cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "preview.token"), []byte(strings.Repeat("s3cret", 6)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "gateway.yaml")
	mentioned := map[string]bool{}
	for _, either := range []string{`  (cert|key)_file: tls\..*\n|  header: CF-IPCountry\n`, `  acme:\n(    .*\n)*|  header: CF-IPCountry\n`} { // one of them at a time
		text := regexp.MustCompile(`(?m)^(`+either+`)`).ReplaceAll(full, nil)
		c, err := Parse(file, text, nil)
		if err != nil {
			t.Fatalf("with every key: %v", err)
		}
		if len(c.Warnings()) > 0 {
			t.Errorf("with every key: %v", c.Warnings())
		}
		if why := schemaRefuses(t, text); why != "" {
			t.Errorf("the schema refuses it: %s", why)
		}
		for i, v := range []reflect.Value{reflect.ValueOf(c).Elem(), reflect.ValueOf(&c.Routes[0]).Elem()} {
			each(v, nil, func(path []string, f field, v reflect.Value) {
				_, given := c.places[v.Addr().Interface()]
				for j := range c.Routes {
					if i == 1 && !given {
						_, given = c.places[reflect.ValueOf(&c.Routes[j]).Elem().Field(f.index).Addr().Interface()]
					}
				}
				key := strings.Join(path, ".")
				mentioned[key] = mentioned[key] || given
				if f.preset == "" {
					return
				}
				preset := f.preset
				if f.format == "file" {
					preset = filepath.Join(folder, preset)
				}
				if preset, err := f.parse(preset); err != nil || !reflect.DeepEqual(v.Interface(), preset.Interface()) {
					t.Errorf("it shows %s as %v, but the default is %s", key, v, f.preset)
				}
			})
		}
	}
	// A country's header stands beside neither of two others.
	text := regexp.MustCompile(`(?m)^(  acme:\n(    .*\n)*|forward_auth:\n  .*\n)`).ReplaceAll(full, nil)
	c, err := Parse(file, []byte(strings.Replace(string(text), "decide: first", "decide: any", 1)), nil)
	if err != nil {
		t.Fatalf("with the country's header: %v", err)
	}
	mentioned["geoip.header"] = c.GeoIP.Header == "Cf-Ipcountry"
	for key, given := range mentioned {
		if !given {
			t.Errorf("it does not mention %s", key)
		}
	}
	if again := Example(); &again[0] == &example[0] {
		t.Error("callers can write into the embedded example")
	}
}
