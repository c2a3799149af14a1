package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"gate451/gateway/refusal"
	"gate451/rules"
)

// mostNoticed is how many products a notice names. It goes into every answer, and into its header at that.
const mostNoticed = 3

// noticeHeader tells the upstream and the browser of the rule that will block such a request: its id, the instant at which it
// begins, and a sentence for people, in the language that the request asks for. It is an item of RFC 9651 with parameters; the sentence
// is a display string, which decodeURIComponent and rawurldecode read. It is empty if there is no such rule.
func noticeHeader(d *rules.Decision, policy *rules.Policy, words *refusal.Writer, h http.Header) string {
	if d.Notice == nil {
		return ""
	}
	from := in(d.Notice.Effective.From, policy.Zone())
	var products []string
	if len(d.Notice.Products) <= mostNoticed {
		for _, product := range d.Notice.Products {
			products = append(products, policy.Title(product))
		}
	}
	sentence, language := words.Notice(h, d.Notice.Refusal, products, from)
	value := `"` + d.Notice.ID + `"; from="` + from.Format(time.RFC3339Nano) + `"` // an id needs no escapes
	if language != "en" {
		value += `; lang="` + language + `"`
	}
	value += "; text=" + displayString(sentence)
	return value
}

// displayString writes a text in printable ASCII (RFC 9651, section 4.1.11).
func displayString(text string) string {
	var out strings.Builder
	out.WriteString(`%"`)
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '%' || c == '"' {
			fmt.Fprintf(&out, "%%%02x", c)
		} else {
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
	return out.String()
}
