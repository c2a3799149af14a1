package goods

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gate451/rules"
)

// seeds are bodies recorded on running shops, one to a line: type, blank, body in base64.
func seeds(f *testing.F, kind string) {
	f.Helper()
	recorded, err := os.ReadFile("testdata/bodies.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(recorded)) {
		contentType, body, _ := strings.Cut(strings.TrimSpace(line), " ")
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			f.Fatal(err)
		}
		if strings.Contains(contentType, kind) {
			f.Add(decoded)
		}
	}
}

// fuzz reads a body, and fails if it is not put back as it was.
func fuzz(t *testing.T, r *http.Request, body []byte, fields ...string) rules.Carried {
	t.Helper()
	dialects := []rules.Dialect{rules.PHP, rules.Exact, rules.Node, rules.Python}
	carriers := make([]*rules.Carrier, len(dialects))
	for i, dialect := range dialects {
		carriers[i] = carrier(dialect, fields...)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	got := Read(nil, r, []string{"/"}, carriers, Options{})
	back, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(back, body) {
		t.Fatalf("%q has become %q (%v)", body, back, err)
	}
	for _, c := range got {
		if len(c.IDs) > 0 && !c.Present {
			t.Fatalf("%q holds %q and nothing", body, c.IDs)
		}
		for _, id := range c.IDs {
			if id == "" || strings.TrimSpace(id) != id {
				t.Fatalf("%q holds %q", body, c.IDs)
			}
		}
	}
	return got[1]
}

// holds fails unless a value is among those read, trimmed.
func holds(t *testing.T, got rules.Carried, value string) {
	t.Helper()
	if value = strings.TrimFunc(value, isBlank); value != "" && !slices.Contains(got.IDs, value) {
		t.Errorf("%q is not among %q", value, got.IDs)
	}
}

func FuzzForms(f *testing.F) {
	seeds(f, "form")
	f.Fuzz(func(t *testing.T, body []byte) {
		got := fuzz(t, post("/", form, ""), body, "form product_id", "param id", "form quantity[*] key")
		values, err := url.ParseQuery(string(body))
		for _, name := range []string{"product_id", "id"} {
			for _, value := range values[name] {
				if err == nil {
					holds(t, got, value)
				}
			}
		}
		boundary, _, _ := strings.Cut(strings.TrimPrefix(string(body), "--"), "\r\n")
		if len(boundary) > 60 || regexp.MustCompile(`[^\w-]|^$`).MatchString(boundary) {
			return
		}
		r := post("/", "multipart/form-data; boundary="+boundary, "")
		got = fuzz(t, r, body, "form product_id", "param id", "form quantity[*] key")
		r.Body = io.NopCloser(bytes.NewReader(body))
		parts, err := r.MultipartReader()
		for err == nil {
			part, next := parts.NextRawPart()
			if next != nil {
				return
			}
			value, broken := io.ReadAll(part)
			if name := part.FormName(); broken == nil && part.FileName() == "" && (name == "product_id" || name == "id") {
				holds(t, got, string(value))
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	seeds(f, "json")
	f.Fuzz(func(t *testing.T, body []byte) {
		got := fuzz(t, post("/", "application/json", ""), body, "json id", "json items.#.id", "json requests.#.path?id", "json updates.* key")
		var naive map[string]any
		if !utf8.Valid(body) || json.Unmarshal(body, &naive) != nil {
			return
		}
		ids := []any{naive["id"]}
		items, _ := naive["items"].([]any)
		for _, item := range items {
			if object, ok := item.(map[string]any); ok {
				ids = append(ids, object["id"])
			}
		}
		for _, id := range ids {
			// Half a surrogate pair has no spelling that everyone agrees on.
			if id, ok := id.(string); ok && !strings.ContainsRune(id, utf8.RuneError) && !got.Undetermined {
				holds(t, got, id)
			}
		}
	})
}

func FuzzGraphQL(f *testing.F) {
	seeds(f, "json")
	f.Add([]byte(mutation()))
	// The plainest of readers finds an argument that is a literal, in a document without any fragment or string before.
	plain := regexp.MustCompile(`^mutation ?\{ ?addItemToOrder\(productVariantId: ?"([0-9A-Za-z]+)"\) ?\{ ?id ?\} ?\}$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		got := fuzz(t, post("/", "application/json", ""), body, addItem, "graphql addItemsToOrder.inputs.productVariantId", addLines)
		got2 := fuzz(t, post("/", "application/graphql", ""), body, addItem)
		if m := plain.FindSubmatch(body); m != nil {
			holds(t, got2, string(m[1]))
		}
		var naive struct {
			Query string `json:"query"`
		}
		if json.Unmarshal(body, &naive) == nil {
			if m := plain.FindStringSubmatch(naive.Query); m != nil {
				holds(t, got, m[1])
			}
		}
	})
}
