package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

// replayFlags say which traffic is judged, and how.
type replayFlags struct {
	file, at, host string
	as             choice
}

func replayCommand(s surroundings) *cobra.Command {
	f := replayFlags{as: choice{known: []string{"text", "html", "csv", "json"}}}
	c := &cobra.Command{
		Use: "replay [ACCESS.LOG...]", Short: "Tell what the policy would have done to recorded traffic",
		Long: "Tell what the policy would have done to recorded traffic, by reason, rule, country and day. Logs are in the common or the\n" +
			"combined format, or JSON as nginx, Caddy and Traefik write it, plain or compressed with gzip or zstd; without any, or for\n" +
			"-, standard input is read. Lines that cannot be read are counted, and the first of them shown.",
		Example: "  gate451 replay --host shop.example access.log access.log.1.gz\n  gate451 replay --at 2024-07-20 -o html access.json > replay.html",
		RunE:    func(_ *cobra.Command, args []string) error { return replay(args, &f, s) },
	}
	configFlag(c, &f.file)
	f.add(c)
	f.as.flag(c, "result")
	return c
}

// add adds the flags that say how lines are judged.
func (f *replayFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.at, "at", "", "`INSTANT` to judge every request at: RFC 3339, or a date or local time in the policy's zone (default its own time)")
	c.Flags().StringVar(&f.host, "host", "", "`HOST` of requests whose line names none (default the only host of the routes)")
}

func replay(files []string, f *replayFlags, s surroundings) error {
	cfg, err := config.Load(f.file, s.environ)
	if err != nil {
		return err
	}
	enforcer, err := gateway.NewEnforcer(cfg, gateway.Options{Now: s.now})
	if err != nil {
		return err
	}
	opts, err := f.options(enforcer, s)
	if err != nil {
		return err
	}
	bar := newProgress(s.stderr, "read %d lines")
	opts.Progress = bar.show
	r, err := enforcer.Replay(orInput(files), opts)
	bar.end()
	if err != nil {
		return err
	}
	return map[string]func(*gateway.Replay, io.Writer) error{
		"text": (*gateway.Replay).Text, "html": (*gateway.Replay).HTML, "csv": (*gateway.Replay).CSV, "json": (*gateway.Replay).JSON,
	}[f.as.String()](r, s.stdout)
}

// orInput is the logs that are named, or standard input.
func orInput(files []string) []string {
	if len(files) == 0 {
		return []string{"-"}
	}
	return files
}

func (f *replayFlags) options(enforcer *gateway.Enforcer, s surroundings) (gateway.ReplayOptions, error) {
	opts := gateway.ReplayOptions{Host: f.host, Input: s.stdin}
	if f.at == "" {
		return opts, nil
	}
	var err error
	if opts.At, err = enforcer.ParseInstant(f.at); err != nil {
		return opts, fmt.Errorf("--at: %w", err)
	}
	return opts, nil
}
