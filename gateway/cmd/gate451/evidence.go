package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

func evidenceCommand(s surroundings) *cobra.Command {
	return group("evidence", "Verify the record of decisions, look into it, and collect it",
		evidenceVerifyCommand(s), evidenceReportCommand(s), evidenceFindCommand(s), evidenceProveCommand(s), evidenceCollectCommand(s))
}

// evidencePlace is where evidence is: where the configuration says, or in a folder.
type evidencePlace struct{ file, dir string }

func (p *evidencePlace) add(c *cobra.Command) {
	configFlag(c, &p.file)
	c.Flags().StringVar(&p.dir, "dir", "", "`FOLDER` of the evidence, such as a collected one (default what the configuration says)")
}

func (p *evidencePlace) find(s surroundings) (string, error) {
	if p.dir != "" {
		return p.dir, nil
	}
	cfg, err := config.Load(p.file, s.environ)
	if err != nil {
		return "", err
	}
	return gateway.EvidenceDir(cfg)
}

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

func evidenceFindCommand(s surroundings) *cobra.Command {
	var place evidencePlace
	var asJSON format
	c := &cobra.Command{
		Use: "find REFERENCE", Short: "Show the record that a refused buyer quotes", Args: oneArgument("a reference such as 7K3M-9QXA"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := place.find(s)
			if err != nil {
				return err
			}
			found, err := gateway.FindEvidence(dir, args[0])
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return fmt.Errorf("no record in %s has the reference %s; it may have been dropped, or be of another replica", dir, gateway.NormalReference(args[0]))
			}
			if asJSON {
				return printJSON(s.stdout, found)
			}
			for _, r := range found {
				if _, err := fmt.Fprintf(s.stdout, "%s:%d: %s\n", r.File, r.Line, r.Text); err != nil {
					return err
				}
			}
			return nil
		},
	}
	place.add(c)
	outputFlag(c, &asJSON)
	return c
}

func evidenceProveCommand(s surroundings) *cobra.Command {
	var place evidencePlace
	c := &cobra.Command{
		Use: "prove REFERENCE", Short: "Print the proof that a record is in the evidence", Args: oneArgument("a reference such as 7K3M-9QXA"),
		Long: "Print the proof that a record is in the evidence: the record, its place in the tree, and a signed checkpoint. Whoever has the\n" +
			"public key checks it with gate451 evidence verify --proof, and sees nobody else's record.",
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := place.find(s)
			if err != nil {
				return err
			}
			proof, err := gateway.ProveEvidence(dir, args[0])
			if err != nil {
				return err
			}
			_, err = s.stdout.Write(proof)
			return err
		},
	}
	place.add(c)
	return c
}

// reportFlags are what a report is about.
type reportFlags struct {
	file, from, to string
	dirs           []string
	as             string
}

func evidenceReportCommand(s surroundings) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use: "report", Short: "Tell what was decided, by rule, country and day, in numbers that add up", Args: noArguments,
		Long: "Tell what was decided, by rule, country and day, in numbers that add up: which policies decided and since when, how old the\n" +
			"databases were, and what is missing. The evidence is verified on the way; if it is not what was written, the report says\n" +
			"so, and the exit code is 1. The HTML page is one file, to be printed or sent.",
		Example: "  gate451 evidence report --from 2024-07-20 --to 2025-01-01 -o html > report.html\n  gate451 evidence report --dir collected/gate-1 --dir collected/gate-2",
		RunE:    func(*cobra.Command, []string) error { return report(&f, s) },
	}
	configFlag(c, &f.file)
	c.Flags().StringArrayVar(&f.dirs, "dir", nil, "`FOLDER` of evidence; may be given again, for several replicas (default what the configuration says)")
	c.Flags().StringVar(&f.from, "from", "", "`INSTANT` at which the span begins: RFC 3339, or a date or local time in the policy's zone, UTC with --dir (default the beginning)")
	c.Flags().StringVar(&f.to, "to", "", "`INSTANT` before which it ends (default the end)")
	c.Flags().StringVarP(&f.as, "output", "o", "text", "how to print the report: `text`, html, csv or json")
	return c
}

func report(f *reportFlags, s surroundings) error {
	print, ok := map[string]func(*gateway.Report, io.Writer) error{
		"text": (*gateway.Report).Text, "html": (*gateway.Report).HTML, "csv": (*gateway.Report).CSV, "json": (*gateway.Report).JSON,
	}[f.as]
	if !ok {
		return fmt.Errorf("--output: %q is no form of a report; expected text, html, csv or json", f.as)
	}
	dirs, zone, err := f.logs(s)
	if err != nil {
		return err
	}
	var opts gateway.ReportOptions
	for _, bound := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", f.from, &opts.From}, {"--to", f.to, &opts.Until}} {
		if bound.text == "" {
			continue
		}
		if *bound.into, err = rules.ParseInstant(bound.text, zone); err != nil {
			return fmt.Errorf("%s: %w", bound.flag, err)
		}
	}
	bar := newProgress(s.stderr, "read %d lines")
	opts.Verify.Progress = bar.show
	r, err := gateway.ReportEvidence(dirs, opts)
	bar.end()
	if err != nil {
		return err
	}
	if err := print(r, s.stdout); err != nil {
		return err
	}
	for _, log := range r.Logs {
		if !log.Verified {
			return fmt.Errorf("the evidence in %s is not what was written; gate451 evidence verify says where", log.Dir)
		}
	}
	return nil
}

// logs returns the folders of evidence, and the zone in which times are read.
func (f *reportFlags) logs(s surroundings) ([]string, *time.Location, error) {
	if len(f.dirs) > 0 {
		return f.dirs, time.UTC, nil
	}
	cfg, err := config.Load(f.file, s.environ)
	if err != nil {
		return nil, nil, err
	}
	dir, err := gateway.EvidenceDir(cfg)
	if err != nil {
		return nil, nil, err
	}
	policy, err := gateway.LoadPolicy(cfg)
	if err != nil {
		return nil, nil, err
	}
	return []string{dir}, policy.Zone(), nil
}

func evidenceCollectCommand(s surroundings) *cobra.Command {
	var file, to, keys string
	var once bool
	c := &cobra.Command{
		Use: "collect", Short: "Fetch the evidence of all replicas out of Redis", Args: noArguments,
		Long: "Fetch the evidence of all replicas out of Redis, each into a folder of its name, until it is stopped. The copies are byte for\n" +
			"byte what the replicas wrote, and are verified as they come. Replicas ship what redis.stream_lines lets them.",
		RunE: func(c *cobra.Command, _ []string) error {
			return operate(c.Context(), file, s, func(ctx context.Context, _ *config.Config, operator *gateway.Operator) error {
				ctx, stop := untilSignal(ctx, s)
				defer stop()
				return operator.Collect(ctx, to, keys, once)
			})
		},
	}
	configFlag(c, &file)
	c.Flags().StringVar(&to, "to", "collected", "`FOLDER` to put the copies into")
	c.Flags().StringVar(&keys, "keys", "", "`FOLDER` with the public keys of the replicas, NAME.pub, whose signatures are demanded (default: none are)")
	c.Flags().BoolVar(&once, "once", false, "end when all that was shipped is here")
	return c
}

// untilSignal returns a context that ends with the first signal.
func untilSignal(ctx context.Context, s surroundings) (context.Context, func()) {
	signals, done := s.signals()
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		done()
	}
}

// progress shows on a terminal how far something has come, and nothing elsewhere.
type progress struct {
	w     io.Writer // nil if it is no terminal
	text  string
	shown time.Time
}

func newProgress(w io.Writer, text string) *progress {
	p := &progress{text: text}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

func (p *progress) show(n int64) {
	if p.w == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	_, _ = fmt.Fprintf(p.w, "\r"+p.text+" ", n) // there is nowhere else to say it
}

// end clears the line.
func (p *progress) end() {
	if p.w != nil && !p.shown.IsZero() {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K") // likewise
	}
}
