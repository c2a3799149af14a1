//go:build unix

package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gate451/config"
	"gate451/gateway"
)

// redisServer is a Redis that a test may do anything to.
type redisServer struct {
	t       testing.TB
	address string
	dir     string
	process *exec.Cmd
	client  *redis.Client
}

func newRedis(t testing.TB) *redisServer {
	t.Helper()
	if _, err := find("redis-server"); err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r := &redisServer{t: t, address: "127.0.0.1:" + strconv.Itoa(freePorts(t, "redis")["redis"]), dir: t.TempDir()}
	r.client = redis.NewClient(&redis.Options{Addr: r.address, MaxRetries: -1})
	r.start()
	t.Cleanup(func() {
		r.client.Close()
		r.kill()
	})
	return r
}

// start starts the server with what it has on disk.
func (r *redisServer) start() {
	r.t.Helper()
	path, err := find("redis-server")
	must(r.t, err)
	_, port, err := net.SplitHostPort(r.address)
	must(r.t, err)
	r.process = exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--appendonly", "no", "--loglevel", "warning")
	must(r.t, r.process.Start())
	eventually(r.t, "redis answers", func() bool { return r.client.Ping(context.Background()).Err() == nil })
}

func (r *redisServer) kill() {
	_ = r.process.Process.Kill() // or it has gone already
	_ = r.process.Wait()
}

func (r *redisServer) signal(s syscall.Signal) { must(r.t, r.process.Process.Signal(s)) }

// member is a setup for one replica of a fleet.
func (r *redisServer) member(name string, s setup) setup {
	s.config += "\nreplica: " + name + "\nredis: {addrs: [\"" + r.address + "\"], stream_lines: 20000}\nevidence: {dir: evidence, segment_size: 256KiB}\n"
	return s
}

// operator works on the fleet.
func (r *redisServer) operator(t testing.TB) *gateway.Operator {
	t.Helper()
	s := r.member("operator", setup{})
	s.config = strings.Replace(s.config, "stream_lines:", "timeout: 10s, stream_lines:", 1) // a busy machine is no fault of Redis
	cfg, err := config.Load(s.write(t, t.TempDir()), nil)
	must(t, err)
	o, err := gateway.Operate(cfg, gateway.Options{})
	must(t, err)
	t.Cleanup(o.Close)
	return o
}

// numbered is a policy that blocks Americans, told apart by a rule that is of no other use.
func numbered(n int) string {
	return fmt.Sprintf(`version: 1
activities: {sale: [{paths: [/cart]}]}
rules:
  - {id: sales, activity: sale, countries: [US], unknown_country: allow}
  - {id: edition-%d, activity: sale, countries: [AQ], unknown_country: allow}
`, n)
}

// TestPushes pushes a policy fifty times while buyers come to three replicas. Every decision was made by a policy that was
// current within two seconds, and no replica ever went back.
func TestPushes(t *testing.T) {
	t.Parallel()
	const pushes, late = 50, 2 * time.Second
	r := newRedis(t)
	shop := newShop(t, ok)
	var gates []*gate
	for i := range 3 {
		gates = append(gates, start(t, r.member(fmt.Sprint("gate-", i), setup{
			policy: numbered(0), upstream: shop, options: func(o *gateway.Options) { o.Now = time.Now },
		})))
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	b, all := &buyers{answered: map[string]int{}}, sync.WaitGroup{}
	for _, g := range gates {
		for range 2 {
			all.Go(func() { b.come(ctx, g.PublicAddr().String()) })
		}
	}
	o, file := r.operator(t), filepath.Join(t.TempDir(), "policy.yaml")
	type period struct {
		n           int
		began, over time.Time
	}
	periods := map[string]*period{}
	var last *period
	for n := 1; n <= pushes; n++ {
		writeFile(t, file, []byte(numbered(n)))
		now := &period{n: n, began: time.Now()}
		generation, p, err := o.Push(t.Context(), file, "test", int64(n-1))
		if err != nil || generation != int64(n) {
			t.Fatalf("push %d: generation %d, %v", n, generation, err)
		}
		if last != nil {
			last.over = time.Now()
		}
		last, periods[p.Digest()] = now, now
		time.Sleep(60 * time.Millisecond)
	}
	awaited, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := o.Await(awaited, pushes)
	if err != nil || len(status.Replicas) != len(gates) || !status.Agreed {
		t.Errorf("%+v, %v", status, err)
	}
	leave()
	all.Wait()
	decisions, editions := 0, map[string]int{} // by the path that was asked for; 0 is the gateway's own file, before the first
	for _, g := range gates {
		g.stop()
		must(t, g.end())
		newest := 0
		for _, l := range decisionsOf(linesOf(t, g.file("evidence"))) {
			p, at := periods[l.Policy], instantOf(t, l.Time)
			if p == nil {
				editions[l.Path] = 0
				continue
			}
			decisions++
			newest, editions[l.Path] = max(newest, p.n), p.n
			if at.Before(p.began) || !p.over.IsZero() && at.After(p.over.Add(late)) {
				t.Errorf("edition %d, published from %v to %v, decided at %v", p.n, p.began, p.over, at)
			}
			if blocks := l.Country == "US"; blocks != (l.Verdict == "block") {
				t.Errorf("%+v", l)
			}
		}
		if newest < pushes-5 {
			t.Errorf("the newest edition that decided here is %d", newest)
		}
	}
	// Requests that are under way together may be recorded in any order. What one buyer asks for next is decided later.
	steps := 0
	for _, visit := range b.visits {
		before := 0
		for _, path := range visit {
			n, recorded := editions[path]
			if !recorded || n < before {
				t.Fatalf("%s was decided by edition %d (recorded: %t), after edition %d", path, n, recorded, before)
			}
			before, steps = n, steps+1
		}
	}
	t.Logf("%d decisions by %d editions, %d of them after one another", decisions, pushes, steps)
}

func instantOf(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	must(t, err)
	return at
}

// TestFleet shows an operator's day: a policy is published, a rule paused and resumed, a bad policy refused; a replica
// that starts without Redis goes on with what it knew.
func TestFleet(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	s := r.member("gate-1", setup{policy: numbered(0), upstream: newShop(t, ok), options: func(o *gateway.Options) { o.Now = time.Now }})
	g := start(t, s)
	other := start(t, r.member("gate-2", setup{policy: numbered(0), upstream: newShop(t, ok), options: func(o *gateway.Options) { o.Now = time.Now }}))
	o, file := r.operator(t), filepath.Join(t.TempDir(), "policy.yaml")
	cart := func(g *gate) int { return g.get(t, german, "http://shop.example/cart").StatusCode }
	agree := func(generation int64) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if status, err := o.Await(ctx, generation); err != nil {
			t.Fatalf("%+v, %v", status, err)
		}
	}
	if status, err := o.Status(t.Context()); err != nil || status.Generation != 0 || status.Policy != "" {
		t.Errorf("before anything is published: %+v, %v", status, err)
	}

	writeFile(t, file, []byte(strings.Replace(numbered(1), "[US]", "[US, DE]", 1)))
	generation, p, err := o.Push(t.Context(), file, "anna", 0)
	must(t, err)
	agree(generation)
	if cart(g) != 451 || cart(other) != 451 {
		t.Error("the published policy does not decide")
	}
	if _, _, err := o.Push(t.Context(), file, "bert", 0); err == nil || !strings.Contains(err.Error(), `"anna"`) {
		t.Errorf("a push over a push: %v", err)
	}
	writeFile(t, file, []byte("version: 1\nrules: [{id: x}]\n"))
	if _, _, err := o.Push(t.Context(), file, "anna", gateway.LatestGeneration); err == nil || !strings.Contains(err.Error(), file+":2:") {
		t.Errorf("a bad policy: %v", err)
	}
	g.replace(t, "policy.yaml", []byte(numbered(7)))
	eventually(t, "the file is seen not to decide", func() bool {
		return len(g.log.lines(t, "the policy's file is not what decides, because the fleet has published a policy; gate451 policy push publishes the file")) > 0
	})

	if _, err := o.Pause(t.Context(), "nothing", time.Now().Add(time.Hour), "n", "anna"); err == nil || !strings.Contains(err.Error(), `unknown rule "nothing"`) {
		t.Errorf("a pause of no rule: %v", err)
	}
	generation, err = o.Pause(t.Context(), "sales", time.Now().Add(time.Hour), "licence 1", "anna")
	must(t, err)
	agree(generation)
	if cart(g) != 200 || cart(other) != 200 {
		t.Error("the rule is not paused")
	}
	generation, err = o.Resume(t.Context(), "sales", "bert")
	must(t, err)
	agree(generation)
	if cart(g) != 451 {
		t.Error("the rule is not in force again")
	}
	generation, err = o.Pause(t.Context(), "sales", time.Now().Add(1500*time.Millisecond), "a moment", "anna")
	must(t, err)
	agree(generation)
	eventually(t, "the pause ends by itself", func() bool { return cart(g) == 451 })

	eventually(t, "the decisions of both replicas are counted", func() bool {
		counts, err := o.Counts(t.Context(), 2)
		must(t, err)
		sums := map[string]int64{}
		for _, c := range counts {
			sums[c.Rule+" "+c.Country+" "+c.Verdict] += c.Count
		}
		return sums["sales DE block"] >= 3 && sums["sales DE allow"] >= 2
	})
	if got := g.metric(t, `gate451_fleet_replicas`) + g.metric(t, `gate451_fleet_policy_digests`) + g.metric(t, `gate451_redis_up`); got != "211" {
		t.Errorf("replicas, digests and whether redis is up: %s", got)
	}
	g.stop()
	must(t, g.end())
	var said []string
	for _, l := range linesOf(t, g.file("evidence")) {
		if l.Event == "paused" || l.Event == "resumed" {
			said = append(said, strings.TrimSpace(l.Event+" "+l.Rule+" "+l.Note+" "+l.By))
		}
	}
	if got := strings.Join(said, ", "); !strings.HasPrefix(got, "paused sales licence 1 anna, resumed sales  bert, ") || !strings.HasSuffix(got, "paused sales a moment anna") {
		t.Errorf("the evidence says: %s", got)
	}
	lines := linesOf(t, g.file("evidence"))
	var kept struct{ Note string }
	must(t, json.Unmarshal([]byte(lines[len(lines)-1].text), &kept))
	shared, err := r.client.HGet(t.Context(), "{gate451}:checkpoints", "gate-1").Result()
	if err != nil || shared != kept.Note {
		t.Errorf("the fleet has the checkpoint %q, %v; the evidence ends with %q", shared, err, kept.Note)
	}
	r.kill()
	alone := start(t, setup{
		policy: numbered(0), upstream: newShop(t, ok), options: s.options, config: "replica: gate-1\nredis: {addrs: [\"" + r.address + "\"], state_file: \"" + g.file("fleet.state") + "\"}\n",
	})
	if cart(alone) != 451 || alone.metric(t, `gate451_policy_info{digest="`+p.Digest()+`"}`) != "1" || alone.metric(t, "gate451_redis_up") != "0" {
		t.Error("without Redis the last good policy is forgotten")
	}
}

// storms are what may happen to Redis. Each ends with Redis well again.
var storms = map[string]func(*redisServer, *rand.Rand){
	"killed": func(r *redisServer, _ *rand.Rand) { r.kill(); time.Sleep(700 * time.Millisecond); r.start() },
	"frozen": func(r *redisServer, _ *rand.Rand) {
		r.signal(syscall.SIGSTOP)
		time.Sleep(time.Second)
		r.signal(syscall.SIGCONT)
	},
	"slow":    func(r *redisServer, _ *rand.Rand) { r.do("CLIENT", "PAUSE", 800); time.Sleep(time.Second) },
	"flushed": func(r *redisServer, _ *rand.Rand) { r.do("FLUSHALL") },
	"filled": func(r *redisServer, _ *rand.Rand) {
		r.do("CONFIG", "SET", "maxmemory", 1)
		time.Sleep(time.Second)
		r.do("CONFIG", "SET", "maxmemory", 0)
	},
	"of other types": func(r *redisServer, _ *rand.Rand) {
		keys, err := r.client.Keys(context.Background(), "*").Result()
		must(r.t, err)
		for _, key := range keys {
			r.do("SET", key, "of another type")
		}
		time.Sleep(500 * time.Millisecond)
		r.do("FLUSHALL")
	},
}

func (r *redisServer) do(args ...any) {
	r.t.Helper()
	must(r.t, r.client.Do(context.Background(), args...).Err())
}

// TestRedisStorms lets everything happen to Redis while buyers come. No verdict changes, the replicas agree again within
// five seconds of its return, and what is collected in the end is what the replicas wrote.
func TestRedisStorms(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(faultSeed(t), 7))
	r := newRedis(t)
	shop := newShop(t, ok)
	var gates []*gate
	for i := range 2 {
		gates = append(gates, start(t, r.member(fmt.Sprint("gate-", i), setup{policy: numbered(0), upstream: shop, options: func(o *gateway.Options) { o.Now = time.Now }})))
	}
	o, file := r.operator(t), filepath.Join(t.TempDir(), "policy.yaml")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	watch, all := &patrons{}, sync.WaitGroup{}
	for _, g := range gates {
		for i := range 2 {
			all.Go(func() { watch.come(ctx, t, g, []string{american, german}[i]) })
		}
	}
	time.Sleep(time.Second)
	calm := watch.take()
	names := make([]string, 0, len(storms))
	for name := range storms {
		names = append(names, name)
	}
	slices.Sort(names)
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for n, name := range names {
		storms[name](r, random)
		began := time.Now()
		writeFile(t, file, []byte(numbered(n+1)))
		within, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		generation, _, err := o.Push(within, file, "test", gateway.LatestGeneration)
		if err == nil {
			_, err = o.Await(within, generation)
		}
		cancel()
		if err != nil {
			t.Errorf("%s: the replicas do not agree within five seconds: %v", name, err)
		}
		t.Logf("%s: agreed after %v", name, time.Since(began).Round(time.Millisecond))
	}
	stormy := watch.take()
	leave()
	all.Wait()
	t.Logf("p99 of %d requests in calm %v, of %d in storms %v", len(calm), percentile(calm), len(stormy), percentile(stormy))
	to := t.TempDir()
	for i, g := range gates {
		written, copied := linesOf(t, g.file("evidence")), filepath.Join(to, fmt.Sprint("gate-", i))
		eventually(t, "everything is collected", func() bool {
			within, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := o.Collect(within, to, "", true); err != nil {
				t.Log(err)
			}
			return len(linesOf(t, copied)) >= len(written)
		})
		for j, l := range linesOf(t, copied)[:len(written)] {
			if l.text != written[j].text {
				t.Fatalf("line %d was collected as %s, and written as %s", j, l.text, written[j].text)
			}
		}
		must(t, os.WriteFile(filepath.Join(copied, "sign.pub"), readFile(t, filepath.Join(g.file("evidence"), "sign.pub")), 0o600))
		verified(t, copied)
	}
	for _, g := range gates {
		g.stop()
		must(t, g.end())
		verified(t, g.file("evidence"))
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}

// patrons each come to one gateway from one country, and look at every verdict.
type patrons struct {
	mu    sync.Mutex
	waits []time.Duration
}

func (p *patrons) come(ctx context.Context, t *testing.T, g *gate, buyer string) {
	want := map[string]int{american: 451, german: 200}[buyer]
	client := g.client(buyer)
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example/cart", nil)
		if err != nil {
			t.Error(err)
			return
		}
		began := time.Now()
		res, err := client.Do(r)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", buyer, err)
			}
			return
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode != want {
			t.Errorf("%s: %d, want %d", buyer, res.StatusCode, want)
		}
		p.mu.Lock()
		p.waits = append(p.waits, time.Since(began))
		p.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
}

func (p *patrons) take() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := p.waits
	p.waits = nil
	return waits
}

func percentile(waits []time.Duration) time.Duration {
	slices.Sort(waits)
	return waits[len(waits)*99/100]
}
