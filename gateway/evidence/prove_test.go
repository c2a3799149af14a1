package evidence

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestProof proves records, and refuses the proofs once any byte of them is changed, removed or added.
func TestProof(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, true)
	l := open(t, Config{Dir: dir, Now: newClock().now})
	record(t, l, 200, 210)
	key := l.Verifier()
	r := rand.New(rand.NewPCG(testSeed(t), 0))
	tries := 500
	if testing.Short() {
		tries = 100
	}
	for _, n := range []int{0, 33, 59, 205} {
		proof, err := Prove(dir, reference(n))
		must(t, err)
		p, err := VerifyProof(proof, key)
		must(t, err)
		if !strings.Contains(p.Line, reference(n)) || p.Size <= p.Index || p.Index < 0 {
			t.Errorf("%+v", p)
		}
		for range tries {
			changed, at, what := tampering(r, proof)
			if bytes.Equal(changed, proof) {
				continue
			}
			if _, err := VerifyProof(changed, key); err == nil {
				t.Errorf("byte %d is %s, and the proof verifies:\n%s", at, what, changed)
			}
		}
		alterFields(t, proof, key)
	}
	must(t, l.Close())
}

// alterFields changes what a proof says, field by field, in the form in which proofs are written.
func alterFields(t *testing.T, proof []byte, key string) {
	t.Helper()
	for name, change := range map[string]func(p *Proof){
		"version":       func(p *Proof) { p.Version++ },
		"line":          func(p *Proof) { p.Line = strings.Replace(p.Line, "/cart", "/card", 1) },
		"index":         func(p *Proof) { p.Index++ },
		"no index":      func(p *Proof) { p.Index = -1 },
		"size":          func(p *Proof) { p.Size++ },
		"a hash less":   func(p *Proof) { p.Hashes = p.Hashes[1:] },
		"a hash more":   func(p *Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) },
		"hashes":        func(p *Proof) { p.Hashes[0], p.Hashes[1] = p.Hashes[1], p.Hashes[0] },
		"no hashes":     func(p *Proof) { p.Hashes = nil },
		"no checkpoint": func(p *Proof) { p.Checkpoint = "" },
		"origin":        func(p *Proof) { p.Checkpoint = strings.ReplaceAll(p.Checkpoint, "test-1", "test-2") },
		"two signatures": func(p *Proof) {
			_, sig, _ := strings.Cut(p.Checkpoint, "\n\n")
			p.Checkpoint += sig
		},
	} {
		var p Proof
		must(t, json.Unmarshal(proof, &p))
		change(&p)
		text, err := encodeProof(&p)
		must(t, err)
		if _, err := VerifyProof(text, key); err == nil {
			t.Errorf("%s is another, and the proof verifies", name)
		}
	}
	skey, vkey, err := note.GenerateKey(nil, "gate451/test-1")
	must(t, err)
	if _, err := VerifyProof(proof, vkey); err == nil {
		t.Error("the proof verifies with another key")
	}
	if _, err := VerifyProof(proof, skey); err == nil {
		t.Error("the proof verifies with a key that is none")
	}
	var indented bytes.Buffer
	must(t, json.Compact(&indented, proof))
	if _, err := VerifyProof(indented.Bytes(), vkey); err == nil {
		t.Error("the proof verifies in another form")
	}
}

func TestProveRefuses(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	l := open(t, Config{Dir: dir, Now: newClock().now})
	record(t, l, 7, 8)
	must(t, l.Close())
	for _, test := range []struct{ reference, want string }{
		{"ZZZZ-ZZZZ", "no record has the reference ZZZZ-ZZZZ"},
		{reference(7), "2 records have the reference 0000-0007; prove one of them by its index: ["},
		{"", "no reference to look for"},
	} {
		if _, err := Prove(dir, test.reference); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.reference, err, test.want)
		}
	}
	found, err := Find(dir, reference(7))
	must(t, err)
	for _, f := range found {
		proof, err := ProveIndex(dir, f.Index)
		must(t, err)
		p, err := VerifyProof(proof, l.Verifier())
		must(t, err)
		if p.Line != f.Text || p.Index != f.Index {
			t.Errorf("%+v, want %+v", p, f)
		}
	}
	for _, index := range []int64{-1, 1 << 40, l.Stats().Lines - 1} { // no checkpoint covers the last one
		if _, err := ProveIndex(dir, index); err == nil {
			t.Errorf("line %d is proven", index)
		}
	}
	if _, err := ProveIndex(t.TempDir(), 0); err == nil {
		t.Error("a line of no log is proven")
	}
}

// TestFindForged looks for a reference that a buyer writes into a path.
func TestFindForged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	e := entry(1)
	e.Path = `/","reference":"` + reference(2) + `"`
	must(t, l.Record(t.Context(), e))
	must(t, l.Close())
	if found, err := Find(dir, reference(2)); err != nil || len(found) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
	if found, err := Find(dir, reference(1)); err != nil || len(found) != 1 || found[0].Line == 0 {
		t.Errorf("found %v, %v", found, err)
	}
}
