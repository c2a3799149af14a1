// Package deployments_test checks what surrounds the program, which no compiler reads: is it well-formed, and do its parts
// agree with each other?
package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// need returns the path of a program that a test runs: the one given, or else the one that PATH has under its name. Where
// there is none it skips the test, or fails it where GATE451_REQUIRE_ALL=1 says that everything is installed.
func need(t *testing.T, name, given string) string {
	t.Helper()
	if given != "" {
		return given
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("%s is not installed: %v", name, err)
	default:
		t.Skipf("%s is not installed", name)
	}
	return ""
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	write(t, to, read(t, from))
}
