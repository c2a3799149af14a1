package acme

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a Store in this process.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	leases map[string]string
	away   bool
}

func newMemory() *memory { return &memory{values: map[string][]byte{}, leases: map[string]string{}} }

var errAway = errors.New("the store is away")

func (m *memory) do(act func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return errAway
	}
	return act()
}

func (m *memory) Get(_ context.Context, key string) (value []byte, err error) {
	err = m.do(func() error {
		kept, ok := m.values[key]
		if !ok {
			return fs.ErrNotExist
		}
		value = bytes.Clone(kept)
		return nil
	})
	return value, err
}

func (m *memory) Set(_ context.Context, key string, value []byte) error {
	return m.do(func() error { m.values[key] = bytes.Clone(value); return nil })
}

func (m *memory) Delete(_ context.Context, keys ...string) error {
	return m.do(func() error {
		for _, key := range keys {
			delete(m.values, key)
		}
		return nil
	})
}

func (m *memory) Keys(context.Context) (keys []string, err error) {
	err = m.do(func() error { keys = slices.Sorted(maps.Keys(m.values)); return nil })
	return keys, err
}

func (m *memory) Lease(_ context.Context, name, holder string, _ time.Duration) (got bool, err error) {
	err = m.do(func() error {
		if m.leases[name] == "" {
			m.leases[name] = holder
		}
		got = m.leases[name] == holder
		return nil
	})
	return got, err
}

func (m *memory) Release(_ context.Context, name, holder string) error {
	return m.do(func() error {
		if m.leases[name] == holder {
			delete(m.leases, name)
		}
		return nil
	})
}

func (m *memory) set(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
}

func (m *memory) all() map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

func (m *memory) held() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.leases)
}

// TestReplicasShareACertificate has two of them begin at once, and then one without the Store.
func TestReplicasShareACertificate(t *testing.T) {
	t.Parallel()
	ln, other := listen(t), listen(t)
	a := newAuthority(t, ln.Addr().(*net.TCPAddr).Port, time.Hour).start()
	store, dir := newMemory(), t.TempDir()
	one := open(t, ln, a, dir, store, nil, "shared.example")
	two := open(t, other, a, t.TempDir(), store, nil, "shared.example")
	one.ready()
	two.ready()
	roots := a.roots()
	serial := one.serial("shared.example", roots)
	if got := two.serial("shared.example", roots); got != serial || a.orders() != 1 {
		t.Errorf("certificates %s and %s, %d orders", serial, got, a.orders())
	}
	for key, value := range store.all() {
		if value[0] != encrypted || bytes.Contains(value, []byte("PRIVATE KEY")) || bytes.Contains(value, []byte("shared.example")) {
			t.Errorf("%s is kept as it is", key)
		}
	}
	one.end()
	two.end()
	if left := store.held(); len(left) > 0 {
		t.Errorf("leases are left: %v", left)
	}

	store.set(true)
	again := open(t, listen(t), a, dir, store, nil, "shared.example")
	again.ready()
	if got := again.serial("shared.example", roots); got != serial {
		t.Errorf("without the store certificate %s, want %s", got, serial)
	}
}

func TestStoreOfTheLibrary(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := newMemory()
	s, err := newShared(store, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a/b/c", "a/b/d", "a/e", "ab/f"} {
		if err := s.Store(ctx, key, []byte("of "+key)); err != nil {
			t.Fatal(err)
		}
	}
	if value, err := s.Load(ctx, "a/b/c"); err != nil || string(value) != "of a/b/c" {
		t.Errorf("loaded %q, %v", value, err)
	}
	if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder: %v", err)
	}
	for _, test := range []struct {
		above     string
		recursive bool
		want      string
	}{
		{"a", true, "a/b/c a/b/d a/e"}, {"a", false, "a/b a/e"}, {"a/b", false, "a/b/c a/b/d"}, {"", false, "a ab"}, {"", true, "a/b/c a/b/d a/e ab/f"}, {"b", true, ""},
	} {
		got, err := s.List(ctx, test.above, test.recursive)
		if strings.Join(got, " ") != test.want || (test.want == "") != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("below %q: %v, %v; want %s", test.above, got, err, test.want)
		}
	}
	for key, want := range map[string]bool{"a/b/c": true, "a/b": true, "a": true, "b": false, "a/b/c/d": false} {
		if s.Exists(ctx, key) != want {
			t.Errorf("%s is there: %v", key, !want)
		}
	}
	if info, err := s.Stat(ctx, "a/e"); err != nil || !info.IsTerminal || info.Size != 6 {
		t.Errorf("%+v, %v", info, err)
	}
	if info, err := s.Stat(ctx, "a/b"); err != nil || info.IsTerminal {
		t.Errorf("%+v, %v", info, err)
	}
	if err := errors.Join(s.Delete(ctx, "a/b"), s.Delete(ctx, "none")); err != nil || s.Exists(ctx, "a/b/c") || !s.Exists(ctx, "a/e") {
		t.Errorf("after a deletion: %v, %v", err, store.values)
	}
	store.set(true)
	if _, err := s.Stat(ctx, "a/e"); !errors.Is(err, errAway) {
		t.Errorf("away: %v", err)
	}
	if err := errors.Join(s.Delete(ctx, "a"), s.Lock(ctx, "x")); !errors.Is(err, errAway) {
		t.Errorf("away: %v", err)
	}
	if _, err := s.Load(ctx, "a/e"); !errors.Is(err, errAway) {
		t.Errorf("away: %v", err)
	}
}

// TestOneHasTheLock has many ask for one lock, in one replica and in another.
func TestOneHasTheLock(t *testing.T) {
	t.Parallel()
	store := newMemory()
	one, err := newShared(store, "")
	if err != nil {
		t.Fatal(err)
	}
	two, err := newShared(store, "")
	if err != nil {
		t.Fatal(err)
	}
	var holders, most int
	var mu sync.Mutex
	var work sync.WaitGroup
	for _, s := range []*shared{one, one, two} {
		work.Go(func() {
			if err := s.Lock(context.Background(), "x"); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			holders++
			most = max(most, holders)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			holders--
			mu.Unlock()
			if err := s.Unlock(context.Background(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if most != 1 {
		t.Errorf("%d have the lock at once", most)
	}
	if err := one.Lock(context.Background(), "y"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := two.Lock(ctx, "y"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("whoever does not want to wait is told %v", err)
	}
	if err := one.Unlock(context.Background(), "y"); err != nil {
		t.Error(err)
	}
}

// TestSeal has values come back only as they were kept.
func TestSeal(t *testing.T) {
	t.Parallel()
	make := func(secret string) *seal {
		s, err := newSeal(secret)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	plain, sealed, other := make(""), make("s3cret"), make("another")
	open, closed := plain.close("k", []byte("value")), sealed.close("k", []byte("value"))
	turned := bytes.Clone(closed)
	turned[len(turned)-1] ^= 1
	for name, test := range map[string]struct {
		s    *seal
		key  string
		kept []byte
		good bool
	}{
		"as it is":          {plain, "k", open, true},
		"encrypted":         {sealed, "k", closed, true},
		"another secret":    {other, "k", closed, false},
		"another key":       {sealed, "j", closed, false},
		"changed":           {sealed, "k", turned, false},
		"short":             {sealed, "k", closed[:10], false},
		"planted":           {sealed, "k", open, false},
		"without a secret":  {plain, "k", closed, false},
		"empty":             {plain, "k", nil, false},
		"empty, and sealed": {sealed, "k", nil, false},
	} {
		got, err := test.s.open(test.key, test.kept)
		if test.good != (err == nil) || test.good && string(got) != "value" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if bytes.Equal(closed, sealed.close("k", []byte("value"))) {
		t.Error("the same value is encrypted the same twice")
	}
}
