package goods

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"gate451/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// carrier returns a carrier with the fields given as "place name", and behind a further blank each of "key", "row",
// "cart", "hash=x", "split=x" and "cut=x".
func carrier(dialect rules.Dialect, fields ...string) *rules.Carrier {
	c := &rules.Carrier{ID: 7, Activity: "sale", Dialect: dialect}
	for _, f := range fields {
		words := strings.Fields(f)
		field := rules.Field{In: rules.FieldPlace(words[0]), Name: words[1]}
		for _, word := range words[2:] {
			switch name, value, _ := strings.Cut(word, "="); name {
			case "key":
				field.Key = true
			case "split":
				field.Split = value
			case "cut":
				field.Cut = value
			case "row":
				field.Row = true
			case "cart":
				field.Cart = true
			case "hash":
				field.Hash = value
			}
		}
		c.Fields = append(c.Fields, field)
	}
	return c
}

// post returns a request with a body.
func post(target, contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func read(r *http.Request, c *rules.Carrier) rules.Carried {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return Read(nil, r, []string{path}, []*rules.Carrier{c}, Options{})[0]
}

// want is what a test expects: the ids that must be among those read, or that nothing is there.
func check(t *testing.T, got rules.Carried, present, undetermined bool, ids ...string) {
	t.Helper()
	if got.Carrier != 7 || got.Present != present || got.Undetermined != undetermined {
		t.Errorf("got %+v, want present %v, undetermined %v", got, present, undetermined)
	}
	for _, id := range ids {
		if !slices.Contains(got.IDs, id) {
			t.Errorf("%q is not among %q", id, got.IDs)
		}
	}
	if len(ids) == 0 && len(got.IDs) > 0 {
		t.Errorf("read %q where there is nothing", got.IDs)
	}
}
