package refusal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Reasons are the reasons with which a request is blocked, in the words of the policy.
func Reasons() []string {
	return []string{listedCountry, "unknown_country", "private_network", "client_address", "stale_database", "anonymized", undeterminedProduct}
}

// Kinds are the kinds of refusal.
func Kinds() []string { return []string{Purchase, Update, Access} }

// Sample returns what a buyer would be told, as html, json or text, with goods, a country and a law to stand for others.
// It fails for a form, a language, a kind or a reason that there is not, and says which there are.
func (w *Writer) Sample(shape, wanted, kind, reason string) ([]byte, error) {
	f := fullest()
	f.Kind, f.Reason, f.Products, f.Reference = kind, reason, f.Products[:1], "K3F9-0ZQ1"
	form := line
	switch shape {
	case "html":
		form = page451
	case "json":
		form = problem
	case "text":
	default:
		return nil, fmt.Errorf("there is no form %q; expected html, json or text", shape)
	}
	if !slices.Contains(Kinds(), kind) {
		return nil, fmt.Errorf("there is no kind %q; expected %s", kind, strings.Join(Kinds(), ", "))
	}
	if !slices.Contains(Reasons(), reason) {
		return nil, fmt.Errorf("there is no reason %q; expected %s", reason, strings.Join(Reasons(), ", "))
	}
	at := slices.IndexFunc(w.languages.all, func(l *language) bool { return strings.EqualFold(l.code, wanted) })
	if wanted == "" {
		at = 0
	}
	if at < 0 {
		var codes []string
		for _, l := range w.languages.all {
			codes = append(codes, l.code)
		}
		slices.Sort(codes)
		return nil, fmt.Errorf("there are no messages in language %q; expected %s", wanted, strings.Join(codes, ", "))
	}
	by := w.blockedBy
	if by == "" {
		by = "https://shop.example/"
	}
	var buf bytes.Buffer
	w.render(&buf, form, w.languages.all[at], &f, by)
	return buf.Bytes(), nil
}

// BuiltInMessages returns the file of messages in a language that comes with the program.
func BuiltInMessages(wanted string) ([]byte, error) {
	for _, code := range Languages() {
		if strings.EqualFold(code, wanted) {
			return wordFiles.ReadFile("words/" + code + ".yaml")
		}
	}
	return nil, fmt.Errorf("no messages in language %q come with the program; expected %s", wanted, strings.Join(Languages(), ", "))
}
