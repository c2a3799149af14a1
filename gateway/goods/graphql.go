package goods

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// mostTokens is how many tokens the documents of a request may have together, mostDocuments how many of them are read,
// and mostHashed the bytes of those whose digests are looked at. Cart mutations have a few hundred tokens. mostBatch is how
// many requests may be in one.
const (
	mostTokens    = 5000
	mostDocuments = 32
	mostHashed    = 512 << 10
	mostBatch     = 100
)

// takeOperations reads the GraphQL requests of a body, to each of which belongs what the query of the target holds.
func takeOperations(asked envelope, found []envelope, places places, opts Options) {
	if len(places) == 0 {
		return
	}
	if len(found) == 0 {
		found = []envelope{{}}
	}
	budget := &budget{tokens: mostTokens, documents: mostDocuments, hashed: mostHashed}
	if len(found) > mostBatch {
		found = found[:mostBatch]
		places.present()
		places.undetermined()
	}
	asked.prefer()
	for i := range found {
		e := &found[i]
		e.prefer()
		e.merge(asked)
		switch alone := e.alone(); {
		case e.persisted(opts, budget):
		case alone:
			places.unsent()
		default:
			// The document is one that the shop knows and the gateway does not.
			places.present()
			places.undetermined()
		}
		for _, query := range e.queries {
			e.take(query, places, budget)
		}
	}
}

// present marks what the places belong to.
func (all places) present() {
	for i := range all {
		all[i].out.Present = true
	}
}

// unsent marks what the places belong to: for want of a document, nobody can tell what they hold.
func (all places) unsent() {
	for i := range all {
		all[i].finding.unsent = true
	}
}

// budget is what the documents of a request may cost.
type budget struct{ tokens, documents, hashed int }

// parse parses a document, if that is still within the budget.
func (b *budget) parse(query string) (*ast.QueryDocument, bool) {
	if b.documents--; b.documents < 0 || b.tokens <= 0 {
		return nil, false
	}
	query, ok := abridged(query)
	if !ok {
		return nil, false
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, b.tokens)
	b.tokens -= len(query)/4 + 1 // The parser does not say; names and values are longer, punctuation is shorter.
	return doc, err == nil
}

// take reads one document.
func (e *envelope) take(query string, all places, budget *budget) {
	// A name cannot be written in another way in GraphQL, so that most documents need not be parsed: those in which no
	// wanted mutation is named.
	wanted := all.which(func(p *place) bool {
		mutation, _, _ := strings.Cut(p.name, ".")
		return strings.Contains(query, mutation)
	})
	if len(wanted) == 0 {
		return
	}
	doc, ok := budget.parse(query)
	if !ok {
		wanted.present()
		wanted.undetermined()
		return
	}
	for _, op := range e.chosen(doc.Operations) {
		if op.Operation == ast.Mutation {
			x := execution{envelope: e, doc: doc, op: op, places: wanted,
				fragments: map[string]bool{}, variables: map[variableOf]bool{}}
			x.selections(op.SelectionSet)
		}
	}
}

// chosen returns the operations that may be run: the one that is named, if that is beyond doubt, else all.
func (e *envelope) chosen(all ast.OperationList) ast.OperationList {
	name := ""
	for i, n := range e.names {
		if i > 0 && n != name {
			return all
		}
		name = n
	}
	if name == "" {
		return all
	}
	var chosen ast.OperationList
	for _, op := range all {
		if op.Name == name {
			chosen = append(chosen, op)
		}
	}
	if len(chosen) == 0 {
		return all
	}
	return chosen
}

// execution is a mutation of a document, run as far as its arguments.
type execution struct {
	*envelope
	doc    *ast.QueryDocument
	op     *ast.OperationDefinition
	places places
	// fragments are those that have been gone into, and variables those that have been read for a place. Neither
	// holds more the second time.
	fragments map[string]bool
	variables map[variableOf]bool
}

// variableOf is a variable read for a place, from a certain step of its path on.
type variableOf struct {
	name  string
	place *place
	step  int
}

// selections reads the fields of the mutation, and those of the fragments in it.
func (x *execution) selections(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if !excluded(s.Directives) {
				x.field(s)
			}
		case *ast.InlineFragment:
			if !excluded(s.Directives) {
				x.selections(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if excluded(s.Directives) || x.fragments[s.Name] {
				continue
			}
			x.fragments[s.Name] = true
			for _, f := range x.doc.Fragments {
				if f.Name == s.Name {
					x.selections(f.SelectionSet)
				}
			}
		}
	}
}

// excluded reports whether a directive leaves a selection out whatever the variables are.
func excluded(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		for _, arg := range d.Arguments {
			if arg.Name == "if" && arg.Value.Kind == ast.BooleanValue && (arg.Value.Raw == "true") == (d.Name == "skip") {
				return true
			}
		}
	}
	return false
}
