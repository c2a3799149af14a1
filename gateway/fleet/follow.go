package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// following is what a replica knows of the fleet's policy. Requests read the pointers; the rest is for the one that
// follows, and for those that change the policy from here.
type following struct {
	good   atomic.Pointer[Published] // the last that Apply took
	pauses atomic.Pointer[[]Pause]   // of the last that was seen, whether Apply took it or not

	mu      sync.Mutex
	seen    *document // the newest, never replaced by an older one
	kept    *document // the one that good was made of
	refused string    // why Apply did not take seen, or empty
	again   bool      // it is to be offered once more
}

// agreements is how often in a row a replica that was overtaken by another looks again before it waits.
const agreements = 5

// Current returns what is in force here: the last that was published and that Apply took. Nil means that nothing was
// published yet. It never waits.
func (f *Fleet) Current() *Published { return f.policy.good.Load() }

// Paused returns the pause of a rule at an instant, if there is one. It never waits.
func (f *Fleet) Paused(rule string, at time.Time) (Pause, bool) {
	if pauses := f.policy.pauses.Load(); pauses != nil {
		return paused(*pauses, rule, at)
	}
	return Pause{}, false
}

// Pauses returns the pauses of the newest generation, by rule; some may have ended. It never waits, and the caller must
// not change what it returns.
func (f *Fleet) Pauses() []Pause {
	if pauses := f.policy.pauses.Load(); pauses != nil {
		return *pauses
	}
	return nil
}

// Refused returns why the newest policy is not in force here, or the empty string if it is.
func (f *Fleet) Refused() string {
	f.policy.mu.Lock()
	defer f.policy.mu.Unlock()
	return f.policy.refused
}

// Again has what Apply refused offered once more, soon: what it was refused for may have changed on this replica, as a database
// does. It does not wait.
func (f *Fleet) Again() {
	f.policy.mu.Lock()
	defer f.policy.mu.Unlock()
	f.policy.again = f.policy.refused != ""
}

// offerAgain offers what was refused once more, if somebody has asked for that.
func (f *Fleet) offerAgain() {
	f.policy.mu.Lock()
	seen, again := f.policy.seen, f.policy.again
	f.policy.again = false
	f.policy.mu.Unlock()
	if again && seen != nil {
		f.take(seen)
	}
}

// follow keeps this replica and what is published in agreement: when something is announced, and every now and then.
func (f *Fleet) follow(ctx context.Context) {
	poll := time.NewTicker(f.opts.Poll)
	defer poll.Stop()
	for {
		for range agreements {
			again, err := f.agree(ctx)
			if f.published.note(err) != nil || !again {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-f.announced:
		}
	}
}

// listen makes follow look when a change is announced. Announcements that get lost are found by looking.
func (f *Fleet) listen(ctx context.Context) {
	sub := f.link.Subscribe(ctx, f.keys.announced)
	defer func() { _ = sub.Close() }() // nothing of it is used any more
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-messages:
			if !ok {
				return
			}
			f.poke()
		}
	}
}

// agree takes what is published if it is newer than what was seen, and publishes what was seen if it is not. It
// reports whether to look again at once.
func (f *Fleet) agree(ctx context.Context) (again bool, err error) {
	f.offerAgain()
	f.policy.mu.Lock()
	seen := f.policy.seen
	f.policy.mu.Unlock()
	there, _, same, err := f.look(ctx, seen)
	if err != nil || same || there == nil && seen == nil {
		return false, err
	}
	if there != nil && (seen == nil || there.generation > seen.generation) {
		f.take(there)
		return false, nil
	}
	next := mend(there, seen)
	done, err := f.replace(ctx, there, next)
	if done {
		f.opts.Logger.Warn("redis had lost what was published, it is there again", slog.Int64("generation", next.generation),
			slog.String("digest", next.said.Digest))
	}
	return true, err
}

// mend returns what to publish where Redis has nothing, or something of a generation that is not above what was seen.
// That happens when it was flushed, or failed over to a server that did not know everything. If what it has was
// published later all the same, by somebody who could not know of what was lost, that is what the fleet must run, and
// only its generation must be raised.
func mend(there, seen *document) *document {
	if there == nil || there.id == seen.id || there.changed <= seen.changed {
		return seen
	}
	lifted := *there
	lifted.generation = seen.generation + 1
	return &lifted
}

// newest returns the later of what is there and what was seen here, which is never nil, and the highest generation.
func (f *Fleet) newest(there *document) (*document, int64) {
	f.policy.mu.Lock()
	seen := f.policy.seen
	f.policy.mu.Unlock()
	switch {
	case there == nil && seen == nil:
		return &document{}, 0
	case there == nil:
		return seen, seen.generation
	case seen == nil || there.generation > seen.generation:
		return there, there.generation
	case there.changed > seen.changed:
		return there, seen.generation
	default:
		return seen, seen.generation
	}
}

// take puts a newer document into force, and keeps it for a start without Redis. If Apply refuses it, the policy in
// force stays, but its pauses count: they name rules, and were meant for every policy.
func (f *Fleet) take(d *document) {
	p := d.published()
	f.policy.pauses.Store(&p.Pauses)
	err := refusal(d, f.opts.Apply(*p))
	f.policy.mu.Lock()
	f.policy.seen, f.policy.refused = d, ""
	if err == nil {
		f.policy.kept = d
		f.policy.good.Store(p)
	} else {
		f.policy.refused = err.Error()
	}
	kept := state{Good: f.policy.kept, Seen: d}
	f.policy.mu.Unlock()
	if f.accepted.note(err) == nil {
		f.opts.Logger.Info("fleet policy in force", slog.Int64("generation", d.generation), slog.String("digest", d.said.Digest),
			slog.String("by", d.said.By), slog.Int("pauses", len(p.Pauses)))
	}
	if f.cfg.StateFile != "" {
		_ = f.keeping.note(kept.save(f.cfg.StateFile)) // the replica goes on; only a start without Redis would miss it
	}
}

// resume starts with what was kept. What cannot be read is reported, and the replica starts with nothing.
func (f *Fleet) resume() {
	if f.cfg.StateFile == "" {
		return
	}
	kept, err := loadState(f.cfg.StateFile)
	if f.keeping.note(err) != nil || kept.Seen == nil {
		return
	}
	f.policy.seen = kept.Seen
	f.policy.pauses.Store(&kept.Seen.said.Pauses)
	for _, d := range []*document{kept.Seen, kept.Good} { // another version of the program may take what the last refused
		if d == nil {
			continue
		}
		p := d.published()
		err := f.opts.Apply(*p)
		if f.accepted.note(refusal(d, err)) == nil {
			f.policy.good.Store(p)
			f.policy.kept = d
			return
		}
		if d == kept.Seen {
			f.policy.refused = err.Error()
		}
	}
}

func refusal(d *document, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("policy %s: %w; the one in force stays: push one that loads everywhere", d.said.Digest, err)
}
