package catalogue

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gate451/rules"
)

// Info describes a file that has been read.
type Info struct {
	// File is how the policy names it.
	File string
	// SHA256 is the hash of its bytes, in hexadecimal.
	SHA256 string
	// Goods is the number of its rows, IDs that of the different ids in them.
	Goods, IDs int
	// Modified is when it was written.
	Modified time.Time
}

// Load reads the file that a policy names, relative to a folder, into a catalogue. The error says what is wrong with it.
func Load(name, folder string, into *rules.Catalogue) (Info, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	f, err := open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	about, err := f.Stat()
	if err != nil {
		return Info{}, problem(path, 1, 1, "%v; name a file that can be read under catalogues", err)
	}
	hash := sha256.New()
	if err := Read(name, path, io.TeeReader(f, hash), into); err != nil {
		return Info{}, err
	}
	files := into.Files()
	last := files[len(files)-1]
	return Info{File: name, SHA256: hex.EncodeToString(hash.Sum(nil)), Goods: last.Goods, IDs: last.IDs, Modified: about.ModTime()}, nil
}

// open opens a file; a pipe or a folder would wait or fail in its own way.
func open(path string) (*os.File, error) {
	about, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, problem(path, 1, 1, "%v; name a file that can be read under catalogues", reason(err))
	case !about.Mode().IsRegular():
		return nil, problem(path, 1, 1, "this is no file; name a file of goods under catalogues")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, problem(path, 1, 1, "%v; name a file that can be read under catalogues", reason(err))
	}
	return f, nil
}

// reason leaves out the path, which is told already.
func reason(err error) error {
	if at, ok := errors.AsType[*os.PathError](err); ok {
		return at.Err
	}
	return err
}

func problem(file string, line, column int, format string, args ...any) error {
	return rules.Problems{{File: file, Line: max(1, line), Column: max(1, column), Message: fmt.Sprintf(format, args...)}}
}

// Read reads a file of goods, to its very end, into a catalogue, which is of no use after an error. The name is the policy's,
// the path is for messages; what is in it is told by how it begins, and by how the path ends.
func Read(name, path string, r io.Reader, into *rules.Catalogue) error {
	raw := bufio.NewReaderSize(r, 64<<10)
	var src io.Reader = raw
	kind := strings.ToLower(path)
	if head, _ := raw.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(raw)
		if err != nil {
			return problem(path, 1, 1, "the file cannot be decompressed: %v; compress it again, or write it as it is", err)
		}
		src, kind = z, strings.TrimSuffix(kind, ".gz")
	}
	in := newText(path, src)
	format, err := in.format(filepath.Ext(kind))
	if err != nil {
		return err
	}
	into.Begin(name, path)
	rows := &rows{in: in, into: into, asked: make(map[string]bool)}
	if err := format(in, rows); err != nil {
		return in.because(err)
	}
	if _, err := io.Copy(io.Discard, raw); err != nil { // the hash is that of all
		return in.because(err)
	}
	if rows.n == 0 {
		return problem(path, 1, 1, "the file holds no goods; write at least one, or leave it out of catalogues")
	}
	return nil
}

// format tells what is in a file. One whose name says otherwise is refused: it is most probably something else.
func (t *text) format(ext string) (func(*text, *rows) error, error) {
	head := bytes.TrimLeft(t.head(), " \t\r\n")
	lower := bytes.ToLower(head)
	is, format := ".csv", readCSV
	switch {
	case t.err != nil && !errors.Is(t.err, io.EOF):
		return nil, t.because(t.err)
	case len(head) == 0:
		return nil, problem(t.path, 1, 1, "the file is empty; write goods into it, or leave it out of catalogues")
	case bytes.HasPrefix(lower, []byte("<!doctype html")), bytes.HasPrefix(lower, []byte("<html")):
		return nil, problem(t.path, 1, 1, "this is a web page; expected goods. Whatever fetches the file may have been shown a login or an error")
	case head[0] == '<':
		is, format = ".xml", readFeed
	case head[0] == '{', head[0] == '[':
		is, format = ".json", readJSON
	}
	says, known := map[string]string{
		".csv": ".csv", ".tsv": ".csv", ".txt": ".csv", ".xml": ".xml", ".rss": ".xml", ".atom": ".xml", ".json": ".json", ".jsonld": ".json",
	}[ext]
	if known && says != is {
		return nil, problem(t.path, 1, 1, "the file is named %s and begins like one named %s; expected what its name says, or a name that ends in %[2]s", ext, is)
	}
	if !known && is == ".csv" && ext != "" {
		return nil, problem(t.path, 1, 1, "nobody knows what a file named %s holds; expected .csv, .tsv, .xml, .json or one of these with .gz", ext)
	}
	return format, nil
}
