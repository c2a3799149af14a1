package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manager does for a process what systemd does: it holds the sockets, and listens to what the process says of itself.
type manager struct {
	public, admin *os.File
	publicAddr    string
	socket        string
	said          chan string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	need(t, "sh")
	m := &manager{said: make(chan string, 1000)}
	var addr net.Addr
	m.public, addr = socket(t)
	m.publicAddr = addr.String()
	m.admin, _ = socket(t)
	dir, err := os.MkdirTemp("", "g451") // the path of a socket may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	m.socket = filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.said <- string(buf[:n])
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close() // ends the reader
		<-heard
	})
	return m
}

func socket(t *testing.T) (*os.File, net.Addr) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // the file is a descriptor of its own
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, ln.Addr()
}

// start starts the program as a unit's process.
func (m *manager) start(t *testing.T, file, names string, environ ...string) *server {
	t.Helper()
	count := 1 + strings.Count(names, ":")
	cmd := exec.Command("sh", "-c", fmt.Sprintf("LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s exec %s serve --config %s", count, names, quoted(program(t)), quoted(file)))
	cmd.ExtraFiles = []*os.File{m.public, m.admin}[:count]
	cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+m.socket), environ...)
	return startProcess(t, cmd)
}

// hears waits until the process says something.
func (m *manager) hears(t *testing.T, s *server, want string) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case said := <-m.said:
			if strings.Contains(said, want) {
				return
			}
		case <-limit:
			t.Fatalf("the process never said %q; standard error:\n%s", want, s.stderr)
		}
	}
}

func TestSystemd(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	file, _, _ := shopGateway(t, policyOpen)
	s := m.start(t, file, "public:admin", "WATCHDOG_USEC=300000")
	m.hears(t, s, "READY=1\nSTATUS=serving on "+m.publicAddr)
	if public, _ := s.addresses(t); public != m.publicAddr {
		t.Errorf("it serves on %s, and systemd opened %s", public, m.publicAddr)
	}
	if code, body := get(t, "http://"+m.publicAddr+"/"); code != http.StatusOK || body != "shop" {
		t.Errorf("answered %d %q", code, body)
	}
	m.hears(t, s, "WATCHDOG=1")
	m.hears(t, s, "WATCHDOG=1")

	policy := filepath.Join(filepath.Dir(file), "policy.yaml")
	if err := os.WriteFile(policy, []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	m.hears(t, s, "RELOADING=1")
	m.hears(t, s, "READY=1\nSTATUS=not reloaded, what was in force stays: "+policy+":1:")

	s.signal(syscall.SIGTERM)
	m.hears(t, s, "STOPPING=1")
	if code := s.wait(t); code != exitDone {
		t.Errorf("exit %d; standard error:\n%s", code, s.stderr)
	}
}

// TestRestartUnderSystemdLosesNothing restarts the process between buyers who never wait: systemd holds the socket
// meanwhile, and whoever comes is served by the next process.
func TestRestartUnderSystemdLosesNothing(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	file, _, _ := shopGateway(t, policyOpen)
	s := m.start(t, file, "public:admin")
	m.hears(t, s, "READY=1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var buyers sync.WaitGroup
	var served, lost atomic.Int64
	for range 4 {
		buyers.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for ctx.Err() == nil {
				resp, err := client.Get("http://" + m.publicAddr + "/")
				if err != nil {
					t.Log(err)
					lost.Add(1)
					continue
				}
				_ = resp.Body.Close() // its status is all that counts
				if resp.StatusCode != http.StatusOK {
					lost.Add(1)
				}
				served.Add(1)
			}
		})
	}
	for range 3 {
		before := served.Load()
		s.signal(syscall.SIGTERM)
		if code := s.wait(t); code != exitDone {
			t.Errorf("exit %d; standard error:\n%s", code, s.stderr)
		}
		s = m.start(t, file, "public:admin")
		m.hears(t, s, "READY=1")
		for served.Load() < before+20 {
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	buyers.Wait()
	t.Logf("%d answers over three restarts, %d lost", served.Load(), lost.Load())
	if lost.Load() > 0 {
		t.Errorf("%d requests were lost", lost.Load())
	}
}

func TestSocketsOfSystemdThatCannotBeServed(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	for name, c := range map[string]struct {
		sockets map[string][]net.Listener
		err     error
		late    error
		want    string
	}{
		"another name": {sockets: map[string][]net.Listener{"gate451.socket": {listen()}}, want: "FileDescriptorName=public or FileDescriptorName=admin"},
		"two":          {sockets: map[string][]net.Listener{"public": {listen(), listen()}}, want: "2 sockets named public; give one ListenStream="},
		"no stream":    {err: errors.New("bad"), want: "must have ListenStream="},
		"watchdog":     {late: errors.New("bad"), want: "WatchdogSec="},
	} {
		s := nobody()
		s.sockets = func() (map[string][]net.Listener, error) { return c.sockets, c.err }
		s.watchdog = func() (time.Duration, error) { return 0, c.late }
		_, _, _, err := s.open()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		for _, listeners := range c.sockets {
			for _, ln := range listeners {
				if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: the socket was left open", name)
				}
			}
		}
	}
}
