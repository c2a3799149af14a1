package rules

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// deepest bounds how far a policy may nest, because the parser recurses. None needs more than eight levels.
const deepest = 100

// root returns the top-level node of the file, or nil if there is none or it cannot be trusted.
func (r *reader) root(src []byte) ast.Node {
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the scanner counts a CRLF twice after a comment
	if !r.screenText(string(src)) {
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if !r.screenTokens(tokens) {
		return nil
	}
	tree, err := guarded(func() (*ast.File, error) { return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) })
	if err != nil {
		line, column, message := 1, 1, err.Error()
		if syntax, ok := errors.AsType[yaml.Error](err); ok {
			at := syntax.GetToken().Position
			line, column, message = at.Line, at.Column, syntax.GetMessage()
		}
		r.place(line, column, message+"; the file must be YAML")
		return nil
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			return doc.Body
		}
	}
	r.place(1, 1, "the file is empty; begin with "+cmp.Or(r.begin, "version: 1"))
	return nil
}

// guarded turns a panic into an error: the parser is not ours, and no mistake in a file may end the program.
func guarded(parse func() (*ast.File, error)) (tree *ast.File, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the YAML parser cannot cope with this (%v)", fault)
		}
	}()
	return parse()
}

func (r *reader) place(line, column int, message string) {
	r.problems = append(r.problems, Problem{r.file, line, column, message})
}

// screenText refuses what is no text.
func (r *reader) screenText(src string) bool {
	line := 0
	for text := range strings.Lines(src) {
		line++
		column := 0
		for i, c := range text {
			column++
			switch {
			case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
				r.place(line, column, "the file is not UTF-8; save it as UTF-8")
			case c == '\ufeff':
				r.place(line, column, "the file holds a byte order mark; save it as UTF-8 without one")
			case unicode.IsControl(c) && c != '\t' && c != '\n':
				r.place(line, column, fmt.Sprintf("the file holds the control character %U; remove it", c))
			default:
				continue
			}
			return false
		}
	}
	return true
}

// screenTokens refuses nesting that could exhaust the stack, and what the parser passes over in silence: whatever stands
// in a further document, or behind a directive or tag.
func (r *reader) screenTokens(tokens token.Tokens) bool {
	var depth int
	var content bool
	for _, t := range tokens {
		at := t.Position
		switch t.Type {
		case token.CommentType:
			continue
		case token.DirectiveType, token.TagType:
			r.place(at.Line, at.Column, "YAML directives and tags are not part of the policy language; write plain values, in quotes if they begin with % or !")
			return false
		case token.DocumentHeaderType, token.DocumentEndType:
			if content {
				r.place(at.Line, at.Column, "a second YAML document can begin here; put everything into one, without --- and ...")
				return false
			}
			continue
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		nests := t.Type == token.MappingValueType || t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType
		if content = true; depth > deepest || depth == 0 && nests && at.Column > deepest {
			r.place(at.Line, at.Column, "nested too deeply; nothing in a policy is more than eight levels deep")
			return false
		}
	}
	return true
}
