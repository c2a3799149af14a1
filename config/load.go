package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// maxBytes is far more than any gateway needs and little enough to parse at once.
const maxBytes = 1 << 20

// Load reads gateway.yaml from a file and applies the variables of environ (in the form of [os.Environ])
// that begin with GATE451_. A configuration with mistakes is reported as [Errors], all of them.
func Load(file string, environ []string) (*Config, error) {
	src, err := ReadFile(file, maxBytes)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be read: %w; name an existing gateway.yaml, or write one with gate451 init", file, err)
	}
	return Parse(file, src, environ)
}

// Parse is [Load] for a file whose content is at hand; its name is for messages, and its folder is where
// relative paths start from, also those in variables. Parse reads no files but those that hold secrets.
func Parse(file string, src []byte, environ []string) (*Config, error) {
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("%s: its folder cannot be found: %w; name the file with an absolute path", file, err)
	}
	body, lines, problems := parseTree(file, src)
	if len(problems) > 0 {
		return nil, Errors(sorted(problems))
	}
	w := &walker{file: file, folder: folder, lines: lines, environ: ours(environ), places: map[any]Problem{}}
	c := &Config{file: file, places: w.places}
	w.root(body, c)
	w.override(c)
	w.check(c)
	w.secrets(c)
	if len(w.problems) > 0 {
		return nil, Errors(sorted(w.problems))
	}
	c.warnings = sorted(w.warnings)
	return c, nil
}

// root fills the Config from the only document, which may be empty.
func (w *walker) root(body ast.Node, c *Config) {
	into := reflect.ValueOf(c).Elem()
	w.preset(into)
	start := Problem{File: w.file, Line: 1, Column: 1}
	if body == nil {
		w.mapping(nil, start, nil, into)
		return
	}
	w.value(body, start, field{key: "the file", typ: into.Type()}, nil, into)
}

// ReadFile returns what is in a file of at most so many bytes. Its error leaves out the name, which whoever reports it shows.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err == nil {
		defer func() { _ = f.Close() }() // only read, so nothing is lost
		var content []byte
		if content, err = io.ReadAll(io.LimitReader(f, limit+1)); err == nil && int64(len(content)) > limit {
			err = fmt.Errorf("it has more than %d bytes", limit)
		}
		if err == nil {
			return content, nil
		}
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return nil, err
}
