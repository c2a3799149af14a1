package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

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
