package fleet

import (
	"cmp"
	"context"
	_ "embed" // the script
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/beat.lua
var beatText string

var beat = redis.NewScript(beatText)

const (
	maxRefusal    = 1 << 10  // bytes of an error that others get to see
	maxCheckpoint = 64 << 10 // bytes
)

// Replica is one that is there, and what it says of itself.
type Replica struct {
	Name    string `json:"replica"`
	Version string `json:"version"`
	// Digest is the digest of the policy that decides there, and Generation what the replica last took from the fleet; 0
	// if it never took anything.
	Digest     string `json:"policy"`
	Generation int64  `json:"generation"`
	// Refused says why the newest policy is not in force there; empty if it is.
	Refused string `json:"refused,omitempty"`
	// Database says which build of the country database is in use.
	Database string `json:"database"`
	// ClockOffset is how far the replica's clock is ahead of Redis' clock.
	ClockOffset time.Duration `json:"clock_offset_ns"`
	Started     time.Time     `json:"started"`
	// Instance is another for each start of the program.
	Instance string `json:"-"`
	// Seen is when the replica last showed that it is there, by Redis' clock.
	Seen time.Time `json:"-"`
}

// Status is who is there and what is published.
type Status struct {
	// Published is what Redis has; nil if nothing.
	Published *Published
	// Replicas are those that showed themselves lately, by name and start.
	Replicas []Replica
	// Time is Redis' clock.
	Time time.Time
}

// Status asks Redis who is there and what is published. It needs no Run.
func (f *Fleet) Status(ctx context.Context) (Status, error) {
	there, _, _, err := f.look(ctx, nil)
	if err != nil {
		return Status{}, err
	}
	all, now, err := f.beat(ctx, "", "")
	if err != nil {
		return Status{}, err
	}
	s := Status{Replicas: all, Time: now}
	if there != nil {
		s.Published = there.published()
	}
	return s, nil
}

// presence is what a replica knows of the others, for whoever reads the metrics.
type presence struct {
	others     atomic.Pointer[[]Replica] // this one is among them
	offset     atomic.Int64              // nanoseconds
	first      time.Time                 // the first beat, by Redis' clock
	namesake   atomic.Pointer[Replica]   // another instance that has the same name
	checkpoint atomic.Pointer[[]byte]    // the newest
}

// Replicas returns those that were there when Redis was last heard, which is stale while it is not Up. It never waits.
func (f *Fleet) Replicas() []Replica {
	if all := f.presence.others.Load(); all != nil {
		return slices.Clone(*all)
	}
	return nil
}

// Digests returns how many different policies decide on the replicas that were there when Redis was last heard. More
// than one for longer than a change takes means that they disagree. It never waits.
func (f *Fleet) Digests() int {
	different := map[string]bool{}
	for _, r := range f.Replicas() {
		different[r.Digest] = true
	}
	return len(different)
}

// ClockOffset returns how far the clock of this replica was ahead of Redis' clock when that was last heard, to half the
// time that its answer took. It never waits.
func (f *Fleet) ClockOffset() time.Duration { return time.Duration(f.presence.offset.Load()) }

// PutCheckpoint shares the newest checkpoint of this replica's evidence, whatever its bytes mean to others. It never
// waits: the newest is written with the next beat, those between are not, and after a loss it is written again.
func (f *Fleet) PutCheckpoint(checkpoint []byte) error {
	if len(checkpoint) > maxCheckpoint {
		return fmt.Errorf("%d bytes of checkpoint; at most %d can be shared", len(checkpoint), maxCheckpoint)
	}
	checkpoint = slices.Clone(checkpoint)
	f.presence.checkpoint.Store(&checkpoint)
	return nil
}

// Checkpoints returns the newest checkpoint of each replica that ever shared one. It needs no Run.
func (f *Fleet) Checkpoints(ctx context.Context) (map[string][]byte, error) {
	all, err := f.scan(ctx, f.keys.checkpoints)
	if err != nil {
		return nil, err
	}
	checkpoints := make(map[string][]byte, len(all))
	for name, checkpoint := range all {
		checkpoints[name] = []byte(checkpoint)
	}
	return checkpoints, nil
}

// attend shows that this replica is there, until the context ends.
func (f *Fleet) attend(ctx context.Context) {
	ticker := time.NewTicker(f.opts.Beat)
	defer ticker.Stop()
	for {
		_ = f.present.note(f.show(ctx)) // noted is all that can be done
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// leave tells the others at once that this replica is gone.
func (f *Fleet) leave(ctx context.Context) {
	ctx, cancel := f.link.bound(ctx)
	defer cancel()
	_ = f.link.HDel(ctx, f.keys.replicas, f.instance).Err() // or else they notice when it does not show itself any more
}

func (f *Fleet) show(ctx context.Context) error {
	me := Replica{
		Name: f.cfg.Replica, Version: f.cfg.Version, Refused: shortened(f.Refused(), maxRefusal), ClockOffset: f.ClockOffset(), Started: f.started,
	}
	if p := f.Current(); p != nil {
		me.Digest, me.Generation = p.Digest, p.Generation
	}
	if f.opts.Running != nil {
		running := f.opts.Running()
		me.Digest, me.Database = running.Digest, running.Database
	}
	said, err := json.Marshal(me)
	if err != nil {
		return err
	}
	before := f.opts.Now()
	all, now, err := f.beat(ctx, f.instance, string(said))
	if err != nil {
		return err
	}
	took := f.opts.Now().Sub(before)
	f.presence.offset.Store(int64(before.Add(took / 2).Sub(now)))
	f.presence.others.Store(&all)
	if f.presence.first.IsZero() {
		f.presence.first = now
	}
	f.findNamesake(all)
	return nil
}

// Namesake returns another replica that has the same name and is there, if one is. It never waits.
func (f *Fleet) Namesake() (Replica, bool) {
	if r := f.presence.namesake.Load(); r != nil {
		return *r, true
	}
	return Replica{}, false
}

// findNamesake reports another instance with this one's name. One that was not seen since this one began is its
// predecessor.
func (f *Fleet) findNamesake(all []Replica) {
	var found *Replica
	for _, r := range all {
		if r.Name == f.cfg.Replica && r.Instance != f.instance && r.Seen.After(f.presence.first) {
			found = &r
		}
	}
	known := f.presence.namesake.Swap(found)
	if found != nil && (known == nil || known.Instance != found.Instance) {
		f.opts.Logger.Error("two replicas have the same name; give each its own, or else their evidence cannot be told apart",
			slog.String("replica", f.cfg.Replica), slog.String("other_instance", found.Instance), slog.Time("other_started", found.Started))
	}
}

// beat shows an instance to the others, unless it is empty, and returns who is there.
func (f *Fleet) beat(ctx context.Context, instance, said string) ([]Replica, time.Time, error) {
	var checkpoint []byte
	if newest := f.presence.checkpoint.Load(); newest != nil {
		checkpoint = *newest
	}
	answer, err := f.link.run(ctx, beat, []string{f.keys.replicas, f.keys.checkpoints},
		instance, said, (beatsToLive * f.opts.Beat).Milliseconds(), f.cfg.Replica, checkpoint)
	if err != nil {
		return nil, time.Time{}, f.atKey(f.keys.replicas, err)
	}
	values, err := texts(answer)
	if err != nil || len(values) < 2 {
		return nil, time.Time{}, fmt.Errorf("an answer of %d values: %w", len(answer), errNotOurs)
	}
	now, err := redisTime(values)
	if err != nil {
		return nil, now, err
	}
	var all []Replica
	for row := range slices.Chunk(values[2:], 3) {
		if r, ok := parseReplica(row); ok { // what is not of this program is none
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Started.Compare(b.Started), cmp.Compare(a.Instance, b.Instance))
	})
	return all, now, nil
}

func parseReplica(row []string) (Replica, bool) {
	var r Replica
	if len(row) != 3 || json.Unmarshal([]byte(row[2]), &r) != nil || !names.MatchString(r.Name) {
		return r, false
	}
	seen, err := strconv.ParseInt(row[1], 10, 64)
	r.Instance, r.Seen = row[0], time.UnixMilli(seen).UTC()
	return r, err == nil
}

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
