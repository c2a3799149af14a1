package fleet

import (
	"bytes"
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/ship.lua
var shipText string

var ship = redis.NewScript(shipText)

const (
	linesAtOnce = 500
	bytesAtOnce = 256 << 10
)

// Source is a replica's own record of evidence, from which lines are shipped. It must keep what is not yet collected,
// and must show no line that a crash could still take back.
type Source interface {
	// ReadFrom returns the lines from an index on, at most max of them, and none if there is none yet. An error says why
	// they cannot be had. The lines must stay as they are until the next call.
	ReadFrom(index int64, max int) ([][]byte, error)
	// Wait returns once there is a line at an index, or with the context's error.
	Wait(ctx context.Context, index int64) error
}

// Shipping is how far a replica's evidence has come. All are indexes of the line that comes next.
type Shipping struct {
	// Shipped is how far the lines are in Redis, and Collected how far they are with the collector.
	Shipped, Collected int64
	// Waiting is how many lines are kept in Redis.
	Waiting int64
	// Trouble is why no more are shipped; empty if they are.
	Trouble string
}

// Shipping returns how far this replica's evidence has come, as far as it was last heard. It never waits.
func (f *Fleet) Shipping() Shipping {
	s := Shipping{Trouble: f.shipping.current()}
	if p := f.shipper.progress.Load(); p != nil {
		s.Shipped, s.Collected, s.Waiting = p.next, p.collected, p.length
	}
	return s
}

// shipper takes lines from the source to the stream.
type shipper struct {
	progress  atomic.Pointer[place]
	collected int64 // where to go on if Redis knows nothing any more
}

// place is where a stream is.
type place struct {
	next, collected, length, appended int64
	last                              int64  // the index of the last line in the stream, -1 if there is none
	line                              []byte // and that line
}

var errFull = errors.New("as many lines wait in redis as may; run the collector, or see why it does not get on")

// carry ships lines until the context ends. After a failure, and when there is nothing to ship, it looks for its place
// again, because Redis may have lost some, or the collector may ask for more.
func (f *Fleet) carry(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.carryOn(ctx)
		if f.shipping.note(err) != nil {
			wait(ctx, f.opts.Poll/2)
		}
	}
}

// carryOn finds the place and ships from there, until there is nothing to ship.
func (f *Fleet) carryOn(ctx context.Context) error {
	at, err := f.ship(ctx, 0, nil)
	if err != nil {
		return err
	}
	if err := f.recognise(at); err != nil {
		return err
	}
	for since := f.opts.Now(); ; {
		lines, err := f.opts.Source.ReadFrom(at.next, linesAtOnce)
		if err != nil {
			return fmt.Errorf("evidence from line %d on cannot be shipped: %w; collect before lines are dropped", at.next, err)
		}
		if len(lines) == 0 {
			_ = f.shipping.note(nil) // waiting for a line is no trouble
			return f.await(ctx, at.next)
		}
		was := at.next
		if at, err = f.ship(ctx, was, shorten(lines)); err != nil {
			return err
		}
		switch now := f.opts.Now(); {
		case at.next == was:
			return errFull
		case at.appended == 0:
			return nil // Redis is elsewhere now
		case now.Sub(since) > f.opts.Poll:
			_ = f.shipping.note(nil)
			since = now
		}
	}
}

// await waits for a line, but not for longer than it may take until the place is looked for again.
func (f *Fleet) await(ctx context.Context, index int64) error {
	brief, cancel := context.WithTimeout(ctx, f.opts.Poll)
	defer cancel()
	err := f.opts.Source.Wait(brief, index)
	if brief.Err() != nil {
		return nil
	}
	return err
}

// recognise makes sure that what the stream ends with is this replica's own record: another that had the same name, or
// a record that was begun anew, would be mixed with it.
func (f *Fleet) recognise(at place) error {
	if at.next == 0 {
		return nil
	}
	lines, err := f.opts.Source.ReadFrom(at.next-1, 1)
	switch {
	case err != nil: // it may have been dropped; what comes next is what counts
		return nil
	case len(lines) == 0:
		err = fmt.Errorf("redis has %d lines of replica %s, more than its own record", at.next, f.cfg.Replica)
	case at.last == at.next-1 && !bytes.Equal(lines[0], at.line):
		err = fmt.Errorf("line %d of replica %s in redis is not that of its own record", at.last, f.cfg.Replica)
	default:
		return nil
	}
	return fmt.Errorf("%w; another record was shipped under this name: give the replica another name, or delete the key %s and its field in %s",
		err, f.keys.stream(f.cfg.Replica), f.keys.evidence)
}

// ship sends lines that begin at an index, or none only to find the place.
func (f *Fleet) ship(ctx context.Context, first int64, lines [][]byte) (place, error) {
	key := f.keys.stream(f.cfg.Replica)
	args := []any{f.cfg.Replica, f.shipper.collected, first, f.cfg.StreamLines}
	for _, line := range lines {
		args = append(args, line)
	}
	answer, err := f.link.run(ctx, ship, []string{key, f.keys.evidence}, args...)
	if err != nil {
		return place{}, f.atKey(key+" or "+f.keys.evidence, err)
	}
	at, err := parsePlace(answer)
	if err != nil {
		return place{}, fmt.Errorf("key %s: %w", key, err)
	}
	if before := f.shipper.progress.Swap(&at); before != nil && at.next < before.next {
		f.opts.Logger.Warn("redis had lost lines of evidence, they are shipped again",
			slog.Int64("from", at.next), slog.Int64("to", before.next))
	}
	f.shipper.collected = at.collected
	return at, nil
}

func parsePlace(answer []any) (place, error) {
	values, err := texts(answer)
	if err != nil || len(values) != 4 && len(values) != 6 {
		return place{}, errors.Join(errNotOurs, err)
	}
	at := place{last: -1}
	numbers := []*int64{&at.next, &at.collected, &at.length, &at.appended, &at.last}
	for i, value := range values[:min(len(values), len(numbers))] {
		if *numbers[i], err = strconv.ParseInt(value, 10, 64); err != nil {
			return place{}, fmt.Errorf("%w; delete it, and all is shipped again", err)
		}
	}
	if len(values) == 6 {
		at.line = []byte(values[5])
	}
	return at, nil
}

// shorten leaves as many lines as fit into one command, but at least one.
func shorten(lines [][]byte) [][]byte {
	size := 0
	for i, line := range lines {
		if size += len(line); i > 0 && size > bytesAtOnce {
			return lines[:i]
		}
	}
	return lines
}

// wait waits for a while, or for the context to end.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
