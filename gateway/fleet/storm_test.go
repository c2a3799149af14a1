package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fault is something that happens to Redis. It returns what ends it.
type fault func(*testing.T, *storm) (end func())

// faults happen to every engine.
var faults = map[string]fault{
	"killed": func(_ *testing.T, s *storm) func() {
		victim := s.engine.owner()
		victim.kill()
		return victim.start
	},
	"frozen": func(_ *testing.T, s *storm) func() {
		victim := s.engine.owner()
		victim.freeze()
		return victim.thaw
	},
	"paused": func(_ *testing.T, s *storm) func() {
		victim := s.engine.owner()
		victim.do("CLIENT", "PAUSE", "1500", "ALL") // not even UNPAUSE gets through
		return func() { victim.do("PING") }
	},
	"asleep": func(_ *testing.T, s *storm) func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.engine.owner().do("DEBUG", "SLEEP", "1.2")
		}()
		return func() { <-done }
	},
	"flushed": func(_ *testing.T, s *storm) func() {
		s.engine.owner().do("FLUSHALL")
		return func() {}
	},
	"full": func(_ *testing.T, s *storm) func() {
		victim := s.engine.owner()
		victim.do("CONFIG", "SET", "maxmemory", "1")
		return func() { victim.do("CONFIG", "SET", "maxmemory", "0") }
	},
	"wrong types":   wrongTypes,
	"malformed":     malformed,
	"an older copy": olderCopy,
	"failed over": func(_ *testing.T, s *storm) func() {
		if s.engine.failover == nil {
			return func() {}
		}
		s.engine.failover()
		return func() {}
	},
	"another node killed": func(_ *testing.T, s *storm) func() {
		for _, other := range s.engine.servers {
			if other != s.engine.owner() {
				other.kill()
				return other.start
			}
		}
		return func() {}
	},
}

// wrongTypes puts keys of other types in the place of all.
func wrongTypes(t *testing.T, s *storm) func() {
	owner, k := s.engine.owner(), s.fleet[0].keys
	wrong := []string{k.policy, k.replicas, k.checkpoints, k.evidence, k.counters(s.day)}
	for name := range s.records {
		wrong = append(wrong, k.stream(name), k.lease(name))
	}
	pipe := owner.direct.TxPipeline()
	for _, key := range wrong {
		pipe.Del(context.Background(), key)
		pipe.SAdd(context.Background(), key, "somebody else's")
	}
	_, err := pipe.Exec(context.Background())
	must(t, err)
	return func() {
		for _, key := range wrong {
			owner.do("DEL", key)
		}
	}
}

// malformed puts values that no replica writes where they look for their own.
func malformed(_ *testing.T, s *storm) func() {
	owner, k := s.engine.owner(), s.fleet[0].keys
	bad := []string{"1e300", "-1", "", "9007199254740993", "0x10", "NaN", "\xff\x00", strings.Repeat("9", 100)}
	owner.do("HSET", k.policy, "generation", bad[s.random.IntN(len(bad))], "text", "not what was pushed")
	owner.do("HSET", k.replicas, "x", "no time", "y", strings.Repeat("z", 20_000), "z", "99999999999999999999 {}")
	owner.do("HSET", k.evidence, "gate-1", "many", "../../etc", "5")
	owner.do("HSET", k.counters(s.day), "no\x1fsuch\x1fthing\x1fas", "many")
	return func() {
		owner.do("DEL", k.policy, k.evidence, k.counters(s.day))
	}
}

// olderCopy has Redis go back to what it had some changes ago, as after a failover to a replica that was behind.
func olderCopy(t *testing.T, s *storm) func() {
	owner, k := s.engine.owner(), s.fleet[0].keys
	kept := map[string]string{}
	all := []string{k.policy, k.evidence, k.counters(s.day), k.stream("gate-0"), k.stream("gate-1"), k.stream("gate-2")}
	for _, key := range all {
		if dump, err := owner.direct.Dump(context.Background(), key).Result(); err == nil {
			kept[key] = dump
		}
	}
	s.push(t)
	eventually(t, 5*time.Second, "the policy that will be lost to reach all", s.agree) // or else nobody could put it back
	pipe := owner.direct.TxPipeline()
	for _, key := range all {
		pipe.Del(context.Background(), key)
		if dump, ok := kept[key]; ok {
			pipe.Restore(context.Background(), key, 0, dump)
		}
	}
	_, err := pipe.Exec(context.Background())
	must(t, err)
	return func() {}
}

// storm is a fleet under load, with everything that can go wrong going wrong.
type storm struct {
	engine   *engine
	random   *rand.Rand
	fleet    []*Fleet
	stops    []func()
	operator *Fleet
	records  map[string]*record
	copies   *copies
	day      Day
	counted  atomic.Int64
	pushes   int
	back     atomic.Int64 // how often a generation went back
}

func newStorm(t *testing.T, e *engine) *storm {
	s := &storm{engine: e, random: seed(t), records: map[string]*record{}, copies: newCopies(), day: DayOf(time.Now())}
	s.operator = e.hurried(t)
	for i := range 3 {
		name := fmt.Sprint("gate-", i)
		s.records[name] = newRecord()
		var last atomic.Int64
		f := e.replica(t, name, Options{Source: s.records[name], Flush: 300 * time.Millisecond, Apply: func(p Published) error {
			if last.Swap(p.Generation) >= p.Generation {
				s.back.Add(1)
			}
			return nil
		}}, func(c *Config) { c.StateFile = filepath.Join(t.TempDir(), "state") })
		s.fleet = append(s.fleet, f)
		s.stops = append(s.stops, running(t, f))
	}
	return s
}

// load has every replica decide, count and record until it is stopped.
func (s *storm) load() (stop func()) {
	var work sync.WaitGroup
	end := make(chan struct{})
	for i, f := range s.fleet {
		r := s.records[fmt.Sprint("gate-", i)]
		work.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				case <-time.After(3 * time.Millisecond):
				}
				r.add(fmt.Sprintf("line %d of replica %d", n, i))
				s.request(f)
			}
		})
	}
	return func() {
		close(end)
		work.Wait()
	}
}

// request does all that a request does.
func (s *storm) request(f *Fleet) {
	f.Count("cuba-sales", "CU", "block", s.day)
	s.counted.Add(1)
	_ = f.Current()
	_, _ = f.Paused("cuba-sales", time.Time{})
	_ = f.Up()
}

// push publishes the next policy, however long that takes.
func (s *storm) push(t *testing.T) {
	t.Helper()
	s.pushes++
	must(t, s.publish(s.pushes))
}

func (s *storm) publish(n int) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if _, err = s.operator.Push(ctx, fmt.Appendf(nil, "policy %d", n), fmt.Sprint("sha256:", n), "ann", Latest); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // some faults are answered at once
	}
	return err
}

// agree reports whether all replicas have what is published, and it is what was pushed last.
func (s *storm) agree() bool {
	status, err := s.operator.Status(context.Background())
	if err != nil || status.Published == nil || status.Published.Digest != fmt.Sprint("sha256:", s.pushes) {
		return false
	}
	for _, f := range s.fleet {
		if p := f.Current(); p == nil || p.Generation != status.Published.Generation {
			return false
		}
	}
	return true
}

func (s *storm) suffer(t *testing.T, name string, happen fault) {
	t.Helper()
	before := s.fleet[0].Current().Generation
	end := happen(t, s)
	// All of this is over before the fault is. If any of it waited for Redis, it would not be.
	for range 3000 {
		for _, f := range s.fleet {
			s.request(f)
		}
	}
	s.pushes++ // while it goes on
	pushed := make(chan error, 1)
	go func() { pushed <- s.publish(s.pushes) }()
	time.Sleep(700 * time.Millisecond)
	end()
	returned := time.Now()
	if !soon(5*time.Second, s.agree) {
		status, err := s.operator.Status(context.Background())
		t.Fatalf("%s: the replicas do not agree within five seconds of its return: %+v, %v", name, status, err)
	}
	must(t, <-pushed)
	t.Logf("%-20s agreed after %s", name, time.Since(returned).Round(time.Millisecond))
	s.push(t)
	if !soon(5*time.Second, s.agree) {
		t.Fatalf("%s: the next policy does not reach all", name)
	}
	if now := s.fleet[0].Current().Generation; now <= before {
		t.Errorf("%s: generation %d after %d", name, now, before)
	}
}

func TestStorm(t *testing.T) {
	storms := map[string]func(testing.TB) *engine{"persistent": func(t testing.TB) *engine {
		s := newServer(t, "--appendonly", "yes", "--appendfsync", "always")
		return &engine{name: "persistent", config: Config{Addrs: []string{s.addr()}}, servers: []*server{s}, owner: func() *server { return s }}
	}}
	for name, start := range engines {
		storms[name] = start
	}
	t.Parallel()
	for name, start := range storms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rage(t, newStorm(t, start(t)))
		})
	}
}

func rage(t *testing.T, s *storm) {
	stopCollector := collecting(t, s.operator, s.copies)
	stopLoad := s.load()
	s.push(t)
	eventually(t, 5*time.Second, "the first agreement", s.agree)
	var names []string
	for name := range faults {
		names = append(names, name)
	}
	s.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		s.suffer(t, name, faults[name])
	}
	stopLoad()
	same(t, s.records, s.copies, 15*time.Second)
	stopCollector()
	for _, stop := range s.stops {
		stop()
	}
	if n := s.back.Load(); n > 0 {
		t.Errorf("generations went back %d times", n)
	}
	counts, err := s.engine.operator(t).Counters(context.Background(), s.day, s.day)
	if want := []Count{{s.day, "cuba-sales", "CU", "block", s.counted.Load()}}; err != nil || !cmp.Equal(counts, want) {
		t.Errorf("the counters are %v, %v; want %v", counts, err, want)
	}
	lines := 0
	for _, r := range s.records {
		lines += len(r.all())
	}
	t.Logf("%d lines collected, %d decisions counted, %d policies pushed", lines, s.counted.Load(), s.pushes)
}
