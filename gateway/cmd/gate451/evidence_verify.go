package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gate451/gateway"
)

// verifyFlags are what evidence is verified against.
type verifyFlags struct {
	evidencePlace
	key, proof  string
	checkpoints []string
	every       bool
	partial     bool
	asJSON      format
}

func evidenceVerifyCommand(s surroundings) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use: "verify", Short: "Tell whether the evidence is whole and unchanged", Args: cobra.MatchAll(noArguments, apart("proof", "dir"), apart("proof", "checkpoint")),
		Long: "Tell whether the evidence is whole and unchanged: every line, the tree that they form, and the signatures. What is wrong\n" +
			"is named with file and line, and the exit code is 1. A log that was cut back together with its last checkpoint is found\n" +
			"out with a checkpoint that was kept elsewhere: the log stream has them, and so has /evidence/checkpoint of the admin port.\n" +
			"With --proof, the proof of one record is checked instead, for which its log is not needed.",
		Example: "  gate451 evidence verify --config gateway.yaml --checkpoint kept.txt\n  gate451 evidence verify --proof proof.json --key sign.pub",
		RunE: func(*cobra.Command, []string) error {
			if f.proof != "" {
				return verifyProof(&f, s)
			}
			return verifyEvidence(&f, s)
		},
	}
	f.add(c)
	outputFlag(c, &f.asJSON)
	c.Flags().StringVar(&f.key, "key", "", "`FILE` with the public key (default sign.pub in the folder, which whoever can rewrite the log can replace)")
	c.Flags().StringArrayVar(&f.checkpoints, "checkpoint", nil, "`FILE` with a checkpoint that was kept; may be given again")
	c.Flags().BoolVar(&f.every, "every-signature", false, "check the signature of every checkpoint, and not of the last in each segment only")
	c.Flags().BoolVar(&f.partial, "partial", false, "the log may begin with any segment, as one does that was collected from then on")
	c.Flags().StringVar(&f.proof, "proof", "", "`FILE` with the proof of one record")
	return c
}

func verifyEvidence(f *verifyFlags, s surroundings) error {
	dir, err := f.find(s)
	if err != nil {
		return err
	}
	opts := gateway.VerifyOptions{EverySignature: f.every, Partial: f.partial}
	if f.key != "" {
		key, err := os.ReadFile(f.key)
		if err != nil {
			return fmt.Errorf("--key: %w; name a readable file", err)
		}
		opts.Key = string(key)
	}
	for _, name := range f.checkpoints {
		checkpoint, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("--checkpoint: %w; name a readable file", err)
		}
		opts.Checkpoints = append(opts.Checkpoints, checkpoint)
	}
	bar := newProgress(s.stderr, "verified %d lines")
	opts.Progress = bar.show
	v, err := gateway.VerifyEvidence(dir, opts)
	bar.end()
	if err != nil {
		return err
	}
	print := printVerification
	if f.asJSON {
		print = func(w io.Writer, v *gateway.Verification) error { return printJSON(w, v) }
	}
	if err := print(s.stdout, v); err != nil {
		return err
	}
	if !v.OK() {
		return fmt.Errorf("the evidence in %s is not what was written; compare it with a copy, and find out who could write there", dir)
	}
	return nil
}

func printVerification(w io.Writer, v *gateway.Verification) error {
	for _, finding := range v.Findings {
		if _, err := fmt.Fprintln(w, finding); err != nil {
			return err
		}
	}
	if v.More {
		if _, err := fmt.Fprintln(w, "and there is more of the kind"); err != nil {
			return err
		}
	}
	t := newTable(w)
	t.row("log\t%s, signed by %s", v.Dir, v.Origin)
	t.row("lines\t%d, of which %d records of decisions", v.Lines, v.Records)
	if v.Begins > 0 {
		t.row("begins\twith line %d", v.Begins)
	}
	if v.Dropped > 0 {
		t.row("dropped\t%d lines by retention; their hashes are there", v.Dropped)
	}
	t.row("verified\t%d segments, %d checkpoints, %d signatures", v.Segments, v.Checkpoints, v.Signatures)
	covered := fmt.Sprintf("%d lines", v.Covered)
	if v.Open {
		covered += "; the log is being written"
	}
	t.row("covered\t%s", covered)
	verdict := "whole and unchanged"
	if !v.OK() {
		verdict = "NOT what was written"
	}
	t.row("verdict\t%s", verdict)
	return t.print()
}

func verifyProof(f *verifyFlags, s surroundings) error {
	if f.key == "" {
		return errors.New("--proof needs --key; expected the file with the public key of the log, got from elsewhere than the proof")
	}
	proof, err := os.ReadFile(f.proof)
	if err != nil {
		return fmt.Errorf("--proof: %w; name a readable file", err)
	}
	key, err := os.ReadFile(f.key)
	if err != nil {
		return fmt.Errorf("--key: %w; name a readable file", err)
	}
	p, err := gateway.VerifyProof(proof, string(key))
	if err != nil {
		return fmt.Errorf("%s does not prove anything: %w", f.proof, err)
	}
	_, err = fmt.Fprintf(s.stdout, "%s\nis line %d of %d in the log that the key signed\n", p.Line, p.Index+1, p.Size)
	return err
}
