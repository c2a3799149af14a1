package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/rules"
)

func initCommand(s surroundings) *cobra.Command {
	var dir, preset string
	c := &cobra.Command{
		Use: "init", Short: "Write a commented gateway.yaml and policy.yaml to start from", Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return writeStart(dir, preset, s) },
	}
	c.Flags().StringVar(&preset, "preset", "", "`NAME` of the shop, or of the program that is updated: "+strings.Join(rules.Presets(), ", "))
	c.Flags().StringVar(&dir, "dir", ".", "`FOLDER` to write them to; it is made if there is none")
	return c
}

// writeStart writes the files to start from, both or neither, and overwrites nothing.
func writeStart(dir, preset string, s surroundings) error {
	policy := rules.Example()
	if preset != "" {
		var err error
		if policy, err = rules.ExampleOf(preset); err != nil {
			return fmt.Errorf("--preset: %w", err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%w; choose another folder with --dir", err)
	}
	gatewayFile, policyFile := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "policy.yaml")
	if err := writeNew(gatewayFile, config.Example()); err != nil {
		return err
	}
	if err := writeNew(policyFile, policy); err != nil {
		return errors.Join(err, os.Remove(gatewayFile))
	}
	_, err := fmt.Fprintf(s.stdout, "wrote %s and %s\nNext: name your hosts and upstreams in them, then\n  %s validate --config %s\n  %s serve --config %s\n",
		gatewayFile, policyFile, s.command, quoted(gatewayFile), s.command, quoted(gatewayFile))
	return err
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already and is left as it is; remove it first, or choose another folder with --dir", path)
	}
	if err != nil {
		return fmt.Errorf("%w; choose another folder with --dir", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
