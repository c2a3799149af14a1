package evidence

import (
	"log/slog"
	"time"
)

// After a failure the disk is left alone for a moment, and tried again after a while even if nothing new comes.
const (
	retryPause = 20 * time.Millisecond
	retryIdle  = time.Second
)

// commitAll writes groups until the log is closed. There is one such goroutine, and nothing else writes segments.
func (l *Log) commitAll() {
	defer l.newest.stop()
	var arriving *arrivals
	if l.cfg.Durability == Strict { // nobody waits for the groups of BestEffort
		arriving = watchArrivals()
		defer arriving.close()
	}
	for last := false; !last; {
		last = l.await(arriving)
		l.commit(l.take(), last)
	}
}

// await returns once there is something to write; last says that it will be the last.
func (l *Log) await(arriving *arrivals) (last bool) {
	if l.w.failing {
		if l.sleep(retryPause) {
			return true
		}
	}
	var idle <-chan time.Time
	if l.w.failing {
		timer := time.NewTimer(retryIdle)
		defer timer.Stop()
		idle = timer.C
	}
	select {
	case <-l.wake:
	case <-idle:
	case <-l.closing:
		return true
	}
	if l.cfg.Durability == BestEffort {
		return l.gather()
	}
	l.assemble(arriving)
	return false
}

// longestAssembly is how long a group of Strict may grow where there is always one more on the way.
const longestAssembly = time.Millisecond

// assemble lets a group of Strict grow for as long as it does: a sync costs the machine as much as a dozen requests do, and
// those that come just after it began wait for two. Whoever is alone is written at once.
func (l *Log) assemble(arriving *arrivals) {
	for began, before := time.Now(), -1; time.Since(began) < longestAssembly; {
		l.mu.Lock()
		records := l.waiting.records
		l.mu.Unlock()
		if records == before {
			return
		}
		before = records
		arriving.await()
	}
}

// sleep waits for a time and reports whether the log is being closed.
func (l *Log) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-l.closing:
		return true
	}
}

// gather lets a group of BestEffort grow until it is old or large enough.
func (l *Log) gather() (last bool) {
	timer := time.NewTimer(l.cfg.FlushEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.hurry:
	case <-l.closing:
		return true
	}
	return false
}

// take returns the group that waits and lets the next one begin.
func (l *Log) take() *group {
	next := newGroup()
	next.text, next.leaves = l.w.spare.text[:0], l.w.spare.leaves[:0]
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.waiting
	l.waiting = next
	return g
}

// commit writes a group, makes it durable and tells those who wait how that went.
func (l *Log) commit(g *group, last bool) {
	l.mu.Lock()
	missing := l.missing
	l.missing = gap{}
	l.mu.Unlock()
	err := l.write(g, missing, last)
	if err != nil && !last && l.keep(g, missing) {
		l.troubled(err)
		l.w.spare = group{}
		return
	}
	l.counts.waiting.Add(-int64(g.records))
	if err != nil {
		l.failed(g, missing, err)
	} else {
		l.counts.written.Add(int64(g.records))
		l.healed()
	}
	l.w.spare.text, l.w.spare.leaves = g.text, g.leaves // those who wait look at nothing but the outcome
	g.text, g.leaves = nil, nil
	l.w.err = err
	g.end(err)
	if g.late != nil {
		g.late.Stop()
	}
}

// keep puts a group of BestEffort that could not be written back before those that wait, as long as there is room for
// both: nobody waits for it, so that it is lost only when the disk stays away for longer than memory lasts.
func (l *Log) keep(g *group, missing gap) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.waiting
	if l.cfg.Durability != BestEffort || len(g.text)+len(next.text) > l.cfg.QueueBytes {
		return false
	}
	g.text, g.leaves, g.records = append(g.text, next.text...), append(g.leaves, next.leaves...), g.records+next.records
	g.events = next.events // the writer has taken its own
	l.waiting = g
	l.missing.add(missing)
	return true
}

func (l *Log) failed(g *group, missing gap, err error) {
	l.mu.Lock()
	l.miss(g.records)
	l.missing.add(missing)
	l.mu.Unlock()
	l.troubled(err)
}

// troubled tells of the first failure in a row.
func (l *Log) troubled(err error) {
	if !l.w.failing {
		l.cfg.Logger.Error("the evidence cannot be written; it is tried again", slog.Any("error", err))
	}
	l.w.failing, l.w.err = true, err
	text := err.Error()
	l.counts.trouble.Store(&text)
}

func (l *Log) healed() {
	if l.w.failing {
		l.cfg.Logger.Info("the evidence is written again", slog.Int64("lost", l.counts.lost.Load()), slog.Int64("failed", l.counts.failed.Load()))
	}
	l.w.failing = false
	l.counts.trouble.Store(nil)
}
