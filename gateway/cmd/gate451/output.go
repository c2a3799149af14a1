package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// printJSON prints a result as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table is a text of rows whose columns are aligned.
type table struct {
	columns *tabwriter.Writer
	err     error
}

func newTable(w io.Writer) *table { return &table{columns: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row adds a row. The format separates its columns by tabs.
func (t *table) row(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.columns, format+"\n", args...)
	}
}

// print prints the rows.
func (t *table) print() error {
	if t.err != nil {
		return t.err
	}
	return t.columns.Flush()
}

// printWarnings tells what is allowed and probably not meant.
func printWarnings[W error](w io.Writer, warnings []W) {
	for _, warning := range warnings {
		_, _ = fmt.Fprintf(w, "warning: %v\n", warning) // there is nowhere else to say it
	}
}

// quoted returns a word as a shell reads it back.
func quoted(word string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/._-+,:@%", c)
	}
	if word != "" && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// sortedNames returns the keys of a map, sorted.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
