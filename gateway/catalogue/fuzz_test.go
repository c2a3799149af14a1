package catalogue

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gate451/rules"
)

// fuzz holds a format to its promises: it never panics, what it refuses it says where, and what it takes can be attached and
// is the same in whichever pieces it comes.
func fuzz(f *testing.F, name string, extensions ...string) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for _, ext := range extensions {
			if strings.HasSuffix(file, ext) {
				text, err := os.ReadFile(file)
				if err != nil {
					f.Fatal(err)
				}
				f.Add(text)
			}
		}
	}
	p := newPolicy(f, policyText)
	f.Fuzz(func(t *testing.T, text []byte) {
		into := p.Catalogue()
		err := Read("a", name, bytes.NewReader(text), into)
		if err != nil {
			problems, ok := errors.AsType[rules.Problems](err)
			if !ok || len(problems) != 1 {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			if p := problems[0]; p.Line < 1 || p.Column < 1 || p.File != name || !strings.Contains(p.Message, ";") {
				t.Errorf("%v", p)
			}
		} else if file := into.Files()[0]; file.Goods < 1 || file.IDs < 1 || file.IDs > len(text) {
			t.Errorf("%+v of %d bytes", file, len(text))
		} else if _, err := p.WithCatalogue(into); err != nil {
			if _, ok := errors.AsType[rules.Problems](err); !ok {
				t.Error(err)
			}
		}
		again := p.Catalogue()
		if other := Read("a", name, &pieces{text: text}, again); (err == nil) != (other == nil) {
			t.Errorf("whole: %v; in pieces: %v", err, other)
		} else if err == nil && again.Files()[0] != into.Files()[0] {
			t.Errorf("whole: %+v; in pieces: %+v", into.Files(), again.Files())
		}
	})
}

// pieces reads a text in pieces of one to seven bytes.
type pieces struct {
	text []byte
	n    int
}

func (p *pieces) Read(into []byte) (int, error) {
	p.n = p.n%7 + 1
	n := copy(into[:min(p.n, len(into))], p.text)
	p.text = p.text[n:]
	if n == 0 {
		return bytes.NewReader(nil).Read(into)
	}
	return n, nil
}

func FuzzCSV(f *testing.F)  { fuzz(f, "goods.csv", ".csv", ".tsv") }
func FuzzFeed(f *testing.F) { fuzz(f, "feed.xml", ".xml") }
func FuzzJSON(f *testing.F) { fuzz(f, "goods.json", ".json", ".jsonld") }
