package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
)

func serveCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve", Short: "Serve buyers as the configuration says", Args: noArguments,
		Long: "Serve buyers as the configuration says. The policy, the databases and the certificate are read again when their files\n" +
			"change, on SIGHUP, and on POST /-/reload of the admin port; everything else takes a restart. SIGTERM lets requests\n" +
			"under way finish; a second one forces. systemd may open the sockets, named public and admin; it is told when buyers are\n" +
			"served, of reloads, and that the process is alive.",
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), s, func() (runner, error) { return newGateway(file, s) })
		},
	}
	configFlag(c, &file)
	return c
}

func newGateway(file string, s surroundings) (runner, error) {
	cfg, err := config.Load(file, s.environ)
	if err != nil {
		return nil, err
	}
	log := newLogger(s.stderr, cfg.Log.Level, cfg.Log.Format)
	for _, w := range cfg.Warnings() {
		log.Warn("configuration warning", slog.String("warning", w.Error()))
	}
	public, admin, watchdog, err := s.supervisor.open()
	if err != nil {
		return nil, err
	}
	serving := make(chan struct{})
	g, err := gateway.New(cfg, gateway.Options{
		Logger: log, Now: s.now, Build: gateway.ThisBuild(), Public: public, Admin: admin, Serving: func() { close(serving) },
	})
	if err != nil {
		return nil, err
	}
	return &supervised{g, s.supervisor, serving, watchdog}, nil
}

// newLogger writes what the configuration asks for.
func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// runner is what serves: a gateway, or what the demonstration runs.
type runner interface {
	Run(stop, kill context.Context) error
	Reload() error
}

// serve opens what serves and runs it until a signal ends it: the first one of SIGINT and SIGTERM lets requests finish,
// the second forces. SIGHUP reloads. Signals count from before anything is opened.
func serve(ctx context.Context, s surroundings, open func() (runner, error)) error {
	signals, done := s.signals()
	defer done()
	r, err := open()
	if err != nil {
		return err
	}
	stop, stopNow := context.WithCancel(ctx)
	defer stopNow()
	kill, killNow := context.WithCancel(context.WithoutCancel(ctx))
	defer killNow()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(stop, kill) }()
	for {
		select {
		case err := <-ended:
			return err
		case sig := <-signals:
			obey(sig, stop, r, stopNow, killNow)
		}
	}
}

func obey(sig os.Signal, stop context.Context, r runner, stopNow, killNow func()) {
	switch {
	case sig == syscall.SIGHUP:
		_ = r.Reload() // everyone concerned has logged what is wrong
	case stop.Err() != nil:
		killNow()
	default:
		stopNow()
	}
}
