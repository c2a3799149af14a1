package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gate451/config"
	"gate451/gateway/evidence"
	"gate451/gateway/fleet"
)

// VerifyOptions say what evidence is verified against.
type VerifyOptions = evidence.VerifyOptions

// Verification is what came of verifying evidence.
type Verification = evidence.Verification

// Found is a record that was looked for.
type Found = evidence.Found

// Proof shows that one record is in the evidence.
type Proof = evidence.Proof

// ReportOptions say what a report is about.
type ReportOptions = evidence.ReportOptions

// Report is what the evidence says of a span of time.
type Report = evidence.Report

// EvidenceDir returns the folder in which a configuration has evidence kept. The error says that it names none.
func EvidenceDir(cfg *config.Config) (string, error) {
	if cfg.Evidence.Dir == "" {
		return "", cfg.Problem(&cfg.Evidence, "no evidence is kept; name a folder under evidence.dir")
	}
	return cfg.Evidence.Dir, nil
}

// VerifyEvidence verifies the evidence in a folder; see evidence.Verify.
func VerifyEvidence(dir string, opts VerifyOptions) (*Verification, error) {
	return evidence.Verify(dir, opts)
}

// FindEvidence returns all records in a folder that have a reference.
func FindEvidence(dir, reference string) ([]Found, error) {
	found, err := evidence.Find(dir, NormalReference(reference))
	return found, noLog(dir, err)
}

// noLog says what would be right where a folder is none.
func noLog(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; %s has no evidence: name the folder where it is", err, dir)
	}
	return err
}

// ProveEvidence returns the proof that the record with a reference is in the evidence of a folder, as JSON.
func ProveEvidence(dir, reference string) ([]byte, error) {
	proof, err := evidence.Prove(dir, NormalReference(reference))
	return proof, noLog(dir, err)
}

// VerifyProof checks a proof with the public key of the evidence.
func VerifyProof(proof []byte, key string) (*Proof, error) { return evidence.VerifyProof(proof, key) }

// ReportEvidence reads and verifies the evidence of one or more replicas and returns what it says of a span of time.
func ReportEvidence(dirs []string, opts ReportOptions) (*Report, error) {
	return evidence.NewReport(dirs, opts)
}

// NormalReference writes a reference that was read aloud or copied by hand as refusals show it: in capitals, with its
// hyphen, and with the digits for which the alphabet has no letters.
func NormalReference(text string) string {
	text = strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(text))
	if len(text) == 8 {
		return text[:4] + "-" + text[4:]
	}
	return text
}

// Collect fetches the evidence of all replicas out of Redis until the context ends or, with once, until all that they have
// shipped is there. Each replica's goes into a folder of its name below dir. In keys, if it is not empty, is the public
// key of each replica, <name>.pub; what it did not sign is refused.
func (o *Operator) Collect(ctx context.Context, dir, keys string, once bool) error {
	return o.fleet.Collect(ctx, fleet.Collection{Once: once, Open: func(replica string) (fleet.Sink, error) {
		key, err := keyOf(keys, replica)
		if err != nil {
			return nil, err
		}
		return evidence.OpenCopy(filepath.Join(dir, replica), key)
	}})
}

func keyOf(keys, replica string) (string, error) {
	if keys == "" {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(keys, replica+".pub"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the folder %s has no key of the replica %s; put the sign.pub of its evidence there as %[2]s.pub", keys, replica)
	}
	return string(text), err
}
