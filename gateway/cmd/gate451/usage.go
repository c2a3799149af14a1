package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// group returns a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, DisableFlagsInUseLine: true}
	c.AddCommand(commands...)
	onlyHolds(c)
	return c
}

// onlyHolds makes a command refuse to be called by itself, or with a word that is none of its commands; cobra would
// print its help and be content.
func onlyHolds(c *cobra.Command) {
	c.SuggestionsMinimumDistance = 2
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New("a command is missing; expected " + commandNames(c))
		}
		return noCommand(c, args[0])
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() } // without it, cobra does not ask Args
}

// noCommand refuses a word that is none of a command's commands, and says which would be.
func noCommand(c *cobra.Command, word string) error {
	if near := c.SuggestionsFor(word); len(near) > 0 {
		return fmt.Errorf("there is no command %q; %s would be right", word, strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q; expected %s", word, commandNames(c))
}

func commandNames(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// helpCommand is cobra's help, but for topics that there are not: they are errors.
func helpCommand(root *cobra.Command) *cobra.Command {
	find := func(args []string) (*cobra.Command, error) {
		c, rest, err := root.Find(args)
		if err == nil && len(rest) > 0 {
			err = noCommand(c, rest[0])
		}
		return c, err
	}
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Tell how a command is called",
		Args: func(_ *cobra.Command, args []string) error {
			_, err := find(args)
			return err
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := find(args)
			if err != nil {
				return err
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

// noArguments is for commands that take flags only.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("the argument %q is one too many; expected flags only", args[0])
}

// oneArgument is for commands that take one argument, and says which.
func oneArgument(expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("%d arguments are given; expected %s", len(args), expected)
	}
}

// atLeastOne is for commands that take one argument or several, and says which.
func atLeastOne(expected string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return fmt.Errorf("no argument is given; expected %s, or several", expected)
	}
}

// apart refuses two flags that exclude each other.
func apart(one, other string) cobra.PositionalArgs {
	return func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed(one) && c.Flags().Changed(other) {
			return fmt.Errorf("--%s and --%s exclude each other; expected one of them", one, other)
		}
		return nil
	}
}

// either demands one of two flags.
func either(one, other string) cobra.PositionalArgs {
	return func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed(one) || c.Flags().Changed(other) {
			return nil
		}
		return fmt.Errorf("neither --%s nor --%s is given; expected one of them", one, other)
	}
}

// format is how a result is printed: as text or as JSON.
type format bool

// outputFlag adds the flag that chooses how a result is printed.
func outputFlag(c *cobra.Command, asJSON *format) {
	c.Flags().VarP(asJSON, "output", "o", "how to print the result: text or json")
}

// Set reads the flag.
func (f *format) Set(text string) error {
	if text != "text" && text != "json" {
		return errors.New("expected text or json")
	}
	*f = text == "json"
	return nil
}

// String returns what Set reads.
func (f *format) String() string {
	if *f {
		return "json"
	}
	return "text"
}

// Type names the flag's value in the help.
func (f *format) Type() string { return "FORMAT" }

// configFlag adds the flag that most commands need.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "gateway.yaml", "the gateway's configuration `FILE`")
}

// configFlagOr adds the same flag to a command that can do without, and says what it does then.
func configFlagOr(c *cobra.Command, file *string, without string) {
	c.Flags().StringVar(file, "config", "", "the gateway's configuration `FILE`; left out, "+without)
}

// choice is how a result is printed where there are more ways than text and JSON. The first of the known ones is the default.
type choice struct {
	known  []string
	chosen string
}

// flag adds the flag that chooses.
func (f *choice) flag(c *cobra.Command, what string) {
	c.Flags().VarP(f, "output", "o", "how to print the "+what+": "+f.names())
}

func (f *choice) names() string {
	last := len(f.known) - 1
	return strings.Join(f.known[:last], ", ") + " or " + f.known[last]
}

// Set reads the flag.
func (f *choice) Set(text string) error {
	if !slices.Contains(f.known, text) {
		return errors.New("expected " + f.names())
	}
	f.chosen = text
	return nil
}

// String returns what Set reads.
func (f *choice) String() string {
	if f.chosen == "" && len(f.known) > 0 {
		return f.known[0]
	}
	return f.chosen
}

// Type names the flag's value in the help.
func (f *choice) Type() string { return "FORMAT" }
