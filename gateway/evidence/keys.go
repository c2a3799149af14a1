package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The names of the files beside the segments.
const (
	lockName      = "lock"
	signKeyName   = "sign.key"
	verifierName  = "sign.pub"
	clientKeyName = "client.key"
)

// originPrefix begins the name of every log and of the key that signs it; the replica's name follows.
const originPrefix = "gate451/"

// checkReplica refuses names that cannot stand in a signed note or would need escapes in JSON.
func checkReplica(name string) error {
	const most = 128
	bad := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("._-:/@", r)
	}
	if name == "" || len(name) > most || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("replica name %q cannot name a log; expected 1 to %d letters, digits and . _ - : / @", name, most)
	}
	return nil
}

// key is what signs a log's checkpoints, and its public half.
type key struct {
	signer   note.Signer
	verifier note.Verifier
	text     string // the verifier as text
}

// loadKey reads the key that signs the log's checkpoints. A log that has no lines yet gets a new one; a log that has
// lines never does, because whoever could make the program forget its key could then continue a log of his own.
func loadKey(path, replica string, begun bool, random io.Reader) (*key, error) {
	if begun {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing, and the log has lines that it signed; put the key back, or begin a log in another folder", path)
		}
	}
	text, err := readOrMake(path, func() (string, error) {
		skey, _, err := note.GenerateKey(random, originPrefix+replica)
		return skey + "\n", err
	})
	if err != nil {
		return nil, fmt.Errorf("sign key: %w", err)
	}
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("%s: no signing key of a signed note, PRIVATE+KEY+<name>+<hash>+<key>: %w", path, err)
	}
	if want := originPrefix + replica; signer.Name() != want {
		return nil, fmt.Errorf("%s is the key of %s, and this replica is %s; name the replica as before, or give it a folder of its own", path, signer.Name(), want)
	}
	k := &key{signer: signer}
	k.text, err = verifierOf(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k.verifier, err = note.NewVerifier(k.text)
	return k, err
}

// readOrMake returns the text of a secret file without its last newline; if there is no such file it makes one.
func readOrMake(path string, fresh func() (string, error)) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var made string
		if made, err = fresh(); err == nil {
			text, err = []byte(made), writeWhole(path, []byte(made), 0o600)
		}
	}
	return strings.TrimSuffix(string(text), "\n"), err
}

// writeWhole puts a file into place that is either there as a whole or not at all, whatever happens.
func writeWhole(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := path + temporarySuffix
	f, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return putInPlace(f, err, path)
}

// temporarySuffix marks files that are not yet what their name says. Whoever finds one may remove it.
const temporarySuffix = ".tmp"

// putInPlace ends the writing of a temporary file, of which err is the outcome, and gives it its name.
func putInPlace(f *os.File, err error, path string) error {
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is worth nothing, and its name says so
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
