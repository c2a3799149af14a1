package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// stocked attaches a catalogue of rows, each "ID/PARENT other,other column=text|column=text"; a dash stands for nothing. A
// line of one word begins a file of that name.
func stocked(t testing.TB, p *Policy, rows string) *Policy {
	t.Helper()
	c := p.Catalogue()
	var line int
	for text := range strings.Lines(rows) {
		words := strings.Fields(text)
		switch len(words) {
		case 0:
			continue
		case 1:
			c.Begin(words[0], "/srv/"+words[0])
			line = 0
			continue
		}
		line++
		fill(t, c, line, words)
	}
	q, err := p.WithCatalogue(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func fill(t testing.TB, c *Catalogue, line int, words []string) {
	t.Helper()
	id, parent, _ := strings.Cut(strings.ReplaceAll(strings.TrimSuffix(words[0], "/-"), "-/", "/"), "/")
	g := Good{Line: line, ID: id, Parent: parent}
	if words[1] != "-" {
		g.Others = strings.Split(words[1], ",")
	}
	for _, value := range words[2:] {
		column, text, _ := strings.Cut(value, "=")
		if c.Column(column) {
			g.Values = append(g.Values, Value{Column(column), text})
		}
	}
	if err := c.Add(&g); err != nil {
		t.Fatal(err)
	}
}

// productsOf returns the products of an id that is carried to a path of the shop, as both Decide's table and Explain see them.
func productsOf(t *testing.T, p *Policy, id, path string) string {
	t.Helper()
	places := p.skus.places.match("shop.example", path, nil)
	matched, walked := p.skus.match(id, places, nil), p.skus.walk(foldText(id), "shop.example", path)
	slices.Sort(matched)
	slices.Sort(walked)
	if !slices.Equal(matched, walked) {
		t.Errorf("%s is of %v, and when explained of %v", id, matched, walked)
	}
	var all []string
	for _, product := range matched {
		all = append(all, p.names[product])
	}
	return strings.Join(all, " ")
}

const stockPolicy = `version: 1
catalogues: [goods.csv, feed.xml]
activities: {sale: [{paths: [/cart], fields: [{query: id}]}]}
products:
  vendor: [{catalogue: {brand: "Kaspersky*"}}]
  sku: [{skus: ["KL1*", exact]}]
  both: [{catalogue: {vendor: [acme, Apex], category: "*knives*"}}]
  there: [{catalogue: {vendor: acme}, paths: [/cart/there]}]
rules: [{id: all, activity: sale, products: [vendor, sku, both, there], countries: [DE]}]
`

func TestCatalogue(t *testing.T) {
	t.Parallel()
	const head = "goods.csv\n0/ - vendor=- category=-\n"
	for name, c := range map[string]struct{ rows, want string }{
		"a column makes all ids of the row the product's": {"1/ S1,gid://x/1 brand=KASPERSKY_Lab", "1=vendor s1=vendor gid://x/1=vendor 2="},
		"a parent's column finds the variants and their SKUs": {"1/ P1 vendor=kaspersky\n11/1 S11\n12/1 S12\n2/ P2\n21/2 S21",
			"1=vendor p1=vendor 11=vendor s11=vendor s12=vendor 2= 21= s21="},
		"a variant's column finds the parent and the sisters": {"1/ P1\n11/1 S11 vendor=kaspersky\n12/1 S12", "1=vendor p1=vendor s12=vendor"},
		"a variant's SKU finds the parent and the sisters":    {"1/ P1\n11/1 KL11\n12/1 S12", "1=sku p1=sku 11=sku 12=sku s12=sku"},
		"a literal SKU does":                                {"1/ P1\n11/1 Exact\n12/1 S12", "1=sku 12=sku exact=sku"},
		"variants come before their parent":                 {"11/1 S11\n12/1 S12\n1/ P1 vendor=kaspersky", "1=vendor s11=vendor 12=vendor"},
		"a parent without a row":                            {"11/G S11 vendor=kaspersky\n12/g S12\n13/H S13", "g=vendor 12=vendor s12=vendor h= 13="},
		"a rule on a parent without a row":                  {"11/KL1 S11\n12/KL1 S12", "kl1=sku 11=sku s12=sku"},
		"grandchildren":                                     {"1/ - vendor=kaspersky\n11/1 -\n111/11 S111\n1111/111 -", "111=vendor s111=vendor 1111=vendor"},
		"a parent is named by its SKU":                      {"1/ P1 vendor=kaspersky\n11/P1 S11\n111/11 S111", "11=vendor s11=vendor s111=vendor"},
		"the id comes before the SKU":                       {"1/ 7 vendor=kaspersky\n7/ S7\n8/7 S8", "7=vendor 8= s7= s8="},
		"an id that equals a SKU belongs to both":           {"1/ 7 vendor=kaspersky\n7/ KL19", "7=sku_vendor 1=vendor kl19=sku"},
		"a duplicate id belongs to both":                    {"1/ A vendor=kaspersky\n1/ KL1", "1=sku_vendor a=vendor kl1=sku"},
		"variants whose numbers are others' than products'": {"1/3 S1 vendor=kaspersky\n2/1 S2\n3/2 S3\n4/3 S4", "3=vendor 1=vendor 4=vendor s4=vendor s2= s3="},
		"the least deep counts":                             {"9/ -\n3/9 S3 vendor=kaspersky\n3/ P3\n31/3 S31", "s31= p3= 9=vendor s3=vendor 3=vendor"},
		"each its own parent":                               {"1/1 S1 vendor=kaspersky\n2/2 S2\n11/1 S11", "1=vendor s11=vendor 2= s2="},
		"all columns must match":                            {"1/ - vendor=acme category=Knives\n2/ - vendor=APEX category=big-knives\n3/ - vendor=acme category=forks\n4/ - category=knives", "1=both 2=both 3= 4="},
		"not of several rows":                               {"1/ - vendor=acme\n11/1 - category=knives", "1= 11="},
		"a column that stands twice":                        {"1/ - vendor=other vendor=acme brand=acme category=knives", "1=both"},
		"elsewhere":                                         {"1/ S1 vendor=acme", "1= 1@/cart/there=there s1@/cart/there/x=there 2@/cart/there="},
		"nothing that can be carried":                       {"-/ - vendor=kaspersky", "-= 1="},
		"a row of other ids alone":                          {"-/1 S1\n-/1 S2 vendor=kaspersky\n-/ S3 vendor=kaspersky", "1=vendor s1=vendor s3=vendor"},
		"several files":                                     {"1/ P1\nfeed.xml\n11/1 S11 vendor=kaspersky", "1=vendor p1=vendor s11=vendor"},
		"blanks and case":                                   {"ID/ sKu vendor=kaspersky", "id=vendor ID=vendor SKU=vendor \u212Aid="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stocked(t, parse(t, stockPolicy), head+c.rows)
			for want := range strings.FieldsSeq(c.want) {
				i := strings.LastIndexByte(want, '=')
				id, path, _ := strings.Cut(want[:i], "@")
				if path == "" {
					path = "/cart"
				}
				if got := productsOf(t, p, id, path); got != strings.ReplaceAll(want[i+1:], "_", " ") {
					t.Errorf("%s at %s is of %q; want %q", id, path, got, want[i+1:])
				}
			}
		})
	}
}

func TestCatalogueIsToldOf(t *testing.T) {
	t.Parallel()
	p := parse(t, stockPolicy)
	if got := p.Catalogues(); !slices.Equal(got, []string{"feed.xml", "goods.csv"}) || p.Attached() != nil {
		t.Errorf("catalogues %q, attached %v", got, p.Attached())
	}
	q := stocked(t, p, "goods.csv\n1/ S,s,S vendor=Kaspersky\n1/ T category=x\nfeed.xml\n2/1 S vendor=x\n3/ - vendor=acme")
	want := []CatalogueFile{{"goods.csv", "/srv/goods.csv", 2, 3}, {"feed.xml", "/srv/feed.xml", 2, 3}}
	if diff := cmp.Diff(want, q.Attached()); diff != "" {
		t.Error(diff)
	}
	if q.Digest() != p.Digest() || string(q.Text()) != string(p.Text()) {
		t.Error("the catalogue changes the digest")
	}
	warned := Problems{{"policy.yaml", 7, 22, "no row of the catalogues is one of product both by this; look at the column's values"}}
	if diff := cmp.Diff(warned, q.Warnings()); diff != "" || len(p.Warnings()) != 0 {
		t.Error(diff, p.Warnings())
	}
	c := p.Catalogue()
	c.Column("Vendors")
	if _, err := p.WithCatalogue(c); err == nil || !strings.HasPrefix(err.Error(), `policy.yaml:5:24: no catalogue has a column "vendor"; did you mean vendors?`) {
		t.Error(err)
	}
	c = p.Catalogue()
	c.most = 1
	if err := c.Add(&Good{ID: "1"}); err != nil || c.Files()[0].Goods != 1 {
		t.Error(err)
	}
	if err := c.Add(&Good{ID: "2"}); err == nil || err.Error() != "the catalogues hold more than 1 goods; leave out what no request carries" {
		t.Error(err)
	}
	// A pause leaves the catalogue attached.
	q = paused(t, q, Pause{Rule: "all", Effective: Interval{Until: instant(t, "2030-01-01T00:00:00Z")}})
	if got := productsOf(t, q, "s", "/cart"); got != "vendor" || q.Attached() == nil {
		t.Errorf("when paused, s is of %q", got)
	}
}

func TestBelongings(t *testing.T) {
	t.Parallel()
	p := stocked(t, parse(t, stockPolicy), "goods.csv\n0/ - category=x\n1/ P1 vendor=kaspersky\n11/1 KL11,both\n2/ both vendor=acme\nfeed.xml\n1/ Q1 vendor=kaspersky\n")
	req := &Request{Host: "shop.example", Paths: []string{"/cart"}, Carried: []Carried{{Carrier: 0, Present: true, IDs: []string{"Both", "other"}}}}
	e := p.Explain(req, from("DE"), instant(t, "2024-01-01T00:00:00Z"))
	want := []Belonging{
		{"Both", "sku", Place{"goods.csv", 3}, Place{"goods.csv", 3}, "kl11"},
		{"Both", "vendor", Place{"goods.csv", 3}, Place{"goods.csv", 2}, ""},
	}
	if diff := cmp.Diff(want, e.Readings[0].Belongings); diff != "" {
		t.Error(diff)
	}
	req.Paths = []string{"/cart/there"}
	if got := p.Explain(req, from("DE"), instant(t, "2024-01-01T00:00:00Z")).Readings[0].Belongings; len(got) != 3 || got[2].Product != "there" {
		t.Error(got)
	}
}

// TestWithoutCatalogueNothingIsOther: what nothing written decides may be any product's while no catalogue is attached.
func TestWithoutCatalogueNothingIsOther(t *testing.T) {
	t.Parallel()
	p := parse(t, strings.Replace(stockPolicy, "products: [vendor,", "except: [{products: [both], networks: [192.0.2.0/24]}], products: [vendor,", 1))
	at := instant(t, "2024-01-01T00:00:00Z")
	full := stocked(t, p, "goods.csv\n1/ - vendor=kaspersky category=-\n")
	for id, want := range map[string][2]string{
		"1":   {"block undetermined_product all sale - DE", "block listed_country all sale vendor DE"},
		"2":   {"block undetermined_product all sale - DE", "allow other_product - sale - DE"},
		"KL1": {"block listed_country all sale sku DE", "block listed_country all sale sku DE"},
	} {
		req := &Request{Host: "shop.example", Paths: []string{"/cart"}, Carried: []Carried{{Carrier: 0, Present: true, IDs: []string{id}}}}
		for i, p := range []*Policy{p, full} {
			if got, explained := said(p.Decide(req, from("DE"), at)), said(p.Explain(req, from("DE"), at).Decision); got != want[i] || explained != got {
				t.Errorf("%s, attached %t: %s, explained %s; want %s", id, i == 1, got, explained, want[i])
			}
		}
	}
}

// TestFamilies compares the table with families that are found by comparing every row with every other.
func TestFamilies(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 451))
	p := parse(t, stockPolicy)
	var several, alone int
	for range 3000 {
		var rows []Good
		for i := range 1 + random.IntN(9) {
			g := Good{Line: i + 1, ID: pick(random, "", "1", "2", "3", "4", "5", "6", "KL1"), Values: []Value{{"vendor", pick(random, "x", "y", "Kaspersky", "acme")}}}
			g.Parent = pick(random, "", "", "1", "2", "3", "4", "G", "S1", g.ID)
			for range random.IntN(3) {
				g.Others = append(g.Others, pick(random, "S1", "S2", "1", "2", "KL1", "kl12", "h"))
			}
			rows = append(rows, g)
		}
		c := p.Catalogue()
		for _, column := range []string{"vendor", "category"} {
			c.Column(column)
		}
		for i := range rows {
			if err := c.Add(&rows[i]); err != nil {
				t.Fatal(err)
			}
		}
		q, err := p.WithCatalogue(c)
		if err != nil {
			t.Fatal(err)
		}
		want := bruteFamilies(rows)
		for _, id := range []string{"1", "2", "3", "4", "5", "6", "G", "S1", "S2", "KL1", "kl12", "h"} {
			var products []string
			for product, ids := range want {
				if ids[foldText(id)] || product == "sku" && like("kl1*", foldText(id)) {
					products = append(products, product)
				}
			}
			slices.Sort(products)
			if got := productsOf(t, q, id, "/cart/there"); got != strings.Join(products, " ") {
				t.Fatalf("%s is of %q; want %q\n%+v", id, got, products, rows)
			}
			if several += len(products) / 2; len(products) == 0 {
				alone++
			}
		}
	}
	if several < 1000 || alone < 1000 {
		t.Errorf("%d ids were of several products and %d of none: the test does not reach enough", several, alone)
	}
}

// bruteFamilies returns the folded ids of each product.
func bruteFamilies(rows []Good) map[string]map[string]bool {
	own := func(g Good) (ids []string) {
		for _, id := range append([]string{g.ID}, g.Others...) {
			if id != "" {
				ids = append(ids, foldText(id))
			}
		}
		return ids
	}
	root := func(g Good) bool { return g.Parent == "" || foldText(g.Parent) == foldText(g.ID) }
	// How deep each row stands, as far as that can be told: by what its parent's name stands for.
	depth := make([]int, len(rows))
	const unknown, far = 1 << 30, 1 << 20
	stands := map[string]int{}
	for i, g := range rows {
		if depth[i] = unknown; root(g) {
			depth[i] = 0
		}
	}
	settle := func() {
		for changed := true; changed; {
			changed = false
			for i, g := range rows {
				if depth[i] == unknown || g.ID == "" {
					continue
				}
				if at, ok := stands[foldText(g.ID)]; !ok || depth[i] < at {
					stands[foldText(g.ID)], changed = depth[i], true
				}
			}
			for i, g := range rows {
				if at, ok := stands[foldText(g.Parent)]; ok && !root(g) && g.Parent != "" && at+1 < depth[i] {
					depth[i], changed = at+1, true
				}
			}
		}
	}
	settle()
	byOther := map[string]bool{}
	for _, g := range rows {
		for _, other := range own(g) {
			if _, ok := stands[other]; !ok && root(g) {
				byOther[other] = true
			}
		}
	}
	for other := range byOther {
		stands[other] = far
	}
	settle()
	joined := func(a, b Good, i int) bool {
		switch {
		case b.Parent == "":
			return false
		case foldText(a.Parent) == foldText(b.Parent):
			return true
		case byOther[foldText(b.Parent)]:
			return root(a) && slices.Contains(own(a), foldText(b.Parent))
		}
		at, ok := stands[foldText(b.Parent)]
		return ok && a.ID != "" && foldText(a.ID) == foldText(b.Parent) && depth[i] == at
	}
	family := make([]int, len(rows))
	for i := range family {
		family[i] = i
	}
	for i, a := range rows {
		for j, b := range rows {
			if from, to := family[i], family[j]; joined(a, b, i) {
				for k := range family {
					if family[k] == from {
						family[k] = to
					}
				}
			}
		}
	}
	found := map[string]map[string]bool{"sku": {}}
	for i, a := range rows {
		products := map[string]bool{
			"vendor": a.Values[0].Text == "Kaspersky" && (len(own(a)) > 0 || a.Parent != ""), "there": a.Values[0].Text == "acme" && (len(own(a)) > 0 || a.Parent != ""),
			"sku": slices.ContainsFunc(append(own(a), foldText(a.Parent)), func(id string) bool { return like("kl1*", id) }),
		}
		for product, is := range products {
			for j, b := range rows {
				if !is || family[i] != family[j] {
					continue
				}
				if found[product] == nil {
					found[product] = map[string]bool{}
				}
				for _, id := range append(own(b), foldText(b.Parent)) {
					found[product][id] = id != ""
				}
			}
		}
	}
	return found
}

func TestColumn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"id": "id", " ID ": "id", "g:id": "id", "Product ID": "id", "SKU": "sku", "Variant SKU": "sku", "item_group_id": "parent", "g:item_group_id": "parent",
		"Parent-ID": "parent", "Brand": "vendor", "MANUFACTURER": "vendor", "Product Type": "category", "ean": "gtin", "URL": "link", "licence term": "licence_term",
	} {
		if got := Column(name); got != want || Column(got) != got {
			t.Errorf("%q is %q, and that is %q; want %q", name, got, Column(got), want)
		}
	}
	for name, column := range columnNames {
		if Column(name) != column || Column(column) != column {
			t.Errorf("%s is %s, and that is %s; want %s", name, Column(name), Column(Column(name)), column)
		}
	}
}

// manyGoods attaches to a policy of 2n rules a catalogue of n families of so many variants each, of which each has an id and
// a SKU.
func manyGoods(tb testing.TB, n, variants int) *Policy {
	var text strings.Builder
	text.WriteString("version: 1\ncatalogues: [goods.csv]\nactivities:\n  sale: [{hosts: [shop.example], paths: [/cart], fields: [{param: sku}]}, {fields: [{query: add}], when: carried}]\nproducts:\n")
	for i := range n {
		fmt.Fprintf(&text, "  l%d: [{catalogue: {vendor: maker-%d}}]\n  p%d: [{skus: [kind-%d-*]}]\n", i, i, i, i)
	}
	text.WriteString("rules:\n")
	for i := range n {
		for _, kind := range []string{"l", "p"} {
			fmt.Fprintf(&text, "  - {id: %s%d, activity: sale, products: [%s%d], countries: [%s], from: 2024-01-01T00:00:00Z}\n", kind, i, kind, i,
				[]string{"FR", "IT", "ES"}[i%3])
		}
	}
	p := parse(tb, text.String())
	c := p.Catalogue()
	c.Column("vendor")
	addMany(tb, c, n, variants)
	q, err := p.WithCatalogue(c)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

func addMany(tb testing.TB, c *Catalogue, n, variants int) {
	c.Begin("goods.csv", "goods.csv")
	for i := range n {
		g := Good{Line: i + 1, ID: fmt.Sprintf("product-%d", i), Values: []Value{{"vendor", fmt.Sprintf("Maker-%d", i)}}}
		if err := c.Add(&g); err != nil {
			tb.Fatal(err)
		}
		for j := range variants {
			g := Good{Line: i + 1, ID: fmt.Sprintf("variant-%d-%d", i, j), Others: []string{fmt.Sprintf("SKU-%d-%d", i, j)}, Parent: g.ID}
			if err := c.Add(&g); err != nil {
				tb.Fatal(err)
			}
		}
	}
}

func TestHalfAMillionGoodsCostAtMostTwiceFive(t *testing.T) {
	few, many := manyGoods(t, 5, 1), manyGoods(t, 5000, 50)
	if got := many.Attached()[0].IDs; got < 500000 {
		t.Fatalf("only %d ids", got)
	}
	for what, req := range map[string]*Request{
		"a SKU": cart(0, "SKU-3-0"), "a parent": cart(0, "product-3"), "a pattern": cart(0, "KIND-3-x"), "another": cart(1), "fifty lines": cart(49, "sku-3-0"),
	} {
		if d := many.Decide(req, from("FR"), time.Unix(1.8e9, 0)); (d.Verdict == Block) == (what == "another") {
			t.Errorf("%s: %s", what, said(d))
		}
		compareSizes(t, few, many, req, what)
	}
}

func TestCatalogueAllocatesNothing(t *testing.T) {
	p, o := manyGoods(t, 5, 3), from("FR")
	for _, req := range []*Request{cart(0, "SKU-3-1"), cart(0, "product-2", "variant-1-0"), cart(50)} {
		if n := testing.AllocsPerRun(100, func() { decision = p.Decide(req, o, time.Unix(1.8e9, 0)) }); n != 0 {
			t.Errorf("%v: %v allocations", req.Carried, n)
		}
	}
}

// BenchmarkCatalogue gathers and attaches half a million ids, all of them of products.
func BenchmarkCatalogue(b *testing.B) {
	p := manyGoods(b, 5000, 1)
	b.ReportAllocs()
	for b.Loop() {
		c := p.Catalogue()
		c.Column("vendor")
		addMany(b, c, 5000, 50)
		if _, err := p.WithCatalogue(c); err != nil {
			b.Fatal(err)
		}
	}
}
