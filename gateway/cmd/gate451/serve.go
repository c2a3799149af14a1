package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

// configFlag adds the flag that most commands need.
func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "gateway.yaml", "the gateway's configuration `FILE`")
}

// newLogger writes to standard error what the configuration asks for.
func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// runner is what serve and demo run.
type runner interface {
	Run(stop, kill context.Context) error
	Reload() error
}

// serve runs until a signal ends it: the first one of SIGINT and SIGTERM lets requests finish, the second forces.
// SIGHUP reloads, whose errors are logged where they happen.
func serve(ctx context.Context, g runner, s surroundings) error {
	stop, stopNow := context.WithCancel(ctx)
	kill, killNow := context.WithCancel(context.WithoutCancel(ctx))
	defer killNow()
	defer stopNow()
	signals, done := s.signals()
	defer done()
	ended := make(chan error, 1)
	go func() { ended <- g.Run(stop, kill) }()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-signals:
			switch {
			case sig == syscall.SIGHUP:
				_ = g.Reload() // everyone concerned has logged what is wrong
			case stop.Err() != nil:
				killNow()
			default:
				stopNow()
			}
		}
	}
}

func serveCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve", Short: "Serve buyers as the configuration says", Args: cobra.NoArgs,
		Long: "Serve buyers as the configuration says. The policy, the databases and the certificate are read again when their files\n" +
			"change, on SIGHUP, and on POST /-/reload of the admin port; everything else takes a restart. SIGTERM lets requests\n" +
			"under way finish; a second one forces.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := config.Load(file, s.environ)
			if err != nil {
				return err
			}
			log := newLogger(s.stderr, cfg.Log.Level, cfg.Log.Format)
			for _, w := range cfg.Warnings() {
				log.Warn("configuration warning", slog.String("warning", w.Error()))
			}
			g, err := gateway.New(cfg, gateway.Options{Logger: log, Build: gateway.ThisBuild()})
			if err != nil {
				return err
			}
			return serve(c.Context(), g, s)
		},
	}
	configFlag(c, &file)
	return c
}

func demoCommand(s surroundings) *cobra.Command {
	var o gateway.DemoOptions
	var upstreamsOnly bool
	c := &cobra.Command{
		Use: "demo", Short: "Run a sample shop and update server with the gateway before them, on loopback", Args: cobra.NoArgs,
		Long: "Run a sample shop and a sample update server with the gateway before them, and print commands to try. It needs no file,\n" +
			"no network and no privilege.",
		RunE: func(c *cobra.Command, _ []string) error {
			if upstreamsOnly {
				return serveSamples(c.Context(), o.Listen, s)
			}
			o.Command = s.command
			log := newLogger(s.stderr, slog.LevelInfo, "text")
			d, err := gateway.NewDemo(o, gateway.Options{Logger: log, Build: gateway.ThisBuild()})
			if err != nil {
				return err
			}
			if err := d.WriteGuide(s.stdout); err != nil {
				d.Close()
				return err
			}
			return serve(c.Context(), d, s)
		},
	}
	c.Flags().StringVar(&o.At, "at", "", "judge as if it were this `INSTANT`: RFC 3339, or a date or local time in Washington's zone")
	c.Flags().StringVar(&o.Listen, "listen", "", "`ADDRESS` to serve buyers on (default 127.0.0.1:8451, or any port if it is taken)")
	c.Flags().StringVar(&o.AdminListen, "admin-listen", "", "`ADDRESS` of the admin port (default 127.0.0.1:9451, or any port if it is taken)")
	c.Flags().BoolVar(&upstreamsOnly, "only-upstreams", false, "serve only the sample shop and update server, for a gateway that runs elsewhere")
	return c
}

// serveSamples serves what stands behind the demonstration, until a signal ends it.
func serveSamples(ctx context.Context, address string, s surroundings) error {
	if address == "" {
		address = "127.0.0.1:3000"
	}
	stop, end := context.WithCancel(ctx)
	defer end()
	signals, done := s.signals()
	defer done()
	ended := make(chan error, 1)
	go func() {
		ended <- gateway.ServeSamples(stop, address, func(url string) { newLogger(s.stderr, slog.LevelInfo, "text").Info("serving", slog.String("url", url)) })
	}()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				end()
			}
		}
	}
}

// errExists says that init would overwrite something.
var errExists = errors.New("exists already and is left as it is; remove it first, or choose another folder with --dir")

func initCommand(s surroundings) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "init", Short: "Write a commented gateway.yaml and policy.yaml to start from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return writeStart(dir, s.stdout) },
	}
	c.Flags().StringVar(&dir, "dir", ".", "`FOLDER` to write them to")
	return c
}

// removeAll takes back files that were written before another could not be.
func removeAll(files []string) {
	for _, file := range files {
		_ = os.Remove(file) // it was ours; what cannot be removed is named by the error that led here
	}
}
