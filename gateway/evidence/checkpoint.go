package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a signed note says of a log: how many lines it has and their root hash (C2SP tlog-checkpoint).
type Checkpoint struct {
	// Origin is the name of the log and of the key that signs it.
	Origin string
	// Size is the number of lines that the checkpoint covers.
	Size int64
	// Root is the hash of these lines as the leaves of an RFC 6962 tree.
	Root tlog.Hash
}

var errCheckpoint = errors.New("malformed checkpoint; expected a signed note of an origin, a size and a root hash")

// ParseCheckpoint reads a signed note and checks its signature with a verifier key, <name>+<hash>+<key>, as sign.pub has
// it. Exactly one form of a note is accepted, so that a note that differs in a byte is another note.
func ParseCheckpoint(text []byte, verifierKey string) (Checkpoint, error) {
	verifier, err := newVerifier(verifierKey)
	if err != nil {
		return Checkpoint{}, err
	}
	return openNote(text, verifier)
}

func newVerifier(text string) (note.Verifier, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("verifier key: %w; expected the text of the log's %s", err, verifierName)
	}
	return verifier, nil
}

// openNote reads a note that the verifier's key must have signed.
func openNote(text []byte, verifier note.Verifier) (Checkpoint, error) {
	cp, err := readNote(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if _, err := note.Open(text, note.VerifierList(verifier)); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint of %s at %d: %w", cp.Origin, cp.Size, err)
	}
	if cp.Origin != verifier.Name() {
		return Checkpoint{}, fmt.Errorf("the checkpoint is of %s and the key of %s; expected one name", cp.Origin, verifier.Name())
	}
	return cp, nil
}

// readNote reads a note without looking at its signature.
func readNote(text []byte) (Checkpoint, error) {
	body, signature, ok := bytes.Cut(text, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, errCheckpoint
	}
	origin, rest, _ := bytes.Cut(body, []byte{'\n'})
	size, root, _ := bytes.Cut(rest, []byte{'\n'})
	n, err := strconv.ParseInt(string(size), 10, 64)
	cp := Checkpoint{Origin: string(origin), Size: n}
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != string(size) || !decodeExactly(cp.Root[:], root) {
		return Checkpoint{}, errCheckpoint
	}
	// note.Open takes more signatures than one, and base64 whose last digit has bits to spare.
	var sig [4 + ed25519.SignatureSize]byte
	_, sig64, ok := bytes.Cut(bytes.TrimSuffix(signature, []byte{'\n'}), []byte("— "+cp.Origin+" "))
	if !ok || bytes.IndexByte(signature, '\n') != len(signature)-1 || !decodeExactly(sig[:], sig64) {
		return Checkpoint{}, errCheckpoint
	}
	return cp, nil
}

// decodeExactly decodes base64 that has one form only and fills dst.
func decodeExactly(dst, text []byte) bool {
	var room [96]byte
	if len(text) != base64.StdEncoding.EncodedLen(len(dst)) || bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, '\n') >= 0 {
		return false
	}
	n, err := base64.StdEncoding.Strict().Decode(room[:], text)
	return err == nil && n == len(dst) && copy(dst, room[:n]) == n
}

// sign returns the signed note of a tree.
func (k *key) sign(t *tree) ([]byte, error) {
	root := t.root()
	return note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", k.signer.Name(), t.size, root)}, k.signer)
}

// verifierOf derives the verifier key from the text of a signing key: both consist of a name, a hash and a key.
func verifierOf(signKey string) (string, error) {
	parts := strings.Split(signKey, "+")
	seed, err := base64.StdEncoding.DecodeString(strings.Join(parts[min(4, len(parts)):], "+"))
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errors.New("no Ed25519 key")
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(parts[2], public)
}

// A checkpoint's line is the note as a JSON string, in which newlines are all that needs an escape.
const (
	checkpointHead = `{"kind":"checkpoint","note":"`
	checkpointTail = `"}`
)

func appendCheckpointLine(dst, text []byte) []byte {
	dst = append(dst, checkpointHead...)
	for len(text) > 0 {
		line, rest, ok := bytes.Cut(text, []byte{'\n'})
		dst = append(dst, line...)
		if ok {
			dst = append(dst, `\n`...)
		}
		text = rest
	}
	return append(dst, checkpointTail...)
}

// noteOfLine appends the note that a checkpoint's line carries to dst; ok is false if it is no such line.
func noteOfLine(dst, line []byte) (text []byte, ok bool) {
	line, head := bytes.CutPrefix(line, []byte(checkpointHead))
	line, tail := bytes.CutSuffix(line, []byte(checkpointTail))
	if !head || !tail {
		return nil, false
	}
	for {
		i := bytes.IndexByte(line, '\\')
		if i < 0 {
			return append(dst, line...), true
		}
		if i+1 == len(line) || line[i+1] != 'n' {
			return nil, false
		}
		dst = append(append(dst, line[:i]...), '\n')
		line = line[i+2:]
	}
}
