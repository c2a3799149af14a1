package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPolicyReachesEveryReplica(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		var fleet []*Fleet
		for i := range 3 {
			f := e.replica(t, fmt.Sprint("gate-", i), Options{})
			running(t, f)
			fleet = append(fleet, f)
		}
		op := e.operator(t)
		if s, err := op.Status(ctx); err != nil || s.Published != nil {
			t.Fatalf("status before any push: %+v, %v", s, err)
		}
		for i := range int64(5) {
			text, digest := fmt.Sprint("policy ", i), fmt.Sprint("sha256:", i)
			generation, err := op.Push(ctx, []byte(text), digest, "ann", i)
			if err != nil || generation != i+1 {
				t.Fatalf("push %d: generation %d, %v", i, generation, err)
			}
			for _, f := range fleet {
				eventually(t, 2*time.Second, "every replica to have it within two seconds", func() bool {
					p := f.Current()
					return p != nil && p.Generation == generation && p.Digest == digest && string(p.Text) == text && p.By == "ann"
				})
			}
		}
		var conflict *ConflictError
		if _, err := op.Push(ctx, []byte("late"), "sha256:late", "bob", 3); !errors.As(err, &conflict) || conflict.Actual != 5 {
			t.Fatalf("a push over generation 3: %v", err)
		} else if want := `generation 5 is published, by "ann", not 3; look at what it changed and push again`; err.Error() != want {
			t.Errorf("it says %q, want %q", err, want)
		}
		if generation, err := op.Push(ctx, []byte("any"), "sha256:any", "bob", Latest); err != nil || generation != 6 {
			t.Fatalf("a push over any: %d, %v", generation, err)
		}
	})
}

func TestFiftyPushesUnderLoad(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		pushed := []time.Time{time.Now()} // when a generation stopped being the newest
		type decision struct {
			at         time.Time
			generation int64
		}
		var fleet []*Fleet
		made := make([][]decision, 3)
		end := make(chan struct{})
		var work sync.WaitGroup
		for i := range 3 {
			f := e.replica(t, fmt.Sprint("gate-", i), Options{Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
			running(t, f)
			fleet = append(fleet, f)
		}
		op := e.operator(t)
		push(t, op, "first")
		for i, f := range fleet {
			eventually(t, 15*time.Second, "the first policy", func() bool { return f.Current() != nil })
			work.Go(func() {
				for {
					select {
					case <-end:
						return
					case <-time.After(time.Millisecond):
						made[i] = append(made[i], decision{time.Now(), f.Current().Generation})
						f.Count("r", "US", "block", 1)
					}
				}
			})
		}
		for range 50 {
			push(t, op, "next")
			pushed = append(pushed, time.Now())
			time.Sleep(10 * time.Millisecond)
		}
		for _, f := range fleet {
			eventually(t, 2*time.Second, "the last policy", func() bool { return f.Current().Generation == 51 })
		}
		close(end)
		work.Wait()
		var latest time.Duration
		for i, decisions := range made {
			before := int64(1)
			for _, d := range decisions {
				if d.generation < before {
					t.Fatalf("gate-%d went back from %d to %d", i, before, d.generation)
				}
				if before = d.generation; before < 51 {
					latest = max(latest, d.at.Sub(pushed[before]))
				}
			}
		}
		if latest > 2*time.Second {
			t.Errorf("a decision carried a policy that was replaced %s before", latest)
		}
		t.Logf("%d decisions, the policy of none replaced more than %s before", len(made[0])+len(made[1])+len(made[2]), max(latest, 0))
	})
}

func TestPauses(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		applied := make(chan Published, 100)
		f := e.replica(t, "gate", Options{Apply: func(p Published) error {
			applied <- p
			return nil
		}})
		running(t, f)
		op := e.operator(t)
		now := time.Now()
		if _, err := op.Pause(ctx, "cuba-sales", now.Add(-time.Second), "", "ann"); err == nil {
			t.Error("a pause until the past is taken")
		}
		if _, err := op.Pause(ctx, "", now.Add(time.Hour), "", "ann"); err == nil {
			t.Error("a pause of no rule is taken")
		}
		// A pause needs no policy to be published.
		if _, err := op.Pause(ctx, "cuba-sales", now.Add(2*time.Hour), "licence 1234", "ann"); err != nil {
			t.Fatal(err)
		}
		if p := <-applied; p.Text != nil || len(p.Pauses) != 1 {
			t.Errorf("applied %+v", p)
		}
		if _, err := op.Push(ctx, []byte("a policy"), "sha256:a", "bob", Latest); err != nil {
			t.Fatal(err)
		}
		if _, err := op.Pause(ctx, "brief", now.Add(2*time.Second), "", "ann"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 2*time.Second, "both rules to be paused", func() bool {
			_, one := f.Paused("cuba-sales", now)
			_, two := f.Paused("brief", now)
			return one && two
		})
		p, _ := f.Paused("cuba-sales", now)
		p.At = time.Time{}
		if diff := cmp.Diff(p, Pause{Rule: "cuba-sales", Until: now.Add(2 * time.Hour).UTC(), Note: "licence 1234", By: "ann"}); diff != "" {
			t.Error(diff)
		}
		if _, ok := f.Paused("brief", now.Add(2*time.Second)); ok {
			t.Error("a pause goes on at its end")
		}
		if f.Current().Digest != "sha256:a" || f.Current().By != "bob" {
			t.Errorf("a pause changed the policy: %+v", f.Current())
		}
		eventually(t, 10*time.Second, "the brief pause to end", func() bool { return time.Since(now) > 2500*time.Millisecond })
		if _, err := op.Resume(ctx, "brief", "bob"); err == nil || err.Error() != `rule "brief" is not paused; the status shows which are` {
			t.Errorf("resume of a pause that ended: %v", err)
		}
		if _, err := op.Resume(ctx, "cuba-sales", "bob"); err != nil {
			t.Fatal(err)
		}
		eventually(t, 2*time.Second, "no rule to be paused", func() bool { return len(f.Pauses()) == 0 })
		if string(f.Current().Text) != "a policy" || f.Current().Generation != 4 {
			t.Errorf("resume changed the policy: %+v", f.Current())
		}
		change := f.Current().Change
		change.At = time.Time{}
		if want := (Change{Kind: "resume", Rule: "cuba-sales", By: "bob"}); change != want {
			t.Errorf("the change was %+v, want %+v", change, want)
		}
	})
}

func TestStatus(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		var log logged
		logger := slog.New(slog.NewTextHandler(&log, nil))
		skewed := func() time.Time { return time.Now().Add(time.Hour) }
		one := e.replica(t, "one", Options{Now: skewed, Running: func() Running { return Running{Digest: "sha256:1", Database: "2026-01"} }},
			func(c *Config) { c.Version = "1.2.3" })
		two := e.replica(t, "two", Options{Logger: logger, Running: func() Running { return Running{Digest: "sha256:2"} }})
		again := e.replica(t, "two", Options{Running: func() Running { return Running{Digest: "sha256:2"} }})
		running(t, one)
		running(t, two)
		must(t, one.PutCheckpoint([]byte("old")))
		must(t, one.PutCheckpoint([]byte("new")))
		if one.PutCheckpoint(make([]byte, maxCheckpoint+1)) == nil {
			t.Error("a checkpoint of any size is taken")
		}
		op := e.operator(t)
		eventually(t, 5*time.Second, "two replicas that disagree", func() bool { return len(two.Replicas()) == 2 && two.Digests() == 2 })
		eventually(t, 5*time.Second, "the clock that is an hour ahead", func() bool {
			s, err := op.Status(ctx)
			return err == nil && len(s.Replicas) == 2 && s.Replicas[0].ClockOffset.Round(time.Minute) == time.Hour &&
				one.ClockOffset().Round(time.Minute) == time.Hour && two.ClockOffset().Abs() < time.Minute
		})
		s, err := op.Status(ctx)
		must(t, err)
		r := s.Replicas[0]
		if r.Name != "one" || r.Version != "1.2.3" || r.Digest != "sha256:1" || r.Database != "2026-01" || r.Instance == "" || s.Time.Sub(r.Seen) > 5*time.Second {
			t.Errorf("the first replica: %+v", r)
		}
		eventually(t, 5*time.Second, "the newest checkpoint", func() bool {
			all, err := op.Checkpoints(ctx)
			return err == nil && cmp.Equal(all, map[string][]byte{"one": []byte("new")})
		})
		if _, ok := two.Namesake(); ok || strings.Contains(log.String(), "same name") {
			t.Error("a namesake before there is one")
		}
		stop := running(t, again)
		eventually(t, 5*time.Second, "the namesake to be noticed", func() bool { _, ok := two.Namesake(); return ok })
		time.Sleep(2500 * time.Millisecond)
		if n := log.count("same name"); n != 1 {
			t.Errorf("the namesake is logged %d times", n)
		}
		stop()
		eventually(t, 3*time.Second, "the namesake to be gone at once", func() bool { return len(two.Replicas()) == 2 })
	})
}

func TestPredecessorIsNoNamesake(t *testing.T) {
	t.Parallel()
	e := alone(t)
	killed := e.replica(t, "gate", Options{}, func(c *Config) { c.Timeout = 2 * time.Second })
	must(t, killed.show(context.Background()))
	must(t, killed.Close()) // without a word
	f := e.replica(t, "gate", Options{Beat: 300 * time.Millisecond})
	running(t, f)
	eventually(t, 3*time.Second, "both to be there", func() bool { return len(f.Replicas()) == 2 })
	eventually(t, 3*time.Second, "the killed one to be gone", func() bool { return len(f.Replicas()) == 1 })
	if _, ok := f.Namesake(); ok {
		t.Error("its predecessor is taken for a namesake")
	}
}

func TestCounters(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		today := DayOf(time.Now())
		var stops []func()
		for i := range 2 {
			f := e.replica(t, fmt.Sprint("gate-", i), Options{Flush: 50 * time.Millisecond})
			stops = append(stops, running(t, f))
			for range 1000 {
				f.Count("cuba-sales", "CU", "block", today)
				f.Count("", "DE", "allow", today-1)
			}
		}
		for _, stop := range stops {
			stop() // which writes what was not yet written
		}
		got, err := e.operator(t).Counters(ctx, today-1, today)
		must(t, err)
		want := []Count{{today - 1, "", "DE", "allow", 2000}, {today, "cuba-sales", "CU", "block", 2000}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEvidenceIsCollected(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		into := newCopies()
		records := map[string]*record{}
		for i := range 2 {
			name := fmt.Sprint("gate-", i)
			r := newRecord()
			for n := range 2000 {
				r.add(fmt.Sprintf(`{"line":%d,"replica":%q}`, n, name))
			}
			records[name] = r
			running(t, e.replica(t, name, Options{Source: r}, func(c *Config) { c.StreamLines = 700 }))
		}
		op := e.operator(t)
		// Nothing is beyond the bound, however long nobody collects.
		eventually(t, 10*time.Second, "both streams to be full", func() bool {
			for name := range records {
				if e.owner().do("XLEN", op.keys.stream(name)) != "700" {
					return false
				}
			}
			return true
		})
		stop := collecting(t, op, into)
		same(t, records, into, 15*time.Second)
		stop()
		for name, r := range records {
			r.add("one more of " + name)
		}
		// What comes later is collected at once, and then there is no more.
		eventually(t, 10*time.Second, "the line to be shipped", func() bool {
			must(t, op.Collect(ctx, Collection{Open: into.open, Once: true}))
			return len(into.lines("gate-0")) == 2001 && len(into.lines("gate-1")) == 2001
		})
		same(t, records, into, 0)
		if n := e.owner().do("XLEN", op.keys.stream("gate-0")); n != "1" {
			t.Errorf("%s lines are left of a stream that is collected", n)
		}
	})
}

// same compares the copies with the records, line for line.
func same(t *testing.T, records map[string]*record, into *copies, within time.Duration) {
	t.Helper()
	soon(within, func() bool {
		for name, r := range records {
			if len(into.lines(name)) < len(r.all()) {
				return false
			}
		}
		return true
	})
	for name, r := range records {
		want, got := r.all(), into.lines(name)
		if !slices.EqualFunc(want, got, slices.Equal) {
			t.Errorf("%s has %d lines, its copy %d", name, len(want), len(got))
		}
	}
}
