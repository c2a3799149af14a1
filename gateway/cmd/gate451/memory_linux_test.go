package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// limitedGroup makes a control group whose processes have so many bytes of memory together, of version 2 or 1, whatever the system has,
// and skips the test where nobody may.
func limitedGroup(t *testing.T, bytes int) (processes string) {
	t.Helper()
	var refused error
	for folder, limit := range map[string]string{"/sys/fs/cgroup": "memory.max", "/sys/fs/cgroup/memory": "memory.limit_in_bytes"} {
		dir := filepath.Join(folder, fmt.Sprintf("gate451-test-%d", os.Getpid()))
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			t.Cleanup(func() {
				var err error
				for range 100 { // the kernel may still be busy with who was in it
					if err = os.Remove(dir); err == nil {
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
				t.Error(err)
			})
			err = write(filepath.Join(dir, limit), fmt.Sprint(bytes))
		}
		if err == nil {
			return filepath.Join(dir, "cgroup.procs")
		}
		refused = errors.Join(refused, err)
	}
	t.Skipf("memory cannot be limited here: %v", refused)
	return ""
}

// write writes to a file that is there: where no kernel has made it, it would mean nothing.
func write(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// TestGarbageFollowsTheLimit: what a container may have is what the collector knows of, unless the operator has said otherwise.
func TestGarbageFollowsTheLimit(t *testing.T) {
	const have = 512 << 20
	processes := limitedGroup(t, have)
	file := filepath.Join(folder(t, map[string]string{"gateway.yaml": minimalGateway, "policy.yaml": policyOpen}), "gateway.yaml")
	for _, c := range []struct {
		environ []string
		limit   float64
		percent string
	}{
		{nil, have * 9 / 10, "200"},
		{[]string{"GOMEMLIMIT=100MiB", "GOGC=50"}, 100 << 20, "50"},
	} {
		cmd := exec.Command("sh", "-c", fmt.Sprintf("echo $$ >%s && exec %s serve --config %s", processes, quoted(program(t)), quoted(file)))
		cmd.Env = append(os.Environ(), c.environ...)
		s := startProcess(t, cmd)
		_, admin := s.addresses(t)
		_, metrics := get(t, "http://"+admin+"/metrics")
		for name, want := range map[string]string{"go_gc_gomemlimit_bytes": fmt.Sprint(c.limit), "go_gc_gogc_percent": c.percent} {
			got := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(metrics)
			if got == nil {
				t.Errorf("%v: no %s is told", c.environ, name)
				continue
			}
			var is, should float64
			_, err := fmt.Sscan(got[1]+" "+want, &is, &should)
			if err != nil || is < should-4096 || is > should { // the kernel counts in pages
				t.Errorf("%v: %s is %s, want %s", c.environ, name, got[1], want)
			}
		}
		s.end(t)
	}
}
