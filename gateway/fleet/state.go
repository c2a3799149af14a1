package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what a replica keeps for a start without Redis: the newest document that it saw, and the newest that was
// good, which is another only if the newest was refused.
type state struct{ Seen, Good *document }

// stored is a document in the file.
type stored struct {
	Generation int64  `json:"generation"`
	ID         string `json:"id"`
	Changed    int64  `json:"changed"`
	Head       string `json:"head"`
	Text       string `json:"text"`
}

const stateMagic = "gate451 fleet state 1 " // then the SHA-256 of all that follows the first line

// save writes the state so that either it or what was there before survives whatever happens meanwhile.
func (s state) save(file string) (err error) {
	var docs []stored
	for _, d := range []*document{s.Seen, s.Good} {
		if d != nil && (len(docs) == 0 || d != s.Seen) {
			docs = append(docs, stored{d.generation, d.id, d.changed, d.head, d.text})
		}
	}
	body, err := json.Marshal(docs)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	text := append([]byte(stateMagic+hex.EncodeToString(sum[:])+"\n"), body...)
	if err := replaceFile(file, text); err != nil {
		return fmt.Errorf("the policy is not kept for a start without redis: %w; make %s a folder that can be written to", err, filepath.Dir(file))
	}
	return nil
}

func replaceFile(file string, text []byte) error {
	temporary := file + ".new" // always the same, so that one that a crash left is not there for ever
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, file)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // or else a power cut might bring the old name back
}

// loadState reads what was saved. No file is no state, and no error.
func loadState(file string) (state, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("the policy kept for a start without redis: %w; make it readable", err)
	}
	damaged := fmt.Errorf("%s is damaged and not used; it is written anew once redis answers", file)
	line, body, _ := bytes.Cut(text, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(line) != stateMagic+hex.EncodeToString(sum[:]) {
		return state{}, damaged
	}
	var docs []stored
	if err := json.Unmarshal(body, &docs); err != nil {
		return state{}, errors.Join(damaged, err)
	}
	var both [2]*document
	for i, d := range docs[:min(len(docs), 2)] {
		both[i] = &document{generation: d.Generation, id: d.ID, changed: d.Changed, head: d.Head, text: d.Text}
		if err := json.Unmarshal([]byte(d.Head), &both[i].said); err != nil {
			return state{}, errors.Join(damaged, err)
		}
	}
	return state{Seen: both[0], Good: both[1]}, nil
}
