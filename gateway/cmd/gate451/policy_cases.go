package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func policyTestCommand(s surroundings) *cobra.Command {
	var file string
	var asJSON format
	c := &cobra.Command{
		Use: "test FILE...", Short: "Decide requests that a file describes, and compare with what it wants", Args: atLeastOne("a file of cases"),
		Long: "Decide requests that a file describes, and compare with what it wants. The file names the policy that it is about under\n" +
			"policy, relative to itself; left out, that is the policy.yaml beside it. Rules that no case reaches are listed. The exit\n" +
			"code is 1 if a case comes out otherwise than it wants.",
		Example: "  gate451 policy test cases.yaml",
		RunE:    func(_ *cobra.Command, args []string) error { return testPolicy(args, file, asJSON, s) },
	}
	configFlagOr(c, &file, "addresses are looked up in the embedded database, and no proxy is trusted")
	outputFlag(c, &asJSON)
	return c
}

func testPolicy(files []string, configFile string, asJSON format, s surroundings) error {
	cfg, err := loadIfNamed(configFile, s)
	if err != nil {
		return err
	}
	tried, err := gateway.TryCases(files, cfg, gateway.Options{Now: s.now})
	if err != nil {
		return err
	}
	print := printCases
	if asJSON {
		print = func(w io.Writer, tried *gateway.CasesTried) error { return printJSON(w, tried) }
	}
	if err := print(s.stdout, tried); err != nil {
		return err
	}
	switch {
	case tried.Failed == 1:
		return errors.New("1 case does not come out as it wants; change the policy, or the case if the policy is right")
	case tried.Failed > 0:
		return fmt.Errorf("%d cases do not come out as they want; change the policy, or the cases if the policy is right", tried.Failed)
	}
	return nil
}

// loadIfNamed loads a configuration, or none if no file is named.
func loadIfNamed(file string, s surroundings) (*config.Config, error) {
	if file == "" {
		return nil, nil
	}
	return config.Load(file, s.environ)
}

// printCases shows each case that failed with what it wants behind a minus, what came out behind a plus, and what agrees
// behind neither.
func printCases(w io.Writer, tried *gateway.CasesTried) error {
	const none = "(none)"
	t := newTable(w)
	for _, r := range tried.Results {
		if r.Passed {
			continue
		}
		t.row("%s:%d:%d: %s", r.File, r.Line, r.Column, r.Name)
		t.row("    %s", r.Request)
		for _, f := range r.Fields {
			if f.Want == f.Got {
				t.row("    %s: %s", f.Field, cmp.Or(f.Got, none))
				continue
			}
			t.row("  - %s: %s", f.Field, cmp.Or(f.Want, none))
			t.row("  + %s: %s", f.Field, cmp.Or(f.Got, none))
		}
	}
	t.row("%d of %d cases come out as they want", tried.Passed, tried.Cases)
	for _, u := range tried.Unreached {
		t.row("no case reaches rule %s of %s while it is effective", u.Rule, u.Policy)
	}
	return t.print()
}
