package refusal

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"
	"time"

	"golang.org/x/net/html"

	"gate451/rules"
)

// Template is a page of the operator's own.
type Template struct {
	// File is named in errors, and Text is what it holds.
	File, Text string
}

// MostTemplate bounds a template, in bytes.
const MostTemplate = 64 << 10

// mostOutput bounds what a template may write, in bytes.
const mostOutput = 256 << 10

// prepareTemplate reads the operator's page, and executes it once for every language and every kind of refusal, so that
// no buyer is the first to see a mistake.
func (w *Writer) prepareTemplate(t *Template) (err error) {
	fail := func(line int, format string, args ...any) error {
		return rules.Problems{{File: t.File, Line: max(1, line), Column: 1, Message: fmt.Sprintf(format, args...)}}
	}
	if len(t.Text) > MostTemplate {
		return fail(1, "the template has more than %d bytes; write a smaller page", MostTemplate)
	}
	w.page, err = template.New("page").Option("missingkey=error").Parse(t.Text)
	if err != nil {
		line, message := lineOf(err)
		return fail(line, "the template cannot be read: %s; see the Go package html/template", message)
	}
	if line, wrong := endless(w.page.Tree); wrong != "" {
		return fail(line, "%s; a page needs with, if, and range over .Alternatives", wrong)
	}
	var styles []string
	for i, s := range w.samples() {
		page := limited{most: mostOutput}
		if err := w.page.Execute(&page, w.view(s.language, &s.refusal)); err != nil {
			line, message := lineOf(err)
			return fail(line, "the template fails in language %s: %s; the fields that there are stand in deployments/REFUSAL.md", s.language.code, message)
		}
		found, wrong := inspect(page.text)
		if wrong == "" && !bytes.Contains(page.text, []byte(template.HTMLEscapeString(s.language.sentence(&s.refusal)))) {
			wrong = "the page does not say what cannot be done; show {{.Sentence}}"
		}
		if wrong == "" && s.refusal.Reference != "" && !bytes.Contains(page.text, []byte(referenceMark)) {
			wrong = "the page does not tell the reference, without which the decision behind it cannot be found; show {{.Reference.Text}}"
		}
		if wrong == "" && i > 0 && !slices.Equal(styles, found) {
			wrong = "the style sheet is not the same on every page; take {{ }} but {{.Style}} out of <style>"
		}
		if fullest := s.refusal.Kind == Purchase && s.refusal.Reference != ""; wrong == "" && fullest && compressed(page.text) > mostPage {
			wrong = fmt.Sprintf("the page has %d bytes when it is compressed, and %d are too many for a phone; make the page or the logo smaller", compressed(page.text), mostPage)
		}
		if wrong != "" {
			return fail(1, "%s", wrong)
		}
		styles = found
	}
	w.policy = securityPolicy(styles)
	return nil
}

// sample is a refusal in a language, to try a template with.
type sample struct {
	language *language
	refusal  Refusal
}

// fullest is a refusal that has something to say of everything.
func fullest() Refusal {
	at := time.Date(2024, 7, 20, 0, 0, 0, 0, time.FixedZone("EDT", -4*60*60))
	return Refusal{
		Kind: Purchase, Products: []string{"Kaspersky products", "Example products"}, Country: rules.CountryOf("US"), Reason: listedCountry,
		Since: at, Until: at.AddDate(10, 0, 0), Basis: Basis{Title: "89 FR 52434", URL: "https://www.federalregister.gov/d/2024-13532"},
		Reference: referenceMark, Activity: "sale", Product: "kaspersky", Rule: "kaspersky-us-2024/sales",
	}
}

// samples returns refusals of every kind and reason in every language, with all there is to say and with nothing.
func (w *Writer) samples() (all []sample) {
	for _, l := range w.languages.all {
		for _, kind := range [...]string{Purchase, Update, Access} {
			full := fullest()
			full.Kind = kind
			all = append(all, sample{l, full}, sample{l, Refusal{Kind: kind, Reason: listedCountry}})
		}
		for _, reason := range [...]string{"unknown_country", undeterminedProduct} {
			full := fullest()
			full.Reason = reason
			all = append(all, sample{l, full})
		}
	}
	return all
}

// limited holds what a template writes, up to a bound.
type limited struct {
	text []byte
	most int
}

var errTooLong = errors.New("the page has no end; make it shorter")

func (l *limited) Write(p []byte) (int, error) {
	if len(l.text)+len(p) > l.most {
		return 0, errTooLong
	}
	l.text = append(l.text, p...)
	return len(p), nil
}

var templatePlace = regexp.MustCompile(`^(?:html/)?template: ?[^:]*:(\d+):(?:\d+:)? ?(.*)$`)

// lineOf returns the line that an error of html/template is about, and what it says without it.
func lineOf(err error) (line int, message string) {
	message = strings.Join(strings.Fields(err.Error()), " ")
	if m := templatePlace.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = m[2]
	}
	return line, message
}

// endless finds what could make a template run for long: templates that call others, and repetitions over anything but
// the few alternatives.
func endless(tree *parse.Tree) (line int, wrong string) {
	var walk func(n parse.Node)
	branch := func(b *parse.BranchNode) {
		walk(b.List)
		if b.ElseList != nil {
			walk(b.ElseList)
		}
	}
	found := func(n parse.Node, text string) {
		if wrong == "" {
			location, _ := tree.ErrorContext(n)
			place := strings.Split(location, ":")
			line, _ = strconv.Atoi(place[min(1, len(place)-1)])
			wrong = text
		}
	}
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ListNode:
			for _, one := range n.Nodes {
				walk(one)
			}
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			if over := n.Pipe.String(); !strings.HasSuffix(over, ".Alternatives") {
				found(n, "range over "+over)
			}
			branch(&n.BranchNode)
		case *parse.TemplateNode:
			found(n, "{{template}} and {{block}} call another template")
		}
	}
	walk(tree.Root)
	return line, wrong
}

// inspect returns the style sheets of a page, or says what in it a browser would not run, load or show under the page's
// policy, and what would lead the buyer elsewhere.
func inspect(page []byte) (styles []string, wrong string) {
	tokens := html.NewTokenizer(bytes.NewReader(page))
	var language, title bool
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			switch err := tokens.Err(); {
			case !errors.Is(err, io.EOF):
				return nil, fmt.Sprintf("the page is no HTML: %v; close what is open", err)
			case !language:
				return nil, "the page does not say its language to those who hear it; write <html lang=\"{{.Language}}\" dir=\"{{.Direction}}\">"
			case !title:
				return nil, "the page has no <title>; write <title>{{.Title}}</title>"
			}
			return styles, ""
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if wrong := forbidden(&token); wrong != "" {
				return nil, wrong
			}
			switch token.Data {
			case "html":
				for _, a := range token.Attr {
					language = language || a.Key == "lang" && a.Val != ""
				}
			case "title":
				title = true
			case "style":
				style := ""
				if tokens.Next() == html.TextToken {
					style = string(tokens.Text()) // as it is: a style sheet has no entities
				}
				styles = append(styles, style)
			}
		}
	}
}

// forbidden says what of an element the page's policy would not let through, and what would be right.
func forbidden(token *html.Token) string {
	switch token.Data {
	case "script", "iframe", "frame", "object", "embed", "base", "form", "audio", "video", "portal":
		return "<" + token.Data + "> does nothing here, as the page runs no script and loads nothing; leave it out"
	}
	for _, a := range token.Attr {
		value := strings.ToLower(strings.TrimSpace(a.Val))
		switch {
		case strings.HasPrefix(a.Key, "on"):
			return a.Key + " does nothing here, as the page runs no script; leave it out"
		case a.Key == "style":
			return "style attributes are not applied under the page's policy; write a rule between <style> and </style>"
		case a.Key == "http-equiv" && value != "content-type" && value != "x-ua-compatible":
			return "a refusal leads nowhere else and sets nothing; leave http-equiv out"
		case (a.Key == "src" || a.Key == "srcset" || a.Key == "poster" || a.Key == "background") && value != "" && !strings.HasPrefix(value, "data:image/"):
			return "the page loads nothing from outside; show {{.Logo}}, or leave " + a.Key + " out"
		case token.Data == "link" && a.Key == "rel" && value != "canonical" && value != "license":
			return "the page loads nothing from outside; write its style between <style> and </style>"
		}
	}
	return ""
}
