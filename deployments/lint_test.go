package deployments_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lintModule is the module of the fixtures. The libraries that they name are empty packages, so that nothing is fetched.
const lintModule = `module gate451

go 1.26.0

require (
	github.com/labstack/echo/v4 v4.0.0
	github.com/prometheus/client_golang v1.0.0
	gopkg.in/yaml.v3 v3.0.0
)

replace (
	github.com/labstack/echo/v4 => ./libraries/echo
	github.com/prometheus/client_golang => ./libraries/prometheus
	gopkg.in/yaml.v3 => ./libraries/yaml
)
`

var lintLibraries = map[string]string{
	"libraries/echo/go.mod":                "module github.com/labstack/echo/v4\n",
	"libraries/echo/echo.go":               "package echo\n",
	"libraries/echo/middleware/m.go":       "package middleware\n",
	"libraries/prometheus/go.mod":          "module github.com/prometheus/client_golang\n",
	"libraries/prometheus/prometheus/p.go": "package prometheus\n",
	"libraries/yaml/go.mod":                "module gopkg.in/yaml.v3\n",
	"libraries/yaml/yaml.go":               "package yaml\n",
	"gateway/another/another.go":           "// Package another is one more sub-package.\npackage another\n",
	"gateway/cmd/gate451/flags/flags.go":   "// Package flags is what the command keeps to itself.\npackage flags\n",
}

// TestLinterReportsWhatItIsMeantTo runs the repository's linter configuration on testdata/lint, which breaks its rules, and
// compares what is reported with the "want" comments there. Lines without one must pass, so that the configuration is
// proved to allow what the design allows. Every sub-package that gateway has stands in for testdata/lint/subpackage in
// turn: one that .golangci.yml has no rule for fails here.
func TestLinterReportsWhatItIsMeantTo(t *testing.T) {
	t.Parallel()
	linter := need(t, "golangci-lint", os.Getenv("GOLANGCI_LINT"))

	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, "../.golangci.yml", filepath.Join(dir, ".golangci.yml"))
	write(t, filepath.Join(dir, "go.mod"), lintModule)
	for name, text := range lintLibraries {
		write(t, filepath.Join(dir, name), text)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/lint")); err != nil {
		t.Fatal(err)
	}
	for _, name := range subPackages(t) {
		for _, suffix := range []string{".go", "_test.go"} {
			text := strings.ReplaceAll(read(t, filepath.Join(dir, "subpackage/subpackage"+suffix)), "subpackage", name)
			write(t, filepath.Join(dir, "gateway", name, name+suffix), text)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "subpackage")); err != nil {
		t.Fatal(err)
	}

	lint := exec.Command(linter, "run", "--allow-parallel-runners", "--output.json.path=stdout", "--show-stats=false", "./...")
	lint.Dir = dir
	lint.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir(), "GOWORK=off", "GOFLAGS=-mod=mod", "PWD="+dir)
	var stderr strings.Builder
	lint.Stderr = &stderr
	output, err := lint.Output()
	var report struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct {
				Filename string
				Line     int
			}
		}
	}
	if jsonErr := json.Unmarshal(output, &report); jsonErr != nil {
		t.Fatalf("%v, %v: %s%s", err, jsonErr, output, stderr.String())
	}
	got := map[string]bool{}
	for _, issue := range report.Issues {
		finding := fmt.Sprintf("%s:%d: %s", issue.Pos.Filename, issue.Pos.Line, issue.FromLinter)
		got[finding] = true
		t.Log(finding, issue.Text)
	}
	want := wanted(t, dir)
	if len(want) == 0 {
		t.Fatal("no fixture wants anything")
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("findings (-want +got):\n%s%s", diff, stderr.String())
	}
}

var wantComment = regexp.MustCompile(`// want(-above)? (\w+)\.$`)

// wanted returns the findings that the fixtures ask for. "want-above" asks for the finding on the line before.
func wanted(t *testing.T, dir string) map[string]bool {
	t.Helper()
	want := map[string]bool{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		lines := bufio.NewScanner(strings.NewReader(read(t, filepath.Join(dir, path))))
		for line := 1; lines.Scan(); line++ {
			if m := wantComment.FindStringSubmatch(lines.Text()); m != nil {
				at := line
				if m[1] != "" {
					at--
				}
				want[fmt.Sprintf("%s:%d: %s", path, at, m[2])] = true
			}
		}
		return lines.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// subPackages returns the names of the folders of gateway that may import rules alone.
func subPackages(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("../gateway")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && entry.Name() != "cmd" && entry.Name() != "testdata" {
			names = append(names, entry.Name())
		}
	}
	return names
}
