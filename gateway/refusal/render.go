package refusal

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"gate451/rules"
)

// listedCountry is the one reason with which a refusal knows the buyer's country, and undeterminedProduct the one with
// which it does not know the goods.
const (
	listedCountry       = "listed_country"
	undeterminedProduct = "undetermined_product"
)

// render writes f to buf in the wanted form and returns the form that it took. What was rendered before for the same
// occasion is written again, with the reference of this one.
func (w *Writer) render(buf *bytes.Buffer, wanted form, l *language, f *Refusal, by string) form {
	if f.Reference != "" && !isReference(f.Reference) {
		return w.compose(buf, wanted, l, f, by)
	}
	o := newOccasion(wanted, l, f, isWeb(by))
	r := w.kept.find(&o)
	if r == nil {
		marked, mark := *f, by
		if f.Reference != "" {
			marked.Reference = referenceMark
		}
		if o.linked {
			mark = blockedByMark
		}
		taken := w.compose(buf, wanted, l, &marked, mark)
		r = &rendering{taken, split(buf.Bytes())}
		if buf.Len() <= keptBuffer {
			w.kept.keep(o, r, buf.Len())
		}
		buf.Reset()
	}
	r.fill(buf, f.Reference, by)
	return r.form
}

// compose writes f to buf in the wanted form and returns the form that it took: a line if all else fails, because there
// must always be a body.
func (w *Writer) compose(buf *bytes.Buffer, wanted form, l *language, f *Refusal, by string) form {
	var err error
	switch wanted {
	case page451:
		err = w.page.Execute(buf, w.view(l, f))
	case problem:
		err = json.NewEncoder(buf).Encode(w.problem(l, f, by))
	default:
		w.line(buf, l, f)
	}
	if err != nil {
		buf.Reset()
		w.line(buf, l, f)
		return line
	}
	return wanted
}

// problemDetails is the refusal as RFC 9457 has it, and with our own members behind it.
type problemDetails struct {
	Type         string              `json:"type"`
	Title        string              `json:"title"`
	Status       int                 `json:"status"`
	Detail       string              `json:"detail"`
	Reason       string              `json:"reason,omitempty"`
	Rule         string              `json:"rule,omitempty"`
	Activity     string              `json:"activity,omitempty"`
	Product      string              `json:"product,omitempty"`
	Country      string              `json:"country,omitempty"`
	Reference    string              `json:"reference,omitempty"`
	Since        string              `json:"since,omitempty"`
	Until        string              `json:"until,omitempty"`
	Basis        *Basis              `json:"basis,omitempty"`
	Alternatives []rules.Alternative `json:"alternatives,omitempty"`
	Contact      string              `json:"contact,omitempty"`
	BlockedBy    string              `json:"blocked_by,omitempty"`
}

// problem prepares f for a program. Its type is the document that explains the status, and the title is the status's
// own phrase, the same in every language; the detail is for people.
func (w *Writer) problem(l *language, f *Refusal, by string) *problemDetails {
	p := &problemDetails{
		Type:         "https://www.rfc-editor.org/rfc/rfc7725",
		Title:        http.StatusText(http.StatusUnavailableForLegalReasons),
		Status:       http.StatusUnavailableForLegalReasons,
		Detail:       l.sentence(f),
		Reason:       f.Reason,
		Rule:         f.Rule,
		Activity:     f.Activity,
		Product:      f.Product,
		Reference:    f.Reference,
		Since:        machine(f.Since),
		Until:        machine(f.Until),
		Alternatives: w.alternatives(f),
		Contact:      w.cfg.Contact,
	}
	if isWeb(by) {
		p.BlockedBy = by
	}
	if more := l.explanation(f.Reason); more != "" {
		p.Detail += l.space() + more
	}
	if f.Reason == listedCountry {
		p.Country = f.Country.String()
	}
	if f.Basis != (Basis{}) {
		p.Basis = &f.Basis
	}
	return p
}

// machine writes an instant for programs; it is empty for none.
func machine(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
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
