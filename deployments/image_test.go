package deployments_test

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instructions returns the lines of the Dockerfile, each instruction on one, without comments.
func instructions(t *testing.T) []string {
	t.Helper()
	text := strings.ReplaceAll(read(t, "../Dockerfile"), "\\\n", " ")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// only returns what follows the prefix on the one instruction that has it.
func only(t *testing.T, prefix string) string {
	t.Helper()
	var found []string
	for _, line := range instructions(t) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, rest)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the Dockerfile has %d instructions %q, want one", len(found), prefix)
	}
	return found[0]
}

// TestImageIsBuiltWithTheToolchainOfTheModule keeps the image from an older Go, whose defects the module has left behind.
func TestImageIsBuiltWithTheToolchainOfTheModule(t *testing.T) {
	t.Parallel()
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(read(t, "../go.mod"))
	if toolchain == nil {
		t.Fatal("go.mod names no toolchain")
	}
	if image := only(t, "FROM golang:"); image != toolchain[1]+"-bookworm AS build" {
		t.Errorf("the image is built by golang:%s and go.mod names go%s", image, toolchain[1])
	}
}

func TestImageRunsWithoutPrivileges(t *testing.T) {
	t.Parallel()
	if user := only(t, "USER "); user != "nonroot" {
		t.Errorf("the image runs as %s", user)
	}
	if base := only(t, "FROM gcr.io/"); !strings.HasSuffix(base, ":nonroot") {
		t.Errorf("the base %s has another user", base)
	}
}

// buildContext returns a folder with the files that .dockerignore lets through: it lists the top level's by name, and then
// patterns of files below that are left out again.
func buildContext(t *testing.T) string {
	t.Helper()
	var taken, left []string
	for line := range strings.Lines(read(t, "../.dockerignore")) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "!"); ok {
			taken = append(taken, name)
		} else if pattern, ok := strings.CutPrefix(line, "**/"); ok {
			left = append(left, pattern)
		} else if line != "*" && !strings.HasPrefix(line, "#") {
			t.Fatalf("this test does not know what %q in .dockerignore means", line)
		}
	}
	dir := t.TempDir()
	for _, name := range taken {
		err := filepath.WalkDir(filepath.Join("..", name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			for _, pattern := range left {
				if match, err := filepath.Match(pattern, entry.Name()); err != nil {
					return err
				} else if match && entry.IsDir() {
					return fs.SkipDir
				} else if match {
					return nil
				}
			}
			if entry.Type().IsRegular() {
				copyFile(t, path, filepath.Join(dir, strings.TrimPrefix(path, "../")))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestImageTakesFilesThatExist also proves that .dockerignore lets them through.
func TestImageTakesFilesThatExist(t *testing.T) {
	t.Parallel()
	dir := buildContext(t)
	for _, line := range instructions(t) {
		fields := strings.Fields(line)
		if fields[0] != "COPY" || strings.HasPrefix(fields[1], "--from=") {
			continue
		}
		for _, source := range fields[1 : len(fields)-1] {
			if _, err := os.Stat(filepath.Join(dir, source)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestImageCommandBuildsAStaticProgramThatKnowsItsVersion runs the Dockerfile's own build command on what .dockerignore
// leaves of the tree.
func TestImageCommandBuildsAStaticProgramThatKnowsItsVersion(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program without cgo")
	}
	program := filepath.Join(t.TempDir(), "gate451")
	command := only(t, "RUN CGO_ENABLED=0 ")
	if !strings.Contains(command, " -o /out/gate451 ") {
		t.Fatalf("the program is built elsewhere: %s", command)
	}
	build := exec.Command(need(t, "sh", ""), "-c", "CGO_ENABLED=0 "+strings.Replace(command, "/out/gate451", program, 1))
	build.Dir = buildContext(t)
	build.Env = append(os.Environ(), "VERSION=v1.2.3-image", "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic linker, which the image does not have")
		}
	}
	output, err := exec.Command(program, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(output), "v1.2.3-image") {
		t.Errorf("version: %v: %s", err, output)
	}
}
