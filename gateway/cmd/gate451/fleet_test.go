package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// redisFor starts a Redis that ends with the test and returns its address.
func redisFor(t *testing.T) string {
	t.Helper()
	need(t, "redis-server")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	_, port, _ := strings.Cut(address, ":")
	redis := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = redis.Process.Kill()
		_ = redis.Wait() // it was killed
	})
	return address
}

// TestFleetCommands is an operator's day with one replica.
func TestFleetCommands(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"gateway.yaml": minimalGateway + "replica: gate-1\nevidence: {dir: evidence}\nredis: {addrs: [\"" + redisFor(t) + "\"], stream_lines: 1000}\n",
		"policy.yaml":  policyClosed, "open.yaml": policyOpen, "bad.yaml": "version: 2\n",
	})
	file := filepath.Join(dir, "gateway.yaml")
	s := start(t, nil, "serve", "--config", file)
	s.stderr.waitFor(t, `"msg":"redis answers"`)
	do := func(want int, says string, args ...string) outcome {
		t.Helper()
		args = append(args, "--config", file)
		got := call(t, nil, args...)
		if got.code != want || !strings.Contains(got.stdout+got.stderr, says) {
			t.Errorf("gate451 %s: exit %d, want %d, and something like %q:\n%s%s", strings.Join(args, " "), got.code, want, says, got.stdout, got.stderr)
		}
		return got
	}
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if got := call(t, nil, "policy", "status", "--config", file); strings.Contains(got.stdout, "replica    gate-1") || time.Now().After(limit) {
			break
		}
	}
	do(exitDone, "none: each replica decides by its own file", "policy", "status")
	do(exitWrong, "bad.yaml:1:10: ", "policy", "push", filepath.Join(dir, "bad.yaml"))
	do(exitWrong, "name a readable policy file", "policy", "push", filepath.Join(dir, "missing.yaml"))
	do(exitDone, "as generation 1\n1 replica runs it\n", "policy", "push", "--by", "anna")
	do(exitWrong, `generation 1 is published, by "anna", not 0`, "policy", "push", "--replace", "0")
	do(exitDone, "published  generation 1", "policy", "status")
	do(exitWrong, `unknown rule "open" cannot be paused`, "policy", "pause", "open", "--for", "1h", "--note", "n")
	do(exitDone, "closed is paused until ", "policy", "pause", "closed", "--for", "876000h", "--note", "licence 1")
	do(exitDone, "paused     closed", "policy", "status")
	do(exitDone, "closed is in force again, as of generation 3\n1 replica runs it\n", "policy", "resume", "closed")
	do(exitWrong, "is not paused", "policy", "resume", "closed")
	do(exitDone, "as generation 4\n", "policy", "push", filepath.Join(dir, "open.yaml"), "--wait", "0s")
	do(exitDone, "as generation 5\n1 replica runs it\n", "policy", "push")

	do(exitDone, "published  generation 5", "policy", "status", "--days", "7")
	var status struct {
		Generation int64
		Agreed     bool
		Pauses     []any
		Replicas   []struct{ Replica string }
	}
	if err := json.Unmarshal([]byte(do(exitDone, "", "policy", "status", "-o", "json").stdout), &status); err != nil {
		t.Fatal(err)
	}
	if status.Generation != 5 || !status.Agreed || len(status.Pauses) != 0 || len(status.Replicas) != 1 || status.Replicas[0].Replica != "gate-1" {
		t.Errorf("%+v", status)
	}

	copies := filepath.Join(dir, "collected")
	do(exitDone, "", "evidence", "collect", "--to", copies, "--once")
	do(exitDone, "whole and unchanged", "evidence", "verify")
	do(exitDone, "event", "evidence", "report", "-o", "json")
	if got := call(t, nil, "evidence", "verify", "--dir", filepath.Join(copies, "gate-1"), "--key", filepath.Join(dir, "evidence", "sign.pub")); got.code != exitDone {
		t.Errorf("the copy: %+v", got)
	}
	keys := filepath.Join(dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(dir, "evidence", "sign.pub"))
	if err == nil {
		err = os.WriteFile(filepath.Join(keys, "gate-1.pub"), key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	do(exitDone, "", "evidence", "collect", "--to", filepath.Join(dir, "checked"), "--keys", keys, "--once")
	s.signal(syscall.SIGTERM)
	if code := s.wait(t); code != exitDone {
		t.Errorf("exit %d: %s", code, s.stderr)
	}
	do(exitDone, "replica    none is there", "policy", "status")
	do(exitDone, "as generation 6\nno replica is there to run it\n", "policy", "push", "--wait", "1s")
}
