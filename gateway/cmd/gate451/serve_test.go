package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// minimalGateway serves any host on any port.
const minimalGateway = `listen: "127.0.0.1:0"
admin: {listen: "127.0.0.1:0"}
routes:
  - hosts: ["*"]
    upstreams: ["http://127.0.0.1:1"]
policy: policy.yaml
`

const (
	policyOpen   = "version: 1\n"
	policyClosed = "version: 1\nactivities: {sale: [{paths: [/]}]}\nrules: [{id: closed, activity: sale, countries: [US]}]\n"
)

// shopGateway is a configuration before an upstream that answers once it is released.
func shopGateway(t *testing.T, policy string) (file string, arrived, release chan struct{}) {
	t.Helper()
	arrived, release = make(chan struct{}, 1), make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(w, "shop")
	}))
	t.Cleanup(shop.Close)
	dir := folder(t, map[string]string{"gateway.yaml": strings.Replace(minimalGateway, "http://127.0.0.1:1", shop.URL, 1), "policy.yaml": policy})
	return filepath.Join(dir, "gateway.yaml"), arrived, release
}

// addresses returns where a gateway serves, as its log says.
func (s *server) addresses(t *testing.T) (public, admin string) {
	t.Helper()
	for line := range strings.Lines(s.stderr.waitFor(t, `"msg":"serving"`)) {
		var entry struct{ Msg, Public, Admin string }
		if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Msg == "serving" {
			return entry.Public, entry.Admin
		}
	}
	t.Fatalf("the log names no addresses:\n%s", s.stderr)
	return "", ""
}

// get returns the status of an answer, and its body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// bothWays runs a test of serve in this process, and in one of its own.
func bothWays(t *testing.T, test func(t *testing.T, serve func(file string, environ ...string) *server)) {
	t.Helper()
	t.Run("this process", func(t *testing.T) {
		t.Parallel()
		test(t, func(file string, environ ...string) *server { return start(t, environ, "serve", "--config", file) })
	})
	t.Run("own process", func(t *testing.T) {
		t.Parallel()
		need(t, "sh")
		path := program(t)
		test(t, func(file string, environ ...string) *server {
			return spawn(t, environ, quoted(path)+" serve --config "+quoted(file))
		})
	})
}

func TestServeLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		file, arrived, release := shopGateway(t, policyOpen)
		s := serve(file)
		public, _ := s.addresses(t)
		answered := make(chan string, 1)
		go func() {
			_, body := get(t, "http://"+public+"/slow")
			answered <- body
		}()
		<-arrived
		s.signal(syscall.SIGTERM)
		s.stderr.waitFor(t, `"msg":"stopping"`)
		close(release)
		if body := <-answered; body != "shop" {
			t.Errorf("the request under way was answered %q", body)
		}
		if code := s.wait(t); code != exitDone {
			t.Errorf("exit %d; standard error:\n%s", code, s.stderr)
		}
		if s.stdout.String() != "" {
			t.Errorf("standard output: %s", s.stdout)
		}
	})
}

func TestServeIsForcedByTheSecondSignal(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		file, arrived, _ := shopGateway(t, policyOpen)
		s := serve(file)
		public, _ := s.addresses(t)
		conn, err := net.Dial("tcp", public)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-arrived
		s.signal(syscall.SIGTERM)
		s.stderr.waitFor(t, `"msg":"stopping"`)
		s.signal(syscall.SIGINT)
		if answer, err := io.ReadAll(conn); len(answer) > 0 {
			t.Errorf("a request that was cut off is answered %q (%v)", answer, err)
		}
		if code := s.wait(t); code != exitWrong {
			t.Errorf("exit %d", code)
		}
		if !strings.Contains(s.stderr.String(), "requests were cut off") {
			t.Errorf("standard error:\n%s", s.stderr)
		}
	})
}

func TestServeReloadsOnSIGHUP(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		file, _, _ := shopGateway(t, policyOpen)
		policy := filepath.Join(filepath.Dir(file), "policy.yaml")
		s := serve(file)
		public, _ := s.addresses(t)
		expect := func(want int) {
			t.Helper()
			if status, body := get(t, "http://"+public+"/"); status != want {
				t.Errorf("status %d (%s), want %d", status, body, want)
			}
		}
		replace := func(text, logged string) {
			t.Helper()
			if err := os.WriteFile(policy+".new", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(policy+".new", policy); err != nil {
				t.Fatal(err)
			}
			s.signal(syscall.SIGHUP)
			s.stderr.waitFor(t, logged)
		}
		expect(http.StatusOK)
		replace(policyClosed, `"rules":1`)
		expect(http.StatusUnavailableForLegalReasons)
		replace("version: 1\nrules: [{id: open}]\n", policy+":2:")
		expect(http.StatusUnavailableForLegalReasons)
		s.end(t)
		if log := s.stderr.String(); !strings.Contains(log, "policy not reloaded, the one in force stays") {
			t.Errorf("the log does not say that the bad policy was refused:\n%s", log)
		}
	})
}

func TestServeListensWhereTheEnvironmentSays(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		file, _, _ := shopGateway(t, policyOpen)
		s := serve(file, "GATE451_LISTEN=[::1]:0", "GATE451_LOG_FORMAT=text")
		if log := s.stderr.waitFor(t, "msg=serving"); !strings.Contains(log, "public=[::1]:") {
			t.Errorf("the log:\n%s", log)
		}
		s.end(t)
	})
}

func TestServeSaysWhichPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() }) // the subtests run when this function has returned
	address := taken.Addr().String()
	dir := folder(t, map[string]string{"policy.yaml": policyOpen, "gateway.yaml": strings.ReplaceAll(minimalGateway, "127.0.0.1:0", address)})
	one := filepath.Join(dir, "one.yaml")
	if err := os.WriteFile(one, []byte(strings.Replace(minimalGateway, `admin: {listen: "127.0.0.1:0"`, `admin: {listen: "`+address+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	both := filepath.Join(dir, "gateway.yaml")
	message := "cannot listen: listen tcp " + address + ": bind: address already in use; name a free address of this machine\n"
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		for _, c := range []struct{ file, environ, want string }{
			{one, "", one + ":2:17: " + message},
			{both, "GATE451_ADMIN_LISTEN=127.0.0.1:0", both + ":1:9: " + message},
			{one, "GATE451_ADMIN_LISTEN=" + address, "GATE451_ADMIN_LISTEN: " + message},
		} {
			s := serve(c.file, c.environ)
			if code := s.wait(t); code != exitWrong {
				t.Errorf("exit %d; standard error:\n%s", code, s.stderr)
			}
			if got := s.stderr.String(); !strings.HasSuffix(got, c.want) {
				t.Errorf("standard error:\n%swant\n%s", got, c.want)
			}
		}
	})
}

// TestServeHeedsSignalsFromTheStart sends one before the gateway can have opened anything.
func TestServeHeedsSignalsFromTheStart(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"policy.yaml": policyOpen, "gateway.yaml": minimalGateway})
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"serve", "--config", filepath.Join(dir, "gateway.yaml")}, surroundings{supervisor: nobody(),
		stdout: io.Discard, stderr: &stderr, signals: func() (<-chan os.Signal, func()) { return signals, func() {} },
	})
	if code != exitDone {
		t.Errorf("exit %d; standard error:\n%s", code, stderr.String())
	}
}

func TestServeWarns(t *testing.T) {
	t.Parallel()
	file, _, _ := shopGateway(t, policyClosed)
	dir := filepath.Dir(file)
	token := filepath.Join(dir, "admin.token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(token, 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, []string{"GATE451_ADMIN_TOKEN_FILE=admin.token"}, "serve", "--config", file)
	s.addresses(t)
	s.end(t)
	for _, warning := range []string{`"msg":"configuration warning","warning":`, `"msg":"policy warning","warning":`} {
		if !strings.Contains(s.stderr.String(), warning) {
			t.Errorf("no %s in the log:\n%s", warning, s.stderr)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, serve func(string, ...string) *server) {
		file, _, _ := shopGateway(t, policyOpen)
		s := serve(file)
		_, admin := s.addresses(t)
		_, port, err := net.SplitHostPort(admin)
		if err != nil {
			t.Fatal(err)
		}
		check := func(want outcome, environ ...string) {
			t.Helper()
			if got := call(t, environ, "healthcheck"); got != want {
				t.Errorf("%v: %+v, want %+v", environ, got, want)
			}
			if got := call(t, environ, "healthcheck", "--config", file); got != want {
				t.Errorf("%v --config: %+v, want %+v", environ, got, want)
			}
		}
		well := outcome{"ok\n", "", exitDone}
		check(well, "GATE451_ADMIN_LISTEN=127.0.0.1:"+port)
		s.end(t)
		check(outcome{"", fmt.Sprintf("not healthy: Get \"http://%s/healthz\": dial tcp %[1]s: connect: connection refused\n", admin), exitWrong},
			"GATE451_ADMIN_LISTEN="+admin)
	})
}

func TestHealthcheckOfAnother(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	address := other.Listener.Addr().String()
	if got, want := call(t, []string{"GATE451_ADMIN_LISTEN=" + address}, "healthcheck"),
		(outcome{"", "not healthy: http://" + address + "/healthz answered 404 Not Found\n", exitWrong}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := call(t, nil, "healthcheck", "--config", "testdata/absent.yaml"); got.code != exitWrong || !strings.HasPrefix(got.stderr, "testdata/absent.yaml: cannot be read") {
		t.Errorf("%+v", got)
	}
}
