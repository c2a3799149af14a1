package rules

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"time"
)

// Text returns the policy as it was understood, in its own language (as JSON, which is YAML): packs,
// jurisdictions and defaults written out, instants in UTC, everything sorted. Parse reads it back to a policy
// with the same digest.
func (p *Policy) Text() []byte { return bytes.Clone(p.text) }

// The forms in which a policy is printed.
type (
	policyText struct {
		Version    int                       `json:"version"`
		TimeZone   string                    `json:"time_zone,omitempty"`
		Catalogues []string                  `json:"catalogues,omitempty"`
		Activities map[string][]selectorText `json:"activities,omitempty"`
		Products   map[string][]selectorText `json:"products,omitempty"`
		Titles     map[string]string         `json:"titles,omitempty"`
		Rules      []ruleText                `json:"rules,omitempty"`
	}
	selectorText struct {
		All   bool     `json:"all,omitempty"`
		Hosts []string `json:"hosts,omitempty"`
		Paths []string `json:"paths,omitempty"`
		SKUs  []string `json:"skus,omitempty"`

		Catalogue map[string][]string `json:"catalogue,omitempty"`
		Query     map[string][]string `json:"query,omitempty"`

		Dialect Dialect          `json:"dialect,omitempty"`
		Fields  []map[string]any `json:"fields,omitempty"`
		When    string           `json:"when,omitempty"`
		Where   []map[string]any `json:"where,omitempty"`
		Cart    map[string]any   `json:"cart,omitempty"`
	}
	ruleText struct {
		ID        string   `json:"id"`
		Activity  string   `json:"activity"`
		Products  []string `json:"products,omitempty"`
		Countries []string `json:"countries"`
		From      string   `json:"from,omitempty"`
		Until     string   `json:"until,omitempty"`
		Notice    string   `json:"notice_from,omitempty"`
		Mode      Mode     `json:"mode"`
		Rollout   string   `json:"rollout,omitempty"`
		Settings
		Refusal string          `json:"refusal"`
		Except  []exceptionText `json:"except,omitempty"`
		Basis   *Basis          `json:"basis,omitempty"`

		Alternatives []Alternative `json:"alternatives,omitempty"`
	}
	exceptionText struct {
		Networks []netip.Prefix `json:"networks,omitempty"`
		Products []string       `json:"products,omitempty"`
		Paths    []string       `json:"paths,omitempty"`
		Tokens   []string       `json:"tokens,omitempty"`
		Until    string         `json:"until,omitempty"`
		Note     string         `json:"note,omitempty"`
	}
)

// canonicalText prints what has been read, sorted.
func (l *loader) canonicalText() []byte {
	text := policyText{
		Version: 1, Catalogues: l.catalogues, Activities: selectorTexts(l.activities), Products: selectorTexts(l.products), Titles: make(map[string]string),
	}
	if l.zone != nil {
		text.TimeZone = l.zone.String()
	}
	for product, title := range l.titles {
		if _, ok := l.products[product]; ok {
			text.Titles[product] = title
		}
	}
	for _, rule := range l.rules {
		text.Rules = append(text.Rules, rule.text())
	}
	return marshal(text)
}

// selectorTexts prints selectors, which are sorted by what they print.
func selectorTexts(from map[string][]selector) map[string][]selectorText {
	texts := make(map[string][]selectorText)
	for name, selectors := range from {
		for i := range selectors {
			texts[name] = append(texts[name], selectors[i].text())
		}
	}
	return texts
}

// sortSelectors puts the elements of each activity or product in the order that their text has, so that carriers are
// numbered alike however a policy is written.
func sortSelectors(of map[string][]selector) {
	for _, selectors := range of {
		slices.SortFunc(selectors, func(a, b selector) int { return bytes.Compare(marshal(a.text()), marshal(b.text())) })
	}
}

func (s *selector) text() selectorText {
	text := selectorText{
		All:   len(s.hosts)+len(s.paths)+len(s.skus)+len(s.catalogue)+len(s.query) == 0,
		Hosts: s.hosts, Paths: s.paths, SKUs: s.skus, Catalogue: namedTexts(s.catalogue), Query: namedTexts(s.query),
	}
	if s.dialect != Exact {
		text.Dialect = s.dialect
	}
	for _, f := range s.fields {
		text.Fields = append(text.Fields, f.text())
	}
	if s.carried {
		text.When = whenCarried
	}
	for _, c := range s.where {
		text.Where = append(text.Where, c.text())
	}
	if s.cart != nil {
		text.Cart = s.cart.text()
	}
	return text
}

func namedTexts(all []named) map[string][]string {
	texts := make(map[string][]string)
	for _, n := range all {
		texts[n.name] = n.patterns
	}
	return texts
}

func (f Field) text() map[string]any {
	text := map[string]any{string(f.In): f.Name}
	for key, given := range map[string]bool{"key": f.Key, "row": f.Row, "cart": f.Cart} {
		if given {
			text[key] = true
		}
	}
	if f.Hash != "" {
		text["hash"] = f.Hash
	}
	if f.Split != "" {
		text["split"] = f.Split
	}
	if f.Cut != "" {
		text["cut"] = f.Cut
	}
	return text
}

func (c Condition) text() map[string]any {
	text := map[string]any{string(c.In): c.Name}
	if c.Is != "" {
		text["is"] = c.Is
	}
	return text
}

func (r *Rule) text() ruleText {
	text := ruleText{
		ID: r.ID, Activity: r.Activity, Products: r.Products, Countries: r.Countries, From: instantText(r.Effective.From),
		Until: instantText(r.Effective.Until), Notice: instantText(r.NoticeFrom), Mode: r.Mode, Rollout: r.Rollout.text(), Settings: r.Settings, Refusal: r.Refusal,
		Alternatives: r.Alternatives,
	}
	for _, x := range r.Exceptions {
		one := exceptionText{x.Networks, x.Products, x.Paths, nil, instantText(x.Until), x.Note}
		for _, token := range x.Tokens {
			one.Tokens = append(one.Tokens, token.String())
		}
		text.Except = append(text.Except, one)
	}
	sortTexts(text.Except)
	if r.Basis != (Basis{}) {
		text.Basis = &r.Basis
	}
	return text
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// sortTexts sorts by the JSON form, which orders whatever two elements differ in.
func sortTexts[T any](texts []T) {
	slices.SortFunc(texts, func(a, b T) int { return bytes.Compare(marshal(a), marshal(b)) })
}

// marshal cannot fail: the forms above hold nothing that JSON cannot say.
func marshal(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}
