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

func calendarCommand(s surroundings) *cobra.Command {
	var file, at string
	as := choice{known: []string{"text", "json", "ics"}}
	c := &cobra.Command{
		Use: "calendar", Short: "List every past and coming change of the policy, in order", Args: noArguments,
		Example: "  gate451 calendar --config gateway.yaml -o ics > policy.ics",
		RunE:    func(*cobra.Command, []string) error { return calendar(file, at, as.String(), s) },
	}
	configFlag(c, &file)
	as.flag(c, "list")
	c.Flags().StringVar(&at, "at", "", "`INSTANT` to tell past from coming: RFC 3339, or a date or local time in the policy's zone (default now)")
	return c
}

func calendar(file, at, as string, s surroundings) error {
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return err
	}
	policy, err := gateway.LoadPolicy(cfg)
	if err != nil {
		return err
	}
	now := s.now()
	if at != "" {
		if now, err = rules.ParseInstant(at, policy.Zone()); err != nil {
			return fmt.Errorf("--at: %w", err)
		}
	}
	entries := gateway.Calendar(policy, now)
	switch as {
	case "json":
		return printJSON(s.stdout, entries)
	case "ics":
		return gateway.WriteICS(s.stdout, entries, s.now())
	}
	return printCalendar(s.stdout, entries)
}

func printCalendar(w io.Writer, entries []gateway.CalendarEntry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintln(w, "nothing ever changes: no rule and no exception has a date")
		return err
	}
	t := newTable(w)
	for _, e := range entries {
		when := "coming"
		if e.Past {
			when = "past"
		}
		what := string(e.Kind)
		if e.Mode == rules.Shadow {
			what += " (shadow mode)"
		}
		if e.Note != "" {
			what += ": " + e.Note
		}
		t.row("%s\t%s\t%s\t%s", e.At.Format(time.RFC3339Nano), when, e.Rule, what)
	}
	return t.print()
}
