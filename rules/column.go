package rules

import "strings"

// columnNames are the names that shops, feeds and exports give to the columns that mean the same.
var columnNames = map[string]string{
	"product_id": "id", "item_id": "id", "variant_id": "id", "offer_id": "id", "productid": "id", "entity_id": "id", "g_id": "id",
	"variant_sku": "sku", "item_sku": "sku", "product_sku": "sku", "article_number": "sku", "artikelnummer": "sku",
	"parent_id": "parent", "item_group_id": "parent", "parent_sku": "parent", "group_id": "parent", "product_group_id": "parent", "productgroupid": "parent",
	"brand": "vendor", "manufacturer": "vendor", "brands": "vendor",
	"name": "title", "product_title": "title", "product_name": "title",
	"product_type": "category", "product_category": "category", "categories": "category",
	"ean": "gtin", "upc": "gtin", "isbn": "gtin", "barcode": "gtin", "variant_barcode": "gtin", "gtin8": "gtin", "gtin12": "gtin", "gtin13": "gtin", "gtin14": "gtin",
	"manufacturer_part_number": "mpn", "part_number": "mpn",
	"url": "link", "product_url": "link", "permalink": "link",
	"slug": "handle", "url_key": "handle", "seo_name": "handle",
}

var underscores = strings.NewReplacer(" ", "_", "-", "_")

// Column returns the one name of all by which a column of a catalogue may go: brand is vendor, item_group_id is parent, "Product
// Type" is category. Letter case, blanks and a prefix such as g: do not count.
func Column(name string) string {
	name = foldText(name)
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	name = underscores.Replace(name)
	if known, ok := columnNames[name]; ok {
		return known
	}
	return name
}
