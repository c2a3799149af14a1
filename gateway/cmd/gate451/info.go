package main

import (
	"fmt"
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
		Use: "version", Short: "Tell which build this is, and whose data it carries", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			build := gateway.ThisBuild()
			_, err := fmt.Fprintf(s.stdout, "gate451 %s (revision %s, %s)\n\n%s\n%s", build.Version, build.Revision, runtime.Version(), gateway.DatabaseNotice(), rules.SubdivisionNotice())
			return err
		},
	}
}

func schemaCommand(s surroundings) *cobra.Command {
	c := group("schema", "Print the JSON Schema of gateway.yaml or policy.yaml, for editors")
	for name, schema := range map[string]func() []byte{"gateway": config.Schema, "policy": rules.Schema} {
		c.AddCommand(&cobra.Command{
			Use: name, Short: "Print the JSON Schema of " + name + ".yaml", Args: noArguments,
			RunE: func(*cobra.Command, []string) error {
				_, err := fmt.Fprintln(s.stdout, strings.TrimSpace(string(schema())))
				return err
			},
		})
	}
	return c
}

func healthcheckCommand(s surroundings) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running gateway's admin port whether it is well", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			listen := defaultAdmin(s.environ)
			if c.Flags().Changed("config") {
				cfg, err := config.Load(file, s.environ)
				if err != nil {
					return err
				}
				listen = cfg.Admin.Listen
			}
			client := &http.Client{Timeout: 3 * time.Second}
			defer client.CloseIdleConnections()
			if err := gateway.Healthy(client, "http://"+gateway.LocalAddress(listen)+"/healthz"); err != nil {
				return fmt.Errorf("not healthy: %w", err)
			}
			_, err := fmt.Fprintln(s.stdout, "ok")
			return err
		},
	}
	configFlagOr(c, &file, "the admin port is that of GATE451_ADMIN_LISTEN, or 127.0.0.1:9451")
	return c
}

// defaultAdmin is the admin port of a gateway whose configuration names none.
func defaultAdmin(environ []string) string {
	listen := "127.0.0.1:9451"
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, "GATE451_ADMIN_LISTEN="); ok {
			listen = value
		}
	}
	return listen
}
