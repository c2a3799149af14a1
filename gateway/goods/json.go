package goods

import (
	"strings"

	"github.com/tidwall/gjson"
)

// takeJSON reads the places in a JSON text.
//
// Their names are paths of gjson: keys with dots between them, * for any text in a key, # for every element of an array
// and a backslash before a character that is to stand for itself. Unlike with gjson, # also stands for the members of
// an object and for a value that is no array, because shops take one for the other; and of equal keys all count, since
// shops take the last and gjson the first. What follows a question mark is the name of a parameter, and the value is a
// target that has it in its query: requests.#.path?id. Queries and modifiers of gjson have no meaning here.
func takeJSON(text string, places places) {
	if len(places) == 0 {
		return
	}
	root := gjson.Parse(text)
	for i := range places {
		p := &places[i]
		eachValue(root, pathOf(p.name), "", func(key string, value gjson.Result) {
			if p.field.Key {
				p.take(key)
				return
			}
			p.takeValue(value)
		})
	}
}

// takeValue reads a JSON value as a product, or an array of such.
func (p *place) takeValue(value gjson.Result) {
	if p.condition != nil {
		p.condition.takeValue(value)
		return
	}
	switch {
	case value.IsArray():
		p.out.Present = true
		value.ForEach(func(_, element gjson.Result) bool {
			if element.Type != gjson.JSON {
				p.takeValue(element)
			}
			return true
		})
	case value.Type == gjson.String:
		p.take(value.Str)
	case value.Type == gjson.Number:
		p.take(value.Raw)
		if p.inner == "" && !p.field.Row && !p.field.Cart {
			p.add(jsNumber(value.Raw))
		}
	default:
		p.out.Present = true
		p.out.Undetermined = p.out.Undetermined || value.IsObject()
	}
}

// pathOf cuts a path at its dots, but for those behind a backslash.
func pathOf(path string) []string {
	if !strings.Contains(path, `\`) {
		return strings.Split(path, ".")
	}
	var parts []string
	var b []byte
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			b = append(b, path[i])
		case path[i] == '.':
			parts, b = append(parts, string(b)), nil
		default:
			b = append(b, path[i])
		}
	}
	return append(parts, string(b))
}

// eachValue calls f with every value at the path, and with what the last * of the path stands for.
func eachValue(value gjson.Result, path []string, star string, f func(star string, value gjson.Result)) {
	if len(path) == 0 {
		f(star, value)
		return
	}
	name, rest := path[0], path[1:]
	if name == "#" {
		if !value.IsArray() {
			eachValue(value, rest, star, f)
		}
		if value.Type == gjson.JSON {
			value.ForEach(func(_, element gjson.Result) bool {
				eachValue(element, rest, star, f)
				return true
			})
		}
		return
	}
	if value.Type != gjson.JSON {
		return
	}
	index, object := 0, value.IsObject()
	value.ForEach(func(key, member gjson.Result) bool {
		found, ok := "", false
		switch {
		case object:
			found, ok = glob(name, key.Str)
		case name == "*":
			ok = true
		default:
			ok = isIndex(name, index)
		}
		index++
		if ok {
			if found == "" {
				found = star
			}
			eachValue(member, rest, found, f)
		}
		return true
	})
}

// isIndex reports whether the name is the number n.
func isIndex(name string, n int) bool {
	if name == "" || len(name) > 9 {
		return false
	}
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] != byte('0'+n%10) {
			return false
		}
		n /= 10
	}
	return n == 0
}
