package fleet

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var errTest = errors.New("as the test wants it")

// nowhere is an engine that does not run.
func nowhere(t testing.TB) *engine {
	return &engine{name: "nowhere", config: Config{Addrs: []string{"127.0.0.1:" + freePortText(t)}}}
}

func push(t *testing.T, f *Fleet, text string) int64 {
	t.Helper()
	generation, err := f.Push(context.Background(), []byte(text), "sha256:"+text, "ann", Latest)
	must(t, err)
	return generation
}

func has(f *Fleet, generation int64, text string) func() bool {
	return func() bool {
		p := f.Current()
		return p != nil && p.Generation == generation && string(p.Text) == text
	}
}

func TestStartWithoutRedis(t *testing.T) {
	t.Parallel()
	e := alone(t)
	file := filepath.Join(t.TempDir(), "state")
	keep := func(c *Config) { c.StateFile = file }
	f := e.replica(t, "gate", Options{}, keep)
	stop := running(t, f)
	push(t, f, "one")
	_, err := f.Pause(context.Background(), "cuba-sales", time.Now().Add(time.Hour), "", "ann")
	must(t, err)
	eventually(t, 3*time.Second, "the policy", has(f, 2, "one"))
	stop()
	e.owner().kill()

	var applied []Published
	again := e.replica(t, "gate", Options{Apply: func(p Published) error {
		applied = append(applied, p)
		return nil
	}}, keep)
	defer func() { must(t, again.Close()) }()
	if len(applied) != 1 || !has(again, 2, "one")() {
		t.Fatalf("it starts with %+v", applied)
	}
	if _, ok := again.Paused("cuba-sales", time.Now()); !ok {
		t.Error("the pause is forgotten")
	}

	// A server that comes back with nothing gets it from the replica.
	e.owner().start()
	running2, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); again.Run(running2) }()
	op := e.operator(t)
	eventually(t, 5*time.Second, "the policy to be there again", func() bool {
		s, err := op.Status(context.Background())
		return err == nil && s.Published != nil && s.Published.Generation == 2 && len(s.Published.Pauses) == 1
	})
	cancel()
	<-done
}

func TestDamagedState(t *testing.T) {
	t.Parallel()
	e := nowhere(t)
	file := filepath.Join(t.TempDir(), "state")
	d, err := restate(head{Digest: "sha256:1"}, "a policy", "id")
	must(t, err)
	d.generation = 7
	must(t, state{Seen: d, Good: d}.save(file))
	good, err := os.ReadFile(file)
	must(t, err)
	try := func(text []byte) (*Fleet, string) {
		must(t, os.WriteFile(file, text, 0o600))
		var log logged
		f := e.replica(t, "gate", Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(c *Config) { c.StateFile = file })
		must(t, f.Close())
		return f, log.String()
	}
	if f, log := try(good); !has(f, 7, "a policy")() || log != "" {
		t.Fatalf("what was saved is not loaded: %s", log)
	}
	for i := range good {
		if i%3 > 0 {
			continue
		}
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if f, log := try(bad); f.Current() != nil || !strings.Contains(log, "is damaged and not used; it is written anew once redis answers") {
			t.Fatalf("byte %d changed: %v, %s", i, f.Current(), log)
		}
	}
	for _, text := range [][]byte{nil, good[:len(good)/2], append(bytes.Clone(good), ' ')} {
		if f, log := try(text); f.Current() != nil || !strings.Contains(log, "is damaged") {
			t.Errorf("%q is taken: %s", text, log)
		}
	}
}

func TestStateThatCannotBeKept(t *testing.T) {
	t.Parallel()
	e := alone(t)
	var log logged
	f := e.replica(t, "gate", Options{Logger: slog.New(slog.NewTextHandler(&log, nil))},
		func(c *Config) { c.StateFile = filepath.Join(t.TempDir(), "no", "such", "folder", "state") })
	running(t, f)
	for range 3 {
		push(t, f, "a policy")
	}
	eventually(t, 3*time.Second, "the policy all the same", has(f, 3, "a policy"))
	if !strings.Contains(log.String(), "is not kept for a start without redis") {
		t.Errorf("nobody is told: %s", log.String())
	}
}

// TestRefusedPolicyIsOfferedAgain where what it was refused for has changed.
func TestRefusedPolicyIsOfferedAgain(t *testing.T) {
	t.Parallel()
	e := alone(t)
	var offered atomic.Int64
	var good atomic.Bool
	f := e.replica(t, "gate", Options{Poll: 20 * time.Millisecond, Beat: 50 * time.Millisecond, Apply: func(Published) error {
		if offered.Add(1); !good.Load() {
			return errTest
		}
		return nil
	}}, func(*Config) {})
	f.Again() // nothing was refused
	stop := running(t, f)
	defer stop()
	push(t, f, "bad")
	eventually(t, 3*time.Second, "the refusal", func() bool { return f.Refused() != "" })
	f.Again()
	eventually(t, 3*time.Second, "the second offer", func() bool { return offered.Load() == 2 })
	good.Store(true)
	eventually(t, 3*time.Second, "the second refusal", func() bool { return f.Refused() != "" })
	f.Again()
	eventually(t, 3*time.Second, "the policy", has(f, 1, "bad"))
	if f.Refused() != "" || offered.Load() != 3 {
		t.Errorf("refused: %q, offered %d times", f.Refused(), offered.Load())
	}
}

func TestRefusedPolicy(t *testing.T) {
	t.Parallel()
	e := alone(t)
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "state")
	var log logged
	var offered atomic.Int64
	opts := Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Poll: 50 * time.Millisecond, Beat: 50 * time.Millisecond,
		Apply: func(p Published) error {
			offered.Add(1)
			if string(p.Text) == "bad" {
				return errTest
			}
			return nil
		}}
	f := e.replica(t, "gate", opts, func(c *Config) { c.StateFile = file })
	stop := running(t, f)
	push(t, f, "good")
	eventually(t, 3*time.Second, "the good policy", has(f, 1, "good"))
	push(t, f, "bad")
	op := e.operator(t)
	eventually(t, 3*time.Second, "others to see the refusal", func() bool {
		s, err := op.Status(ctx)
		return err == nil && len(s.Replicas) == 1 && s.Replicas[0].Generation == 1 && strings.Contains(s.Replicas[0].Refused, errTest.Error())
	})
	time.Sleep(500 * time.Millisecond) // in which it is looked for ten times
	if n := offered.Load(); n != 2 || log.count("push one that loads everywhere") != 1 {
		t.Errorf("policies were offered %d times: %s", n, log.String())
	}
	if !has(f, 1, "good")() {
		t.Error("the old policy did not stay")
	}
	_, err := op.Pause(ctx, "cuba-sales", time.Now().Add(time.Hour), "", "ann")
	must(t, err)
	eventually(t, 3*time.Second, "the pause beside a refused policy", func() bool { _, ok := f.Paused("cuba-sales", time.Now()); return ok })
	stop()

	// The next start tries again, and falls back to the good one; a program that takes the policy then has it.
	again := e.replica(t, "gate", opts, func(c *Config) { c.StateFile = file })
	if !has(again, 1, "good")() || again.Refused() == "" {
		t.Errorf("started with %+v", again.Current())
	}
	must(t, again.Close())
	opts.Apply = nil
	newer := e.replica(t, "gate", opts, func(c *Config) { c.StateFile = file })
	defer func() { must(t, newer.Close()) }()
	if !has(newer, 3, "bad")() || newer.Refused() != "" {
		t.Errorf("the newer program started with %+v", newer.Current())
	}
}

func TestPushAfterALoss(t *testing.T) {
	t.Parallel()
	e := alone(t)
	file := filepath.Join(t.TempDir(), "state")
	f := e.replica(t, "gate", Options{}, func(c *Config) { c.StateFile = file })
	stop := running(t, f)
	for _, text := range []string{"a", "b", "c"} {
		push(t, f, text)
	}
	eventually(t, 3*time.Second, "the policy", has(f, 3, "c"))
	stop()
	e.owner().do("FLUSHALL")
	// Nobody who knows of the lost generations is there, so that this one begins anew; and yet it is the later one.
	if generation := push(t, e.operator(t), "later"); generation != 1 {
		t.Fatalf("generation %d", generation)
	}
	again := e.replica(t, "gate", Options{}, func(c *Config) { c.StateFile = file })
	if !has(again, 3, "c")() {
		t.Fatal("it does not start with what it had")
	}
	running(t, again)
	eventually(t, 3*time.Second, "the later policy, above what was there before", has(again, 4, "later"))
	other := e.replica(t, "other", Options{})
	running(t, other)
	eventually(t, 3*time.Second, "another replica to have the same", has(other, 4, "later"))
}

func TestMend(t *testing.T) {
	t.Parallel()
	doc := func(generation int64, id string, changed int64) *document {
		return &document{generation: generation, id: id, changed: changed}
	}
	for name, test := range map[string]struct{ there, seen, want *document }{
		"nothing there":             {nil, doc(5, "a", 50), doc(5, "a", 50)},
		"an older one":              {doc(3, "b", 30), doc(5, "a", 50), doc(5, "a", 50)},
		"a later one":               {doc(1, "b", 60), doc(5, "a", 50), doc(6, "b", 60)},
		"another of the generation": {doc(5, "b", 60), doc(5, "a", 50), doc(6, "b", 60)},
		"an earlier of it":          {doc(5, "b", 40), doc(5, "a", 50), doc(5, "a", 50)},
		"the same before a lift":    {doc(1, "a", 50), doc(5, "a", 50), doc(5, "a", 50)},
	} {
		if got := mend(test.there, test.seen); *got.comparable() != *test.want.comparable() {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// comparable returns what can be compared of a document.
func (d *document) comparable() *struct {
	generation, changed int64
	id                  string
} {
	return &struct {
		generation, changed int64
		id                  string
	}{d.generation, d.changed, d.id}
}

func TestPushWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	e := alone(t)
	op, patient := e.hurried(t), e.operator(t)
	push(t, op, "before")
	for range 3 {
		e.owner().freeze()
		done := make(chan int64)
		go func() { done <- push(t, op, "during") }()
		time.Sleep(700 * time.Millisecond)
		e.owner().thaw()
		generation := <-done
		s, err := patient.Status(context.Background())
		if err != nil || s.Published.Generation != generation {
			t.Fatalf("pushed as %d: %+v, %v", generation, s.Published, err)
		}
	}
	if s, err := patient.Status(context.Background()); err != nil || s.Published.Generation != 4 {
		t.Errorf("after four pushes: %+v, %v", s.Published, err)
	}
	// And without Redis it ends with the context, and says what is known.
	e.owner().kill()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := op.Push(ctx, []byte("never"), "sha256:never", "ann", Latest)
	if gone, ok := errors.AsType[*UnansweredError](err); !ok || !strings.HasSuffix(gone.Error(), "; see that it runs, can be reached from here and lets this user in") {
		t.Errorf("without Redis: %v", err)
	}
}

func TestPushIsChecked(t *testing.T) {
	t.Parallel()
	e := alone(t)
	op := e.operator(t)
	ctx := context.Background()
	for _, test := range []struct {
		text   []byte
		digest string
		want   string
	}{
		{nil, "sha256:1", "no policy or no digest; push the text of a policy that loads, and its digest"},
		{[]byte("x"), "", "no policy or no digest; push the text of a policy that loads, and its digest"},
		{make([]byte, maxText+1), "sha256:1", "4194305 bytes of policy; at most 4194304 can be shared"},
	} {
		if _, err := op.Push(ctx, test.text, test.digest, "ann", Latest); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	if _, err := op.Pause(ctx, "r", time.Now().Add(time.Hour), strings.Repeat("x", maxHead), "ann"); err == nil || !strings.Contains(err.Error(), "bytes of pauses; at most 262144 can be shared") {
		t.Error(err)
	}
	key := op.keys.policy
	for _, test := range []struct {
		field, value, want string
	}{
		{"text", strings.Repeat("x", maxText+maxHead+1), " bytes; at most 4456448 are read, so delete it and push again"},
		{"generation", "x", `key {gate451}:policy: generation "x"; it must be a whole number from 1 to 9007199253692416; delete it and push again`},
		{"generation", "01", `key {gate451}:policy: generation "01"; it must be a whole number from 1 to 9007199253692416; delete it and push again`},
		{"text", "y", "key {gate451}:policy: its sum does not match what it says; somebody else wrote to it; delete it and push again"},
		{"changed", "never", `key {gate451}:policy: time of change "never"; it must be milliseconds; delete it and push again`},
	} {
		e.owner().do("DEL", key)
		push(t, op, "good")
		e.owner().do("HSET", key, test.field, test.value)
		if _, err := op.Push(ctx, []byte("next"), "sha256:next", "ann", Latest); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
