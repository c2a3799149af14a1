package geoip

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gate451/rules"

	"github.com/google/go-cmp/cmp"
)

// reloaded is one call of OnReload.
type reloaded struct {
	database string
	err      error
}

func TestReloadReplacesAllOrNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	us, de := content{records: map[string]record{"1.0.0.0/8": inCountry("US")}}, content{records: map[string]record{"1.0.0.0/8": inCountry("DE")}}
	first := us.write(t, dir, "first.mmdb")
	second := us.write(t, dir, "second.mmdb")
	var log bytes.Buffer
	var calls []reloaded
	l := open(t, Config{Databases: []string{first, second}, Decide: Any, MaxAge: time.Hour}, Options{
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		Now:      func() time.Time { return built.Add(time.Minute) },
		OnReload: func(database string, err error) { calls = append(calls, reloaded{database, err}) },
	})
	if len(calls) != 0 || strings.Count(log.String(), `level=INFO msg="geoip database loaded"`) != 2 {
		t.Errorf("after Open: %d calls, log:\n%s", len(calls), log.String())
	}

	de.write(t, first)
	writeFile(t, []byte("half"), second)
	log.Reset()
	for range 3 {
		calls = nil
		err := l.Reload()
		if err == nil || len(calls) != 1 || calls[0].database != "second.mmdb" || calls[0].err == nil || calls[0].err.Error() != err.Error() {
			t.Errorf("Reload of a bad file: %v, calls %v", err, calls)
		}
		if got := l.Locate(addr("1.0.0.1"), moment); got.Country != country("US") || got.Others != nil {
			t.Errorf("a bad file has changed something: %+v", got)
		}
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), second) {
		t.Errorf("the same failure three times is logged as:\n%s", log.String())
	}

	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil || strings.Count(log.String(), "\n") != 2 {
		t.Errorf("another failure (%v) is logged as:\n%s", err, log.String())
	}

	de.write(t, second)
	calls = nil
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]reloaded{{database: "first.mmdb"}, {database: "second.mmdb"}}, calls, cmp.AllowUnexported(reloaded{})); diff != "" {
		t.Error(diff)
	}
	if got := l.Locate(addr("1.0.0.1"), moment); got.Country != country("DE") || got.Others != nil {
		t.Errorf("after the reload: %+v", got)
	}

	log.Reset()
	content{epoch: built.AddDate(-1, 0, 0), records: us.records}.write(t, second)
	if err := l.Reload(); err != nil || strings.Count(log.String(), `level=WARN msg="geoip database is older than geoip.max_age" database=second.mmdb`) != 1 {
		t.Errorf("a stale database (error %v) is logged as:\n%s", err, log.String())
	}
	log.Reset()
	writeFile(t, nil, second)
	if err := l.Reload(); err == nil || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("a failure after a success (%v) is logged as:\n%s", err, log.String())
	}
}

// TestSwapsUnderLoad swaps two databases together a thousand times, as Kubernetes does, while others
// look addresses up: every answer is from one pair of databases.
func TestSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	const swaps = 1000
	dir := t.TempDir()
	for version, codes := range map[string][4]string{"v0": {"US", "CA", "PR", "SJ"}, "v1": {"DE", "BY", "AT", "W"}} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		content{records: map[string]record{"1.0.0.0/8": inCountry(codes[0], codes[1])}}.write(t, dir, version, "first.mmdb")
		content{records: map[string]record{"0.0.0.0/4": inCountry(codes[2], codes[3])}}.write(t, dir, version, "second.mmdb")
	}
	wants := [2]rules.Origin{
		{Client: addr("1.0.0.1"), Country: country("US"), Others: []rules.Country{country("PR")}, Subdivisions: []string{"US-CA", "PR-SJ"}, Source: "first.mmdb"},
		{Client: addr("1.0.0.1"), Country: country("DE"), Others: []rules.Country{country("AT")}, Subdivisions: []string{"DE-BY", "AT-W"}, Source: "first.mmdb"},
	}
	relink(t, dir, "v0")
	l := open(t, Config{Databases: []string{filepath.Join(dir, "..data", "first.mmdb"), filepath.Join(dir, "..data", "second.mmdb")}, Decide: Any}, Options{})

	var done atomic.Bool
	var seen [2]atomic.Int64
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				got := l.Locate(addr("1.0.0.1"), moment)
				which := 0
				if got.Country == country("DE") {
					which = 1
				}
				seen[which].Add(1)
				if !cmp.Equal(got, wants[which], sameOrigin) {
					t.Errorf("a mixed answer: %+v", got)
					return
				}
			}
		})
	}
	for swap := range swaps {
		relink(t, dir, [2]string{"v1", "v0"}[swap%2])
		if err := l.Reload(); err != nil {
			t.Error(err)
			break
		}
		if got := l.Locate(addr("1.0.0.1"), moment).Country; got != wants[(swap+1)%2].Country {
			t.Errorf("after swap %d: %s", swap, got)
		}
	}
	done.Store(true)
	readers.Wait()
	if seen[0].Load() == 0 || seen[1].Load() == 0 {
		t.Errorf("the readers saw %d and %d answers", seen[0].Load(), seen[1].Load())
	}
}

// relink points ..data at another version in one step, as Kubernetes does.
func relink(t *testing.T, dir, version string) {
	t.Helper()
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	rename(t, next, filepath.Join(dir, "..data"))
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
