package rules

import (
	"net/url"

	"github.com/goccy/go-yaml/ast"
)

// Alternative is something that a refused buyer can have instead, behind an http or https address.
type Alternative struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// mostAlternatives is how many of them a rule can name: buyers choose among few.
const mostAlternatives = 8

func (l *loader) alternatives(n ast.Node) (all []Alternative) {
	elements := l.list(n, "alternatives")
	if len(elements) > mostAlternatives {
		l.fail(n, "there are %d alternatives; name the best %d", len(elements), mostAlternatives)
		return nil
	}
	for _, element := range elements {
		v := l.keys(element, "an alternative", []string{"title", "url"}, "title", "url")
		var a Alternative
		if title, ok := v["title"]; ok {
			a.Title, _ = l.text(title, "title")
		}
		if link, ok := v["url"]; ok {
			a.URL = l.webAddress(link, "https://shop.example/alternatives")
		}
		all = append(all, a)
	}
	return all
}

// webAddress reads an address that a page can link to.
func (l *loader) webAddress(n ast.Node, such string) string {
	text, ok := l.text(n, "url")
	u, err := url.Parse(text)
	if ok && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		l.fail(n, "%q is no web address; expected one such as %s", text, such)
	}
	return text
}
