package deployments_test

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	program := buildProgram(t)
	consoles(t, "../README.md", t.TempDir(), program, strings.NewReplacer("http://127.0.0.1:8451", startDemo(t, program)))
}

// buildProgram builds the program into a folder of its own, under its name.
func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "gate451")
	build := exec.Command("go", "build", "-o", program, "./gateway/cmd/gate451")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// consoles runs the commands that a page shows, in a folder, and compares what they print. The places that the page names
// are replaced by those of the test.
func consoles(t *testing.T, page, dir, program string, places *strings.Replacer) {
	t.Helper()
	for _, block := range blocks(t, page, "console") {
		for c := range strings.SplitSeq("\n"+block, "\n$ ") {
			command, want, _ := strings.Cut(c, "\n")
			if strings.TrimSpace(command) == "" {
				continue
			}
			show(t, page, dir, program, places.Replace(command), want)
		}
	}
}

// newcomers returns the environment of somebody who follows a page: it has no variable of the gateway's, nor of its tests.
func newcomers() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "GATE451_") })
}

// show runs a command that a page shows, and compares what it prints with what the page shows.
func show(t *testing.T, page, dir, program, command, want string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir, cmd.Env = dir, append(newcomers(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", page, command, err, out)
	}
	if got := plain(string(out)); !shown(want).MatchString(got) {
		t.Errorf("%s: %s\nprints\n%s\nand the page shows\n%s", page, command, got, want)
	}
}

// TestPagesOfEvidenceAndFleet runs what EVIDENCE.md and FLEET.md show, with a gateway that has what they tell to add to its
// configuration.
func TestPagesOfEvidenceAndFleet(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	server := need(t, "redis-server", "")
	program := buildProgram(t)
	for _, page := range []string{"EVIDENCE.md", "FLEET.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			dir, redis := t.TempDir(), freeAddress(t)
			begin(t, exec.Command(server, "--port", redis[strings.LastIndexByte(redis, ':')+1:], "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()), "Ready to accept connections")
			if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			file := filepath.Join(dir, "gateway.yaml")
			write(t, file, read(t, file)+strings.ReplaceAll(blocks(t, page, "yaml")[0], "127.0.0.1:6379", redis))
			var words []string
			if page == "FLEET.md" {
				words = append(words, `"msg":"redis answers"`)
			}
			public, admin := serving(t, program, file, words...)
			consoles(t, page, dir, program, strings.NewReplacer("127.0.0.1:8080", public, "127.0.0.1:9451", admin))
		})
	}
}

// TestPageOfNeighbours runs what NEIGHBOURS.md shows, with a gateway that has what it tells to add to its configuration.
func TestPageOfNeighbours(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	dir, program := t.TempDir(), buildProgram(t)
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "gateway.yaml")
	write(t, file, read(t, file)+blocks(t, "NEIGHBOURS.md", "yaml")[0])
	serve := exec.Command(program, "serve", "--config", file)
	serve.Env = append(os.Environ(), "GATE451_LISTEN=127.0.0.1:0", "GATE451_ADMIN_LISTEN=127.0.0.1:0", "GATE451_FORWARD_AUTH_LISTEN=127.0.0.1:0")
	said := begin(t, serve, `"msg":"serving"`)
	address := regexp.MustCompile(`"forward_auth":"([^"]+)"`).FindStringSubmatch(said)
	if address == nil {
		t.Fatalf("the gateway does not say where it answers proxies:\n%s", said)
	}
	consoles(t, "NEIGHBOURS.md", dir, program, strings.NewReplacer("127.0.0.1:9452", address[1]))
}

// serving has the program serve on free ports until the test ends, waits until it has said some words, and returns where it
// serves buyers and the operator.
func serving(t *testing.T, program, file string, words ...string) (public, admin string) {
	t.Helper()
	serve := exec.Command(program, "serve", "--config", file)
	serve.Env = append(os.Environ(), "GATE451_LISTEN=127.0.0.1:0", "GATE451_ADMIN_LISTEN=127.0.0.1:0")
	said := begin(t, serve, append(words, `"msg":"serving"`)...)
	addresses := regexp.MustCompile(`"msg":"serving","public":"([^"]+)","admin":"([^"]+)"`).FindStringSubmatch(said)
	if addresses == nil {
		t.Fatalf("the gateway does not say where it serves:\n%s", said)
	}
	return addresses[1], addresses[2]
}

// TestPageOfCatalogues runs what CATALOGUE.md shows, with the policy and the catalogue that stand there.
func TestPageOfCatalogues(t *testing.T) {
	t.Parallel()
	const page = "CATALOGUE.md"
	dir, program := t.TempDir(), buildProgram(t)
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(dir, "goods.csv"), blocks(t, page, "csv")[0])
	write(t, filepath.Join(dir, "policy.yaml"), blocks(t, page, "yaml")[0])
	consoles(t, page, dir, program, strings.NewReplacer())
}

// TestPageOfTheRefusal runs what REFUSAL.md shows, with the files that it shows, and has the page of the operator's own
// told as well.
func TestPageOfTheRefusal(t *testing.T) {
	t.Parallel()
	program, dir := buildProgram(t), t.TempDir()
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	yaml, file := blocks(t, "REFUSAL.md", "yaml"), filepath.Join(dir, "gateway.yaml")
	write(t, filepath.Join(dir, "messages-de.yaml"), yaml[1])
	write(t, filepath.Join(dir, "logo.svg"), `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>`)
	write(t, filepath.Join(dir, "refusal.html"), blocks(t, "REFUSAL.md", "html")[0])
	given := read(t, file)
	write(t, file, given+yaml[0])
	consoles(t, "REFUSAL.md", dir, program, strings.NewReplacer())
	write(t, file, given+yaml[0]+"  template: refusal.html\n")
	out, err := exec.Command(program, "refusal", "show", "--config", file, "--language", "de").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Das Gesetz verbietet uns diesen Verkauf.") || !strings.Contains(string(out), "Georgia") {
		t.Errorf("the page of the operator's own: %v\n%s", err, out)
	}
}

// TestPageOfTheConsole runs what CONSOLE.md shows, with a gateway that has the token of which it tells, and looks for the
// pictures.
func TestPageOfTheConsole(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	const page = "CONSOLE.md"
	program, dir := buildProgram(t), t.TempDir()
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "gateway.yaml")
	write(t, file, read(t, file)+blocks(t, page, "yaml")[0])
	write(t, filepath.Join(dir, "admin.token"), "0123456789abcdef\n")
	serve := exec.Command(program, "serve", "--config", file)
	serve.Env = append(os.Environ(), "GATE451_LISTEN=127.0.0.1:0", "GATE451_ADMIN_LISTEN=127.0.0.1:0")
	said := begin(t, serve, `"msg":"serving"`)
	address := regexp.MustCompile(`"admin":"([^"]+)"`).FindStringSubmatch(said)
	if address == nil {
		t.Fatalf("the gateway does not say where it serves:\n%s", said)
	}
	consoles(t, page, dir, program, strings.NewReplacer("127.0.0.1:9451", address[1]))
	shown := regexp.MustCompile(`\(console/\w+\.png\)`).FindAllString(read(t, page), -1)
	if len(shown) != 5 {
		t.Errorf("%s shows %d pictures", page, len(shown))
	}
	for _, one := range shown {
		if size := len(read(t, strings.Trim(one, "()"))); size == 0 || size > 150_000 {
			t.Errorf("%s is %d bytes long", one, size)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// begin starts a program, waits until it has said all of some words, and returns what it has said. It ends with the test.
func begin(t *testing.T, cmd *exec.Cmd, words ...string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it was told to end
	})
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(10 * time.Millisecond) {
		said := read(t, file.Name())
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(said, word) }) {
			return said
		}
	}
	t.Fatalf("%s does not begin: %s", cmd.Path, read(t, file.Name()))
	return ""
}

// plain leaves out what a page cannot show: carriage returns and blanks at the ends of lines.
func plain(text string) string {
	return regexp.MustCompile(`[ \r]+\n`).ReplaceAllString(text, "\n")
}

// shown turns what the README shows into a pattern.
func shown(text string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(strings.TrimSpace(text))
	pattern = strings.ReplaceAll(pattern, "\n…\n", "\n(.*\n)*?")
	if rest, ok := strings.CutPrefix(pattern, "…\n"); ok {
		pattern = "(.*\n)*?" + rest
	}
	if rest, ok := strings.CutSuffix(pattern, "\n…"); ok {
		pattern = rest + "(\n.*)*?"
	}
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
