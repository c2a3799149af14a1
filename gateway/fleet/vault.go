package fleet

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/redis/go-redis/v9"
)

// Vault is a small store that all replicas see, for what they have in common beside the policy: some dozens of values of some
// kilobytes. Its methods may be called concurrently, and fail soon if Redis does not answer.
type Vault struct {
	link   *link
	values string
	leases string
}

// Vault returns the store of a name.
func (f *Fleet) Vault(name string) *Vault {
	return &Vault{link: f.link, values: f.keys.prefix + name, leases: f.keys.prefix + name + ":lease:"}
}

//go:embed lua/lease.lua
var leaseText string

var lease = redis.NewScript(leaseText)

// Get returns the value of a key. The error is fs.ErrNotExist if there is none.
func (v *Vault) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := v.link.bound(ctx)
	defer cancel()
	value, err := v.link.HGet(ctx, v.values, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("%s in redis: %w", key, fs.ErrNotExist)
	}
	return value, err
}

// Set replaces the value of a key as a whole.
func (v *Vault) Set(ctx context.Context, key string, value []byte) error {
	ctx, cancel := v.link.bound(ctx)
	defer cancel()
	return v.link.HSet(ctx, v.values, key, value).Err()
}

// Delete removes keys. That there are none is no error.
func (v *Vault) Delete(ctx context.Context, keys ...string) error {
	ctx, cancel := v.link.bound(ctx)
	defer cancel()
	return v.link.HDel(ctx, v.values, keys...).Err()
}

// Keys returns all keys, in any order.
func (v *Vault) Keys(ctx context.Context) ([]string, error) {
	ctx, cancel := v.link.bound(ctx)
	defer cancel()
	return v.link.HKeys(ctx, v.values).Result()
}

// Lease gives a name to a holder, or leaves it to the one who has it, for a time from now. It reports whether nobody else has
// it.
func (v *Vault) Lease(ctx context.Context, name, holder string, last time.Duration) (bool, error) {
	given, err := v.link.run(ctx, lease, []string{v.leases + name}, holder, last.Milliseconds())
	return err == nil && len(given) == 1 && given[0] == int64(1), err
}

// Release ends a holder's lease, if it is the one who has it.
func (v *Vault) Release(ctx context.Context, name, holder string) error {
	_, err := v.link.run(ctx, release, []string{v.leases + name}, holder)
	return err
}
