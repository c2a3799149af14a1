package deployments_test

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

// TestReadmeConsoles runs the commands that the README shows and compares what they print; … stands for anything within
// a line or, alone on it, for any number of lines.
func TestReadmeConsoles(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	dir, bin := t.TempDir(), t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "gate451"), "./gateway/cmd/gate451")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := startDemo(t, filepath.Join(bin, "gate451"))
	for i, block := range blocks(t, "../README.md", "console") {
		for c := range strings.SplitSeq("\n"+block, "\n$ ") {
			command, want, _ := strings.Cut(c, "\n")
			if strings.TrimSpace(command) == "" {
				continue
			}
			cmd := exec.Command("sh", "-c", strings.ReplaceAll(command, "http://127.0.0.1:8451", address))
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("block %d: %s: %v", i, command, err)
			}
			if got := plain(string(out)); !shown(want).MatchString(got) {
				t.Errorf("block %d: %s\nprints\n%s\nand the README shows\n%s", i, command, got, want)
			}
		}
	}
}

// plain leaves out what a page cannot show: carriage returns and blanks at the ends of lines.
func plain(text string) string {
	return regexp.MustCompile(`[ \r]+\n`).ReplaceAllString(text, "\n")
}

// shown turns what the README shows into a pattern.
func shown(text string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.TrimSpace(text))
	pattern = strings.ReplaceAll(pattern, "\n…\n", "\n(.*\n)*?")
	return regexp.MustCompile(`^` + strings.ReplaceAll(pattern, "…", ".*") + `\n*$`)
}

// startDemo runs the demonstration on free ports until the test ends, and returns the gateway's URL.
func startDemo(t *testing.T, program string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	demo := exec.CommandContext(ctx, program, "demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	demo.Cancel = func() error { return demo.Process.Signal(syscall.SIGTERM) }
	out, err := demo.StdoutPipe()
	if err == nil {
		err = demo.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	printed := make(chan string, 1)
	go func() {
		text := make([]byte, 0, 1<<16)
		for !strings.Contains(string(text), "Ctrl-C") {
			n, err := out.Read(text[len(text):cap(text)])
			if text = text[:len(text)+n]; err != nil {
				break
			}
		}
		printed <- string(text)
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		cancel()
		_ = demo.Wait() // it was told to end
	})
	guide := <-printed
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(guide)
	if address == "" {
		t.Fatalf("the demonstration does not say where it serves:\n%s", guide)
	}
	return address
}

// blocks returns the fenced blocks of a kind in a page.
func blocks(t *testing.T, page, kind string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, m[1])
	}
	if len(found) == 0 {
		t.Fatalf("%s shows no %s", page, kind)
	}
	return found
}

// TestPoliciesOfThePages loads every policy that the README and the folders here show.
func TestPoliciesOfThePages(t *testing.T) {
	t.Parallel()
	for _, text := range blocks(t, "../README.md", "yaml") {
		p, err := rules.Parse("README.md", []byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		if lines := strings.Count(strings.TrimSpace(text), "\n") + 1; lines > 10 || len(p.Rules()) != 2 {
			t.Errorf("the ten-line policy has %d lines and %d rules", lines, len(p.Rules()))
		}
	}
}

// TestComposeConfigurationLoads loads what Compose mounts as the gateway would.
func TestComposeConfigurationLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"gateway.yaml", "policy.yaml"} {
		text, err := os.ReadFile(filepath.Join("compose", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "admin.token"), []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "gateway.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	policy, databases, err := gateway.Check(cfg, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings()) != 0 || len(policy.Warnings()) != 0 || len(policy.Rules()) != 2 || len(databases) != 1 {
		t.Errorf("warnings %v and %v, %d rules, %d databases", cfg.Warnings(), policy.Warnings(), len(policy.Rules()), len(databases))
	}
}
