package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// reader walks the syntax tree of one YAML file and gathers everything that is wrong with it, because
// goccy/go-yaml's own strict decoding stops at the first mistake.
type reader struct {
	file     string
	begin    string // what the file begins with; a policy's first line if it is empty
	problems Problems
	warnings Problems
}

func (r *reader) at(n ast.Node, format string, args ...any) Problem {
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		n = m.Values[0].Key // a block mapping's own token is its first colon
	}
	at := n.GetToken().Position
	return Problem{r.file, at.Line, at.Column, fmt.Sprintf(format, args...)}
}

func (r *reader) fail(n ast.Node, format string, args ...any) {
	r.problems = append(r.problems, r.at(n, format, args...))
}

func (r *reader) warn(n ast.Node, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(n, format, args...))
}

// pair is one key of a mapping with its value.
type pair struct {
	key   string
	name  ast.Node
	value ast.Node
}

// pairs returns the entries of a mapping, each key once; ok is false if it is none. An empty value counts as an
// empty mapping.
func (r *reader) pairs(n ast.Node, what string) (found []pair, ok bool) {
	if _, empty := n.(*ast.NullNode); empty {
		return nil, true
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		r.fail(n, "%s is %s; expected keys and values", what, kind(n))
		return nil, false
	}
	lines := make(map[string]int)
	for _, v := range m.Values {
		key, ok := r.text(v.Key, "a key of "+what)
		switch {
		case !ok:
			continue
		case lines[key] != 0:
			r.fail(v.Key, "%q is given twice; it stands on line %d already", key, lines[key])
			continue
		}
		lines[key] = v.Key.GetToken().Position.Line
		found = append(found, pair{key, v.Key, v.Value})
	}
	return found, true
}

// keys returns the values of a mapping that may have the known keys only, and must have the required ones.
func (r *reader) keys(n ast.Node, what string, known []string, required ...string) map[string]ast.Node {
	values := make(map[string]ast.Node)
	found, ok := r.pairs(n, what)
	if !ok {
		return values
	}
	for _, p := range found {
		if !slices.Contains(known, p.key) {
			r.fail(p.name, "unknown key %q in %s; %s", p.key, what, instead(p.key, known))
			continue
		}
		values[p.key] = p.value
	}
	for _, key := range required {
		if _, ok := values[key]; !ok {
			r.fail(n, "%s has no %s; add one", what, key)
		}
	}
	return values
}

// list returns the elements of a sequence.
func (r *reader) list(n ast.Node, what string) []ast.Node {
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.SequenceNode:
		if len(n.Values) > 0 {
			return n.Values
		}
	case *ast.NullNode:
	default:
		r.fail(n, "%s is %s; expected a list, such as [a, b]", what, kind(n))
		return nil
	}
	r.fail(n, "%s is empty; name one, or leave the key out", what)
	return nil
}

// texts returns the distinct elements of a sequence of texts, each with its node.
func (r *reader) texts(n ast.Node, what string, each func(n ast.Node, text string)) {
	seen := make(map[string]bool)
	for _, element := range r.list(n, what) {
		text, ok := r.text(element, what)
		switch {
		case !ok:
		case seen[text]:
			r.fail(element, "%q stands twice in %s; leave one out", text, what)
		default:
			seen[text] = true
			each(element, text)
		}
	}
}

// text returns the text of a scalar. What YAML takes for a number is a text as it is written.
func (r *reader) text(n ast.Node, what string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		if n.Value != "" {
			return n.Value, true
		}
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	case *ast.NullNode:
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		r.fail(n, "anchors and aliases are not part of the policy language; write the value out")
		return "", false
	default:
		r.fail(n, "%s is %s; expected a text", what, kind(n))
		return "", false
	}
	r.fail(n, "%s is empty; give it a value or leave the key out", what)
	return "", false
}

// word returns a text that must be one of the known words.
func (r *reader) word(n ast.Node, what string, known []string) (string, bool) {
	text, ok := r.text(n, what)
	if ok && !slices.Contains(known, text) {
		r.fail(n, "%s cannot be %q; %s", what, text, instead(text, known))
		return "", false
	}
	return text, ok
}

// kind names what a node is, for people.
func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return "true or false"
	case *ast.AnchorNode, *ast.AliasNode:
		return "an anchor or alias"
	}
	return "a text"
}

// names returns the sorted keys of a map.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
