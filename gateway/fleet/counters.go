package fleet

import (
	"cmp"
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/count.lua
var countText string

var count = redis.NewScript(countText)

const (
	countersKept  = 400 * 24 * time.Hour // in Redis
	daysInMemory  = 2                    // after the day itself; so long a loss in Redis is made good
	totalsAtOnce  = 500
	scanAtOnce    = 500
	maxScanned    = 1 << 20
	separator     = "\x1f" // in fields; no author, verdict or country has it
	sequenceField = "sequence"
)

// Count is how often something was decided on a day, on all replicas together.
type Count struct {
	Day                    Day
	Rule, Country, Verdict string
	N                      int64
}

// Count counts one decision. It adds to a number in memory, without allocating once it knows the rule and the country,
// and never waits for Redis. The day is the caller's; the strings must not come from clients. Beyond 20,000 different
// keys, rule and country are counted as empty. What a replica that is killed had not yet written is lost.
func (f *Fleet) Count(rule, country, verdict string, day Day) {
	f.tallies.add(what{rule, country, verdict, day})
}

// writer writes the tallies of one day. Each total is written as it is, under the name of its author, so that it does
// not matter how often that is done; a sequence beside them shows whether Redis lost some, and keeps late ones out.
type writer struct {
	author    string
	confirmed int64 // the sequence that was written last
	tried     int64
}

// tell writes the counts every now and then, until the context ends.
func (f *Fleet) tell(ctx context.Context) {
	ticker := time.NewTicker(f.opts.Flush)
	defer ticker.Stop()
	for {
		_ = f.counting.note(f.flush(ctx)) // they stay in memory, and are written next time
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// flush writes all that changed, and all of a day of which Redis lost something.
func (f *Fleet) flush(ctx context.Context) error {
	days := map[Day]bool{}
	f.tallies.all(func(w what, _ *tally) { days[w.day] = true })
	var wrong error
	for day := range days {
		w := f.writers[day]
		if w == nil {
			f.authors++ // a day that was forgotten has another author when it comes back, because its totals begin anew
			w = &writer{author: f.instance + "-" + strconv.Itoa(f.authors)}
			f.writers[day] = w
		}
		err := f.write(ctx, day, w)
		if err == nil && day < DayOf(f.opts.Now())-daysInMemory && f.tallies.forget(day) {
			delete(f.writers, day)
		}
		wrong = cmp.Or(wrong, err)
	}
	return wrong
}

// write writes one day. What it finds lost it writes again.
func (f *Fleet) write(ctx context.Context, day Day, w *writer) error {
	for {
		var changed []*tally
		var totals []int64
		var args []any
		f.tallies.all(func(key what, n *tally) {
			total := n.total.Load()
			if key.day != day || total == n.written || len(changed) == totalsAtOnce {
				return
			}
			changed, totals = append(changed, n), append(totals, total)
			args = append(args, strings.Join([]string{w.author, key.verdict, key.country, key.rule}, separator), total)
		})
		lost, err := f.writeTotals(ctx, day, w, args)
		switch {
		case err != nil:
			return err
		case lost:
			f.tallies.all(func(key what, n *tally) {
				if key.day == day {
					n.written = 0
				}
			})
			continue
		}
		for i, n := range changed {
			n.written = totals[i]
		}
		if len(changed) < totalsAtOnce {
			return nil
		}
	}
}

func (f *Fleet) writeTotals(ctx context.Context, day Day, w *writer, totals []any) (lost bool, err error) {
	key := f.keys.counters(day)
	w.tried++
	args := append([]any{w.author + separator + sequenceField, w.confirmed, w.tried, int64(countersKept / time.Second)}, totals...)
	answer, err := f.link.run(ctx, count, []string{key}, args...)
	if err != nil {
		return false, f.atKey(key, err)
	}
	values, err := texts(answer)
	switch {
	case err != nil || len(values) == 0:
		return false, fmt.Errorf("key %s: %w", key, errNotOurs)
	case values[0] == "1":
		if len(totals) > 0 {
			w.confirmed = w.tried
		}
		return false, nil
	case values[0] == "0" && len(values) == 2:
		w.confirmed, err = strconv.ParseInt(values[1], 10, 64)
		return true, err
	default:
		return false, fmt.Errorf("key %s: a later count is there than this replica wrote; delete the key", key)
	}
}

// Counters returns what all replicas counted from one day to another, both included, by day, rule, country and verdict.
// It needs no Run. Where something is not a count, the error says so, and all other counts are returned beside it.
func (f *Fleet) Counters(ctx context.Context, from, to Day) ([]Count, error) {
	sums := map[what]int64{}
	var wrong []error
	for day := from; day <= to; day++ {
		key := f.keys.counters(day)
		fields, err := f.scan(ctx, key)
		if err != nil {
			return nil, err
		}
		for field, value := range fields {
			parts := strings.SplitN(field, separator, 4)
			if len(parts) == 2 && parts[1] == sequenceField {
				continue
			}
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || len(parts) != 4 || n < 0 {
				wrong = append(wrong, fmt.Errorf("key %s, field %.100q: %.40q is no count; delete the field", key, field, value))
				continue
			}
			sums[what{parts[3], parts[2], parts[1], day}] += n
		}
	}
	counts := make([]Count, 0, len(sums))
	for w, n := range sums {
		counts = append(counts, Count{Day: w.day, Rule: w.rule, Country: w.country, Verdict: w.verdict, N: n})
	}
	slices.SortFunc(counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Country, b.Country), cmp.Compare(a.Verdict, b.Verdict))
	})
	return counts, errors.Join(wrong[:min(len(wrong), 10)]...)
}

// scan reads a hash in parts, so that a large one holds nobody up.
func (f *Fleet) scan(ctx context.Context, key string) (map[string]string, error) {
	all := map[string]string{}
	var cursor uint64
	for {
		part, next, err := f.scanPart(ctx, key, cursor)
		if err != nil {
			return nil, f.atKey(key, err)
		}
		for field := range slices.Chunk(part, 2) {
			if len(field) == 2 {
				all[field[0]] = field[1]
			}
		}
		if cursor = next; cursor == 0 {
			return all, nil
		}
		if len(all) > maxScanned {
			return nil, fmt.Errorf("key %s: more than %d fields; delete it", key, maxScanned)
		}
	}
}

func (f *Fleet) scanPart(ctx context.Context, key string, cursor uint64) ([]string, uint64, error) {
	ctx, cancel := f.link.bound(ctx)
	defer cancel()
	return f.link.HScan(ctx, key, cursor, "", scanAtOnce).Result()
}
