package refusal

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
)

//go:embed page.html
var pageSource string

// parsePage returns the page's template and the Content-Security-Policy that allows its style sheet and nothing else.
// The policy leaves frame-ancestors out: a shop that shows its checkout in a frame must be able to show the refusal
// there, and it has no control that could be clicked by trickery.
func parsePage() (page *template.Template, policy string, err error) {
	_, style, _ := strings.Cut(pageSource, "<style>")
	style, _, ok := strings.Cut(style, "</style>")
	if !ok {
		return nil, "", errors.New("refusal page: no style sheet")
	}
	page, err = template.New("page").Parse(pageSource)
	if err != nil {
		return nil, "", fmt.Errorf("refusal page: %w", err)
	}
	sum := sha256.Sum256([]byte(style))
	return page, "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'", nil
}

// render writes f to buf in the wanted form and returns the form that it took: a line if all else fails, because there
// must always be a body.
func (w *Writer) render(buf *bytes.Buffer, wanted form, f *Refusal, blockedBy string) form {
	var err error
	switch wanted {
	case page451:
		err = w.page.Execute(buf, w.view(f))
	case problem:
		err = json.NewEncoder(buf).Encode(w.problem(f, blockedBy))
	default:
		w.line(buf, f)
	}
	if err != nil {
		buf.Reset()
		w.line(buf, f)
		return line
	}
	return wanted
}

// view is what the page's template sees.
type view struct {
	Words                          *messages
	Sentence, Explanation, Located string
	Basis                          linked
	Since, Until                   instant
	Reference                      string
	Contact                        linked
}

// linked is a text with a URL behind it, if there is a safe one.
type linked struct{ Text, URL string }

// instant is an instant for people and for programs; empty for none.
type instant struct{ Text, Machine string }

// view prepares f for the page.
func (w *Writer) view(f *Refusal) *view {
	v := &view{
		Words:       w.words,
		Sentence:    w.words.sentence(f),
		Explanation: w.words.explanation(f.Reason),
		Located:     w.words.located(f),
		Basis:       linked{Text: f.Basis.title()},
		Since:       w.instant(f.Since),
		Until:       w.instant(f.Until),
		Reference:   f.Reference,
		Contact:     linked{Text: f.Contact},
	}
	if isWeb(f.Basis.URL) {
		v.Basis.URL = f.Basis.URL
	}
	switch {
	case isWeb(f.Contact):
		v.Contact.URL = f.Contact
	case strings.Contains(f.Contact, "@") && !strings.ContainsAny(f.Contact, " :?&"):
		v.Contact.URL = "mailto:" + f.Contact
	}
	return v
}

// instant prepares an instant for the page.
func (w *Writer) instant(t time.Time) instant {
	if t.IsZero() {
		return instant{}
	}
	return instant{Text: w.words.instant(t), Machine: t.Format(time.RFC3339)}
}

// problemDetails is the refusal as RFC 9457 has it, and with our own members behind it.
type problemDetails struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Reason    string `json:"reason,omitempty"`
	Rule      string `json:"rule,omitempty"`
	Activity  string `json:"activity,omitempty"`
	Product   string `json:"product,omitempty"`
	Country   string `json:"country,omitempty"`
	Reference string `json:"reference,omitempty"`
	Since     string `json:"since,omitempty"`
	Until     string `json:"until,omitempty"`
	Basis     *Basis `json:"basis,omitempty"`
	Contact   string `json:"contact,omitempty"`
	BlockedBy string `json:"blocked_by,omitempty"`
}

// problem prepares f for a program. Its type is the document that explains the status, and the title is the status's
// own phrase.
func (w *Writer) problem(f *Refusal, blockedBy string) *problemDetails {
	p := &problemDetails{
		Type:      "https://www.rfc-editor.org/rfc/rfc7725",
		Title:     http.StatusText(http.StatusUnavailableForLegalReasons),
		Status:    http.StatusUnavailableForLegalReasons,
		Detail:    w.words.sentence(f),
		Reason:    f.Reason,
		Rule:      f.Rule,
		Activity:  f.Activity,
		Product:   f.Product,
		Reference: f.Reference,
		Since:     w.instant(f.Since).Machine,
		Until:     w.instant(f.Until).Machine,
		Contact:   f.Contact,
	}
	if isWeb(blockedBy) {
		p.BlockedBy = blockedBy
	}
	if more := w.words.explanation(f.Reason); more != "" {
		p.Detail += " " + more
	}
	if f.Reason == listedCountry {
		p.Country = f.Country.String()
	}
	if f.Basis != (Basis{}) {
		p.Basis = &f.Basis
	}
	return p
}

// line writes f as one line of text.
func (w *Writer) line(buf *bytes.Buffer, f *Refusal) {
	buf.WriteString(oneLine(w.words.sentence(f)))
	if more := w.words.explanation(f.Reason); more != "" {
		buf.WriteString(" " + more)
	}
	contact := f.Contact
	if isWeb(contact) {
		contact = "<" + contact + ">"
	}
	basis := f.Basis.Title
	if f.Basis.URL != "" {
		basis = strings.TrimLeft(basis+" <"+f.Basis.URL+">", " ")
	}
	for _, fact := range [...]struct{ label, text string }{
		{w.words.Basis, basis},
		{w.words.Since, w.instant(f.Since).Text},
		{w.words.Until, w.instant(f.Until).Text},
		{w.words.Contact, contact},
		{w.words.Reference, f.Reference},
	} {
		if fact.text != "" {
			buf.WriteString(" " + fact.label + ": " + oneLine(fact.text) + ".")
		}
	}
	if f.Reference != "" {
		buf.WriteString(" " + w.words.Quote)
	}
	buf.WriteByte('\n')
}

// title returns what to call the basis: its URL if it has no name.
func (b Basis) title() string {
	if b.Title == "" {
		return b.URL
	}
	return b.Title
}

// isWeb reports whether text is a URL that a page may link to.
func isWeb(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

// oneLine makes a blank of each line break and each other control character, which a terminal would obey.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
}
