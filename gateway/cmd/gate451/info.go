package main

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

func versionCommand(s surroundings) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Tell which build this is, and whose data it carries", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			build := gateway.ThisBuild()
			_, err := fmt.Fprintf(s.stdout, "gate451 %s (revision %s, %s)\n\n%s", build.Version, build.Revision, runtime.Version(), gateway.DatabaseNotice())
			return err
		},
	}
}

func schemaCommand(s surroundings) *cobra.Command {
	schemas := map[string]func() []byte{"gateway": config.Schema, "policy": rules.Schema}
	return &cobra.Command{
		Use: "schema gateway|policy", Short: "Print the JSON Schema of gateway.yaml or policy.yaml, for editors", ValidArgs: []string{"gateway", "policy"},
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := fmt.Fprintln(s.stdout, strings.TrimSpace(string(schemas[args[0]]())))
			return err
		},
	}
}

func healthcheckCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running gateway's admin port whether it is well", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			address := "127.0.0.1:9451"
			if c.Flags().Changed("config") {
				cfg, err := config.Load(file, s.environ)
				if err != nil {
					return err
				}
				address = localAddress(cfg.Admin.Listen)
			}
			client := &http.Client{Timeout: 3 * time.Second}
			defer client.CloseIdleConnections()
			if err := gateway.Healthy(client, "http://"+address+"/healthz"); err != nil {
				return fmt.Errorf("not healthy: %w", err)
			}
			_, err := fmt.Fprintln(s.stdout, "ok")
			return err
		},
	}
	c.Flags().StringVar(&file, "config", "", "the configuration `FILE` that names the admin port (default 127.0.0.1:9451)")
	return c
}

// localAddress returns an address at which this machine reaches a listener on the given one.
func localAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
