package goods

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func TestAbridged(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		"":                                  "",
		"{x}":                               "{x}",
		"{x{y}}":                            "{x }",
		"{x{y{z}}w}":                        "{x w}",
		`{x(a:"}"){y(b:"{")}w}`:             `{x(a:"}") w}`,
		"{x(a:{b:[1]}){y}}":                 "{x(a:{b:[1]}) }",
		"{...{x{y}}}":                       "{...{x }}",
		"{...on T{x{y}}}":                   "{...on T{x }}",
		"{... on on{x{y}}}":                 "{... on on{x }}",
		"{...on T@a(b:1)@c{x{y}}}":          "{...on T@a(b:1)@c{x }}",
		"{...@a(b:1)@c{x{y}}}":              "{...@a(b:1)@c{x }}",
		"{...on T@ a@#{\n,on{x{y}}}":        "{...on T@ a@#{\n,on{x }}",
		"{...A on{x}}":                      "{...A on }",
		"{...A,x:y@a{z}}":                   "{...A,x:y@a }",
		"{...on T{x}y{z}}":                  "{...on T{x}y }",
		"mutation A($a:B={c:1}){x{y}}":      "mutation A($a:B={c:1}){x }",
		"query{x{y}}fragment F on T{a{b}}":  "query{x }fragment F on T{a }",
		"{x{y}}#{":                          "{x }#{",
		"{x#{\n{y#}\r}#{\n}":                "{x#{\n #{\n}",
		`{x{y(a:"\"}")}}`:                   `{x }`,
		`{x{y(a:"\\")}}`:                    `{x }`,
		`{x{y(a:"""}\"""}"""""")}}`:         `{x{y(a:"""}\"""}"""""")}}`,
		`{x{y(a:"""}\\"""}""" b:"")}}`:      `{x }`,
		`{x{y(a:"""""" b:"")}}`:             `{x }`,
		`{x{y(a:"""")}}`:                    `{x{y(a:"""")}}`,
		"{x(a:\"\n\"){y}}":                  "{x(a:\"\n\"){y}}",
		`{x(a:"){y}}`:                       `{x(a:"){y}}`,
		"{x{y(}}":                           "{x{y(}}",
		"{x{(}}}":                           "{x{(}}}",
		"{x(a:[)]){y}}":                     "{x(a:[)]){y}}",
		"{x{y}":                             "{x ",
		"{x{y":                              "{x{y",
		"}{x{y}}":                           "}{x{y}}",
		"{..x{y}}":                          "{..x{y}}",
		"{x" + strings.Repeat("{x", 64):     "{x" + strings.Repeat("{x", 64),
		"{x(a:" + strings.Repeat("[", 63):   "{x(a:" + strings.Repeat("[", 63),
		strings.Repeat("{...", 64) + "{x{y": strings.Repeat("{...", 64) + "{x{y",
	} {
		got, ok := abridged(document)
		deep := strings.HasPrefix(document, "{...{...{...")
		if got != want && !deep || ok == deep {
			t.Errorf("%q becomes %q, %v; want %q", document, got, ok, want)
		}
	}
	for _, document := range []string{"{x" + strings.Repeat("{x", 65), "{x(a:" + strings.Repeat("[", 64), strings.Repeat("{...", 65)} {
		if got, ok := abridged(document); ok {
			t.Errorf("%.20q… becomes %.20q…", document, got)
		}
	}
}

// roots writes down what is looked at of a document.
func roots(b *strings.Builder, set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			b.WriteString(s.Alias + ":" + s.Name)
			for _, arg := range s.Arguments {
				b.WriteString(" " + arg.Name + "=" + arg.Value.String())
			}
			written(b, s.Directives)
		case *ast.InlineFragment:
			b.WriteString("..." + s.TypeCondition)
			written(b, s.Directives)
			roots(b, s.SelectionSet)
		case *ast.FragmentSpread:
			b.WriteString("..." + s.Name)
			written(b, s.Directives)
		}
		b.WriteString(";")
	}
	b.WriteString("}")
}

func written(b *strings.Builder, directives ast.DirectiveList) {
	for _, d := range directives {
		b.WriteString("@" + d.Name)
		for _, arg := range d.Arguments {
			b.WriteString(" " + arg.Name + "=" + arg.Value.String())
		}
	}
}

// outline is all that is looked at of a document, and whether it is one.
func outline(document string) (string, bool) {
	doc, err := parser.ParseQuery(&ast.Source{Input: document})
	if err != nil {
		return "", false
	}
	var b strings.Builder
	for _, op := range doc.Operations {
		b.WriteString(string(op.Operation) + " " + op.Name)
		for _, v := range op.VariableDefinitions {
			b.WriteString(" $" + v.Variable)
			if v.DefaultValue != nil {
				b.WriteString("=" + v.DefaultValue.String())
			}
		}
		roots(&b, op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		b.WriteString(f.Name + " on " + f.TypeCondition)
		roots(&b, f.SelectionSet)
	}
	return b.String(), true
}

// checkAbridged fails if something of a document is lost that is looked at.
func checkAbridged(t *testing.T, document string) (valid bool) {
	t.Helper()
	want, valid := outline(document)
	short, ok := abridged(document)
	if !valid || !ok {
		return valid
	}
	if got, valid := outline(short); !valid || got != want {
		t.Fatalf("%q becomes %q, of which is seen %q, want %q", document, short, got, want)
	}
	return true
}

// author writes random documents, token by token.
type author struct {
	*rand.Rand
	tokens []string
}

func (a *author) write(from ...string) { a.tokens = append(a.tokens, from[a.IntN(len(from))]) }

// extras writes what may stand behind the name of a selection.
func (a *author) extras(arguments bool) {
	values := []string{`"}"`, `"\"{"`, `"""}\"""{"""`, `"""""" `, `""`, `{b:[1,$c]}`, `[[{}]]`, `"#"`, `"\\"`}
	if arguments && a.IntN(3) == 0 {
		a.write("(a:", "(on:")
		a.write(values...)
		a.write(")")
	}
	if a.IntN(4) == 0 {
		a.write("@d", "@on", "@ d(e:\"{\")")
	}
}

func (a *author) selections(depth int) {
	a.write("{")
	for range 1 + a.IntN(3) {
		switch a.IntN(5) {
		case 0:
			a.write("...on T", "...", "... on on")
			a.extras(false)
			a.selections(depth + 1)
		case 1:
			a.write("...F", "... fragment")
			a.extras(false)
		default:
			a.write("x", "on", "y:on", "mutation", "_1:x")
			a.extras(true)
			if a.IntN(2+depth) == 0 {
				a.selections(depth + 1)
			}
		}
	}
	a.write("}")
}

// document writes a document, and some of them with a token too few.
func (a *author) document() string {
	a.tokens = a.tokens[:0]
	for range 1 + a.IntN(2) {
		a.write("mutation", "query A", "mutation B($a:C={d:[\"}\"]})", "fragment F on T", "fragment on2 on on @d")
		a.selections(0)
	}
	if a.IntN(4) == 0 {
		i := a.IntN(len(a.tokens))
		a.tokens = slices.Delete(a.tokens, i, i+1)
	}
	var b strings.Builder
	for _, token := range a.tokens {
		b.WriteString(token)
		b.WriteString([]string{" ", " ", "\n", ",", "#}\n", "#{\"\r"}[a.IntN(6)])
	}
	return b.String()
}

// TestAbridgedKeepsTheRoots abridges random documents.
func TestAbridgedKeepsTheRoots(t *testing.T) {
	t.Parallel()
	a := &author{Rand: rand.New(rand.NewPCG(45, 1))}
	documents, shortened := 0, 0
	for range 10_000 {
		document := a.document()
		if checkAbridged(t, document) {
			documents++
			if short, _ := abridged(document); short != document {
				shortened++
			}
		}
	}
	if t.Logf("%d documents, of which %d shortened", documents, shortened); documents < 7500 || shortened < 3000 {
		t.Error("that proves too little")
	}
}

func FuzzAbridged(f *testing.F) {
	seeds(f, "json")
	f.Add([]byte(mutation()))
	for _, document := range []string{"{x{y}}", "{...on T@a{x{y}}z}", `mutation($a:B={c:1}){x(a:"}"){y{z}}...F}fragment F on M{a{b}}`} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkAbridged(t, string(body))
		for _, e := range envelopesOf(string(body)) {
			for _, query := range e.queries {
				checkAbridged(t, query)
			}
		}
	})
}
