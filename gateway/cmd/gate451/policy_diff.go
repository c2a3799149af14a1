package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gate451/gateway"
)

func policyDiffCommand(s surroundings) *cobra.Command {
	var f replayFlags
	var asJSON format
	c := &cobra.Command{
		Use: "diff OLD NEW [ACCESS.LOG...]", Short: "Say how a policy differs from another, and which recorded requests it decides otherwise",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return fmt.Errorf("%d files are given; expected the old policy, the new one, and access logs if there are any", len(args))
			}
			return nil
		},
		Long: "Say how a policy differs from another, and which recorded requests it decides otherwise. Two policies that only are written\n" +
			"differently do not differ. Logs are those that replay takes; - is standard input.",
		Example: "  gate451 policy diff policy.yaml new.yaml --host shop.example access.log",
		RunE: func(_ *cobra.Command, args []string) error {
			return diffPolicies(args[0], args[1], args[2:], &f, asJSON, s)
		},
	}
	configFlagOr(c, &f.file, "addresses are looked up in the embedded database, and no proxy is trusted")
	f.add(c)
	outputFlag(c, &asJSON)
	return c
}

// policyDiff is what the command prints.
type policyDiff struct {
	Old     string                 `json:"old"`
	New     string                 `json:"new"`
	Changes []gateway.PolicyChange `json:"changes"`
	Traffic *gateway.TrafficDiff   `json:"traffic,omitempty"`
}

func diffPolicies(oldFile, newFile string, logs []string, f *replayFlags, asJSON format, s surroundings) error {
	before, errOld := policyEnforcer(f.file, oldFile, s)
	after, errNew := policyEnforcer(f.file, newFile, s)
	if err := errors.Join(errOld, errNew); err != nil {
		return err
	}
	d := policyDiff{Old: before.Policy().Digest(), New: after.Policy().Digest()}
	var err error
	if d.Changes, err = gateway.DiffPolicies(before.Policy(), after.Policy()); err != nil {
		return err
	}
	if len(logs) > 0 {
		opts, err := f.options(after, s)
		if err != nil {
			return err
		}
		bar := newProgress(s.stderr, "read %d lines")
		opts.Progress = bar.show
		d.Traffic, err = gateway.DiffTraffic(before, after, logs, opts)
		bar.end()
		if err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(s.stdout, d)
	}
	return printDiff(s.stdout, &d)
}

// policyEnforcer loads the configuration, if one is named, for one policy.
func policyEnforcer(configFile, policy string, s surroundings) (*gateway.Enforcer, error) {
	cfg, err := loadIfNamed(configFile, s)
	if err != nil {
		return nil, err
	}
	return gateway.NewPolicyEnforcer(cfg, policy, gateway.Options{Now: s.now})
}

func printDiff(w io.Writer, d *policyDiff) error {
	t := newTable(w)
	t.row("old  %s", d.Old)
	t.row("new  %s", d.New)
	for _, c := range d.Changes {
		t.row("%v", c)
	}
	if len(d.Changes) == 0 {
		t.row("they mean the same")
	}
	if d.Traffic == nil {
		return t.print()
	}
	r := d.Traffic
	t.row("")
	t.row("%d lines: %d requests have the same verdict, %d would be blocked that passed, %d would pass that were blocked. Malformed: %d. Unreadable: %d.",
		r.Lines, r.Same, r.Changed.Block, r.Changed.Allow, r.Rejected, r.Unreadable)
	if r.Bodies > 0 {
		t.row("of %d requests the gateway would have read the body, which no log has: they are judged as if it could not be read", r.Bodies)
	}
	for _, part := range []struct {
		title, empty string
		counts       map[string]gateway.ReplayCount
	}{{"rule", "(no single rule)", r.Rules}, {"country", "(unknown)", r.Countries}} {
		if len(part.counts) == 0 {
			continue
		}
		t.row("")
		t.row("%s\tblocked now\tpass now", part.title)
		for _, name := range sortedNames(part.counts) {
			t.row("  %s\t%d\t%d", cmp.Or(name, part.empty), part.counts[name].Block, part.counts[name].Allow)
		}
	}
	if len(r.Examples) > 0 {
		t.row("")
		t.row("the first of them")
	}
	for _, x := range r.Examples {
		t.row("  %s:%d: %s", x.File, x.Line, x.Request)
		t.row("    %s instead of %s", decisionWords(x.New.Verdict, x.New.Reason, x.New.Rule), decisionWords(x.Old.Verdict, x.Old.Reason, x.Old.Rule))
	}
	for _, p := range r.Problems {
		t.row("unreadable: %v", p)
	}
	return t.print()
}

func decisionWords(verdict, reason, rule string) string {
	if rule == "" {
		return verdict + ": " + reason
	}
	return verdict + ": " + reason + ", by " + rule
}
