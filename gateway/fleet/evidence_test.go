package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func recordOf(name string, lines int) *record {
	r := newRecord()
	for n := range lines {
		r.add(fmt.Sprintf("line %d of %s", n, name))
	}
	return r
}

// shipping starts a replica that ships a record, with a logger.
func shipping(t *testing.T, e *engine, name string, r *record, log *logged) (*Fleet, func()) {
	t.Helper()
	f := e.replica(t, name, Options{Source: r, Poll: 100 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(log, nil))})
	return f, running(t, f)
}

func collectOnce(t *testing.T, f *Fleet, into *copies) {
	t.Helper()
	must(t, f.Collect(context.Background(), Collection{Open: into.open, Once: true}))
}

func TestCollectorStartsAnew(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	r := recordOf("gate", 1200)
	var log logged
	f, _ := shipping(t, e, "gate", r, &log)
	eventually(t, 5*time.Second, "all to be shipped", func() bool { return f.Shipping().Shipped == 1200 })
	first := newCopies()
	collectOnce(t, op, first)
	same(t, map[string]*record{"gate": r}, first, 0)
	if s := f.Shipping(); s.Trouble != "" {
		t.Error(s.Trouble)
	}
	// Another copy, somewhere else, begins with the first line, which Redis no longer has.
	second := newCopies()
	collectOnce(t, op, second)
	same(t, map[string]*record{"gate": r}, second, 0)
	eventually(t, 3*time.Second, "the replica to know", func() bool { return f.Shipping().Collected == 1200 && f.Shipping().Waiting == 1 })

	// One that no longer has what is asked for says so, and so does the collector.
	r.mu.Lock()
	r.dropped = 600
	r.mu.Unlock()
	err := op.Collect(context.Background(), Collection{Open: newCopies().open, Once: true})
	if err == nil || err.Error() != "replica gate: its copy has 0 of 1200 lines" && !strings.Contains(err.Error(), "the copy needs line 0") {
		t.Errorf("collected though lines are gone: %v", err)
	}
	if want := "evidence from line 0 on cannot be shipped: lines before 600 were dropped; collect before lines are dropped"; f.Shipping().Trouble != want {
		t.Errorf("the replica says %q, want %q", f.Shipping().Trouble, want)
	}
}

func aloneWithOperator(t *testing.T) (*engine, *Fleet) {
	t.Helper()
	e := alone(t)
	return e, e.operator(t)
}

func TestKilledCollector(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	r := recordOf("gate", 1200)
	var log logged
	f, _ := shipping(t, e, "gate", r, &log)
	eventually(t, 5*time.Second, "all to be shipped", func() bool { return f.Shipping().Shipped == 1200 })
	// This one took lines and got killed: some are in its copy, none is acknowledged, and it still has the lease.
	into := newCopies()
	c := &collector{fleet: op, how: Collection{Open: into.open}, id: "killed", streams: map[string]*collected{}}
	s := &collected{replica: "gate", wrong: complaint{log: op.opts.Logger}}
	sink, err := into.open("gate")
	must(t, err)
	s.sink = sink
	must(t, c.attach(context.Background(), s))
	entries, err := c.read(context.Background(), s)
	must(t, err)
	lines, err := linesOf(entries, 0)
	must(t, err)
	must(t, sink.Append(0, lines[:100]))

	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	must(t, op.Collect(ctx, Collection{Open: into.open})) // which waits for the lease
	if n := len(into.lines("gate")); n != 100 {
		t.Errorf("two collectors at a time: %d lines", n)
	}
	e.owner().do("DEL", op.keys.lease("gate")) // as when its time is over
	collectOnce(t, op, into)
	same(t, map[string]*record{"gate": r}, into, 0)
	if pending := e.owner().do("XPENDING", op.keys.stream("gate"), group); !strings.HasPrefix(pending, "[0 ") {
		t.Errorf("pending: %s", pending)
	}
	// And when the killed one was only asleep, it cannot acknowledge what is not its own any more.
	e.owner().do("SET", op.keys.lease("gate"), "another")
	if err := c.settle(context.Background(), s, 100, 500); err == nil || err.Error() != "another collector took it over; this one waits" {
		t.Errorf("it settles: %v", err)
	}
}

func TestSinkThatRefuses(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	r := recordOf("gate", 700)
	var log logged
	f, _ := shipping(t, e, "gate", r, &log)
	eventually(t, 5*time.Second, "all to be shipped", func() bool { return f.Shipping().Shipped == 700 })
	into := newCopies()
	into.fault = errTest
	stop := collecting(t, op, into)
	time.Sleep(500 * time.Millisecond)
	if n := e.owner().do("HGET", op.keys.evidence, "gate"); n != "0" {
		t.Errorf("%s lines are acknowledged that nobody has", n)
	}
	into.mu.Lock()
	into.fault = nil
	into.mu.Unlock()
	same(t, map[string]*record{"gate": r}, into, 5*time.Second)
	stop()
	refuse := func(string) (Sink, error) { return nil, errTest }
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	must(t, op.Collect(ctx, Collection{Open: refuse}))
}

func TestFullRedisIsEmptied(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	r := recordOf("gate", 3000)
	var log logged
	f, _ := shipping(t, e, "gate", r, &log)
	eventually(t, 5*time.Second, "all to be shipped", func() bool { return f.Shipping().Shipped == 3000 })
	e.owner().do("CONFIG", "SET", "maxmemory", "1")
	into := newCopies()
	collectOnce(t, op, into)
	same(t, map[string]*record{"gate": r}, into, 0)
	if n := e.owner().do("XLEN", op.keys.stream("gate")); n != "1" {
		t.Errorf("%s lines are left", n)
	}
}

func TestAnotherRecordUnderTheName(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	first, other := recordOf("gate", 100), recordOf("another gate", 300)
	var log, otherLog, shortLog logged
	f, stop := shipping(t, e, "gate", first, &log)
	eventually(t, 5*time.Second, "all to be shipped", func() bool { return f.Shipping().Shipped == 100 })
	stop()
	g, stop := shipping(t, e, "gate", other, &otherLog)
	want := "line 99 of replica gate in redis is not that of its own record; another record was shipped under this name: " +
		"give the replica another name, or delete the key {gate451}:evidence:gate and its field in {gate451}:evidence"
	eventually(t, 3*time.Second, "the trouble", func() bool { return g.Shipping().Trouble == want })
	stop()
	h, stop := shipping(t, e, "gate", recordOf("gate", 50), &shortLog)
	eventually(t, 3*time.Second, "the trouble", func() bool {
		return strings.HasPrefix(h.Shipping().Trouble, "redis has 100 lines of replica gate, more than its own record; another record")
	})
	stop()
	if n := otherLog.count("shipping evidence"); n != 1 {
		t.Errorf("it is told %d times: %s", n, otherLog.String())
	}
	into := newCopies()
	collectOnce(t, op, into)
	same(t, map[string]*record{"gate": first}, into, 0)
}

func TestSourceThatFails(t *testing.T) {
	t.Parallel()
	e := alone(t)
	r := recordOf("gate", 10)
	r.fault = errTest
	var log logged
	f, _ := shipping(t, e, "gate", r, &log)
	eventually(t, 3*time.Second, "the trouble", func() bool { return strings.Contains(f.Shipping().Trouble, errTest.Error()) })
	r.mu.Lock()
	r.fault = nil
	r.mu.Unlock()
	eventually(t, 3*time.Second, "it to be over", func() bool { return f.Shipping().Trouble == "" && f.Shipping().Shipped == 10 })
	if log.count("out of order") != 1 || log.count("in order again") != 1 {
		t.Error(log.String())
	}
}

func TestForeignStreams(t *testing.T) {
	t.Parallel()
	e, op := aloneWithOperator(t)
	ctx := context.Background()
	once := func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		c := &collector{fleet: op, how: Collection{Open: newCopies().open}, id: op.newID(), streams: map[string]*collected{}}
		defer c.close(context.Background())
		if _, _, err := c.round(ctx); err != nil {
			return err
		}
		_, _, err := c.round(ctx)
		return cmpErr(err, c.trouble())
	}
	key := op.keys.stream("gate")
	for want, foreign := range map[string]func(){
		`key {gate451}:evidence: "../../etc" is no name of a replica; delete the field`: func() { e.owner().do("HSET", op.keys.evidence, "../../etc", "0") },
		"entry 1-5 is not a replica's": func() {
			e.owner().do("HSET", op.keys.evidence, "gate", "0")
			e.owner().do("XADD", key, "1-5", "line", "x")
		},
		"line 0 is not there": func() {
			e.owner().do("HSET", op.keys.evidence, "gate", "0")
			e.owner().do("XADD", key, "1-0", "other", "x")
		},
		"the copy needs line 0 and redis begins with": func() {
			e.owner().do("HSET", op.keys.evidence, "gate", "0")
			e.owner().do("XADD", key, "*", "line", "x")
		},
		"key {gate451}:evidence:gate: WRONGTYPE": func() {
			e.owner().do("HSET", op.keys.evidence, "gate", "0")
			e.owner().do("SET", key, "x")
		},
		"collector another collects it": func() {
			e.owner().do("HSET", op.keys.evidence, "gate", "0")
			e.owner().do("SET", op.keys.lease("gate"), "another")
		},
	} {
		e.owner().do("FLUSHALL")
		foreign()
		if err := once(); err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `"`, ""), strings.ReplaceAll(want, `"`, "")) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestCollectOnceWithoutRedis(t *testing.T) {
	t.Parallel()
	op := nowhere(t).operator(t)
	if err := op.Collect(context.Background(), Collection{Open: newCopies().open, Once: true}); !unanswered(err) {
		t.Errorf("it ends with %v", err)
	}
}
