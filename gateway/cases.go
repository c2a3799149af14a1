package gateway

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gate451/config"
	"gate451/rules"
)

// defaultPolicy is the policy of cases that name none: the file of this name in their own folder.
const defaultPolicy = "policy.yaml"

// CasesTried is what came of trying the cases of files.
type CasesTried struct {
	Cases  int `json:"cases"`
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	// Results are those of all cases, in the order of the files.
	Results []CaseResult `json:"results"`
	// Unreached are the rules that no case reaches: none comes to their activity and products from a place that they have a
	// word on, at an instant at which they are effective.
	Unreached []UnreachedRule `json:"unreached"`
}

// CaseResult is what came of one case.
type CaseResult struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	// Request says in words what was asked.
	Request string `json:"request"`
	// Fields are those that the case names, in its order.
	Fields []FieldResult `json:"fields"`
}

// FieldResult is a field of a decision that a case wants.
type FieldResult struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"`
}

// UnreachedRule is a rule that no case reaches.
type UnreachedRule struct {
	Policy string `json:"policy"` // the file
	Rule   string `json:"rule"`
}

// TryCases has the cases of files decided as Explain would. A file names its policy under policy, relative to itself; or else
// it is the policy.yaml beside the file. The configuration says which databases are asked and which proxies are trusted;
// without one, the embedded database and none. An error says what is wrong with the files.
func TryCases(files []string, cfg *config.Config, opts Options) (*CasesTried, error) {
	t := &trial{cfg: cfg, opts: opts, tried: CasesTried{Results: []CaseResult{}, Unreached: []UnreachedRule{}}, policies: make(map[string]*tried)}
	for _, file := range files {
		if err := t.file(file); err != nil {
			return nil, err
		}
	}
	for _, file := range t.order {
		for _, rule := range t.policies[file].Policy().Rules() {
			if !t.policies[file].reached[rule.ID] {
				t.tried.Unreached = append(t.tried.Unreached, UnreachedRule{file, rule.ID})
			}
		}
	}
	return &t.tried, nil
}

// trial is what is gathered while cases are tried.
type trial struct {
	cfg      *config.Config // nil if there is none
	opts     Options
	tried    CasesTried
	policies map[string]*tried
	order    []string
}

// tried is a policy with what the cases reach of it.
type tried struct {
	*Enforcer
	reached map[string]bool
}

func (t *trial) file(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w; name a readable file of cases", err)
	}
	var p *tried
	cases, _, err := rules.ParseCases(file, text, func(named string) (*rules.Policy, error) {
		if named == "" {
			named = defaultPolicy
		}
		if !filepath.IsAbs(named) {
			named = filepath.Join(filepath.Dir(file), named)
		}
		if p, err = t.policy(file, named); err != nil {
			return nil, err
		}
		return p.Policy(), nil
	})
	if err != nil {
		return err
	}
	for i := range cases {
		result, err := p.try(&cases[i])
		if err != nil {
			return fmt.Errorf("%s:%d:%d: %w", file, cases[i].Line, cases[i].Column, err)
		}
		result.File = file
		t.tried.Cases++
		if result.Passed {
			t.tried.Passed++
		} else {
			t.tried.Failed++
		}
		t.tried.Results = append(t.tried.Results, result)
	}
	return nil
}

// policy returns what decides by a policy; cases of several files may be about the same.
func (t *trial) policy(cases, file string) (*tried, error) {
	if p, ok := t.policies[file]; ok {
		return p, nil
	}
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("%s:1:1: the cases have no policy: %w; name its file under policy, relative to the cases", cases, err)
	}
	e, err := NewPolicyEnforcer(t.cfg, file, t.opts)
	if err != nil {
		return nil, err
	}
	t.policies[file], t.order = &tried{e, make(map[string]bool)}, append(t.order, file)
	return t.policies[file], nil
}

// Policy returns the policy in force.
func (e *Enforcer) Policy() *rules.Policy { return e.policy.current.Load() }

// questionOfCase is what a case asks.
func questionOfCase(c *rules.Case) Question {
	q := Question{IP: c.From.IP, URL: c.URL, Method: c.Method, Header: http.Header{}, At: c.At, From: c.From.Stated}
	for name, lines := range c.Header {
		for _, line := range lines {
			q.Header.Add(name, line)
		}
	}
	if c.Body != "" {
		q.Body = []byte(c.Body)
	}
	return q
}

// try decides a case, and notes which rules it reaches.
func (p *tried) try(c *rules.Case) (CaseResult, error) {
	q := questionOfCase(c)
	account, err := p.Explain(q)
	if err != nil {
		return CaseResult{}, err
	}
	got := map[string]string{}
	if account.rejected != nil {
		got[rules.FieldRejected] = fmt.Sprint(account.rejected.Status)
	} else {
		record, err := account.Record()
		if err != nil {
			return CaseResult{}, err
		}
		got = record.Fields()
	}
	for _, reading := range account.explanation.Readings {
		for _, step := range reading.Rules {
			if step.Applies && step.Effective {
				p.reached[step.Rule.ID] = true
			}
		}
	}
	result := CaseResult{Line: c.Line, Column: c.Column, Name: c.Name, Passed: true, Request: asked(c, account)}
	for _, want := range c.Want {
		field := FieldResult{want.Field, want.Value, got[want.Field]}
		result.Passed = result.Passed && field.Want == field.Got
		result.Fields = append(result.Fields, field)
	}
	if wants := func(e rules.Expectation) bool { return e.Field == rules.FieldRejected }; account.rejected != nil && !slices.ContainsFunc(c.Want, wants) {
		result.Fields = append(result.Fields, FieldResult{rules.FieldRejected, "", got[rules.FieldRejected]})
	}
	return result, nil
}

// asked says what a case asks: what, from where, and when.
func asked(c *rules.Case, a *Account) string {
	from := "an unknown country"
	switch o := c.From.Stated; {
	case o == nil:
		from = c.From.IP.String()
	case o.Country != 0:
		from = strings.Join(append([]string{o.Country.String()}, o.Subdivisions...), ", ")
	}
	return fmt.Sprintf("%s %s from %s at %s", a.request.Method, shown(c.URL), from, c.At.Format(time.RFC3339Nano))
}
