package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ClientForm is how the log writes the address of a buyer.
type ClientForm string

// The forms of an address.
const (
	// ClientTruncated writes the network of the address: /24 of IPv4, /48 of IPv6.
	ClientTruncated ClientForm = "truncated"
	// ClientHMAC writes a pseudonym, hmac:<day>:<16 hex digits>. It is the same for one address within one day (UTC), and
	// nobody without the key can tell the address from it, or one day's pseudonym from another's.
	ClientHMAC ClientForm = "hmac"
	// ClientFull writes the address.
	ClientFull ClientForm = "full"
)

// clients writes addresses in the form that the operator wants. It may be used by several goroutines at once.
type clients struct {
	form   ClientForm
	secret []byte
	today  atomic.Pointer[dayKey]
}

// dayKey makes pseudonyms for one day.
type dayKey struct {
	day    int64 // days since 1970
	prefix string
	macs   sync.Pool // of *mac
}

// mac is a keyed hash with the memory that it works in.
type mac struct {
	hash hash.Hash
	in   [16]byte
	out  [sha256.Size]byte
}

// append writes the address; nothing for none.
func (c *clients) append(dst []byte, addr netip.Addr, now time.Time) []byte {
	switch {
	case !addr.IsValid():
		return dst
	case c.form == ClientFull:
		return appendAddr(dst, addr)
	case c.form == ClientHMAC:
		return c.key(now).append(dst, addr)
	}
	bits := 48
	if addr.Is4() {
		bits = 24
	}
	prefix, err := addr.WithZone("").Prefix(bits)
	if err != nil { // unreachable: the length fits the address
		return dst
	}
	return prefix.AppendTo(dst)
}

// appendAddr leaves the zone out: a zone is text, names an interface of this machine and tells nothing about a buyer.
func appendAddr(dst []byte, addr netip.Addr) []byte { return addr.WithZone("").AppendTo(dst) }

// key returns the key of the day. Two goroutines that find a new day make the same key twice, and either will do.
func (c *clients) key(now time.Time) *dayKey {
	day := now.Unix() / (24 * 60 * 60)
	k := c.today.Load()
	if k == nil || k.day != day {
		k = newDayKey(c.secret, day, now)
		c.today.Store(k)
	}
	return k
}

func newDayKey(secret []byte, day int64, now time.Time) *dayKey {
	date := now.UTC().Format(time.DateOnly)
	derive := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(derive, "gate451 evidence client "+date) // a hash takes everything
	key := derive.Sum(nil)
	k := &dayKey{day: day, prefix: "hmac:" + date + ":"}
	k.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, key)} }
	return k
}

func (k *dayKey) append(dst []byte, addr netip.Addr) []byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.in = addr.As16() // an IPv4 address and its mapped form are one buyer
	m.hash.Reset()
	_, _ = m.hash.Write(m.in[:])
	return hex.AppendEncode(append(dst, k.prefix...), m.hash.Sum(m.out[:0])[:8])
}

// secretBytes is how many random bytes a client key file holds, in hex.
const secretBytes = 32

// newClients prepares the form of addresses. The key file is read, or made, only where there is use for it.
func newClients(form ClientForm, keyFile string, random io.Reader) (*clients, error) {
	c := &clients{form: form}
	switch form {
	case ClientTruncated, ClientFull:
		return c, nil
	case ClientHMAC:
		secret, err := readSecret(keyFile, random)
		c.secret = secret
		return c, err
	}
	return nil, fmt.Errorf("unknown form of client addresses %q; expected truncated, hmac or full", form)
}

// readSecret reads the key that pseudonyms are made with, and makes one where there is none.
func readSecret(path string, random io.Reader) ([]byte, error) {
	text, err := readOrMake(path, func() (string, error) {
		fresh := make([]byte, secretBytes)
		_, err := io.ReadFull(random, fresh)
		return hex.EncodeToString(fresh) + "\n", err
	})
	if err != nil {
		return nil, fmt.Errorf("client key: %w", err)
	}
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) < secretBytes/2 {
		return nil, fmt.Errorf("%s: no client key; expected at least %d hex digits, as \"openssl rand -hex %d\" prints them", path, secretBytes, secretBytes)
	}
	return secret, nil
}
