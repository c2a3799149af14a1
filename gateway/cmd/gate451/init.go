package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gate451/config"
	"gate451/rules"
)

// writeStart writes the files to start from, both or neither, and overwrites nothing.
func writeStart(dir string, out io.Writer) error {
	var written []string
	for _, f := range []struct {
		name string
		text []byte
	}{{"gateway.yaml", config.Example()}, {"policy.yaml", rules.Example()}} {
		path := filepath.Join(dir, f.name)
		err := writeNew(path, f.text)
		if err != nil {
			removeAll(written)
			return err
		}
		written = append(written, path)
	}
	_, err := fmt.Fprintf(out, "wrote %s and %s\nNext: name your hosts and upstreams in them, then\n  gate451 validate --config %s\n  gate451 serve --config %s\n",
		written[0], written[1], written[0], written[0])
	return err
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s %w", path, errExists)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		removeAll([]string{path})
	}
	return err
}
