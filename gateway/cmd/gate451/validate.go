package main

import (
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func validateCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "validate", Short: "Load all that serve would, and listen on nothing", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return validate(file, s) },
	}
	configFlag(c, &file)
	return c
}

func validate(file string, s surroundings) error {
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return err
	}
	printWarnings(s.stderr, cfg.Warnings())
	policy, databases, err := gateway.Check(cfg, gateway.Options{Now: s.now})
	if err != nil {
		return err
	}
	printWarnings(s.stderr, policy.Warnings())
	t := newTable(s.stdout)
	t.row("%s is valid", file)
	t.row("policy\t%s, %d rules", policy.Digest(), len(policy.Rules()))
	for _, c := range policy.Attached() {
		t.row("catalogue\t%s, %d goods, %d ids", c.Name, c.Goods, c.IDs)
	}
	for _, d := range databases {
		stale := ""
		if d.Stale {
			stale = ", older than geoip.max_age"
		}
		t.row("database\t%s, %s, built %s%s", d.Name, d.Type, d.Built.Format(time.DateOnly), stale)
	}
	return t.print()
}
