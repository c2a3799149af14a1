package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, or for a warning doubtful. Its message says
// what is wrong, and after a semicolon what would be right.
type Problem struct {
	File    string // the file as Load was given it, or the name of an environment variable
	Line    int    // from 1; 0 where the file or variable is meant as a whole
	Column  int    // from 1, in characters
	Message string
}

// Error returns the problem on one line, as file:line:column: message.
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Errors are all the problems of one configuration: those of the file in its order, then those of
// environment variables.
type Errors []Problem

// Error returns the problems, one on each line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each problem, for [errors.As].
func (e Errors) Unwrap() []error {
	each := make([]error, len(e))
	for i, p := range e {
		each[i] = p
	}
	return each
}

// sorted puts problems in the order of the file, those without a line last.
func sorted(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.File, b.File))
	})
	return problems
}

// placed puts a message at the first of the fields that somebody wrote.
func placed(places map[any]Problem, file, message string, fields ...any) Problem {
	for _, field := range fields {
		if place, ok := places[field]; ok {
			place.Message = message
			return place
		}
	}
	return Problem{File: file, Message: message}
}
