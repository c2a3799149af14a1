package maxmind

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files beside the databases.
const (
	stateName = ".gate451-update.json"
	lockName  = ".gate451-update.lock"
	partName  = ".gate451-update." // and the edition: a database that is not yet proved good
)

// entry is what is kept of an edition.
type entry struct {
	// Tried is when the server was last asked, Checked when it last had an answer, be it that there is nothing newer.
	Tried   time.Time `json:"tried,omitzero"`
	Checked time.Time `json:"checked,omitzero"`
	// NotBefore is when to ask again.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Failures counts those since the last success, and Error is the last one's text.
	Failures int    `json:"failures,omitempty"`
	Error    string `json:"error,omitempty"`
	// Database is the SHA-256 of the database that was put in place; what follows is about it alone: the Last-Modified and
	// the SHA-256 of the archive that it came in.
	Database string    `json:"database,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Archive  string    `json:"archive,omitempty"`
}

// state is what is kept, by edition.
type state map[string]entry

// readState reads what is kept in a folder. No file is no state. A damaged one is an error, and no state.
func readState(dir string) (state, error) {
	s := state{}
	text, err := os.ReadFile(filepath.Join(dir, stateName))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return state{}, fmt.Errorf("what was kept of earlier updates cannot be read: %w", err)
	}
	return s, nil
}

// save writes the state so that either it or what was there before survives whatever happens meanwhile.
func (s state) save(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, stateName)
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return rename(file+".new", file)
}

// rename gives a file its name for good: without the sync of the folder a power cut could bring the old one back.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Status is how an edition is doing.
type Status struct {
	// Edition is MaxMind's name of it.
	Edition string
	// Checked is when the server last said that the database is the newest, or gave a newer one; zero if it never did.
	Checked time.Time
	// Next is when it is asked again; zero if it was never asked.
	Next time.Time
	// Failures counts the failures since, and Error says what the last one was.
	Failures int
	Error    string
}

// Statuses tells how editions in a folder are doing, by whichever process.
func Statuses(dir string, editions []string) ([]Status, error) {
	s, err := readState(dir)
	var all []Status
	for _, edition := range editions {
		e := s[edition]
		all = append(all, Status{Edition: edition, Checked: e.Checked, Next: e.NotBefore, Failures: e.Failures, Error: e.Error})
	}
	return all, err
}
