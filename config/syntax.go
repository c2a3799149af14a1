package config

import (
	"bytes"
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

// deepest bounds how far mappings and lists may nest, and how far lines may be indented, because the
// parser recurses. gateway.yaml nests five deep.
const deepest = 100

// parseTree returns the only document of a YAML file, nil if it is empty, and the length of each line in
// characters.
func parseTree(file string, src []byte) (body ast.Node, lines []int, problems []Problem) {
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // the scanner counts a CRLF twice after a comment
	for line := range strings.SplitSeq(string(src), "\n") {
		lines = append(lines, utf8.RuneCountInString(line))
	}
	report := func(line, column int, message string) {
		line = max(1, min(line, len(lines)))
		problems = append(problems, Problem{File: file, Line: line, Column: max(1, min(column, lines[line-1]+1)), Message: message})
	}
	screenBytes(string(src), report)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	// The parser is not ours, and no mistake in a file may end the program.
	defer func() {
		if reason := recover(); reason != nil {
			body = nil
			report(1, 1, fmt.Sprintf("the YAML parser cannot cope with this file (%v); write it in plainer YAML", reason))
		}
	}()
	tokens := lexer.Tokenize(string(src))
	screenTokens(tokens, report)
	if len(problems) > 0 {
		return nil, nil, problems
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // which would report but the first
	if err != nil {
		line, column, message := 1, 1, err.Error()
		var located yaml.Error
		if errors.As(err, &located) && located.GetToken() != nil {
			at := located.GetToken().Position
			line, column, message = at.Line, at.Column, located.GetMessage()
		}
		report(line, column, "not YAML: "+strings.Join(strings.Fields(message), " ")+"; "+remedy(message))
		return nil, nil, problems
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			body = doc.Body
		}
	}
	return body, lines, nil
}

// screenBytes reports what is no text for YAML, or would make the positions of errors wrong.
func screenBytes(src string, report func(line, column int, message string)) {
	if strings.HasPrefix(src, "\ufeff") {
		report(1, 1, "the file begins with a byte order mark; save it as UTF-8 without one")
		return
	}
	line := 0
	for text := range strings.SplitSeq(src, "\n") {
		line++
		comment := commentStart(text)
		column := 0
		for i, r := range text {
			column++
			switch {
			case r == utf8.RuneError && strings.HasPrefix(text[i:], "\ufffd"):
			case r == utf8.RuneError:
				report(line, column, "the file is not UTF-8 from here on; save it as UTF-8")
				return
			case r == '\t' && i < comment:
				report(line, column, "tab character; indent and separate with spaces")
				comment = i // one report is enough for a line
			case r != '\t' && unicode.IsControl(r):
				report(line, column, fmt.Sprintf("control character %U; remove it", r))
			}
		}
	}
}

// commentStart returns where the comment begins, with the blanks before it, or where the line ends.
func commentStart(line string) int {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return len(strings.TrimRight(line[:i], " \t"))
		}
	}
	return len(line)
}

// screenTokens reports nesting that could exhaust the stack, and what the scanner and the parser do not
// get right: tags, directives and further documents.
func screenTokens(tokens token.Tokens, report func(line, column int, message string)) {
	depth, content, ended := 0, false, false
	for _, t := range tokens {
		at := t.Position
		switch t.Type {
		case token.CommentType:
			continue
		case token.DirectiveType:
			report(at.Line, at.Column, "% begins a YAML directive, which is not supported; remove it, or put the value in quotes")
			return
		case token.TagType: // after which the scanner miscounts columns
			report(at.Line, at.Column, "! begins a YAML tag, which is not supported; remove it, or put the value in quotes")
			return
		case token.DocumentHeaderType:
			if content {
				report(at.Line, at.Column, "a second document begins here; write one document, without ---")
				return
			}
		case token.DocumentEndType:
			ended = true
			continue
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth = max(0, depth-1)
		}
		if ended {
			report(at.Line, at.Column, "a second document begins here; write one document, without ...")
			return
		}
		if depth > deepest || depth == 0 && at.Column > deepest && nests(t) {
			report(at.Line, at.Column, "nested or indented too deeply; nothing in this file is more than five levels deep")
			return
		}
		content = true
	}
}

// nests reports whether a token outside brackets can open a level.
func nests(t *token.Token) bool {
	switch t.Type {
	case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.AnchorType:
		return true
	}
	return false
}

// remedy says what would be right where the parser only says what is wrong.
func remedy(message string) string {
	for _, known := range []struct{ part, right string }{
		{"sequence end token ']'", "close the [ with ]"},
		{"mapping end token '}'", "close the { with }"},
		{"must be specified", "separate with commas, and close every [ with ] and every { with }"},
		{"double-quoted", "close the quote, and write a backslash as \\\\"},
		{"single-quoted", "close the quote, and write a quote in it twice"},
		{"mapping value is not allowed", "put one key on a line, and a value that contains a colon and a space in quotes"},
		{"reserved character", "put the value in quotes"},
		{"alias", "put a value that begins with * in quotes"},
		{"unexpected scalar value type", "put a value that begins with * & ! | > % or @ in quotes"},
		{"value is not allowed in this context", "begin the keys of a mapping, and the dashes of a list, in the same column"},
		{"non-map value", "write key: value, with a space after the colon"},
	} {
		if strings.Contains(message, known.part) {
			return known.right
		}
	}
	return "look at the indentation, brackets and quotes here"
}
