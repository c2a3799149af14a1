package rules

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the .want files of testdata/bad anew")

// TestBadPolicies pins every message: each file of testdata/bad with what is said of it.
func TestBadPolicies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("policy.yaml", src)
			if err == nil {
				t.Fatal("the file is accepted")
			}
			want := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wanted, readErr := os.ReadFile(want)
			if readErr != nil {
				t.Fatal(readErr)
			}
			if diff := cmp.Diff(string(wanted), err.Error()+"\n"); diff != "" {
				t.Error(diff)
			}
			problems, ok := errors.AsType[Problems](err)
			if !ok {
				t.Fatalf("the error is a %T", err)
			}
			for _, p := range problems {
				if lines := strings.Count(string(src), "\n") + 1; p.Line < 1 || p.Line > lines || p.Column < 1 {
					t.Errorf("%v is not in the file", p)
				}
				if !strings.Contains(p.Message, ";") {
					t.Errorf("%q does not say what would be right", p.Message)
				}
			}
		})
	}
}

// TestSpellingNeverMatters holds the digest to what a policy means: comments, order, quotes, letter case of codes,
// jurisdictions in place of their members and zones in place of offsets change nothing; anything else does.
func TestSpellingNeverMatters(t *testing.T) {
	t.Parallel()
	base := `version: 1
time_zone: UTC
activities:
  sale: [{paths: [/cart, /buy]}, {hosts: [a.example], fields: [{query: id}, {param: "q[*]", key: true}, {json: i.#.id, split: ",", cut: ":"}]}]
  update: [{all: true}, {fields: [{path: "/u/*"}], dialect: php, when: carried}]
products: {x: [{paths: [/a]}, {paths: [/b]}, {skus: [KL1, "kl-*", 0815]}]}
rules:
  - {id: a, activity: sale, countries: [US, AS, GU, MP, PR, UM, VI], from: 2024-01-01, except: [{networks: [192.0.2.1]}, {products: [x], note: n}]}
`
	other := `# the same
---
rules: [{activity: "sale", id: 'a', mode: enforce, from: "2024-01-01T01:00:00+01:00", countries: [us-jurisdiction, us, pr],
  except: [{note: n, products: [x]}, {networks: [192.0.2.1/32]}], unknown_country: block, refusal: purchase}]
activities:
  update: [{when: carried, dialect: "php", all: true, fields: [{"path": '/u/*/'}]}, {all: true}]
  sale:
  - dialect: exact
    fields: [{cut: ":", json: i.#.id, split: ','}, {key: true, param: "q[*]"}, {query: id}]
    hosts: [A.example.]
  - {paths: [/buy/, /cart]}
products: {x: [{skus: ["0815", " KL-* ", "kl-*", kl1]}, {paths: [/b]}, {paths: [/a]}]}
defaults: {anonymized: country}
time_zone: UTC
version: 1
`
	p, q := parse(t, base), parse(t, other)
	if p.Digest() != q.Digest() {
		t.Errorf("the digests differ:\n%s\n%s", p.Text(), q.Text())
	}
	if !strings.HasPrefix(p.Digest(), "sha256:") || len(p.Digest()) != len("sha256:")+64 {
		t.Errorf("the digest is %q", p.Digest())
	}
	for _, change := range []string{"/cart|/carts", "id: a|id: b", "VI]|VI, DE]", "2024-01-01|2024-01-02", "192.0.2.1|192.0.2.2", "note: n|note: m", "a.example|b.example",
		"query: id|form: id", "query: id|query: ID", ", key: true|", "split: \",\"|split: \";\"", "cut: \":\"|cut: \";\"", "/u/*|/v/*", "php|node", ", when: carried|, all: true",
		"0815|815", "KL1|KL2", "kl-*|kl*"} {
		before, after, _ := strings.Cut(change, "|")
		if r := parse(t, strings.Replace(base, before, after, 1)); r.Digest() == p.Digest() {
			t.Errorf("changing %s to %s does not change the digest", before, after)
		}
	}
}

func TestAPanicOfTheParserIsAnError(t *testing.T) {
	t.Parallel()
	tree, err := guarded(func() (*ast.File, error) { panic("index out of range") })
	if tree != nil || err == nil || err.Error() != "the YAML parser cannot cope with this (index out of range)" {
		t.Errorf("%v, %v", tree, err)
	}
}

func TestExampleIsValid(t *testing.T) {
	t.Parallel()
	p := parse(t, string(Example()))
	if len(p.Warnings()) != 0 || len(p.Rules()) != 2 {
		t.Errorf("%d rules, warnings %v", len(p.Rules()), p.Warnings())
	}
	// With all that stands in comments, too.
	var all strings.Builder
	for line := range strings.Lines(string(Example())) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "  ") {
			line = rest
		}
		all.WriteString(line)
	}
	p = parse(t, all.String())
	if len(p.Rules()) != 3 || len(p.Warnings()) != 0 {
		t.Errorf("%d rules, warnings %v", len(p.Rules()), p.Warnings())
	}
}

// FuzzParse holds Parse to its promises: it never panics, what it accepts it prints back the same, and every
// problem lies in the file.
func FuzzParse(f *testing.F) {
	for _, glob := range []string{"testdata/bad/*.yaml", "testdata/decisions/*.yaml", "example.yaml"} {
		files, err := filepath.Glob(glob)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := Parse("policy.yaml", src)
		if err != nil {
			problems, ok := errors.AsType[Problems](err)
			if !ok || len(problems) == 0 {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			for _, problem := range problems {
				if problem.Line < 1 || problem.Line > strings.Count(string(src), "\n")+1 || problem.Column < 1 {
					t.Errorf("%v is not in the file", problem)
				}
			}
			return
		}
		again, err := Parse("policy.yaml", p.Text())
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, p.Text())
		}
		if again.Digest() != p.Digest() || string(again.Text()) != string(p.Text()) {
			t.Errorf("the policy reads back differently:\n%s\n%s", p.Text(), again.Text())
		}
	})
}
