package goods

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"gate451/rules"
)

// row notes the key of a cart's row, or the product that the key is the hash of.
func (f *finding) row(text string, hashed bool) {
	text = strings.TrimFunc(text, isBlank)
	if hashed {
		if sku, ok := f.carrier.Unhash(text); ok {
			f.add(sku)
			return
		}
	}
	if n := len(f.out.Rows); n == 0 || f.out.Rows[n-1] != text {
		f.out.Rows = append(f.out.Rows, text)
	}
}

// pathCart reports whether the place is the id of a cart in the path. That is there whatever the request does to the cart, so that
// it alone makes no request one about it.
func (p *place) pathCart() bool { return p.field.Cart && p.field.In == rules.InPath }

// alone reports whether nothing but the conditions tells that a request is about a cart.
func alone(c *rules.Carrier) bool {
	return !slices.ContainsFunc(c.Fields, func(f rules.Field) bool { return !f.Cart || f.In != rules.InPath })
}

// cart notes the cart's id. A request that names two of them, or one that could mean more than an id, is about a cart that
// nobody can tell.
func (f *finding) cart(text string) {
	text = strings.TrimFunc(text, isBlank)
	if !rules.IsCartID(text) || f.out.Cart != "" && f.out.Cart != text {
		f.out.Undetermined = true
		return
	}
	f.out.Cart = text
}

// TakeCart adds to what was carried the products that a shop's answer says are in the cart: those of the rows that the request
// is about if the answer has them all, or else all. It reports whether the answer says what is in the cart, and changes nothing
// otherwise: a list that is not there is no empty cart.
func TakeCart(c *rules.Carrier, answer []byte, carried *rules.Carried) bool {
	text := string(answer)
	if tooNested(text) || !gjson.Valid(text) {
		return false
	}
	root := gjson.Parse(text)
	if errors := root.Get("errors"); errors.Exists() && errors.Type != gjson.Null {
		return false // GraphQL answers what it could not find with null, and says so here (October 2021, section 7.1.2).
	}
	list := listing{none: c.Cart.GraphQL != "" && !c.Cart.Named()}
	ids, ok := list.values(root, pathOf(c.Cart.JSON), nil)
	if !ok {
		return false
	}
	wanted := make([]bool, len(ids))
	if c.Cart.Rows != "" && len(carried.Rows) > 0 {
		keys, ok := list.values(root, pathOf(c.Cart.Rows), nil)
		if !ok || len(keys) != len(ids) {
			return false
		}
		wanted = rowsOf(keys, carried.Rows)
	}
	all := !slices.Contains(wanted, true)
	found := finding{dialect: c.Dialect, carrier: c, out: carried}
	for i, id := range ids {
		if all || wanted[i] {
			found.id(id)
		}
	}
	carried.Answered = true
	return true
}

// rowsOf returns which of the keys are among the rows; none if a row is not among the keys.
func rowsOf(keys, rows []string) []bool {
	wanted := make([]bool, len(keys))
	at := make(map[string][]int, len(keys))
	for i, key := range keys {
		at[key] = append(at[key], i)
	}
	for _, row := range rows {
		if len(at[row]) == 0 {
			return make([]bool, len(keys))
		}
		for _, i := range at[row] {
			wanted[i] = true
		}
	}
	return wanted
}

// listing reads the lists of an answer.
type listing struct {
	// none says that null in place of an object is a cart that does not exist, and so is empty.
	none bool
}

// values appends what is at the path, one value for each element of its lists: the id or key, or nothing where that is null, as
// in a row that is no product. ok is false if anything on the way is not there or is of another kind.
func (l listing) values(value gjson.Result, path, all []string) (values []string, ok bool) {
	switch {
	case len(path) == 0 && (value.Type == gjson.String || value.Type == gjson.Number):
		return append(all, value.String()), true
	case len(path) == 0:
		return append(all, ""), value.Type == gjson.Null && value.Exists()
	case path[0] == "#":
		if !value.IsArray() {
			return nil, false
		}
		ok = true
		value.ForEach(func(_, element gjson.Result) bool {
			all, ok = l.values(element, path[1:], all)
			return ok
		})
		return all, ok
	case l.none && value.Type == gjson.Null && value.Exists() && slices.Contains(path, "#"):
		return all, true
	case !value.IsObject():
		return nil, false
	}
	member, found := gjson.Result{}, false
	value.ForEach(func(key, v gjson.Result) bool {
		if found = key.Str == path[0]; found {
			member = v
		}
		return !found
	})
	if !found {
		return nil, false
	}
	return l.values(member, path[1:], all)
}
