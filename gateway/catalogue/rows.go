package catalogue

import (
	"strings"

	"gate451/rules"
)

// rows makes goods of what the columns of one row after the other say.
type rows struct {
	in    *text
	into  *rules.Catalogue
	asked map[string]bool // by column: whether the policy asks for it
	good  rules.Good
	n     int
}

// begin starts a row, in place of the one before it.
func (r *rows) begin(line int) {
	r.good = rules.Good{Line: line, Others: r.good.Others[:0], Values: r.good.Values[:0]}
}

// column says what a column of the row says; the name is one that rules.Column has returned.
func (r *rows) column(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	switch name {
	case "id":
		if r.good.ID == "" {
			r.good.ID = value
		} else {
			r.good.Others = append(r.good.Others, value)
		}
	case "parent":
		if id, ok := strings.CutPrefix(value, "id:"); ok { // as WooCommerce writes what is no SKU
			value = id
		}
		if r.good.Parent == "" {
			r.good.Parent = value
		}
	case "sku", "mpn", "gtin", "handle":
		r.good.Others = append(r.good.Others, value)
	}
	asked, known := r.asked[name]
	if !known {
		asked = r.into.Column(name)
		r.asked[strings.Clone(name)] = asked
	}
	if asked {
		r.good.Values = append(r.good.Values, rules.Value{Column: name, Text: value})
	}
}

// end takes the row in. One that names nothing by which a request could carry the good is an error: it may be the one that matters.
func (r *rows) end(line, column int) error {
	if r.good.ID == "" && len(r.good.Others) > 0 {
		r.good.ID = r.good.Others[0]
	}
	if r.good.ID == "" {
		return problem(r.in.path, line, column, "the row has no id; give it an id or a SKU, or leave it out")
	}
	r.n++
	return r.into.Add(&r.good)
}
