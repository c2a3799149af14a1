package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"testing"
)

// shopRow is a request to a shop, and what the shop did.
type shopRow struct {
	ID         string      `json:"id"`
	Platform   string      `json:"platform"`
	Note       string      `json:"note"` // what it is; marks stand in it
	Method     string      `json:"method"`
	Target     string      `json:"target"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	BodyBase64 []byte      `json:"body_base64"` // stands for Body where that is no text
	Adds       []string    `json:"adds"`        // the products whose quantity rose
}

// body is the body of a row as it is sent, without a transfer coding.
func (r *shopRow) body() []byte {
	if len(r.BodyBase64) > 0 {
		return r.BodyBase64
	}
	return []byte(r.Body)
}

// browses reports whether the row only reads: what a buyer of any country may do.
func (r *shopRow) browses() bool { return len(r.Adds) == 0 && strings.Contains(r.Note, "browse") }

// names reports whether the product that the row adds can be read out of the request.
func (r *shopRow) names() bool { return !strings.Contains(r.Note, "[indirect") }

// unasked are indirect rows of whose cart the presets do not know how to ask: see the comments at their heads.
var unasked = []string{"opencart-112", "opencart-150", "opencart3-055", "magento2-m058", "shopify-m048", "prestashop-m027", "prestashop-m028"}

// held are the headers that are written anew, because they belong to one connection.
var held = []string{"host", "connection", "content-length", "transfer-encoding"}

// text is the row as it is sent to a host: recorded fields in their spelling, and chunks where chunks were recorded.
func (r *shopRow) text(host string) string {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.Target, host)
	chunked := false
	for _, h := range r.Headers {
		name := strings.ToLower(h[0])
		chunked = chunked || name == "transfer-encoding"
		if !slices.Contains(held, name) {
			fmt.Fprintf(&text, "%s: %s\r\n", h[0], h[1])
		}
	}
	body := r.body()
	switch {
	case chunked:
		text.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		w := httputil.NewChunkedWriter(&text)
		for piece := range slices.Chunk(body, 1+len(body)/3) {
			_, _ = w.Write(piece) // a buffer takes everything
		}
		_ = w.Close()
		text.WriteString("\r\n")
	case len(body) > 0 || slices.ContainsFunc(r.Headers, func(h [2]string) bool { return strings.EqualFold(h[0], "content-length") }):
		fmt.Fprintf(&text, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		text.WriteString("\r\n")
	}
	return text.String()
}

// readShopRows reads a file of rows under testdata, which has at least so many.
func readShopRows(t testing.TB, name string, atLeast int) (rows []*shopRow) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		r := new(shopRow)
		if err := json.Unmarshal(line, r); err != nil {
			t.Fatalf("%s: %.60s: %v", name, line, err)
		}
		rows = append(rows, r)
	}
	if len(rows) < atLeast {
		t.Fatalf("%s has %d rows, want at least %d", name, len(rows), atLeast)
	}
	return rows
}

// misrecorded are rows whose label belongs to another request. WordPress asks itself to run its queue while it answers, and the
// recorder took that for what had been asked; woocommerce-037 is the request that added the product.
var misrecorded = []string{"woocommerce-053"}

// families are products of the recorded shops that are sold by the number of another, as an operator's catalogue has them: a
// variation by its parent's and some attributes.
var families = map[string][]string{"woocommerce 15": {"14"}, "woocommerce 16": {"14"}}

// presetOf is the preset of each platform of the rows.
var presetOf = map[string]string{
	"woocommerce": "woocommerce", "opencart": "opencart", "opencart3": "opencart", "vendure": "vendure", "medusa": "medusa",
	"magento2": "magento2", "shopify": "shopify", "prestashop": "prestashop", "saleor": "saleor",
}

// shopPolicy forbids the United States one product of a shop.
func shopPolicy(platform, id string) string {
	skus, _ := json.Marshal(append([]string{id}, families[platform+" "+id]...)) // of strings
	return `version: 1
activities:
  sale: [{preset: ` + presetOf[platform] + `, hosts: [shop.example]}]
products:
  restricted: [{skus: ` + string(skus) + `}]
rules:
  - {id: sales, activity: sale, products: [restricted], countries: [US]}
`
}

// shopFigures are what became of the requests of American buyers.
type shopFigures struct {
	sales, letThrough, browsing, refused, others, otherRefused, indirect int
}

// add counts a row. It returns what is wrong with its outcome; empty if nothing is.
func (f *shopFigures) add(r *shopRow, id string, blocked bool) string {
	sells := slices.Contains(r.Adds, id)
	switch {
	case sells && !r.names() && slices.Contains(unasked, r.ID), slices.Contains(misrecorded, r.ID):
		f.indirect++
	case sells:
		f.sales++
		if !blocked {
			f.letThrough++
			return "sale let through"
		}
	case r.browses():
		f.browsing++
		if blocked {
			f.refused++
			return "browsing refused"
		}
	case !strings.Contains(r.Note, "[no effect]"):
		f.others++
		if blocked {
			f.otherRefused++
		}
	}
	return ""
}

func (f *shopFigures) plus(other shopFigures) {
	f.sales += other.sales
	f.letThrough += other.letThrough
	f.browsing += other.browsing
	f.refused += other.refused
	f.others += other.others
	f.otherRefused += other.otherRefused
	f.indirect += other.indirect
}

func (f *shopFigures) String() string {
	return fmt.Sprintf("sales let through: %d of %d; browsing refused: %d of %d; other requests refused: %d of %d; left to the cart: %d",
		f.letThrough, f.sales, f.refused, f.browsing, f.otherRefused, f.others, f.indirect)
}

// TestShopFigures shows that the figures would notice.
func TestShopFigures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		row     shopRow
		blocked bool
		want    string
	}{
		{shopRow{Note: "add", Adds: []string{"7"}}, false, "sale let through"},
		{shopRow{Note: "add", Adds: []string{"7"}}, true, ""},
		{shopRow{Note: "browser: add", Adds: []string{"7"}}, false, "sale let through"},
		{shopRow{Note: "add", Adds: []string{"8"}}, false, ""},
		{shopRow{Note: "quantity [indirect]", Adds: []string{"7"}}, false, "sale let through"},
		{shopRow{ID: unasked[0], Note: "quantity [indirect]", Adds: []string{"7"}}, false, ""},
		{shopRow{Note: "browse: search"}, true, "browsing refused"},
		{shopRow{Note: "browse: search"}, false, ""},
		{shopRow{Note: "add [no effect]"}, true, ""},
	} {
		if got := new(shopFigures).add(&c.row, "7", c.blocked); got != c.want {
			t.Errorf("%+v, blocked %v: %q, want %q", c.row, c.blocked, got, c.want)
		}
	}
}
