package acme

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// Store is what replicas share. Its methods may be called concurrently, and fail soon if it cannot be reached.
type Store interface {
	// Get returns the value of a key. It MUST fail with an error that is fs.ErrNotExist if, and only if, there is none.
	Get(ctx context.Context, key string) ([]byte, error)
	// Set replaces the value of a key as a whole.
	Set(ctx context.Context, key string, value []byte) error
	// Delete removes keys. That there are none is no error.
	Delete(ctx context.Context, keys ...string) error
	// Keys returns all keys, in any order.
	Keys(ctx context.Context) ([]string, error)
	// Lease gives a name to a holder, or leaves it to the one who has it, for a time from now. It reports whether nobody
	// else has it. It MUST never give a name to two at once.
	Lease(ctx context.Context, name, holder string, last time.Duration) (bool, error)
	// Release ends a holder's lease, if it is the one who has it.
	Release(ctx context.Context, name, holder string) error
}

const (
	leaseTime = time.Minute            // a replica that has ended without a word is waited for so long
	keepEvery = 15 * time.Second       // how often a lease is prolonged
	lookEvery = 500 * time.Millisecond // how often somebody waits for one to end
)

// shared is a Store in the shape that the library wants, with everything in it encrypted if there is a secret.
type shared struct {
	store  Store
	seal   *seal
	holder string

	mu    sync.Mutex
	locks map[string]context.CancelFunc // of the leases that this replica has; each ends what prolongs it
}

func newShared(store Store, secret string) (*shared, error) {
	s, err := newSeal(secret)
	return &shared{store: store, seal: s, holder: rand.Text(), locks: map[string]context.CancelFunc{}}, err
}

// Store keeps a value.
func (s *shared) Store(ctx context.Context, key string, value []byte) error {
	return s.store.Set(ctx, key, s.seal.close(key, value))
}

// Load returns a value that was kept.
func (s *shared) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.seal.open(key, value)
}

// Delete removes a key, or all below it.
func (s *shared) Delete(ctx context.Context, key string) error {
	below, err := s.List(ctx, key, true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.store.Delete(ctx, append(below, key)...)
}

// Exists reports whether there is a key, or any below it.
func (s *shared) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List returns what is below a key: all of it, or only what is next to it.
func (s *shared) List(ctx context.Context, above string, recursive bool) ([]string, error) {
	keys, err := s.store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(above, "/") + "/"
	if above == "" {
		prefix = ""
	}
	seen := map[string]bool{}
	var found []string
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if name, _, deeper := strings.Cut(rest, "/"); deeper && !recursive {
			key = path.Join(above, name)
		}
		if !seen[key] {
			seen[key] = true
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		return nil, fs.ErrNotExist
	}
	return found, nil
}

// Stat tells a value from a folder, and of a value its size.
func (s *shared) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	value, err := s.Load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return certmagic.KeyInfo{}, err
	}
	if _, err := s.List(ctx, key, true); err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key}, nil
}

// Lock waits until this replica alone has a name, and has it until Unlock or the end of the process.
func (s *shared) Lock(ctx context.Context, name string) error {
	for {
		if s.reserve(name) {
			got, err := s.store.Lease(ctx, name, s.holder, leaseTime)
			if got && err == nil {
				s.keep(name)
				return nil
			}
			s.drop(name)
			if err != nil {
				return err
			}
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reserve keeps a name for one caller in this replica, to which the Store would give the lease as often as it asks.
func (s *shared) reserve(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks[name] != nil {
		return false
	}
	s.locks[name] = func() {}
	return true
}

// drop ends what reserve and keep began.
func (s *shared) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if end := s.locks[name]; end != nil {
		end()
		delete(s.locks, name)
	}
}

// keep prolongs a lease until Unlock. One that cannot be prolonged may end, upon which two replicas would ask for the same
// certificate, which costs one too many and nothing else.
func (s *shared) keep(name string) {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.locks[name] = cancel
	s.mu.Unlock()
	go func() {
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = s.store.Lease(ctx, name, s.holder, leaseTime) // tried again at the next tick
			case <-ctx.Done():
				return
			}
		}
	}()
}

// Unlock gives a name to whoever waits for it.
func (s *shared) Unlock(ctx context.Context, name string) error {
	defer s.drop(name)
	return s.store.Release(context.WithoutCancel(ctx), name, s.holder)
}
