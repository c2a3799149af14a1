package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// never is a poll interval that no test lives to see, soon one that comes round often.
const (
	never = time.Hour
	soon  = 5 * time.Millisecond
)

// loaded is one call of a load function: what it read, and whether it failed.
type loaded struct {
	text   string
	failed bool
}

var errRefused = errors.New("refused")

// reader reads one file and records that.
type reader struct {
	path  string
	calls chan loaded
}

// load reads the file and refuses one that is missing or says "bad".
func (r reader) load() error {
	text, err := os.ReadFile(r.path)
	if string(text) == "bad" {
		err = errRefused
	}
	select {
	case r.calls <- loaded{string(text), err != nil}:
	default: // nobody waits for so many
	}
	return err
}

// next waits for a call.
func (r reader) next(t *testing.T) loaded {
	t.Helper()
	select {
	case call := <-r.calls:
		return call
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is loaded")
		return loaded{}
	}
}

// until waits for the text; a file that was caught half-written may be loaded before.
func (r reader) until(t *testing.T, text string) {
	t.Helper()
	for r.next(t) != (loaded{text: text}) {
	}
}

// newWatcher returns a Watcher of one file, and what reads it.
func newWatcher(path string, poll time.Duration) (*Watcher, reader) {
	return New([]string{path}, Options{Poll: poll, Settle: 10 * time.Millisecond}), reader{path, make(chan loaded, 1000)}
}

// start runs a Watcher until the test ends.
func start(t *testing.T, w *Watcher, load func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		w.Run(ctx, load)
	}()
}

// watched watches one file until the test ends.
func watched(t *testing.T, path string, poll time.Duration) reader {
	t.Helper()
	w, r := newWatcher(path, poll)
	start(t, w, r.load)
	return r
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"in place": func(t *testing.T, path string) { write(t, "new", path) },
		"renamed over": func(t *testing.T, path string) {
			rename(t, write(t, "new", filepath.Dir(path), "other"), path)
		},
		"renamed over, same size": func(t *testing.T, path string) {
			write(t, "tip", path)
			rename(t, write(t, "new", filepath.Dir(path), "other"), path)
		},
		"removed and made again": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, "new", path)
		},
		"written in pieces": func(t *testing.T, path string) {
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			for _, piece := range []string{"n", "e", "w"} {
				if _, err := file.WriteString(piece); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "old text", t.TempDir(), "file")
			r := watched(t, path, never)
			change(t, path)
			r.until(t, "new")
		})
	}
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"v0", "v1"} {
		mkdir(t, dir, version)
		write(t, version, dir, version, "file")
	}
	relink(t, dir, "v0")
	path := filepath.Join(dir, "file")
	symlink(t, filepath.Join("..data", "file"), path)
	r := watched(t, path, never)
	for _, version := range []string{"v1", "v0", "v1"} {
		relink(t, dir, version)
		r.until(t, version)
	}
}

// TestPolls changes files where the operating system has nothing to report.
func TestPolls(t *testing.T) {
	t.Parallel()
	t.Run("linked from elsewhere", func(t *testing.T) {
		t.Parallel()
		target := write(t, "old text", t.TempDir(), "target")
		path := filepath.Join(t.TempDir(), "file")
		symlink(t, target, path)
		r := watched(t, path, soon)
		write(t, "new", target)
		r.until(t, "new")
	})
	t.Run("directory replaced", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for _, name := range []string{"now", "next"} {
			mkdir(t, dir, name)
			write(t, name, dir, name, "file")
		}
		path := filepath.Join(dir, "now", "file")
		r := watched(t, path, soon)
		rename(t, filepath.Join(dir, "now"), filepath.Join(dir, "before"))
		rename(t, filepath.Join(dir, "next"), filepath.Join(dir, "now"))
		r.until(t, "next")
		write(t, "again", path)
		r.until(t, "again")
	})
	t.Run("directory made later", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		r := watched(t, filepath.Join(dir, "later", "file"), soon)
		mkdir(t, dir, "later")
		write(t, "new", r.path)
		r.until(t, "new")
	})
}

func TestChangedBeforeRun(t *testing.T) {
	t.Parallel()
	path := write(t, "old text", t.TempDir(), "file")
	w, r := newWatcher(path, never)
	rename(t, write(t, "new", filepath.Dir(path), "other"), path)
	start(t, w, r.load)
	r.until(t, "new")
}

// TestChangedDuringLoad changes the file after load has read it and before load returns.
func TestChangedDuringLoad(t *testing.T) {
	t.Parallel()
	for name, poll := range map[string]time.Duration{"noticed": never, "polled": soon} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "old text", t.TempDir(), "file")
			if poll == soon {
				link := filepath.Join(t.TempDir(), "link")
				symlink(t, path, link)
				path = link
			}
			w, r := newWatcher(path, poll)
			var once atomic.Bool
			start(t, w, func() error {
				err := r.load()
				if once.CompareAndSwap(false, true) {
					err = errors.Join(err, os.WriteFile(path, []byte("the newest"), 0o600))
				}
				return err
			})
			write(t, "new", path)
			r.until(t, "the newest")
		})
	}
}

func TestOneOfSeveral(t *testing.T) {
	t.Parallel()
	cert, key := write(t, "cert", t.TempDir(), "cert"), write(t, "key", t.TempDir(), "key")
	r := reader{key, make(chan loaded, 1000)}
	start(t, New([]string{cert, key}, Options{Poll: never, Settle: soon}), r.load)
	for _, path := range []string{key, cert} {
		rename(t, write(t, "another key", filepath.Dir(path), "other"), path)
		r.until(t, "another key")
	}
}

// TestUnchanged has much going on in the directory, and looks in between: what is loaded is loaded once.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	path := write(t, "first", t.TempDir(), "file")
	r := watched(t, path, time.Millisecond)
	for _, text := range []string{"second one", "third of them", "fourth and last"} {
		for i := range 200 {
			write(t, strconv.Itoa(i), filepath.Dir(path), "beside")
		}
		rename(t, write(t, text, filepath.Dir(path), "other"), path)
		if got := r.next(t); got != (loaded{text: text}) {
			t.Errorf("%+v is loaded instead of %q", got, text)
		}
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	t.Parallel()
	path := write(t, "good", t.TempDir(), "file")
	r := watched(t, path, 20*time.Millisecond)
	rename(t, write(t, "bad", filepath.Dir(path), "other"), path)
	for range 3 { // every look tries again
		if got := r.next(t); got != (loaded{"bad", true}) {
			t.Errorf("loaded %+v", got)
		}
	}
	rename(t, write(t, "good again", filepath.Dir(path), "other"), path)
	r.until(t, "good again")
}

// TestFailuresThatPass has a load function that fails for reasons other than the file: once it succeeds, it is not called
// again.
func TestFailuresThatPass(t *testing.T) {
	t.Parallel()
	path := write(t, "old text", t.TempDir(), "file")
	w, r := newWatcher(path, soon)
	failures := 2
	start(t, w, func() error {
		if failures > 0 {
			failures--
			return errRefused
		}
		return r.load()
	})
	for _, text := range []string{"new", "newer"} {
		rename(t, write(t, text, filepath.Dir(path), "other"), path)
		if got := r.next(t); got != (loaded{text: text}) {
			t.Errorf("%+v is loaded instead of %q", got, text)
		}
	}
}

// TestPutBack puts the loaded file back after it was missing.
func TestPutBack(t *testing.T) {
	t.Parallel()
	path := write(t, "good", t.TempDir(), "file")
	r := watched(t, path, never)
	aside := path + ".aside"
	rename(t, path, aside)
	if got := r.next(t); got != (loaded{failed: true}) {
		t.Errorf("without the file: %+v", got)
	}
	rename(t, aside, path)
	r.until(t, "good")
}

func TestNoFiles(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	New(nil, Options{}).Run(ctx, func() error {
		t.Error("nothing is loaded")
		return nil
	})
}

func TestNothingReported(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := New([]string{"file"}, Options{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))})
	n := w.notices(nil, errors.New("too many open files"))
	n.follow(w.paths)
	n.stop()
	want := `level=WARN msg="files are watched by looking at them only" every=5s error="too many open files"` + "\n"
	if n != (notices{}) || log.String() != want {
		t.Errorf("notices %+v, log:\n%swant:\n%s", n, log.String(), want)
	}
}

// write writes a text file and returns its path.
func write(t *testing.T, text string, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(path...), 0o700); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// relink points ..data at another version in one step, as Kubernetes does.
func relink(t *testing.T, dir, version string) {
	t.Helper()
	next := filepath.Join(dir, "..data_tmp")
	symlink(t, version, next)
	rename(t, next, filepath.Join(dir, "..data"))
}

// TestFilesJoin watches what Options.Also names from when it does.
func TestFilesJoin(t *testing.T) {
	t.Parallel()
	path := write(t, "first", t.TempDir(), "file")
	var named atomic.Bool
	w := New(nil, Options{Poll: never, Settle: 10 * time.Millisecond, Also: func() []string {
		if !named.Load() {
			return nil
		}
		return []string{path}
	}})
	r := reader{path, make(chan loaded, 1000)}
	start(t, w, r.load)
	write(t, "second", path)
	named.Store(true)
	for range 3 {
		w.Look() // however often
	}
	r.until(t, "second")
	write(t, "third", path)
	r.until(t, "third")
}
