package fleet

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/attach.lua
	attachText string
	//go:embed lua/settle.lua
	settleText string
	//go:embed lua/release.lua
	releaseText string

	// They may run when Redis is full, because collecting is what empties it.
	attach  = redis.NewScript(attachText)
	settle  = redis.NewScript(settleText)
	release = redis.NewScript(releaseText)
)

const (
	group       = "collect"
	leaseFor    = 10 * time.Second       // a collector that is silent for so long is taken for dead
	leaseOften  = 3 * time.Second        // how often an idle one says that it lives
	collectIdle = 200 * time.Millisecond // between looks when there is nothing to collect
	patience    = 15 * time.Second       // with Once, how long nothing may get on before that is an error
)

// Sink is a copy of one replica's evidence, somewhere else.
type Sink interface {
	// Next returns the index of the line that the copy needs next.
	Next() int64
	// Append adds lines that begin at an index, which is always Next, and has them durably when it returns. An error
	// says why the copy does not take them; then they are offered again.
	Append(first int64, lines [][]byte) error
	// Close ends the use of the copy.
	Close() error
}

// Collection says how to collect.
type Collection struct {
	// Open returns the copy for a replica. It is called once for each until Collect returns.
	Open func(replica string) (Sink, error)
	// Once returns when all that replicas have shipped is collected, instead of waiting for more. What does not get on
	// for fifteen seconds, because Redis does not answer, or a copy refuses, or lines are missing, is then an error.
	Once bool
}

// Collect takes the evidence of all replicas out of Redis, each into a copy of its own, until the context ends, which is
// no error. A line is acknowledged when the copy has it, and delivered again if that was not heard; lines that the copy
// has are never appended twice. Of several collectors one has a replica at a time, and another takes over ten seconds
// after it fell silent. A copy that needs lines which are no longer in Redis has the replica ship them again. It needs no
// Run.
func (f *Fleet) Collect(ctx context.Context, how Collection) error {
	c := &collector{fleet: f, how: how, id: f.newID(), streams: map[string]*collected{}}
	defer c.close(context.WithoutCancel(ctx)) // each command has its own time
	moved := time.Now()
	for {
		worked, behind, err := c.round(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case how.Once && err == nil && !behind:
			return nil
		case worked:
			moved = time.Now()
			continue
		case how.Once && time.Since(moved) > patience:
			return errors.Join(err, c.trouble())
		}
		wait(ctx, collectIdle)
	}
}

// collector is one that collects.
type collector struct {
	fleet   *Fleet
	how     Collection
	id      string
	streams map[string]*collected
}

// collected is one replica's stream on its way into its copy.
type collected struct {
	replica  string
	sink     Sink
	attached time.Time // when the lease was last taken in whole; zero if the stream must be attached
	next     int64     // the index after the last line that is known to be somewhere
	wrong    complaint
}

// round does a bit of work for every replica. It reports whether anything was collected, and whether more is known to
// be there.
func (c *collector) round(ctx context.Context) (worked, behind bool, err error) {
	replicas, err := c.discover(ctx)
	if c.fleet.collecting.note(err) != nil {
		return false, true, err
	}
	for _, replica := range replicas {
		s := c.streams[replica]
		if s == nil {
			s = &collected{replica: replica, wrong: complaint{log: c.fleet.opts.Logger, what: "collecting from " + replica}}
			c.streams[replica] = s
		}
		n, err := c.collect(ctx, s)
		if s.wrong.note(err) != nil {
			s.attached = time.Time{} // begin anew from what the copy has
		}
		worked = worked || n > 0
		behind = behind || n > 0 || err != nil || s.sink.Next() < s.next
	}
	return worked, behind, nil
}

// trouble returns what is wrong with the streams.
func (c *collector) trouble() error {
	var wrong []error
	for _, replica := range slices.Sorted(maps.Keys(c.streams)) {
		s := c.streams[replica]
		switch text := s.wrong.current(); {
		case text != "":
			wrong = append(wrong, fmt.Errorf("replica %s: %s", replica, text))
		case s.sink != nil && s.sink.Next() < s.next:
			wrong = append(wrong, fmt.Errorf("replica %s: its copy has %d of %d lines", replica, s.sink.Next(), s.next))
		}
	}
	return errors.Join(wrong...)
}

// close ends the use of the copies and lets other collectors have the streams.
func (c *collector) close(ctx context.Context) {
	for _, s := range c.streams {
		if s.sink != nil {
			_, _ = c.fleet.link.run(ctx, release, []string{c.fleet.keys.lease(s.replica)}, c.id) // or else the lease ends by itself
			_ = s.wrong.note(s.sink.Close())
		}
	}
}

// discover returns the replicas that ever shipped anything. Their names come from Redis and become those of folders, so
// that one which no replica can have is somebody else's.
func (c *collector) discover(ctx context.Context) ([]string, error) {
	fields, err := c.fleet.scan(ctx, c.fleet.keys.evidence)
	if err != nil {
		return nil, err
	}
	for replica := range fields {
		if !names.MatchString(replica) {
			return nil, fmt.Errorf("key %s: %.100q is no name of a replica; delete the field", c.fleet.keys.evidence, replica)
		}
	}
	return slices.Sorted(maps.Keys(fields)), nil
}

// collect takes the next lines of a stream into the copy and returns how many.
func (c *collector) collect(ctx context.Context, s *collected) (int, error) {
	if s.sink == nil {
		sink, err := c.how.Open(s.replica)
		if err != nil {
			return 0, err
		}
		s.sink = sink
	}
	if time.Since(s.attached) > leaseOften {
		if err := c.attach(ctx, s); err != nil {
			return 0, err
		}
	}
	entries, err := c.read(ctx, s)
	if err != nil || len(entries) == 0 {
		return 0, err
	}
	first := s.sink.Next()
	lines, err := linesOf(entries, first)
	if err != nil {
		return 0, fmt.Errorf("key %s: %w", c.fleet.keys.stream(s.replica), err)
	}
	if len(lines) > 0 {
		if err := s.sink.Append(first, lines); err != nil {
			return 0, fmt.Errorf("the copy does not take lines %d to %d: %w", first, first+int64(len(lines))-1, err)
		}
	}
	return len(lines), c.settle(ctx, s, first, first+int64(len(lines)))
}

// attach takes the stream over from where the copy is.
func (c *collector) attach(ctx context.Context, s *collected) error {
	f := c.fleet
	s.attached = time.Time{}
	key, at := f.keys.stream(s.replica), s.sink.Next()
	answer, err := f.link.run(ctx, attach, []string{key, f.keys.evidence, f.keys.lease(s.replica)},
		s.replica, c.id, leaseFor.Milliseconds(), group, at)
	if err != nil {
		return f.atKey(key, err)
	}
	values, err := texts(answer)
	switch {
	case err != nil || len(values) != 2 && len(values) != 4:
		return fmt.Errorf("key %s: %w", key, errNotOurs)
	case values[0] == "0":
		return fmt.Errorf("collector %.40q collects it; wait until that ends, or %s after it fell silent", values[1], leaseFor)
	}
	s.attached = time.Now()
	var known, first, next int64
	if _, err := fmt.Sscan(strings.Join(append(values[1:], "0", "0"), " "), &known, &first, &next); err != nil {
		return fmt.Errorf("key %s, field %s: %w", f.keys.evidence, s.replica, errNotOurs)
	}
	s.next = max(s.next, known, next)
	if at < first {
		return fmt.Errorf("the copy needs line %d and redis begins with %d; the replica ships them again, if it runs and still has them", at, first)
	}
	return nil
}

func (c *collector) read(ctx context.Context, s *collected) ([]redis.XMessage, error) {
	ctx, cancel := c.fleet.link.bound(ctx)
	defer cancel()
	streams, err := c.fleet.link.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: group, Consumer: group, Streams: []string{c.fleet.keys.stream(s.replica), ">"}, Count: linesAtOnce, Block: -1,
	}).Result()
	switch reply, ok := errors.AsType[redis.Error](err); {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case ok && strings.HasPrefix(reply.Error(), "NOGROUP"): // the stream is not there yet, or was begun anew
		s.attached = time.Time{}
		return nil, nil
	case err != nil:
		return nil, c.fleet.atKey(c.fleet.keys.stream(s.replica), err)
	case len(streams) == 0:
		return nil, nil
	}
	return streams[0].Messages, nil
}

// settle acknowledges what the copy has.
func (c *collector) settle(ctx context.Context, s *collected, first, next int64) error {
	f := c.fleet
	key := f.keys.stream(s.replica)
	answer, err := f.link.run(ctx, settle, []string{key, f.keys.evidence, f.keys.lease(s.replica)},
		s.replica, c.id, leaseFor.Milliseconds(), group, first, next)
	switch {
	case err != nil:
		return f.atKey(key, err)
	case len(answer) != 1 || answer[0] != int64(1):
		return errors.New("another collector took it over; this one waits")
	}
	s.next = max(s.next, next)
	return nil
}

// linesOf returns the lines of entries from an index on. Entries before it are left out, because the copy has them.
func linesOf(entries []redis.XMessage, next int64) ([][]byte, error) {
	var lines [][]byte
	for _, e := range entries {
		var id, part int64
		if _, err := fmt.Sscanf(e.ID, "%d-%d", &id, &part); err != nil || part != 0 {
			return nil, fmt.Errorf("entry %.40s is not a replica's; delete it, and see who writes to the key", e.ID)
		}
		if id-1 < next {
			continue
		}
		line, ok := e.Values["line"].(string)
		if !ok || id-1 > next {
			return nil, fmt.Errorf("line %d is not there; the replica ships it again, if it runs and still has it", next)
		}
		lines = append(lines, []byte(line))
		next++
	}
	return lines, nil
}
