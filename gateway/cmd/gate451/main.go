// Command gate451 is a reverse proxy that refuses, by dated rules, to sell or update goods where the law forbids it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	signal.Ignore(syscall.SIGXFSZ) // a file that may grow no more is an error like others, and not the end of the process
	boundGarbage()
	log.SetOutput(io.Discard) // net/http's client would print bytes of upstreams there; what matters is logged through slog
	measured := profile()
	code := run(context.Background(), os.Args[1:], surroundings{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), now: time.Now, signals: notify, command: self(), supervisor: systemd(),
	})
	measured()
	os.Exit(code)
}

// The exit codes of every command.
const (
	exitDone  = 0
	exitWrong = 1 // the answer is no, or the input is wrong
	exitUsage = 2
)

// surroundings are what a command takes from the process.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	now            func() time.Time
	signals        func() (ch <-chan os.Signal, stop func())
	supervisor     supervisor
	command        string // how the user calls the program, in the words of a shell
}

// notify delivers the signals that a server listens to.
func notify() (<-chan os.Signal, func()) {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	return ch, func() { signal.Stop(ch) }
}

// self returns a command that calls this program again: its name where the shell finds it, or else its path.
func self() string {
	if strings.ContainsRune(os.Args[0], os.PathSeparator) {
		if path, err := os.Executable(); err == nil {
			return quoted(path)
		}
	}
	return quoted(os.Args[0])
}

// run carries out one command and returns its exit code. Errors go to standard error, one line each.
func run(ctx context.Context, args []string, s surroundings) int {
	root := newRoot(s)
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if _, ok := errors.AsType[failed](err); ok {
		_, _ = fmt.Fprintln(s.stderr, err) // there is nowhere else to say it
		return exitWrong
	}
	_, _ = fmt.Fprintf(s.stderr, "%s: %v; see %[1]s --help\n", c.CommandPath(), err)
	return exitUsage
}

// newRoot returns the command of all commands.
func newRoot(s surroundings) *cobra.Command {
	root := group("gate451", "Refuses, by dated rules, to sell or update goods where the law forbids it",
		demoCommand(s), initCommand(s), serveCommand(s), validateCommand(s), explainCommand(s), calendarCommand(s), replayCommand(s), policyCommand(s), evidenceCommand(s), geoipCommand(s), refusalCommand(s),
		healthcheckCommand(s), schemaCommand(s), versionCommand(s),
	)
	root.Long = "gate451 stands before a web shop or an update server, finds out where the buyer is, decides by dated rules,\n" +
		"answers 451 where it must and passes everything else on untouched.\n\n" +
		"To see it at work: gate451 demo. To put it before a shop of your own: gate451 init."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil // whoever calls the program by its name alone asks what it can do
		}
		return noCommand(c, args[0])
	}
	root.SetHelpCommand(helpCommand(root))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		onlyHolds(completion)
	}
	markFailures(root)
	return root
}

// failed marks the error of a command that was called rightly.
type failed struct{ error }

// Unwrap returns the error that was marked.
func (f failed) Unwrap() error { return f.error }

// markFailures tells errors of a command's work from errors of its call, which cobra returns alike.
func markFailures(c *cobra.Command) {
	for _, sub := range c.Commands() {
		markFailures(sub)
	}
	work := c.RunE
	if work == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := work(c, args); err != nil {
			return failed{err}
		}
		return nil
	}
}
