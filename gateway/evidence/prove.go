package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Proof shows that one line is in a log, to somebody who has the log's verifier key and nothing else of it.
type Proof struct {
	// Version is the version of this form.
	Version int `json:"version"`
	// Line is the line, byte for byte; Index is its place in the log.
	Line  string `json:"line"`
	Index int64  `json:"index"`
	// Size is how many lines the checkpoint covers.
	Size int64 `json:"size"`
	// Hashes are the inclusion proof (RFC 6962, section 2.1.1) of the line in the tree that the checkpoint signs.
	Hashes []tlog.Hash `json:"hashes"`
	// Checkpoint is the signed note.
	Checkpoint string `json:"checkpoint"`
}

// Prove returns the proof of the record that has a reference, as VerifyProof takes it. Its error says if there is none,
// or more than one, which can be proven by their indexes.
func Prove(dir, reference string) ([]byte, error) {
	found, err := Find(dir, reference)
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 1:
		return ProveIndex(dir, found[0].Index)
	case 0:
		return nil, fmt.Errorf("no record has the reference %s; it may have been dropped, or be of another replica", reference)
	}
	indexes := make([]int64, len(found))
	for i, f := range found {
		indexes[i] = f.Index
	}
	return nil, fmt.Errorf("%d records have the reference %s; prove one of them by its index: %d", len(found), reference, indexes)
}

// ProveIndex returns the proof of the line with an index.
func ProveIndex(dir string, index int64) ([]byte, error) {
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	line, err := lineAt(dir, segments, index)
	if err != nil {
		return nil, err
	}
	text, cp, err := lastCheckpoint(dir, segments)
	if err != nil {
		return nil, err
	}
	if cp.Size <= index {
		return nil, fmt.Errorf("no checkpoint covers line %d of the log yet; the last one covers %d lines", index, cp.Size)
	}
	h := &hashReader{dir: dir, segments: segments, size: cp.Size}
	hashes, err := tlog.ProveRecord(cp.Size, index, h)
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckRecord(hashes, cp.Size, cp.Root, index, tlog.RecordHash(line)); err != nil {
		return nil, fmt.Errorf("the log does not prove line %d of it: %w; verify the log", index, err)
	}
	return encodeProof(&Proof{formatVersion, string(line), index, cp.Size, nonNil([]tlog.Hash(hashes)), string(text)})
}

// encodeProof writes the one form that a proof has.
func encodeProof(p *Proof) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(p)
	return text.Bytes(), err
}

// lineAt returns a line of the log.
func lineAt(dir string, segments []segmentName, index int64) ([]byte, error) {
	for _, s := range slices.Backward(segments) {
		if s.first > index || index < 0 {
			continue
		}
		if !s.hasLines() {
			return nil, fmt.Errorf("line %d of the log was dropped", index)
		}
		r, err := openSegment(dir, s.first)
		if err != nil {
			return nil, err
		}
		defer r.close()
		for {
			line, _, ok := r.next()
			if !ok {
				return nil, errors.Join(fmt.Errorf("%s ends before line %d of the log", r.path, index), r.failure())
			}
			if s.first+int64(r.number)-1 == index {
				return bytes.Clone(line), nil
			}
		}
	}
	return nil, fmt.Errorf("the log in %s has no line %d", dir, index)
}

// lastCheckpoint returns the last checkpoint in a log.
func lastCheckpoint(dir string, segments []segmentName) (text []byte, cp Checkpoint, err error) {
	for _, s := range slices.Backward(segments) {
		if !s.hasLines() {
			continue
		}
		r, err := openSegment(dir, s.first)
		if err != nil {
			return nil, cp, err
		}
		defer r.close()
		for {
			line, _, ok := r.next()
			if !ok {
				break
			}
			if kindOf(line) != kindCheckpoint {
				continue
			}
			if note, ok := noteOfLine(nil, line); ok {
				text = note
			}
		}
		if err := r.failure(); err != nil {
			return nil, cp, fmt.Errorf("%s: %w", r.path, err)
		}
		if text != nil {
			cp, err = readNote(text)
			return text, cp, err
		}
	}
	return nil, cp, fmt.Errorf("the log in %s has no checkpoint yet", dir)
}

// errProof says that a proof is not what it should be.
var errProof = errors.New("the proof is not one, or not in the form in which it was written")

// VerifyProof checks a proof with the verifier key of the log, which must come from elsewhere, and returns what it
// proves. A proof has exactly one form: if any byte of it is another, it is refused.
func VerifyProof(proof []byte, verifierKey string) (*Proof, error) {
	verifier, err := newVerifier(verifierKey)
	if err != nil {
		return nil, err
	}
	return openProof(proof, verifier)
}

func openProof(text []byte, verifier note.Verifier) (*Proof, error) {
	var p Proof
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", errProof, err)
	}
	if form, err := encodeProof(&p); err != nil || !bytes.Equal(form, text) || p.Version != formatVersion {
		return nil, errProof
	}
	cp, err := openNote([]byte(p.Checkpoint), verifier)
	if err != nil {
		return nil, fmt.Errorf("the proof's checkpoint: %w", err)
	}
	if cp.Size != p.Size {
		return nil, fmt.Errorf("the proof is for %d lines, and its checkpoint covers %d", p.Size, cp.Size)
	}
	if err := tlog.CheckRecord(tlog.RecordProof(p.Hashes), cp.Size, cp.Root, p.Index, tlog.RecordHash([]byte(p.Line))); err != nil {
		return nil, fmt.Errorf("the line is not the one that the checkpoint covers: %w", err)
	}
	return &p, nil
}
