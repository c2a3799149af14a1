package rules

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Case is a request that a policy is asked about, and what it is to decide.
type Case struct {
	// Name says for people what the case is about; no other of the file has it.
	Name string
	// Line and Column are where it stands in its file, from 1.
	Line, Column int
	// Method, URL, Header and Body are the request as a client would send it; an empty Method is the usual one.
	Method, URL string
	Header      map[string][]string
	Body        string
	// From is where the request comes from.
	From CaseOrigin
	// At is the instant at which it is decided.
	At time.Time
	// Want are the fields that are to come out, in the order in which the case names them.
	Want []Expectation
}

// CaseOrigin is where the request of a case comes from.
type CaseOrigin struct {
	// IP is the address at the other end of the connection; invalid if the case names none.
	IP netip.Addr
	// Stated is what the case says in place of the databases; nil if they are to be asked about IP.
	Stated *Origin
}

// Expectation is one field of a decision as a case wants it.
type Expectation struct {
	// Field is a field of Record, by its name in JSON; or FieldRejected.
	Field string
	// Value is the field's text. The ids of shadow rules are sorted and parted by ", ".
	Value string
}

// FieldRejected is wanted by a case whose request is not judged, but answered with the status that is its value.
const FieldRejected = "rejected"

// Fields returns the fields of the record, by their names in JSON, as cases want them.
func (r *Record) Fields() map[string]string {
	shadow := slices.Clone(r.Shadow)
	slices.Sort(shadow)
	return map[string]string{
		"verdict": r.Verdict, "reason": r.Reason, "rule": r.Rule, "activity": r.Activity, "product": r.Product, "country": r.Country,
		"client": r.Client, "at": r.At, "policy": r.Policy, "shadow": strings.Join(shadow, ", "), "notice": r.Notice,
	}
}

// ParseCases reads cases in their YAML form, and returns the policy that they are about beside them. The file name is used in
// messages only. find is asked for the policy: by what the file says under policy, or by the empty string if it says nothing.
// An error is what find returned, or of type Problems: all that is wrong in the file, each with its place and with what
// would be right.
func ParseCases(file string, src []byte, find func(named string) (*Policy, error)) ([]Case, *Policy, error) {
	c := &caseReader{reader: reader{file: file, begin: "cases:"}, lines: make(map[string]int)}
	root := c.root(src)
	if root == nil {
		return nil, nil, c.problems
	}
	v := c.keys(root, "the file", []string{"policy", "cases"}, "cases")
	var named string
	if n, ok := v["policy"]; ok {
		named, _ = c.text(n, "policy")
	}
	if len(c.problems) > 0 {
		return nil, nil, c.problems.sorted()
	}
	var err error
	if c.policy, err = find(named); err != nil {
		return nil, nil, err
	}
	for _, n := range c.list(v["cases"], "cases") {
		c.read(n)
	}
	if len(c.problems) > 0 {
		return nil, nil, c.problems.sorted()
	}
	return c.cases, c.policy, nil
}

// caseReader gathers the cases of a file.
type caseReader struct {
	reader
	policy *Policy
	cases  []Case
	lines  map[string]int // where a name stands
}

func (c *caseReader) read(n ast.Node) {
	v := c.keys(n, "a case", []string{"name", "request", "from", "at", "want"}, "name", "request", "from", "at", "want")
	at := c.at(n, "")
	one := Case{Line: at.Line, Column: at.Column}
	if n, ok := v["name"]; ok {
		one.Name = c.name(n)
	}
	if n, ok := v["request"]; ok {
		c.request(n, &one)
	}
	if n, ok := v["from"]; ok {
		one.From = c.from(n)
	}
	if n, ok := v["at"]; ok {
		one.At = c.instant(n, "at")
	}
	if n, ok := v["want"]; ok {
		one.Want = c.want(n)
	}
	c.cases = append(c.cases, one)
}

func (c *caseReader) name(n ast.Node) string {
	name, ok := c.text(n, "name")
	if before := c.lines[name]; ok && before > 0 {
		c.fail(n, "the name %q stands on line %d already; give each case a name of its own", name, before)
	}
	c.lines[name] = n.GetToken().Position.Line
	return name
}

func (c *caseReader) request(n ast.Node, into *Case) {
	v := c.keys(n, "request", []string{"method", "url", "headers", "body"}, "url")
	for key, text := range map[string]*string{"method": &into.Method, "url": &into.URL, "body": &into.Body} {
		if n, ok := v[key]; ok {
			*text, _ = c.text(n, key)
		}
	}
	n, ok := v["headers"]
	if !ok {
		return
	}
	into.Header = make(map[string][]string)
	pairs, _ := c.pairs(n, "headers")
	for _, p := range pairs {
		if _, several := p.value.(*ast.SequenceNode); several {
			for _, line := range c.list(p.value, p.key) {
				text, _ := c.text(line, p.key)
				into.Header[p.key] = append(into.Header[p.key], text)
			}
			continue
		}
		text, _ := c.text(p.value, p.key)
		into.Header[p.key] = []string{text}
	}
}

func (c *caseReader) from(n ast.Node) (from CaseOrigin) {
	v := c.keys(n, "from", []string{"ip", "country", "subdivisions", "is"})
	if len(v) == 0 {
		c.fail(n, "from says nothing; name an ip, such as 50.114.0.1, or a country, such as PR")
		return from
	}
	if n, ok := v["ip"]; ok {
		from.IP = c.address(n, "ip")
	}
	if len(v) == 1 && v["ip"] != nil {
		return from
	}
	from.Stated = &Origin{Client: from.IP, Source: "case"}
	if n, ok := v["country"]; ok {
		from.Stated.Country = c.country(n)
	}
	c.texts(v["subdivisions"], "subdivisions", func(n ast.Node, text string) {
		codes, _, err := parsePlace(text, nil)
		switch {
		case err != nil:
			c.fail(n, "%v", err)
		case !isSubdivision(codes[0]):
			c.fail(n, "%q is a country; write it under country, and an ISO 3166-2 code such as UA-43 here", text)
		}
		from.Stated.Subdivisions = append(from.Stated.Subdivisions, codes...)
	})
	c.texts(v["is"], "is", func(n ast.Node, text string) {
		words := make([]string, len(traits))
		for i, trait := range traits {
			_, reason := defaultSettings.forTrait(trait)
			if words[i] = reason.String(); words[i] == text {
				from.Stated.Traits |= trait
			}
		}
		c.word(n, "is", words)
	})
	return from
}

func (c *caseReader) address(n ast.Node, what string) netip.Addr {
	text, ok := c.text(n, what)
	addr, err := netip.ParseAddr(text)
	if ok && err != nil {
		c.fail(n, "%s: %q is no address; expected one such as 50.114.0.1 or 2600:1f00::1", what, text)
	}
	return addr
}

func (c *caseReader) country(n ast.Node) Country {
	text, ok := c.text(n, "country")
	if !ok || text == unknownPlace {
		return 0
	}
	country, err := ParseCountry(text)
	if err != nil {
		c.fail(n, "%v, or %s", err, unknownPlace)
	}
	return country
}

func (c *caseReader) instant(n ast.Node, what string) time.Time {
	text, ok := c.text(n, what)
	if !ok {
		return time.Time{}
	}
	at, err := ParseInstant(text, c.policy.zone)
	if err != nil {
		c.fail(n, "%s: %v", what, err)
	}
	return at.In(c.policy.zone)
}

var wantedFields = []string{"verdict", "reason", "rule", "activity", "product", "country", "client", "at", "policy", "shadow", "notice", FieldRejected}

func (c *caseReader) want(n ast.Node) []Expectation {
	pairs, ok := c.pairs(n, "want")
	if ok && len(pairs) == 0 {
		c.fail(n, "want is empty; name what is to come out, such as verdict: block")
	}
	var wanted []Expectation
	for _, p := range pairs {
		if !slices.Contains(wantedFields, p.key) {
			c.fail(p.name, "unknown field %q of a decision; %s", p.key, instead(p.key, wantedFields))
			continue
		}
		wanted = append(wanted, Expectation{p.key, c.wanted(p)})
	}
	return wanted
}

// wanted returns the value of a field in the form that it has in a record. A text in quotes that is empty stands for none.
func (c *caseReader) wanted(p pair) string {
	var known []string
	switch p.key {
	case "shadow":
		return c.shadows(p.value)
	case "verdict":
		return c.oneOf(p, []string{Allow.String(), Block.String()})
	case "reason":
		return c.oneOf(p, Reasons())
	case FieldRejected:
		return c.status(p.value)
	}
	if quoted, ok := p.value.(*ast.StringNode); ok && quoted.Value == "" {
		return ""
	}
	switch p.key {
	case "rule", "notice":
		return c.oneOf(p, c.ruleIDs())
	case "activity":
		for i := range c.policy.tables {
			known = append(known, c.policy.tables[i].name)
		}
		return c.oneOf(p, known)
	case "product":
		return c.oneOf(p, c.policy.names)
	case "country":
		return c.country(p.value).String()
	case "client":
		return c.address(p.value, "client").String()
	case "at":
		return c.instant(p.value, "at").Format(time.RFC3339Nano)
	}
	text, _ := c.text(p.value, p.key)
	return text
}

func (c *caseReader) oneOf(p pair, known []string) string {
	word, _ := c.word(p.value, p.key, known)
	return word
}

func (c *caseReader) ruleIDs() []string {
	ids := make([]string, len(c.policy.rules))
	for i, rule := range c.policy.rules {
		ids[i] = rule.ID
	}
	return ids
}

// shadows reads a list of rules; an empty one is wanted by whoever wants none.
func (c *caseReader) shadows(n ast.Node) string {
	if list, ok := n.(*ast.SequenceNode); ok && len(list.Values) == 0 {
		return ""
	}
	var ids []string
	c.texts(n, "shadow", func(n ast.Node, _ string) {
		id, _ := c.word(n, "shadow", c.ruleIDs())
		ids = append(ids, id)
	})
	slices.Sort(ids)
	return strings.Join(ids, ", ")
}

func (c *caseReader) status(n ast.Node) string {
	text, ok := c.text(n, FieldRejected)
	if ok && (len(text) != 3 || text[0] != '4' || strings.Trim(text, "0123456789") != "") {
		c.fail(n, "rejected cannot be %q; name the status of the answer, such as 400", text)
	}
	return text
}
