package fleet

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // what these tests do most is wait
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// server is a redis-server of a test's own.
type server struct {
	t      testing.TB
	port   int
	dir    string
	args   []string
	cmd    *exec.Cmd
	direct *redis.Client // with time to wait, unlike the one under test
}

var ports struct {
	sync.Mutex
	given map[int]bool
}

// freePort returns a port that was free, and that this process gives to nobody else.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		must(t, l.Close())
		if !ports.given[port] {
			if ports.given == nil {
				ports.given = map[int]bool{}
			}
			ports.given[port] = true
			return port
		}
	}
}

func needRedis(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err, "; install redis-server to run this test")
	}
}

// newServer starts a server that keeps nothing on disk unless it is told to.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	needRedis(t)
	s := &server{t: t, port: freePort(t), dir: t.TempDir()}
	s.args = append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no",
		"--enable-debug-command", "local", "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1",
	}, args...)
	s.direct = redis.NewClient(&redis.Options{Addr: s.addr(), Protocol: 2, ReadTimeout: 10 * time.Second, DisableIdentity: true})
	t.Cleanup(func() {
		_ = s.direct.Close()
		s.kill()
	})
	s.start()
	return s
}

func (s *server) addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(s.t, s.cmd.Start())
	eventually(s.t, 20*time.Second, "redis-server to answer", func() bool { return s.direct.Ping(context.Background()).Err() == nil })
}

func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *server) freeze() { must(s.t, s.cmd.Process.Signal(syscall.SIGSTOP)) }
func (s *server) thaw()   { must(s.t, s.cmd.Process.Signal(syscall.SIGCONT)) }

func (s *server) do(args ...any) string {
	s.t.Helper()
	v, err := s.direct.Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return fmt.Sprint(v)
}

// engine is Redis in one of the ways in which it is run.
type engine struct {
	name    string
	config  Config
	servers []*server
	// owner returns the server that has the fleet's keys now.
	owner func() *server
	// failover makes another server the owner, if there is one.
	failover func()
}

// engines are the ways in which Redis is run. The contract holds for each of them.
var engines = map[string]func(testing.TB) *engine{"alone": alone, "sentinel": sentinel, "cluster": clustered}

func alone(t testing.TB) *engine {
	s := newServer(t)
	return &engine{name: "alone", config: Config{Addrs: []string{s.addr()}}, servers: []*server{s}, owner: func() *server { return s }}
}

func sentinel(t testing.TB) *engine {
	first := newServer(t)
	second := newServer(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(first.port))
	eventually(t, 20*time.Second, "the second server to follow the first", func() bool {
		return strings.Contains(second.do("INFO", "replication"), "master_link_status:up")
	})
	second.args = second.args[:len(second.args)-2] // whom it follows after another start is the sentinel's to say
	// A server that sleeps for a moment is not replaced: whether a policy that was pushed to it just then survives is a
	// matter of chance.
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	must(t, os.WriteFile(file, fmt.Appendf(nil,
		"sentinel monitor gate 127.0.0.1 %d 1\nsentinel down-after-milliseconds gate 3000\nsentinel failover-timeout gate 1000\n", first.port), 0o600))
	watch := &server{t: t, port: freePort(t), dir: t.TempDir()}
	watch.args = []string{file, "--sentinel", "--port", strconv.Itoa(watch.port), "--bind", "127.0.0.1", "--dir", watch.dir}
	watch.direct = redis.NewClient(&redis.Options{Addr: watch.addr(), Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() {
		_ = watch.direct.Close()
		watch.kill()
	})
	watch.start()
	eventually(t, 20*time.Second, "the sentinel to know both servers", func() bool {
		return strings.Contains(watch.do("INFO", "sentinel"), "slaves=1")
	})
	e := &engine{name: "sentinel", config: Config{Addrs: []string{watch.addr()}, MasterName: "gate"}, servers: []*server{first, second}}
	e.owner = func() *server {
		if strings.Contains(watch.do("SENTINEL", "get-master-addr-by-name", "gate"), strconv.Itoa(first.port)) {
			return first
		}
		return second
	}
	e.failover = func() {
		was := e.owner()
		was.kill()
		eventually(t, 30*time.Second, "the sentinel to fail over", func() bool { return e.owner() != was })
		was.start() // as a master of its own, which the sentinel turns into a replica
	}
	return e
}

func clustered(t testing.TB) *engine {
	e := &engine{name: "cluster"}
	for range 3 {
		s := newServer(t, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(freePort(t)), "--cluster-node-timeout", "1000",
			"--cluster-config-file", "nodes.conf")
		e.servers = append(e.servers, s)
		e.config.Addrs = append(e.config.Addrs, s.addr())
	}
	for i, s := range e.servers {
		s.do("CLUSTER", "ADDSLOTSRANGE", i*16384/3, (i+1)*16384/3-1)
		s.do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, s := range e.servers[1:] {
		bus := e.servers[0].args[index(e.servers[0].args, "--cluster-port")+1]
		s.do("CLUSTER", "MEET", "127.0.0.1", e.servers[0].port, bus)
	}
	for _, s := range e.servers {
		eventually(t, 30*time.Second, "the cluster to be one", func() bool {
			info := s.do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	slot, err := strconv.Atoi(e.servers[0].do("CLUSTER", "KEYSLOT", newKeys(defaultPrefix).policy))
	must(t, err)
	for i, s := range e.servers {
		if slot >= i*16384/3 && slot < (i+1)*16384/3 {
			e.owner = func() *server { return s }
		}
	}
	return e
}

func index(all []string, one string) int {
	for i, s := range all {
		if s == one {
			return i
		}
	}
	return -1
}

// onEngines runs a test on every engine at the same time.
func onEngines(t *testing.T, test func(*testing.T, *engine)) {
	t.Parallel()
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

// record is a replica's own evidence, in memory.
type record struct {
	mu      sync.Mutex
	lines   [][]byte
	grown   chan struct{}
	dropped int64 // lines before it are no longer there
	fault   error
}

func newRecord() *record { return &record{grown: make(chan struct{})} }

func (r *record) add(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, []byte(line))
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *record) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[:len(r.lines):len(r.lines)]
}

func (r *record) ReadFrom(index int64, most int) ([][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return nil, r.fault
	}
	if index < r.dropped {
		return nil, fmt.Errorf("lines before %d were dropped", r.dropped)
	}
	if index >= int64(len(r.lines)) {
		return nil, nil
	}
	return r.lines[index:min(index+int64(most), int64(len(r.lines)))], nil
}

func (r *record) Wait(ctx context.Context, index int64) error {
	for {
		r.mu.Lock()
		there, grown := int64(len(r.lines)) > index, r.grown
		r.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// copies are what a collector made, in memory. Each is strict: it takes no line twice and skips none.
type copies struct {
	mu    sync.Mutex
	of    map[string]*duplicate
	fault error
}

type duplicate struct {
	all   *copies
	lines [][]byte
}

func newCopies() *copies { return &copies{of: map[string]*duplicate{}} }

func (c *copies) open(replica string) (Sink, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[replica] == nil {
		c.of[replica] = &duplicate{all: c}
	}
	return c.of[replica], nil
}

func (c *copies) lines(replica string) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.of[replica]; d != nil {
		return d.lines[:len(d.lines):len(d.lines)]
	}
	return nil
}

func (d *duplicate) Next() int64 {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	return int64(len(d.lines))
}

func (d *duplicate) Append(first int64, lines [][]byte) error {
	d.all.mu.Lock()
	defer d.all.mu.Unlock()
	if d.all.fault != nil {
		return d.all.fault
	}
	if first != int64(len(d.lines)) {
		return fmt.Errorf("line %d where %d comes next", first, len(d.lines))
	}
	d.lines = append(d.lines, lines...)
	return nil
}

func (*duplicate) Close() error { return nil }

// running starts a fleet's Run and returns what ends it.
func running(t testing.TB, f *Fleet) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		must(t, f.Close())
	})
	t.Cleanup(stop)
	return stop
}

// collecting starts a collector and returns what ends it.
func collecting(t testing.TB, f *Fleet, into *copies) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Collect(ctx, Collection{Open: into.open}) }()
	stop = sync.OnceFunc(func() {
		cancel()
		must(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

// replica returns a Fleet on an engine, which may be changed before.
func (e *engine) replica(t testing.TB, name string, opts Options, changes ...func(*Config)) *Fleet {
	t.Helper()
	cfg := e.config
	cfg.Replica = name
	for _, change := range changes {
		change(&cfg)
	}
	f, err := New(cfg, opts)
	must(t, err)
	return f
}

// operator returns a Fleet that an operator's command would use. It is not run, and has time to wait: a test must not
// fail because the machine is busy.
func (e *engine) operator(t testing.TB) *Fleet {
	t.Helper()
	return e.hurried(t, func(c *Config) { c.Timeout = 2 * time.Second })
}

// hurried returns an operator who has no more time than a replica.
func (e *engine) hurried(t testing.TB, changes ...func(*Config)) *Fleet {
	t.Helper()
	f := e.replica(t, "operator", Options{}, changes...)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	if !soon(within, ok) {
		t.Fatalf("waited %s in vain for %s", within, what)
	}
}

func soon(within time.Duration, ok func() bool) bool {
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// logged is what a logger wrote.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

var _ io.Writer = (*logged)(nil)

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) count(text string) int { return strings.Count(l.String(), text) }

// seed returns the seed of a test's schedule, which is another every time unless GATE451_TEST_SEED repeats one.
func seed(t testing.TB) *rand.Rand {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("GATE451_TEST_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("GATE451_TEST_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 0))
}

func freePortText(t testing.TB) string { return strconv.Itoa(freePort(t)) }

// testWriter writes a logger's lines to the test's log, for whoever has to find out why it failed.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
