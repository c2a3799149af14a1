package deployments_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The cases and the subjects of bench/run.sh, as its report says them.
var (
	benchCases    = []string{"refusal", "1k", "64k", "download", "post", "h2", "new"}
	benchTitles   = []string{"refusal", "1 KiB", "64 KiB", "download of 100 MiB", "POST of 2 KiB JSON", "1 KiB over TLS and HTTP/2", "1 KiB, a connection each"}
	benchSubjects = []string{"gate451", "gate451-strict", "nginx", "haproxy", "caddy", "reverseproxy"}
)

// bench returns a command of the folder bench that measures, with a folder for its files, and what it will have said.
func bench(t *testing.T, name string, arguments ...string) (run *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	run = exec.CommandContext(ctx, "bench/"+name, arguments...)
	run.Cancel = func() error { return run.Process.Signal(syscall.SIGTERM) }
	run.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	run.Stdout, run.Stderr = stdout, stderr
	return run, stdout, stderr
}

// needPeers skips or fails the test unless all is installed that is measured, and measures.
func needPeers(t *testing.T) {
	t.Helper()
	for _, name := range []string{"curl", "openssl", "taskset", "nginx", "haproxy", "caddy", "h2load", "wrk"} {
		need(t, name, "")
	}
	const module = "/usr/lib/nginx/modules/ngx_http_geoip2_module.so"
	if _, err := os.Stat(module); err != nil {
		need(t, module, "")
	}
}

// leavesNothing fails the test if a process or a file of a measurement is still there.
func leavesNothing(t *testing.T, run *exec.Cmd) {
	t.Helper()
	dir := strings.TrimPrefix(run.Env[len(run.Env)-1], "TMPDIR=")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v %v", left, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir+"/") {
			t.Errorf("a process is left: %q", line)
		}
	}
}

// TestBench measures as shortly as it can be done, and looks at the shape of what is told: a figure says nothing here.
func TestBench(t *testing.T) {
	t.Parallel()
	needPeers(t)
	samples, chart := filepath.Join(t.TempDir(), "samples"), filepath.Join(t.TempDir(), "chart.svg")
	run, stdout, stderr := bench(t, "run.sh", "--quick", "--seconds", "0.1", "--samples", samples, "--svg", chart)
	if err := run.Run(); err != nil || stderr.Len() != 0 {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	leavesNothing(t, run)
	report := stdout.String()
	if !strings.HasPrefix(report, "each of gate451 gate451-strict nginx haproxy caddy reverseproxy refuses an American with 451 and serves a German") {
		t.Errorf("nothing was verified:\n%s", report)
	}
	measured := measurements(t, read(t, samples))
	for i, name := range benchCases {
		_, table, found := strings.Cut(report, "\n\n"+benchTitles[i]+" ")
		if !found {
			t.Errorf("no table tells of %s:\n%s", name, report)
		}
		table, _, _ = strings.Cut(table, "\n\n")
		for _, subject := range benchSubjects {
			if !measured[name+" "+subject] {
				t.Errorf("%s of %s was not measured", name, subject)
			}
			if _, line, found := strings.Cut(table, "\n  "+subject+" "); !found || len(strings.Fields(line)) < 6 {
				t.Errorf("the table of %s does not tell of %s:\n%s", name, subject, table)
			}
		}
	}
	drawn(t, chart)
}

// measurements returns the cases and subjects of which there is a plausible line.
func measurements(t *testing.T, samples string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(samples) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 9 {
			t.Fatalf("%q has %d fields", line, len(fields))
		}
		for i, text := range fields[3:] {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < 0 || n == 0 && fields[2] != "direct" && i != 2 { // a tick of CPU time may be longer than the measurement
				t.Errorf("%q: field %d", line, i+4)
			}
		}
		found[fields[1]+" "+fields[2]] = true
	}
	return found
}

// drawn fails the test unless a chart is well-formed and has a bar for everything that is compared.
func drawn(t *testing.T, chart string) {
	t.Helper()
	decoder, bars := xml.NewDecoder(strings.NewReader(read(t, chart))), 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if want := len(benchCases) * len(benchSubjects); bars != want {
		t.Errorf("%d bars, and not %d", bars, want)
	}
}

// TestScale does the same for what grows. The largest policies are left out, which take their time to read.
func TestScale(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"taskset", "nginx", "h2load", "redis-server"} {
		need(t, name, "")
	}
	run, stdout, stderr := bench(t, "scale.sh", "--quick", "--cases", "countries,connections,idle,replicas")
	if err := run.Run(); err != nil || stderr.Len() != 0 {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	leavesNothing(t, run)
	for kind, want := range map[string]int{"countries: a refusal, ": 3, "connections: 1 KiB, ": 4, "idle: 1 KiB ": 3, "replicas: a refusal ": 3} {
		lines := regexp.MustCompile(`(?m)^`+kind+`.* +\d+\.\d +\d+\.\d$`).FindAllString(stdout.String(), -1)
		if len(lines) != want {
			t.Errorf("%d lines of %q:\n%s", len(lines), kind, stdout)
		}
	}
}

// TestProfile: what is measured for the compiler is a profile, in which the gateway itself is seen.
func TestProfile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"openssl", "taskset", "nginx", "h2load"} {
		need(t, name, "")
	}
	profile := filepath.Join(t.TempDir(), "default.pgo")
	run, stdout, stderr := bench(t, "profile.sh", "--seconds", "0.5", "--out", profile)
	if err := run.Run(); err != nil || stderr.Len() != 0 {
		t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	leavesNothing(t, run)
	top, err := exec.Command("go", "tool", "pprof", "-top", "-cum", profile).Output()
	if err != nil || !bytes.Contains(top, []byte("gate451/gateway.")) {
		t.Errorf("%v\n%s", err, top)
	}
}

// TestBenchIsInterrupted: whoever has seen enough need not wait for a measurement to end, and leaves nothing behind.
func TestBenchIsInterrupted(t *testing.T) {
	t.Parallel()
	needPeers(t)
	run, _, stderr := bench(t, "run.sh", "--seconds", "9999", "--cases", "refusal", "--peers", "nginx")
	told, write := io.Pipe()
	run.Stdout = write
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- run.Wait()
		_ = write.Close() // whoever reads learns that nothing more comes
	}()
	verified := make([]byte, len("each of"))
	if _, err := io.ReadFull(told, verified); err != nil || string(verified) != "each of" {
		t.Errorf("it does not begin to measure: %v %q", err, verified)
	}
	go func() { _, _ = io.Copy(io.Discard, told) }()
	_ = run.Process.Signal(syscall.SIGTERM) // one that has ended already shows in its exit code
	if err := <-ended; run.ProcessState.ExitCode() != 143 {
		t.Errorf("%v\n%s", err, stderr)
	}
	leavesNothing(t, run)
}

// TestPageOfTheBench: the options that the page shows are those that there are.
func TestPageOfTheBench(t *testing.T) {
	t.Parallel()
	for script, shown := range map[string]int{"run.sh": 3, "scale.sh": 1, "profile.sh": 1} {
		run, stdout, _ := bench(t, script, "--help")
		if err := run.Run(); err != nil {
			t.Fatal(err)
		}
		commands := regexp.MustCompile(`(?m)^    deployments/bench/`+regexp.QuoteMeta(script)+`( .*)?$`).FindAllString(read(t, "bench/README.md"), -1)
		if len(commands) != shown {
			t.Errorf("the page shows %d commands of %s", len(commands), script)
		}
		for _, option := range regexp.MustCompile(`--[a-z]+`).FindAllString(strings.Join(commands, "\n"), -1) {
			if !strings.Contains(stdout.String(), "\n  "+option+" ") {
				t.Errorf("%s has no option %s", script, option)
			}
		}
	}
}

// TestBenchSaysWhatIsWrong calls it wrongly, and where a package is missing.
func TestBenchSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		script, arguments, variable, want string
		code                              int
	}{
		{arguments: "--cases refusal,2k", code: 2, want: `there is no "2k"; expected some of refusal 1k 64k download post h2 new`},
		{arguments: "--peers ,", code: 2, want: "an empty list; expected some of nginx haproxy caddy"},
		{arguments: "--rounds 0", code: 2, want: "--rounds 0; expected a number from 1 to 9999"},
		{arguments: "--seconds 0.0", code: 2, want: "--seconds 0.0; expected a number such as 5 or 0.5"},
		{arguments: "--rate 5", code: 2, want: "--rate 5; expected a number from 10 to 999999"},
		{arguments: "--svg", code: 2, want: "--svg is no option, or lacks its value"},
		{script: "scale.sh", arguments: "--cases refusal", code: 2, want: `there is no "refusal"; expected some of rules skus countries connections idle replicas`},
		{script: "scale.sh", arguments: "--rounds", code: 2, want: "--rounds is no option, or lacks its value; see scale.sh --help"},
		{script: "scale.sh", arguments: "--fast yes", code: 2, want: "there is no option --fast"},
		{script: "profile.sh", arguments: "--seconds 0", code: 2, want: "--seconds 0; expected a number such as 5 or 0.5"},
		{script: "profile.sh", arguments: "--fast yes", code: 2, want: "there is no option --fast"},
		{arguments: "--fast yes", code: 2, want: "there is no option --fast"},
		{arguments: "--quick", variable: "GEOIP2_MODULE=/nowhere", code: 1, want: "libnginx-mod-http-geoip2; on Debian: apt-get install --no-install-recommends "},
	} {
		run, stdout, stderr := bench(t, cmp.Or(c.script, "run.sh"), strings.Fields(c.arguments)...)
		if c.variable != "" {
			run.Env = append([]string{c.variable}, run.Env...)
		}
		_ = run.Run() // the exit code says more
		if run.ProcessState == nil || run.ProcessState.ExitCode() != c.code || stdout.Len() != 0 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: %v\n%s%s", c.arguments, run.ProcessState, stdout, stderr)
		}
		leavesNothing(t, run)
	}
}
