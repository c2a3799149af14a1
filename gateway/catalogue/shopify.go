package catalogue

import (
	"bytes"
	"encoding/json"
	"strings"
)

// scalar is a text, or a number as it is written. A shop's identifiers are longer than a float is exact.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		*s = ""
	case text[0] != '"':
		*s = scalar(text)
	default:
		return json.Unmarshal(text, (*string)(s))
	}
	return nil
}

// shopifyProduct is a product as Shopify's products.json has it: the storefront's and the Admin API's alike.
type shopifyProduct struct {
	ID          scalar `json:"id"`
	GID         scalar `json:"admin_graphql_api_id"`
	Title       scalar `json:"title"`
	Handle      scalar `json:"handle"`
	Vendor      scalar `json:"vendor"`
	ProductType scalar `json:"product_type"`
	Tags        any    `json:"tags"`
	Variants    []struct {
		ID      scalar `json:"id"`
		GID     scalar `json:"admin_graphql_api_id"`
		Title   scalar `json:"title"`
		SKU     scalar `json:"sku"`
		Barcode scalar `json:"barcode"`
	} `json:"variants"`
}

// product reads a product of Shopify's, with its variants.
func (d *document) product(rows *rows) error {
	var p shopifyProduct
	if err := d.decode(&p); err != nil {
		return err
	}
	line, column := d.in.line, int(d.in.passed-d.in.start)+1
	rows.begin(line)
	rows.column("id", string(p.ID))
	rows.column("handle", string(p.Handle))
	rows.globalIDs("Product", p.ID, p.GID)
	for name, value := range map[string]scalar{"title": p.Title, "vendor": p.Vendor, "category": p.ProductType} {
		rows.column(name, string(value))
	}
	for _, tag := range tagsOf(p.Tags) {
		rows.column("tags", tag)
	}
	if err := rows.end(line, column); err != nil {
		return d.in.placed(err, line, column, "")
	}
	parent := rows.good.ID
	for _, v := range p.Variants {
		rows.begin(line)
		rows.column("id", string(v.ID))
		rows.column("sku", string(v.SKU))
		rows.column("gtin", string(v.Barcode))
		rows.column("title", string(v.Title))
		rows.column("parent", parent)
		rows.globalIDs("ProductVariant", v.ID, v.GID)
		if err := rows.end(line, column); err != nil {
			return d.in.placed(err, line, column, "")
		}
	}
	return nil
}

// globalIDs adds the ids by which Shopify's GraphQL knows what REST knows by its number.
func (r *rows) globalIDs(kind string, id, given scalar) {
	if number, ok := strings.CutPrefix(string(id), "gid://shopify/"+kind+"/"); ok {
		r.good.Others = append(r.good.Others, number)
	} else if id != "" && strings.Trim(string(id), "0123456789") == "" {
		r.good.Others = append(r.good.Others, "gid://shopify/"+kind+"/"+string(id))
	}
	if given != "" {
		r.good.Others = append(r.good.Others, string(given))
	}
}

// tagsOf returns tags, which are a list or a text with commas.
func tagsOf(tags any) (all []string) {
	switch tags := tags.(type) {
	case string:
		return strings.Split(tags, ",")
	case []any:
		for _, tag := range tags {
			if text, ok := tag.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
