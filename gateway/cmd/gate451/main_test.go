package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "gate451-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(scratch) // the test's verdict does not hang on it
		os.Exit(code)
	}))
}

// scratch is a folder for what all tests share.
var scratch string

const testVersion = "v1.2.3-test"

// build makes the program once, as a release is made.
var build = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "gate451")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X gate451/gateway.Version="+testVersion, "-o", program, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return program, nil
})

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// today is when the tests run, for all that they can tell.
var today = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

// outcome is what a command has printed, and how it ended.
type outcome struct {
	stdout, stderr string
	code           int
}

// call runs a command in this process, without signals.
func call(t *testing.T, environ []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, surroundings{supervisor: nobody(), stdin: strings.NewReader(""),
		stdout: &stdout, stderr: &stderr, environ: environ, now: func() time.Time { return today }, command: "gate451",
		signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
	})
	return outcome{stdout.String(), stderr.String(), code}
}

// stream is an output that can be waited for.
type stream struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newStream() *stream { return &stream{changed: make(chan struct{}, 1)} }

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// waitFor returns the output once it contains the text.
func (s *stream) waitFor(t *testing.T, text string) string {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		if got := s.String(); strings.Contains(got, text) {
			return got
		}
		select {
		case <-s.changed:
		case <-limit:
			t.Fatalf("%q is not printed, but:\n%s", text, s)
		}
	}
}

// server is a command that runs until a signal ends it, in this process or in one of its own.
type server struct {
	stdout, stderr *stream
	signal         func(os.Signal)
	ended          chan int
}

// start runs a serving command in this process.
func start(t *testing.T, environ []string, args ...string) *server {
	t.Helper()
	signals := make(chan os.Signal, 4)
	s := &server{stdout: newStream(), stderr: newStream(), signal: func(sig os.Signal) { signals <- sig }, ended: make(chan int, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended <- run(ctx, args, surroundings{
			stdout: s.stdout, stderr: s.stderr, environ: environ, now: func() time.Time { return today }, command: "gate451", supervisor: nobody(), stdin: strings.NewReader(""),
			signals: func() (<-chan os.Signal, func()) { return signals, func() {} },
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return s
}

// spawn runs a shell command in a process of its own.
func spawn(t *testing.T, environ []string, command string) *server {
	t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Env = append(os.Environ(), environ...)
	return startProcess(t, cmd)
}

// startProcess runs a command that serves, and ends it with the test.
func startProcess(t *testing.T, cmd *exec.Cmd) *server {
	t.Helper()
	s := &server{stdout: newStream(), stderr: newStream(), ended: make(chan int, 1)}
	cmd.Stdout, cmd.Stderr = s.stdout, s.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.signal = func(sig os.Signal) {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // the exit code tells
		s.ended <- cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has usually ended
		<-done
	})
	return s
}

// wait returns the exit code.
func (s *server) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-s.ended:
		return code
	case <-time.After(30 * time.Second):
		t.Fatalf("the command does not end; it has printed:\n%s%s", s.stdout, s.stderr)
		return 0
	}
}

// end interrupts the command and demands that it ends well.
func (s *server) end(t *testing.T) {
	t.Helper()
	s.signal(syscall.SIGINT)
	if code := s.wait(t); code != exitDone {
		t.Errorf("exit %d after SIGINT; standard error:\n%s", code, s.stderr)
	}
}

// folder returns a new folder with files of the given texts.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// need skips a test whose tool is missing; where everything is required, it fails it.
func need(t *testing.T, path string) {
	t.Helper()
	_, err := exec.LookPath(path)
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("%s is required: %v", path, err)
	default:
		t.Skipf("%s is not installed", path)
	}
}

func TestSignalsReachTheProgram(t *testing.T) {
	ch, stop := notify()
	defer stop()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if got := <-ch; got != sig {
			t.Errorf("sent %v, got %v", sig, got)
		}
	}
}

func TestSelfCanBeCalled(t *testing.T) {
	t.Parallel()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got := self(); got != quoted(path) {
		t.Errorf("self() = %s, want %s", got, path)
	}
}

func TestQuotedIsReadBackByTheShell(t *testing.T) {
	t.Parallel()
	need(t, "sh")
	for _, word := range []string{"gate451", "/opt/my programs/gate451", "it's", `a"b`, "$HOME", "", "a\nb", "a;b", "*", "~", "é"} {
		output, err := exec.Command("sh", "-c", "printf %s "+quoted(word)).Output()
		if err != nil || string(output) != word {
			t.Errorf("%q is quoted as %s, which is read as %q (%v)", word, quoted(word), output, err)
		}
	}
	if got := quoted("/usr/bin/gate451"); got != "/usr/bin/gate451" {
		t.Errorf("a plain word is quoted as %s", got)
	}
}

// TestWhatCannotBePrintedIsAnError keeps a full disk from looking like an answer.
func TestWhatCannotBePrintedIsAnError(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"gateway.yaml": minimalGateway, "policy.yaml": "version: 1\n", "cases.yaml": "cases: [{name: a, request: {url: \"https://shop.example/\"}, from: {country: DE}, at: 2024-07-20, want: {verdict: allow}}]\n"})
	policy, cases := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "cases.yaml")
	configured := func(args ...string) []string { return append(args, "--config", filepath.Join(dir, "gateway.yaml")) }
	explain := []string{"explain", "--demo", "--ip", "50.114.0.1", "--url", "https://shop.example/"}
	for _, args := range [][]string{
		{"version"}, {"schema", "policy"}, {"geoip", "info"}, {"geoip", "info", "-o", "json"}, {"geoip", "lookup", "50.114.0.1"},
		{"completion", "bash"}, {"init", "--dir", filepath.Join(dir, "new")}, configured("validate"), configured("calendar"),
		configured("calendar", "-o", "json"), configured("calendar", "-o", "ics"), configured("replay"), configured("replay", "-o", "json"), configured("replay", "-o", "csv"),
		configured("replay", "-o", "html"), {"policy", "diff", policy, policy}, {"policy", "diff", policy, policy, "-", "-o", "json"}, {"policy", "test", cases}, {"policy", "test", cases, "-o", "json"}, explain, append(explain, "-o", "json"), {"demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), args, surroundings{supervisor: nobody(), stdin: strings.NewReader(""),
			stdout: full{}, stderr: &stderr, now: func() time.Time { return today },
			signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
		})
		if code != exitWrong || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("gate451 %v: exit %d, %q", args, code, stderr.String())
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// nobody is no systemd.
func nobody() supervisor {
	return supervisor{
		sockets:  func() (map[string][]net.Listener, error) { return nil, nil },
		tell:     func(string) {},
		watchdog: func() (time.Duration, error) { return 0, nil },
	}
}
