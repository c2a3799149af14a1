package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func geoipUpdateCommand(s surroundings) *cobra.Command {
	var file string
	var now bool
	c := &cobra.Command{
		Use: "update", Short: "Fetch newer databases from MaxMind", Args: noArguments,
		Long: "Ask MaxMind for the editions that geoip.update names, and put newer databases in place. Nothing is downloaded that is there\n" +
			"already. A gateway that runs does so by itself, and takes up what this command has fetched.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(file, s.environ)
			if err != nil {
				return err
			}
			printWarnings(s.stderr, cfg.Warnings())
			asking := gateway.AskAnyway
			if now {
				asking = gateway.AskAtOnce
			}
			reports, err := gateway.UpdateDatabases(c.Context(), cfg, asking, s.now)
			if err != nil {
				return err
			}
			return printReports(s, reports)
		},
	}
	configFlag(c, &file)
	c.Flags().BoolVar(&now, "now", false, "ask even if the last attempts have failed, and it is too early to ask again")
	return c
}

func printReports(s surroundings, reports []gateway.UpdateReport) error {
	var failures []error
	for _, r := range reports {
		next := r.Next.UTC().Format(time.RFC3339)
		var err error
		switch r.Result {
		case gateway.DatabaseUpdated:
			_, err = fmt.Fprintf(s.stdout, "%s: updated, built %s, in %s\n", r.Edition, r.Built.UTC().Format(time.DateOnly), r.Path)
		case gateway.DatabaseUnchanged:
			_, err = fmt.Fprintf(s.stdout, "%s: the newest is in %s\n", r.Edition, r.Path)
		case gateway.DatabaseWaiting:
			err = fmt.Errorf("%s: not asked for again before %s, after: %w; --now asks at once", r.Edition, next, r.Err)
		default:
			err = fmt.Errorf("%s: not updated, what is there stays: %w", r.Edition, r.Err)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
