package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Fleet is what one replica shares with the others, or what an operator's command does with them.
type Fleet struct {
	cfg      Config
	opts     Options
	keys     keys
	link     *link
	instance string
	started  time.Time

	policy    following
	announced chan struct{} // a change was announced, or Redis is back
	presence  presence
	tallies   tallies
	writers   map[Day]*writer // used by the one that writes
	authors   int
	shipper   shipper

	// What may be wrong for a while.
	published, accepted, keeping, present, counting, shipping, collecting complaint
}

// New returns a Fleet. It needs no Redis: with what was kept of the fleet's policy it calls Apply before it returns, and
// anything else waits for Run. An error says what is wrong with the configuration, and what would be right.
func New(cfg Config, opts Options) (*Fleet, error) {
	cfg, opts = cfg.withDefaults(), opts.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	f := &Fleet{
		cfg: cfg, opts: opts, keys: newKeys(cfg.KeyPrefix), started: opts.Now().UTC(),
		announced: make(chan struct{}, 1), writers: map[Day]*writer{},
	}
	for what, c := range map[string]*complaint{
		"the policy in redis": &f.published, "the newest policy": &f.accepted, "the policy kept on disk": &f.keeping,
		"showing this replica": &f.present, "writing counts": &f.counting, "shipping evidence": &f.shipping,
		"finding evidence": &f.collecting,
	} {
		c.log, c.what = opts.Logger, what
	}
	var err error
	if f.link, err = newLink(cfg, opts.Logger, f.poke); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	f.instance = f.newID()
	f.resume()
	return f, nil
}

// Run shares until the context ends: it follows the policy, shows this replica, writes counts and ships evidence. At the
// end it writes what it counted and its newest checkpoint and tells the others that it leaves, if Redis answers. It returns when all of it has
// ended, and is called once.
func (f *Fleet) Run(ctx context.Context) {
	var work sync.WaitGroup
	for _, share := range []func(context.Context){f.follow, f.listen, f.attend, f.tell} {
		work.Go(func() { share(ctx) })
	}
	if f.opts.Source != nil {
		work.Go(func() { f.carry(ctx) })
	}
	work.Wait()
	last := context.WithoutCancel(ctx) // each command has its own time
	_ = f.flush(last)                  // what cannot be written now is lost, as Count says
	_ = f.show(last)                   // for its checkpoint
	f.leave(last)
}

// Close ends the connections. It is called when Run has returned and nothing else is under way.
func (f *Fleet) Close() error { return f.link.Close() }

// Up reports whether Redis answers, as far as it was last asked. It never waits.
func (f *Fleet) Up() bool { return f.link.state.Load() == stateUp }

// poke makes follow look now. It never waits.
func (f *Fleet) poke() {
	select {
	case f.announced <- struct{}{}:
	default: // it is about to look
	}
}
