package geoip

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch reloads the databases when their files change, until the context ends. It learns of changes
// from the operating system, which it asks about the directories because files get replaced, and from
// looking at the files now and then, because links and network file systems report nothing. Files are
// read when they have rested for a while, so that nobody's half-written file is. After a failure it
// tries again at each of the looks.
func (l *Locator) Watch(ctx context.Context) {
	paths := l.cfg.paths()
	if len(paths) == 0 {
		<-ctx.Done()
		return
	}
	seen := l.notices(paths)
	defer seen.stop()
	poll := time.NewTicker(l.opts.Poll)
	defer poll.Stop()
	rest := time.NewTimer(0) // the first look is at once: a file may have changed since it was loaded
	defer rest.Stop()

	var s settling
	for {
		reason := noticed
		select {
		case <-ctx.Done():
			return
		case <-seen.changes:
		case <-seen.problems: //nolint:errcheck // events were lost: look, as after any event
		case <-poll.C:
			reason = polled
			seen.follow(paths)
		case <-rest.C:
			reason = rested
		}
		switch s.next(reason, stampsOf(paths), l.current.Load().stamps()) {
		case wait:
			rest.Reset(l.opts.Settle)
		case reload:
			s.failed = l.Reload() != nil
		}
	}
}

// notices is what the operating system says of the directories; nothing at all where it cannot.
type notices struct {
	watcher  *fsnotify.Watcher
	changes  <-chan fsnotify.Event
	problems <-chan error
}

func (l *Locator) notices(paths []string) notices {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		l.opts.Logger.Warn("geoip databases are watched by looking at them only", slog.Duration("every", l.opts.Poll), slog.Any("error", err))
		return notices{}
	}
	n := notices{watcher: watcher, changes: watcher.Events, problems: watcher.Errors}
	n.follow(paths)
	return n
}

// follow asks about the directories again, because one that was replaced is no longer watched. What
// cannot be watched is looked at anyway.
func (n notices) follow(paths []string) {
	if n.watcher == nil {
		return
	}
	for _, path := range paths {
		_ = n.watcher.Add(filepath.Dir(path))
	}
}

func (n notices) stop() {
	if n.watcher != nil {
		_ = n.watcher.Close()
	}
}
