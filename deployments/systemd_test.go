package deployments_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gate451/config"
)

// units returns a folder with the units as they are shipped, but with a program that is there.
func units(t *testing.T) []string {
	t.Helper()
	const shipped = "/usr/local/bin/gate451"
	service := read(t, "systemd/gate451.service")
	if !strings.Contains(service, "ExecStart="+shipped+" serve ") {
		t.Fatalf("the service does not start %s", shipped)
	}
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "gate451.service"), filepath.Join(dir, "gate451.socket")}
	write(t, paths[0], strings.ReplaceAll(service, shipped, buildProgram(t)))
	write(t, paths[1], read(t, "systemd/gate451.socket"))
	return paths
}

// TestSystemdAcceptsItsUnits has systemd itself read them, and rate how much the service could do if it were taken over: 0 is
// nothing, 10 is all. What a server on the network needs is about 1.
func TestSystemdAcceptsItsUnits(t *testing.T) {
	t.Parallel()
	analyze := need(t, "systemd-analyze", "")
	paths := units(t)
	if out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, paths...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", "--no-pager", paths[0]).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	rating := regexp.MustCompile(`Overall exposure level.*`).Find(out)
	if rating == nil {
		t.Errorf("systemd gave no rating:\n%s", out)
	}
	t.Logf("%s", rating)
}

// TestServiceOutlivesItsRequests compares how long systemd waits with how long requests may take to finish.
func TestServiceOutlivesItsRequests(t *testing.T) {
	t.Parallel()
	wait := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindStringSubmatch(read(t, "systemd/gate451.service"))
	if wait == nil {
		t.Fatal("the service has no TimeoutStopSec")
	}
	limit, err := time.ParseDuration(wait[1])
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("gateway.yaml", []byte("policy: policy.yaml\nroutes: [{hosts: ['*'], upstreams: ['http://127.0.0.1:1']}]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if least := cfg.Shutdown.Delay + cfg.Shutdown.Timeout + 10*time.Second; limit < least {
		t.Errorf("systemd kills the process after %v; requests may take %v", limit, least)
	}
}
