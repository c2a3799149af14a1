// Package watch answers one question: have the files changed? It learns of changes from the operating system, which it
// asks about the directories because files get replaced, and from looking at the files now and then, because links and
// network file systems report nothing. That covers files written in place or renamed over, and Kubernetes, which
// replaces a mounted ConfigMap by swapping a link beside the files.
//
// A file has changed if it is another file, or has another size or modification time. Whoever rewrites a file in place,
// keeps its size and sets its modification time back hides the change; whoever can ask for a reload must do so then.
package watch

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Options are the particulars of a Watcher. The zero Options are usable.
type Options struct {
	// Logger is told if the operating system reports nothing; nil means nobody is.
	Logger *slog.Logger
	// Poll is how often the files are looked at even if the operating system reports no change; 0 means 5 seconds.
	Poll time.Duration
	// Settle is how long changed files rest before they are read, so that nobody's half-written file is; 0 means 250
	// milliseconds. It should be longer than the ticks in which the file system counts modification times.
	Settle time.Duration
	// Also returns further files to watch, as they are then; nil means none. Files that have joined are loaded once more,
	// because they may have changed before they were watched.
	Also func() []string
}

const (
	defaultPoll   = 5 * time.Second
	defaultSettle = 250 * time.Millisecond
)

// Watcher notices changes of some files.
type Watcher struct {
	paths  []string
	opts   Options
	loaded []state
	asked  chan struct{}
}

// New returns a Watcher that takes the files as they are now for known: make it before they are loaded for the first
// time, so that no change is lost in between.
func New(paths []string, opts Options) *Watcher {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Poll <= 0 {
		opts.Poll = defaultPoll
	}
	if opts.Settle <= 0 {
		opts.Settle = defaultSettle
	}
	paths = slices.Clone(paths)
	w := &Watcher{paths: paths, opts: opts, asked: make(chan struct{}, 1)}
	w.loaded = look(w.all())
	return w
}

// Look has the files looked at soon, because Options.Also may name others now. It does not wait.
func (w *Watcher) Look() {
	select {
	case w.asked <- struct{}{}:
	default: // they will be
	}
}

// all returns the files that are to be watched now.
func (w *Watcher) all() []string {
	if w.opts.Also == nil {
		return w.paths
	}
	return append(slices.Clone(w.paths), w.opts.Also()...)
}

// Run calls load when any of the files has changed, until the context ends. After a failure, of which load itself tells
// whoever should know, it calls load again at each of the looks. Files that change while load runs are loaded again;
// files that never rest are not loaded. Calls do not overlap. Run is called once.
func (w *Watcher) Run(ctx context.Context, load func() error) {
	if len(w.paths) == 0 && w.opts.Also == nil {
		<-ctx.Done()
		return
	}
	seen := w.notices(fsnotify.NewWatcher())
	defer seen.stop()
	poll := time.NewTicker(w.opts.Poll)
	defer poll.Stop()
	rest := time.NewTimer(0) // the first look is at once: a file may have changed since it was loaded
	defer rest.Stop()

	var s settling
	for {
		why := noticed
		select {
		case <-ctx.Done():
			return
		case <-seen.changes:
		case <-seen.problems: //nolint:errcheck // events were lost: look, as after any event
		case <-w.asked:
			seen.follow(w.all())
		case <-poll.C:
			why = polled
			seen.follow(w.all())
		case <-rest.C:
			why = rested
		}
		now := look(w.all())
		switch s.next(why, now, w.loaded) {
		case wait:
			rest.Reset(w.opts.Settle)
		case reload:
			w.loaded = now // as they were before load reads them: what changes meanwhile differs from it
			s.failed = load() != nil
		}
	}
}

// notices is what the operating system says of the directories; nothing at all where it cannot.
type notices struct {
	watcher  *fsnotify.Watcher
	changes  <-chan fsnotify.Event
	problems <-chan error
}

func (w *Watcher) notices(watcher *fsnotify.Watcher, err error) notices {
	if err != nil {
		w.opts.Logger.Warn("files are watched by looking at them only", slog.Duration("every", w.opts.Poll), slog.Any("error", err))
		return notices{}
	}
	n := notices{watcher: watcher, changes: watcher.Events, problems: watcher.Errors}
	n.follow(w.all())
	return n
}

// follow asks about the directories again, because one that was replaced is no longer watched.
func (n notices) follow(paths []string) {
	if n.watcher == nil {
		return
	}
	for _, path := range paths {
		_ = n.watcher.Add(filepath.Dir(path)) // what cannot be watched is looked at
	}
}

func (n notices) stop() {
	if n.watcher != nil {
		_ = n.watcher.Close() // nothing of it is used any more
	}
}
