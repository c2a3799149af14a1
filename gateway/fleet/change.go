package fleet

import (
	"context"
	_ "embed" // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/look.lua
	lookText string
	//go:embed lua/change.lua
	changeText string

	look   = redis.NewScript(lookText)
	change = redis.NewScript(changeText)
)

const (
	changeWait  = 10 * time.Second       // if the context has no end of its own
	changePause = 200 * time.Millisecond // between attempts
)

// change publishes what say makes of what was published before. However often it has to try, it does so once.
func (f *Fleet) change(ctx context.Context, expected int64, say func(time.Time, *document) (head, string, error)) (int64, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, changeWait)
		defer cancel()
	}
	c := changing{fleet: f, id: f.newID(), expected: expected, say: say}
	for {
		generation, err := c.attempt(ctx)
		if err == nil || !errors.Is(err, errAgain) && !unanswered(err) {
			return generation, err
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(changePause):
		}
	}
}

// errAgain is how an attempt says that somebody else was faster.
var errAgain = errors.New("others change the policy all the time; try again")

// changing is a change under way.
type changing struct {
	fleet    *Fleet
	id       string
	expected int64
	say      func(time.Time, *document) (head, string, error)
	unsure   bool  // it may have been carried out, without an answer
	over     int64 // and this was the generation before
}

func (c *changing) attempt(ctx context.Context) (int64, error) {
	f := c.fleet
	there, now, _, err := f.look(ctx, nil)
	if err != nil {
		return 0, err
	}
	before, floor := f.newest(there)
	switch {
	case there != nil && there.id == c.id:
		return there.generation, nil
	case before.id == c.id: // it was there, and got lost again; this replica puts it back
		return before.generation, nil
	case c.unsure && before.generation != c.over:
		return 0, fmt.Errorf("it is not known whether the change took effect: Redis did not answer, and then generation %d was there, by %q; look at the status", before.generation, before.said.By)
	case c.expected != Latest && before.generation != c.expected:
		return 0, &ConflictError{Expected: c.expected, Actual: before.generation, By: before.said.By}
	case floor >= maxGeneration:
		return 0, fmt.Errorf("generation %d is the last; delete the key %s and push again", floor, f.keys.policy)
	}
	said, text, err := c.say(now, before)
	if err != nil {
		return 0, err
	}
	said.Pauses = slices.DeleteFunc(slices.Clone(said.Pauses), func(p Pause) bool { return !now.Before(p.Until) })
	next, err := restate(said, text, c.id)
	if err != nil {
		return 0, err
	}
	next.generation, next.changed = floor+1, max(now.UnixMilli(), before.changed+1)
	c.over = before.generation
	done, err := f.replace(ctx, there, next)
	switch {
	case err != nil:
		c.unsure = c.unsure || unanswered(err)
		return 0, err
	case !done:
		return 0, errAgain
	}
	return next.generation, nil
}

// look reads what is published; nil if nothing is. With same, the caller has it already.
func (f *Fleet) look(ctx context.Context, have *document) (there *document, now time.Time, same bool, err error) {
	generation, id := "", ""
	if have != nil {
		generation, id = strconv.FormatInt(have.generation, 10), have.id
	}
	answer, err := f.link.run(ctx, look, []string{f.keys.policy}, generation, id, maxText+maxHead)
	if err != nil {
		return nil, now, false, f.atKey(f.keys.policy, err)
	}
	values, err := texts(answer)
	if err != nil || len(values) < 2 {
		return nil, now, false, fmt.Errorf("an answer of %d values: %w", len(answer), errors.Join(err, errNotOurs))
	}
	now, err = redisTime(values)
	switch rest := values[2:]; {
	case err != nil:
		return nil, now, false, err
	case len(rest) == 0:
		return have, now, true, nil
	case len(rest) == 1:
		return nil, now, false, fmt.Errorf("key %s: %s bytes; at most %d are read, so delete it and push again", f.keys.policy, rest[0], maxText+maxHead)
	default:
		there, err = parseDocument(rest)
		if err != nil {
			err = fmt.Errorf("key %s: %w; delete it and push again", f.keys.policy, err)
		}
		return there, now, false, err
	}
}

// replace publishes next if what is published is still what the caller saw.
func (f *Fleet) replace(ctx context.Context, seen, next *document) (bool, error) {
	args := []any{"", "", f.keys.announced}
	if seen != nil {
		args[0], args[1] = strconv.FormatInt(seen.generation, 10), seen.id
	}
	answer, err := f.link.run(ctx, change, []string{f.keys.policy}, append(args, next.fields()...)...)
	if err != nil {
		return false, f.atKey(f.keys.policy, err)
	}
	return len(answer) == 1 && answer[0] == int64(1), nil
}

func (f *Fleet) newID() string {
	var b [16]byte
	if _, err := io.ReadFull(f.opts.Random, b[:]); err != nil {
		// An id must be nobody else's, and the clock with the replica's name is nobody else's either.
		return f.cfg.Replica + "@" + strconv.FormatInt(f.opts.Now().UnixNano(), 36)
	}
	return hex.EncodeToString(b[:])
}
