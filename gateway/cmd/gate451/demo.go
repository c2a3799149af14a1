package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"gate451/gateway"
)

func demoCommand(s surroundings) *cobra.Command {
	o := gateway.DemoOptions{Command: s.command}
	var at string
	var onlyUpstreams bool
	c := &cobra.Command{
		Use: "demo", Short: "Run a sample shop and update server with the gateway before them, on loopback",
		Args: cobra.MatchAll(noArguments, apart("only-upstreams", "at"), apart("only-upstreams", "admin-listen")),
		Long: "Run a sample shop and a sample update server with the gateway before them, and print commands to try. It needs no file,\n" +
			"no network and no privilege.",
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), s, func() (runner, error) {
				if onlyUpstreams {
					return newSamples(o.Listen, s)
				}
				return newDemo(o, at, s)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&at, "at", "", "judge as if it were this `INSTANT`: RFC 3339, or a date or local time in Washington's zone")
	f.StringVar(&o.Listen, "listen", "", "`ADDRESS` to serve buyers on (default 127.0.0.1:8451, or any port if it is taken)")
	f.StringVar(&o.AdminListen, "admin-listen", "", "`ADDRESS` of the admin port (default 127.0.0.1:9451, or any port if it is taken)")
	f.BoolVar(&onlyUpstreams, "only-upstreams", false,
		"serve only the sample shop and update server, on --listen (default 127.0.0.1:3000), for a gateway that runs elsewhere")
	return c
}

func newDemo(o gateway.DemoOptions, at string, s surroundings) (runner, error) {
	if at != "" {
		var err error
		if o.At, err = gateway.DemoInstant(at); err != nil {
			return nil, fmt.Errorf("--at: %w", err)
		}
	}
	d, err := gateway.NewDemo(o, gateway.Options{Logger: newLogger(s.stderr, slog.LevelInfo, "text"), Now: s.now, Build: gateway.ThisBuild()})
	if err != nil {
		return nil, err
	}
	if err := d.WriteGuide(s.stdout); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func newSamples(address string, s surroundings) (runner, error) {
	if address == "" {
		address = "127.0.0.1:3000"
	}
	samples, err := gateway.NewSamples(address)
	if err != nil {
		return nil, err
	}
	newLogger(s.stderr, slog.LevelInfo, "text").Info("serving", slog.String("url", samples.URL()))
	return samples, nil
}
