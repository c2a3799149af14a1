// Command gate451 is a reverse proxy that refuses, by dated rules, to sell or update goods where the law forbids it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], surroundings{
		stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), signals: notify, command: self(),
	}))
}

// The exit codes of every command.
const (
	exitDone  = 0
	exitWrong = 1 // the answer is no, or the input is wrong
	exitUsage = 2
)

// surroundings are what a command takes from the process.
type surroundings struct {
	stdout, stderr io.Writer
	environ        []string
	signals        func() (ch <-chan os.Signal, stop func())
	command        string // how the user calls the program
}

// notify delivers the signals that a server listens to.
func notify() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}

// self returns a command that calls this program again: its name where the shell finds it, or else its path.
func self() string {
	if !strings.ContainsRune(os.Args[0], os.PathSeparator) {
		return os.Args[0]
	}
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}

// failed marks the error of a command that was called rightly.
type failed struct{ error }

// Unwrap returns the error that was marked.
func (f failed) Unwrap() error { return f.error }

// run carries out one command and returns its exit code. Errors go to standard error, one line each.
func run(ctx context.Context, args []string, s surroundings) int {
	root := &cobra.Command{
		Use:   "gate451",
		Short: "Refuses, by dated rules, to sell or update goods where the law forbids it",
		Long: "gate451 stands before a web shop or an update server, finds out where the buyer is, decides by dated rules,\n" +
			"answers 451 where it must and passes everything else on untouched.",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(
		demoCommand(s), initCommand(s), serveCommand(s), validateCommand(s), explainCommand(s), calendarCommand(s), geoipCommand(s),
		healthcheckCommand(s), schemaCommand(s), versionCommand(s),
	)
	for _, group := range append(root.Commands(), root) {
		markFailures(group)
	}
	root.SetArgs(args)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[failed](err); ok {
		_, _ = fmt.Fprintln(s.stderr, err) // there is nowhere else to say it
		return exitWrong
	}
	_, _ = fmt.Fprintf(s.stderr, "gate451: %v; see gate451 --help\n", err)
	return exitUsage
}

// markFailures tells errors of a command's work from errors of its call, which cobra returns alike.
func markFailures(c *cobra.Command) {
	for _, sub := range c.Commands() {
		markFailures(sub)
	}
	if work := c.RunE; work != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			err := work(c, args)
			if err == nil {
				return nil
			}
			if _, ok := errors.AsType[usage](err); ok {
				return err
			}
			return failed{err}
		}
	}
}

// usage marks an error in how a command was called.
type usage struct{ error }
