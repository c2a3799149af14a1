package deployments_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPagesOfTasks does what the pages say that tell of one task from beginning to end: it writes the files that they show, and
// runs their commands in between.
func TestPagesOfTasks(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	need(t, "wget", "")
	need(t, "openssl", "")
	program := buildProgram(t)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "shop") }))
	t.Cleanup(shop.Close)
	for _, page := range []string{"SHOP.md", "CLOUDFLARE.md", "UPDATES.md", "WRONG.md", "TRACING.md", "STEPS.md", "AUDIT.md"} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			follow(t, page, dir, program, shop.Listener.Addr().String())
		})
	}
}

// TestPageOfPolicies does what POLICY.md says with the log that it shows.
func TestPageOfPolicies(t *testing.T) {
	t.Parallel()
	const page = "POLICY.md"
	dir, program := t.TempDir(), buildProgram(t)
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(dir, "access.log"), blocks(t, page, "log")[0])
	follow(t, page, dir, program, "127.0.0.1:1")
	if html := read(t, filepath.Join(dir, "replay.html")); !strings.Contains(html, "What a policy would have done") {
		t.Errorf("the page is %.200s", html)
	}
}

// follow goes through a page. A block of YAML says in its first line which file it is, or that it is to be added to one. The
// gateway is served where the page says so, and ends with the test.
func follow(t *testing.T, page, dir, program, shop string) {
	t.Helper()
	places := []string{"127.0.0.1:3000", shop}
	for _, block := range regexp.MustCompile("(?s)```(yaml|console)\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
		if block[1] == "yaml" {
			place(t, page, dir, strings.NewReplacer(places...).Replace(block[2]))
			continue
		}
		for c := range strings.SplitSeq("\n"+block[2], "\n$ ") {
			command, want, _ := strings.Cut(c, "\n")
			switch command {
			case "":
			case "gate451 serve --config gateway.yaml":
				public, admin := serving(t, program, filepath.Join(dir, "gateway.yaml"))
				places = append(places, "127.0.0.1:8080", public, "127.0.0.1:9451", admin)
			default:
				show(t, page, dir, program, strings.NewReplacer(places...).Replace(command), want)
			}
		}
	}
}

// place writes a block of YAML where its first line says.
func place(t *testing.T, page, dir, text string) {
	t.Helper()
	named := regexp.MustCompile(`^# (add to )?([a-z]+\.yaml)\n`).FindStringSubmatch(text)
	if named == nil {
		t.Fatalf("%s does not say which file this is:\n%s", page, text)
	}
	file := filepath.Join(dir, named[2])
	if named[1] != "" {
		text = read(t, file) + text
	}
	write(t, file, text)
}

// TestEveryPageIsFollowed: there is no page whose commands no test runs.
func TestEveryPageIsFollowed(t *testing.T) {
	t.Parallel()
	tests, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range tests {
		all.WriteString(read(t, file))
	}
	pages, err := filepath.Glob("*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	index := read(t, "README.md")
	for _, page := range pages {
		if strings.Contains(read(t, page), "```console") && !strings.Contains(all.String(), `"`+page+`"`) {
			t.Errorf("no test runs what %s shows", page)
		}
		if page != "README.md" && !strings.Contains(index, "("+page+")") {
			t.Errorf("README.md does not lead to %s", page)
		}
	}
}

// TestPartsByHand starts what Compose would, as its page says for machines without Docker, and sees that the numbers of the
// dashboard move.
func TestPartsByHand(t *testing.T) {
	t.Parallel()
	need(t, "curl", "")
	need(t, "prometheus", "")
	const page = "compose/README.md"
	dir, program := t.TempDir(), buildProgram(t)
	prometheus := strings.Replace(read(t, "prometheus/prometheus.yml"), "scrape_interval: 15s", "scrape_interval: 500ms", 1)
	write(t, filepath.Join(dir, "deployments/prometheus/prometheus.yml"), prometheus)
	for _, file := range []string{
		"prometheus/alerts.yml", "compose/traffic.sh", "grafana/dashboards/gate451.json", "grafana/provisioning/dashboards/gate451.yaml",
		"grafana/provisioning/datasources/prometheus.yaml",
	} {
		copyFile(t, file, filepath.Join(dir, "deployments", file))
	}
	public, admin, watching := freeAddress(t), freeAddress(t), freeAddress(t)
	places := strings.NewReplacer("go build -o", "cp "+program, " ./gateway/cmd/gate451", "", `gate451" demo`, `gate451" demo --listen `+public+" --admin-listen "+admin,
		"127.0.0.1:8451", public, "127.0.0.1:9451", admin, "127.0.0.1:9090", watching)
	scripts := blocks(t, page, "sh")
	parts := exec.Command("sh", "-ec", places.Replace(strings.Join(scripts, ""))+"\nwait")
	parts.Dir, parts.Env = dir, append(os.Environ(), "TMPDIR="+t.TempDir())
	parts.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	parts.Stdout, parts.Stderr = &said, &said
	if err := parts.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-parts.Process.Pid, syscall.SIGKILL) // the parts, which the shell has started
		_ = parts.Wait()                                      // it was told to end
		if t.Failed() {
			t.Logf("%.4000s", said.String())
		}
	})
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		n, err := samples(watching, "sum(rate(gate451_decisions_total[1m]))>0")
		if err == nil && n > 0 {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("no decision is to be seen: %v", err)
		}
	}
	consoles(t, page, dir, program, places)
	provisioned, err := filepath.Glob(filepath.Join(parts.Env[len(parts.Env)-1][len("TMPDIR="):], "*/provisioning/*/*.yaml"))
	if err != nil || len(provisioned) != 2 {
		t.Fatalf("%s: %v", provisioned, err)
	}
	for i, want := range []string{"path: " + dir + "/deployments/grafana/dashboards", "url: \"http://" + watching + "\""} {
		if text := read(t, provisioned[i]); !strings.Contains(text, want) {
			t.Errorf("Grafana is not told %q:\n%s", want, text)
		}
	}
}
