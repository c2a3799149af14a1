package refusal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"strings"
	"time"

	"gate451/rules"
)

//go:embed page.html
var pageSource string

// mostPage is what a page may have when it is compressed, in bytes, its logo included: a phone on a bad line shows it at once.
const mostPage = 8 << 10

// Page is what a template sees: text that is ready to be shown, in the buyer's language. Nothing in it comes from the
// request, and what there is nothing to say of is empty.
type Page struct {
	// Language is the BCP 47 tag, for lang, and Direction is ltr or rtl, for dir.
	Language, Direction string
	// Shop is the name, and Logo and LogoDark are the pictures, for src and for srcset.
	Shop     string
	Logo     template.URL
	LogoDark template.Srcset
	// Style is the style sheet of the page that comes with the program, in the operator's colors.
	Style template.CSS
	// Title is what the status means, Sentence says what cannot be done, and Meaning why.
	Title, Sentence, Meaning string
	Products, Country        Fact
	Basis                    Fact
	Since, Until             Instant
	AlternativesLabel        string
	Alternatives             []rules.Alternative
	Contact, Reference       Fact
	// Quote says what the reference is for.
	Quote string
}

// Fact is a text behind its label, with a URL if there is a safe one.
type Fact struct{ Label, Text, URL string }

// Instant is an instant for people and for programs. Zone is its zone, written from left to right in every language.
type Instant struct{ Label, Text, Zone, Machine string }

// preparePage reads the page's template, and sets the Content-Security-Policy that allows its style sheet and the
// pictures in it, and nothing else. The policy leaves frame-ancestors out: a shop that shows its checkout in a frame must
// be able to show the refusal there, and it has no control that could be clicked by trickery.
func (w *Writer) preparePage() (err error) {
	if w.cfg.Template != nil {
		return w.prepareTemplate(w.cfg.Template)
	}
	if w.page, err = template.New("page").Parse(pageSource); err != nil {
		return fmt.Errorf("refusal page: %w", err)
	}
	w.policy = securityPolicy([]string{string(w.look.style)})
	if w.look.logo == "" {
		return nil
	}
	for _, l := range w.languages.all {
		var page bytes.Buffer
		f := fullest()
		if err := w.page.Execute(&page, w.view(l, &f)); err != nil {
			return fmt.Errorf("refusal page: %w", err)
		}
		if size := compressed(page.Bytes()); size > mostPage {
			return &Fault{"logo", fmt.Sprintf("with the logo the page has %d bytes when it is compressed, and %d are too many for a phone; use a smaller picture, such as an SVG", size, mostPage)}
		}
	}
	return nil
}

// securityPolicy returns the Content-Security-Policy for a page with these style sheets.
func securityPolicy(styles []string) string {
	allowed := "'none'"
	if len(styles) > 0 {
		allowed = ""
		for _, style := range styles {
			sum := sha256.Sum256([]byte(style))
			allowed += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
		allowed = allowed[1:]
	}
	return "default-src 'none'; style-src " + allowed + "; img-src data:; base-uri 'none'; form-action 'none'"
}

// compressed returns the length of a page when it is compressed.
func compressed(page []byte) int {
	var length counter
	z := gzip.NewWriter(&length)
	_, _ = z.Write(page) // a counter takes everything
	_ = z.Close()
	return int(length)
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)

// view prepares f for the page.
func (w *Writer) view(l *language, f *Refusal) *Page {
	p := &Page{
		Language: l.code, Direction: l.direction(),
		Shop: w.cfg.Name, Logo: w.look.logo, LogoDark: w.look.logoDark, Style: w.look.style,
		Title: l.w.Title, Sentence: l.sentence(f), Meaning: l.w.Meaning,
		Products:          Fact{Label: l.w.Products},
		Country:           Fact{Label: l.w.Country},
		Basis:             Fact{Label: l.w.Basis, Text: f.Basis.title()},
		Since:             l.instant(l.w.Since, f.Since),
		Until:             l.instant(l.w.Until, f.Until),
		AlternativesLabel: l.w.Alternatives, Alternatives: w.alternatives(f),
		Contact:   Fact{Label: l.w.Contact, Text: w.cfg.Contact},
		Reference: Fact{Label: l.w.Reference, Text: f.Reference},
		Quote:     l.w.Quote,
	}
	switch f.Reason {
	case listedCountry:
		p.Country.Text = l.countryName(f.Country)
	case undeterminedProduct:
		p.Meaning = l.explanation(f.Reason) + l.space() + l.w.Caution
	default:
		p.Meaning = l.explanation(f.Reason) + l.space() + l.w.Caution
		if len(f.Products) > 0 {
			p.Products.Text = l.list(f.Products)
		}
	}
	if isWeb(f.Basis.URL) {
		p.Basis.URL = f.Basis.URL
	}
	switch contact := w.cfg.Contact; {
	case isWeb(contact):
		p.Contact.URL = contact
	case strings.Contains(contact, "@") && !strings.ContainsAny(contact, " :?&"):
		p.Contact.URL = "mailto:" + contact
	}
	return p
}

// instant prepares an instant for the page.
func (l *language) instant(label string, t time.Time) Instant {
	if t.IsZero() {
		return Instant{Label: label}
	}
	return Instant{label, l.date(t), zone(t), machine(t)}
}

// alternatives are those of the refusal itself, or those that the operator has for all.
func (w *Writer) alternatives(f *Refusal) []rules.Alternative {
	if len(f.Alternatives) > 0 {
		return f.Alternatives
	}
	return w.cfg.Alternatives
}

// mostAlternatives is how many alternatives a page shows at the most.
const mostAlternatives = 8

// checkAlternatives reports what cannot be linked.
func checkAlternatives(all []rules.Alternative) error {
	if len(all) > mostAlternatives {
		return &Fault{"alternatives", fmt.Sprintf("there are %d alternatives; name the best %d", len(all), mostAlternatives)}
	}
	for _, a := range all {
		if u, err := url.Parse(a.URL); err != nil || !isWeb(a.URL) || u.Host == "" || a.Title == "" {
			return &Fault{"alternatives", fmt.Sprintf("alternative %q cannot be linked to %q; give it a title and an http or https URL", a.Title, a.URL)}
		}
	}
	return nil
}
