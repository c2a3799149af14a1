package geoip

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	inUS = content{records: map[string]record{"1.0.0.0/8": inCountry("US")}}
	inDE = content{records: map[string]record{"1.0.0.0/8": inCountry("DE")}}
)

// watched is a Locator that is being watched.
type watched struct {
	*Locator
	calls <-chan reloaded
	log   *bytes.Buffer
	stop  func()
}

// watch opens one database and watches it until the test ends or stops it.
func watch(t *testing.T, path string, poll time.Duration) watched {
	t.Helper()
	w, start := prepareWatch(t, path, poll)
	start()
	return w
}

func prepareWatch(t *testing.T, path string, poll time.Duration) (watched, func()) {
	t.Helper()
	calls := make(chan reloaded, 1000)
	w := watched{calls: calls, log: new(bytes.Buffer)}
	w.Locator = open(t, Config{Databases: []string{path}}, Options{
		Logger: slog.New(slog.NewTextHandler(w.log, nil)), Poll: poll, Settle: 10 * time.Millisecond,
		OnReload: func(database string, err error) {
			select {
			case calls <- reloaded{database, err}:
			default: // nobody waits for so many
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	w.stop = func() {
		cancel()
		<-ended
	}
	return w, func() {
		t.Cleanup(w.stop)
		go func() {
			defer close(ended)
			w.Watch(ctx)
		}()
	}
}

// next waits for a call of OnReload.
func (w watched) next(t *testing.T) reloaded {
	t.Helper()
	select {
	case call := <-w.calls:
		return call
	case <-time.After(20 * time.Second):
		t.Fatal("no reload")
		return reloaded{}
	}
}

// until waits for the answer; a file that was caught half-written may be refused before.
func (w watched) until(t *testing.T, code string) {
	t.Helper()
	for {
		call := w.next(t)
		got := w.Locate(addr("1.0.0.1"), moment).Country
		if call.err == nil && got == country(code) {
			return
		}
		if got == 0 {
			t.Fatalf("after %v nobody knows the address", call)
		}
	}
}

// never is a poll interval that no test lives to see.
const never = time.Hour

func TestWatchSeesChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, path string){
		"in place": func(t *testing.T, path string) { inDE.write(t, path) },
		"renamed over": func(t *testing.T, path string) {
			rename(t, inDE.write(t, filepath.Dir(path), "new"), path)
		},
		"removed and made again": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			inDE.write(t, path)
		},
		"written in pieces": func(t *testing.T, path string) {
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			for piece := range bytes.Lines(inDE.bytes(t)) {
				if _, err := file.Write(piece); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := inUS.write(t, t.TempDir(), "a.mmdb")
			w := watch(t, path, never)
			change(t, path)
			w.until(t, "DE")
		})
	}
}

func TestWatchKubernetes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for version, c := range map[string]content{"v0": inUS, "v1": inDE} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		c.write(t, dir, version, "a.mmdb")
	}
	relink(t, dir, "v0")
	path := filepath.Join(dir, "a.mmdb")
	if err := os.Symlink(filepath.Join("..data", "a.mmdb"), path); err != nil {
		t.Fatal(err)
	}
	w := watch(t, path, never)
	for _, swap := range []struct{ version, code string }{{"v1", "DE"}, {"v0", "US"}, {"v1", "DE"}} {
		relink(t, dir, swap.version)
		w.until(t, swap.code)
	}
}

// TestWatchPolls changes files where the operating system has nothing to report.
func TestWatchPolls(t *testing.T) {
	t.Parallel()
	t.Run("linked from elsewhere", func(t *testing.T) {
		t.Parallel()
		target := inUS.write(t, t.TempDir(), "target.mmdb")
		path := filepath.Join(t.TempDir(), "a.mmdb")
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		w := watch(t, path, 5*time.Millisecond)
		inDE.write(t, target)
		w.until(t, "DE")
	})
	t.Run("directory replaced", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		for name, c := range map[string]content{"now": inUS, "next": inDE} {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
			c.write(t, dir, name, "a.mmdb")
		}
		path := filepath.Join(dir, "now", "a.mmdb")
		w := watch(t, path, 5*time.Millisecond)
		rename(t, filepath.Join(dir, "now"), filepath.Join(dir, "before"))
		rename(t, filepath.Join(dir, "next"), filepath.Join(dir, "now"))
		w.until(t, "DE")
		inUS.write(t, path)
		w.until(t, "US")
	})
}

func TestWatchSeesWhatChangedBefore(t *testing.T) {
	t.Parallel()
	path := inUS.write(t, t.TempDir(), "a.mmdb")
	w, start := prepareWatch(t, path, never)
	rename(t, inDE.write(t, filepath.Dir(path), "new"), path)
	start()
	w.until(t, "DE")
}

func TestWatchKeepsWhatIsGood(t *testing.T) {
	t.Parallel()
	path := inUS.write(t, t.TempDir(), "a.mmdb")
	w := watch(t, path, 20*time.Millisecond)
	good := inDE.bytes(t)
	rename(t, writeFile(t, good[:len(good)/2], filepath.Dir(path), "new"), path)
	for range 3 { // every look tries again
		if call := w.next(t); call.err == nil || call.database != "a.mmdb" {
			t.Errorf("half a database: %v", call)
		}
		if got := w.Locate(addr("1.0.0.1"), moment).Country; got != country("US") {
			t.Errorf("half a database has changed something: %s", got)
		}
	}
	rename(t, writeFile(t, good, filepath.Dir(path), "new"), path)
	w.until(t, "DE")
	w.stop()
	if log := w.log.String(); strings.Count(log, "level=ERROR") != 1 {
		t.Errorf("one failure is logged as:\n%s", log)
	}
}

// TestWatchNoticesThatAllIsWellAgain puts the loaded file back after a bad one.
func TestWatchNoticesThatAllIsWellAgain(t *testing.T) {
	t.Parallel()
	path := inUS.write(t, t.TempDir(), "a.mmdb")
	w := watch(t, path, never)
	aside := path + ".aside"
	rename(t, path, aside)
	if call := w.next(t); call.err == nil {
		t.Error("a missing database is reloaded")
	}
	rename(t, aside, path)
	w.until(t, "US")
}

func TestWatchEndsWithoutFiles(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open(t, Config{}, Options{}).Watch(ctx)
}

func TestSettling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	states := map[byte][]os.FileInfo{'-': {nil}}
	for _, name := range "abc" {
		states[byte(name)] = stampsOf([]string{writeFile(t, []byte{byte(name)}, dir, string(name))})
	}
	for name, looks := range map[string][]struct {
		why  reason
		seen byte
		want step
	}{
		"unchanged":                        {{rested, 'a', nothing}, {noticed, 'a', nothing}, {polled, 'a', nothing}},
		"changed once":                     {{noticed, 'b', wait}, {noticed, 'b', nothing}, {polled, 'b', nothing}, {rested, 'b', reload}},
		"changed by the first look":        {{rested, 'b', wait}, {rested, 'b', reload}},
		"keeps changing":                   {{noticed, 'b', wait}, {noticed, 'c', wait}, {rested, '-', wait}, {rested, 'c', wait}, {rested, 'c', reload}},
		"missing":                          {{noticed, '-', wait}, {rested, '-', reload}},
		"changed back":                     {{noticed, 'b', wait}, {noticed, 'a', nothing}, {rested, 'a', nothing}, {noticed, 'b', wait}},
		"refused, tried again when polled": {{noticed, 'b', wait}, {rested, 'b', reload}, {noticed, 'b', nothing}, {rested, 'b', nothing}, {polled, 'b', wait}, {rested, 'b', reload}},
	} {
		var s settling
		for i, look := range looks {
			if got := s.next(look.why, states[look.seen], states['a']); got != look.want {
				t.Errorf("%s: look %d: step %d, want %d", name, i, got, look.want)
			}
		}
	}
	s := settling{failed: true}
	if s.next(noticed, states['a'], states['a']) != wait || s.next(rested, states['a'], states['a']) != reload {
		t.Error("the loaded files are not read again after a failure")
	}
}
