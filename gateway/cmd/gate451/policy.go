package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func policyCommand(s surroundings) *cobra.Command {
	return group("policy", "Try a policy and compare two; publish the fleet's and pause its rules, through Redis",
		policyTestCommand(s), policyDiffCommand(s), policyPushCommand(s), policyStatusCommand(s), policyPauseCommand(s), policyResumeCommand(s))
}

// awaited is how long a change is waited for until all replicas run it, unless the user says otherwise.
const awaited = 10 * time.Second

// fleetFlags are those of the commands that change something.
type fleetFlags struct {
	file, by string
	wait     time.Duration
}

func (f *fleetFlags) add(c *cobra.Command) {
	configFlag(c, &f.file)
	c.Flags().StringVar(&f.by, "by", "", "`WHO` orders it, for the record (default the user at this machine)")
	c.Flags().DurationVar(&f.wait, "wait", awaited, "how long to wait until every replica runs it; 0s waits not at all")
}

// who is who gives an order: what the flag says, or else the user of the process at this machine.
func (f *fleetFlags) who() string {
	if f.by != "" {
		return f.by
	}
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// operate does something with the fleet of a configuration.
func operate(ctx context.Context, file string, s surroundings, do func(context.Context, *config.Config, *gateway.Operator) error) error {
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return err
	}
	operator, err := gateway.Operate(cfg, gateway.Options{Now: s.now, Build: gateway.ThisBuild()})
	if err != nil {
		return err
	}
	defer operator.Close()
	return do(ctx, cfg, operator)
}

// settled waits until every replica runs a generation, and says how many do.
func (f *fleetFlags) settled(ctx context.Context, w io.Writer, operator *gateway.Operator, generation int64) error {
	if f.wait <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	status, err := operator.Await(ctx, generation)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d replicas run it", len(status.Replicas))
	switch len(status.Replicas) {
	case 0:
		text = "no replica is there to run it"
	case 1:
		text = "1 replica runs it"
	}
	_, err = fmt.Fprintln(w, text)
	return err
}

func policyPushCommand(s surroundings) *cobra.Command {
	var f fleetFlags
	var expected int64
	c := &cobra.Command{
		Use: "push [FILE]", Short: "Publish a policy to all replicas",
		Long: "Publish a policy to all replicas: that of FILE, or of the configuration. It is checked first, and the replicas switch to it\n" +
			"at once. From then on the fleet's policy decides on every replica, and no longer its own file.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return operate(c.Context(), f.file, s, func(ctx context.Context, cfg *config.Config, operator *gateway.Operator) error {
				file := cfg.Policy
				if len(args) > 0 {
					file = args[0]
				}
				generation, p, err := operator.Push(ctx, file, f.who(), expected)
				if err != nil {
					return err
				}
				printWarnings(s.stderr, p.Warnings())
				if _, err := fmt.Fprintf(s.stdout, "published %s as generation %d\n", p.Digest(), generation); err != nil {
					return err
				}
				return f.settled(ctx, s.stdout, operator, generation)
			})
		},
	}
	f.add(c)
	c.Flags().Int64Var(&expected, "replace", gateway.LatestGeneration, "publish only if this `GENERATION` is the published one; 0: only if none is; -1: whatever is")
	return c
}

func policyStatusCommand(s surroundings) *cobra.Command {
	var file string
	var asJSON format
	var days int
	c := &cobra.Command{
		Use: "status", Short: "Show what is published, and what each replica runs", Args: noArguments,
		Long: "Show what is published, and what each replica runs. The exit code is 1 if the replicas do not agree.",
		RunE: func(c *cobra.Command, _ []string) error {
			return operate(c.Context(), file, s, func(ctx context.Context, _ *config.Config, operator *gateway.Operator) error {
				status, err := operator.Status(ctx)
				if err != nil {
					return err
				}
				if days > 0 {
					if status.Counts, err = operator.Counts(ctx, days); err != nil {
						return err
					}
				}
				print := printStatus
				if asJSON {
					print = func(w io.Writer, status *gateway.FleetStatus) error { return printJSON(w, status) }
				}
				if err := print(s.stdout, status); err != nil {
					return err
				}
				if !status.Agreed {
					return errors.New("the replicas do not agree; a replica that has refused the policy says why, and one that is behind may be cut off from Redis")
				}
				return nil
			})
		},
	}
	configFlag(c, &file)
	outputFlag(c, &asJSON)
	c.Flags().IntVar(&days, "days", 0, "show as well what all replicas have decided within so many `DAYS`, today included")
	return c
}

func printStatus(w io.Writer, status *gateway.FleetStatus) error {
	t := newTable(w)
	switch {
	case status.Policy != "":
		t.row("published\tgeneration %d\t%s\tby %s\t%s", status.Generation, status.Policy, status.By, status.At.Format(time.RFC3339))
	default:
		t.row("published\tnone: each replica decides by its own file")
	}
	for _, p := range status.Pauses {
		t.row("paused\t%s\tuntil %s\tby %s\t%s", p.Rule, p.Until.Format(time.RFC3339), p.By, p.Note)
	}
	for _, r := range status.Replicas {
		t.row("replica\t%s\t%s\tgeneration %d\t%s\tdatabase %s\tclock %+d ms", r.Name, r.Digest, r.Generation, r.Version, r.Database, r.ClockOffset.Milliseconds())
		if r.Refused != "" {
			t.row("refused\t%s\t%s", r.Name, strings.ReplaceAll(r.Refused, "\n", " | "))
		}
	}
	if len(status.Replicas) == 0 {
		t.row("replica\tnone is there")
	}
	for _, c := range status.Counts {
		t.row("decided\t%s\t%s\t%s\t%s\t%d", c.Day, c.Verdict, cmp.Or(c.Rule, "no single rule"), cmp.Or(c.Country, "unknown country"), c.Count)
	}
	return t.print()
}

func policyPauseCommand(s surroundings) *cobra.Command {
	var f fleetFlags
	var lasts time.Duration
	var note string
	c := &cobra.Command{
		Use: "pause RULE", Short: "Have a rule block nobody for a while, on all replicas", Args: oneArgument("the id of a rule"),
		Long: "Have a rule block nobody for a while, on all replicas. The pause ends by itself; who ordered it, and why, goes into the\n" +
			"evidence of every replica.",
		Example: "  gate451 policy pause kaspersky-us-2024/sales --for 2h --note 'licence 1234, ticket 5678'",
		RunE: func(c *cobra.Command, args []string) error {
			if lasts <= 0 {
				return errors.New("--for: a pause needs an end; expected a duration such as 2h")
			}
			if strings.TrimSpace(note) == "" {
				return errors.New("--note: a pause needs a reason; expected a few words that still say why in a year")
			}
			return operate(c.Context(), f.file, s, func(ctx context.Context, _ *config.Config, operator *gateway.Operator) error {
				until := s.now().Add(lasts)
				generation, err := operator.Pause(ctx, args[0], until, note, f.who())
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(s.stdout, "%s is paused until %s, as of generation %d\n", args[0], until.UTC().Format(time.RFC3339), generation); err != nil {
					return err
				}
				return f.settled(ctx, s.stdout, operator, generation)
			})
		},
	}
	f.add(c)
	c.Flags().DurationVar(&lasts, "for", 0, "how long, such as 2h")
	c.Flags().StringVar(&note, "note", "", "`WHY`, for the record")
	return c
}

func policyResumeCommand(s surroundings) *cobra.Command {
	var f fleetFlags
	c := &cobra.Command{
		Use: "resume RULE", Short: "End the pause of a rule, on all replicas", Args: oneArgument("the id of a rule"),
		RunE: func(c *cobra.Command, args []string) error {
			return operate(c.Context(), f.file, s, func(ctx context.Context, _ *config.Config, operator *gateway.Operator) error {
				generation, err := operator.Resume(ctx, args[0], f.who())
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(s.stdout, "%s is in force again, as of generation %d\n", args[0], generation); err != nil {
					return err
				}
				return f.settled(ctx, s.stdout, operator, generation)
			})
		},
	}
	f.add(c)
	return c
}
