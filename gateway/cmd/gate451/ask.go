package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

// outputFlag adds the flag that chooses how a result is printed.
func outputFlag(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "text", "how to print the result: text or json")
}

// printJSON prints a result as indented JSON.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// checkFormat refuses formats that there are not.
func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return usage{fmt.Errorf("cannot print %q; -o takes text or json", format)}
	}
	return nil
}

// printWarnings tells what is allowed and probably not meant.
func printWarnings[W error](w io.Writer, warnings []W) {
	for _, warning := range warnings {
		_, _ = fmt.Fprintf(w, "warning: %v\n", warning) // there is nowhere else to say it
	}
}

// load reads a configuration and all that it names.
func load(file string, s surroundings) (*config.Config, *rules.Policy, []gateway.Database, error) {
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return nil, nil, nil, err
	}
	policy, databases, err := gateway.Check(cfg, gateway.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	printWarnings(s.stderr, cfg.Warnings())
	printWarnings(s.stderr, policy.Warnings())
	return cfg, policy, databases, nil
}

func validateCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "validate", Short: "Load all that serve would, and listen on nothing", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, policy, databases, err := load(file, s)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(s.stdout, "%s is valid\npolicy %s, %d rules\n", file, policy.Digest(), len(policy.Rules())); err != nil {
				return err
			}
			return printDatabases(s.stdout, databases)
		},
	}
	configFlag(c, &file)
	return c
}

func printDatabases(w io.Writer, databases []gateway.Database) error {
	for _, db := range databases {
		stale := ""
		if db.Stale {
			stale = ", older than geoip.max_age"
		}
		if _, err := fmt.Fprintf(w, "database %s: %s, built %s%s\n", db.Name, db.Type, db.Built.Format(time.DateOnly), stale); err != nil {
			return err
		}
	}
	return nil
}

func explainCommand(s surroundings) *cobra.Command {
	var file, ip, at, format string
	var headers []string
	var demo bool
	var q gateway.Question
	c := &cobra.Command{
		Use: "explain", Short: "Tell what a request would be answered, and why", Args: cobra.NoArgs,
		Example: "  gate451 explain --config gateway.yaml --ip 50.114.0.1 --url https://shop.example/checkout --at 2024-07-20",
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := checkFormat(format); err != nil {
				return err
			}
			if demo && c.Flags().Changed("config") {
				return usage{fmt.Errorf("--demo has a configuration of its own; give --config or --demo, not both")}
			}
			if q.IP, err = netip.ParseAddr(ip); err != nil {
				return fmt.Errorf("--ip %q is no address; expected one such as 50.114.0.1", ip)
			}
			if q.Header, err = parseHeaders(headers); err != nil {
				return err
			}
			if q.At, err = parseAt(at, file, demo, s); err != nil {
				return err
			}
			account, err := ask(file, demo, q, s)
			if err != nil {
				return err
			}
			return printAccount(s.stdout, account, format)
		},
	}
	configFlag(c, &file)
	outputFlag(c, &format)
	f := c.Flags()
	f.StringVar(&ip, "ip", "", "`ADDRESS` at the other end of the connection")
	f.StringVar(&q.URL, "url", "", "`URL` that is asked for, with scheme and host")
	f.StringVar(&q.Method, "method", http.MethodGet, "HTTP `METHOD`")
	f.StringArrayVar(&headers, "header", nil, "a `'KEY: VALUE'` of the request; may be given again")
	f.StringVar(&at, "at", "", "`INSTANT` to judge at: RFC 3339, or a date or local time in the policy's zone (default now)")
	f.BoolVar(&demo, "demo", false, "ask the gateway of the demo command")
	for _, required := range []string{"ip", "url"} {
		_ = c.MarkFlagRequired(required) // the flag is defined above
	}
	return c
}

func ask(file string, demo bool, q gateway.Question, s surroundings) (*gateway.Account, error) {
	if demo {
		return gateway.ExplainDemo(gateway.Options{}, q)
	}
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return nil, err
	}
	return gateway.Explain(cfg, gateway.Options{}, q)
}

// parseAt reads the instant to judge at, in the zone of the policy that will judge.
func parseAt(at, file string, demo bool, s surroundings) (time.Time, error) {
	var instant time.Time
	var err error
	switch {
	case at == "":
		return time.Now(), nil
	case demo:
		instant, err = gateway.DemoInstant(at)
	default:
		var policy *rules.Policy
		if _, policy, _, err = load(file, s); err != nil {
			return time.Time{}, err
		}
		instant, err = rules.ParseInstant(at, policy.Zone())
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("--at: %w", err)
	}
	return instant, nil
}

func parseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(key) == "" {
			return nil, fmt.Errorf("--header %q is no header; expected 'Key: value'", line)
		}
		h.Add(strings.TrimSpace(key), strings.TrimSpace(value))
	}
	return h, nil
}

func printAccount(w io.Writer, account *gateway.Account, format string) error {
	record, err := account.Record()
	if format == "json" {
		if err != nil {
			return err
		}
		return printJSON(w, record)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, step := range account.Steps() {
		if _, err := fmt.Fprintf(table, "%s\t%s\n", step.About, step.Text); err != nil {
			return err
		}
	}
	if flushErr := table.Flush(); flushErr != nil {
		return flushErr
	}
	return err
}

// change is one line of the calendar.
type change struct {
	At   time.Time `json:"at"`
	Rule string    `json:"rule"`
	Kind string    `json:"kind"`
	Note string    `json:"note,omitempty"`
	Past bool      `json:"past"`
}

func calendarCommand(s surroundings) *cobra.Command {
	var file, format, at string
	c := &cobra.Command{
		Use: "calendar", Short: "List every past and coming change of the policy, in order", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			_, policy, _, err := load(file, s)
			if err != nil {
				return err
			}
			now := time.Now()
			if at != "" {
				if now, err = rules.ParseInstant(at, policy.Zone()); err != nil {
					return fmt.Errorf("--at: %w", err)
				}
			}
			return printCalendar(s.stdout, policy, now, format)
		},
	}
	configFlag(c, &file)
	outputFlag(c, &format)
	c.Flags().StringVar(&at, "at", "", "`INSTANT` to tell past from coming (default now)")
	return c
}

func printCalendar(w io.Writer, policy *rules.Policy, now time.Time, format string) error {
	changes := []change{}
	for _, c := range policy.Calendar() {
		line := change{At: c.At, Rule: c.Rule.ID, Kind: string(c.Kind), Past: !c.At.After(now)}
		if c.Exception != nil {
			line.Note = c.Exception.Note
		}
		changes = append(changes, line)
	}
	if format == "json" {
		return printJSON(w, changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "nothing ever changes: no rule has a date")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range changes {
		when := "past"
		if !c.Past {
			when = "coming"
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", c.At.Format(time.RFC3339Nano), when, c.Rule, c.Kind, c.Note); err != nil {
			return err
		}
	}
	return table.Flush()
}
