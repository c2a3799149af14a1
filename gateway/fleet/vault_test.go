package fleet

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestVault keeps, finds and removes values, in Redis of every kind.
func TestVault(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		one, two := e.operator(t).Vault("acme"), e.operator(t).Vault("acme")
		if _, err := one.Get(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was not kept: %v", err)
		}
		if keys, err := one.Keys(ctx); err != nil || len(keys) != 0 {
			t.Errorf("keys of nothing: %v, %v", keys, err)
		}
		value := "\x00\xff not text"
		must(t, one.Set(ctx, "a/b", []byte("first")))
		must(t, one.Set(ctx, "a/b", []byte(value)))
		must(t, one.Set(ctx, "c", nil))
		if got, err := two.Get(ctx, "a/b"); err != nil || string(got) != value {
			t.Errorf("the other replica sees %q, %v", got, err)
		}
		if got, err := two.Get(ctx, "c"); err != nil || len(got) != 0 {
			t.Errorf("an empty value is %q, %v", got, err)
		}
		keys, err := two.Keys(ctx)
		slices.Sort(keys)
		if err != nil || !slices.Equal(keys, []string{"a/b", "c"}) {
			t.Errorf("keys %v, %v", keys, err)
		}
		must(t, two.Delete(ctx, "a/b", "none"))
		if _, err := one.Get(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was removed: %v", err)
		}
		if got, err := e.operator(t).Vault("other").Keys(ctx); err != nil || len(got) != 0 {
			t.Errorf("another vault has %v, %v", got, err)
		}
	})
}

// TestLeases has many ask for a lease at once, and one that does not give it back.
func TestLeases(t *testing.T) {
	onEngines(t, func(t *testing.T, e *engine) {
		ctx := context.Background()
		v := e.operator(t).Vault("acme")
		var given atomic.Int32
		var work sync.WaitGroup
		for _, holder := range []string{"a", "b", "c", "d"} {
			work.Go(func() {
				got, err := v.Lease(ctx, "x", holder, time.Minute)
				if err != nil {
					t.Error(err)
				}
				if got {
					given.Add(1)
				}
			})
		}
		work.Wait()
		if n := given.Load(); n != 1 {
			t.Errorf("the lease was given %d times", n)
		}
		take := func(name, holder string, last time.Duration, want bool) {
			t.Helper()
			if got, err := v.Lease(ctx, name, holder, last); err != nil || got != want {
				t.Errorf("%s asks for %s and is told %v, %v", holder, name, got, err)
			}
		}
		take("y", "a", time.Minute, true)
		take("y", "a", time.Minute, true)
		take("y", "b", time.Minute, false)
		must(t, v.Release(ctx, "y", "b")) // it is not its own
		take("y", "b", time.Minute, false)
		must(t, v.Release(ctx, "y", "a"))
		take("y", "b", 50*time.Millisecond, true)
		eventually(t, 20*time.Second, "the lease to end by itself", func() bool {
			got, err := v.Lease(ctx, "y", "a", time.Minute)
			return err == nil && got
		})
	})
}

// TestVaultWithoutRedis fails at once.
func TestVaultWithoutRedis(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	e := &engine{config: Config{Addrs: []string{s.addr()}}}
	v := e.operator(t).Vault("acme")
	s.kill()
	ctx := context.Background()
	_, get := v.Get(ctx, "a")
	_, keys := v.Keys(ctx)
	_, lease := v.Lease(ctx, "x", "a", time.Minute)
	for what, err := range map[string]error{"get": get, "keys": keys, "lease": lease, "set": v.Set(ctx, "a", nil), "delete": v.Delete(ctx, "a"), "release": v.Release(ctx, "x", "a")} {
		if !unanswered(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
