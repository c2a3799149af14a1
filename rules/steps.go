package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Share is a part of all clients, in hundredths of a percent.
type Share uint16

// everybody is the whole of them.
const everybody = 100 * 100

// text returns the share as a policy has it, such as 2.5%; it is empty for zero, which stands for everybody.
func (s Share) text() string {
	if s == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// String returns the share as a policy has it, such as 2.5%.
func (s Share) String() string {
	if s == 0 {
		return "100%"
	}
	return s.text()
}

// rollSalt tells the draws of one rule from those of another.
type rollSalt [sha256.Size]byte

func saltOf(id string) rollSalt { return sha256.Sum256([]byte("rollout of " + id)) }

// draws reports whether the rule's rollout has reached a client. It depends on nothing but the rule's id and the client's
// network, so that every replica draws the same, and a larger share has all the clients of a smaller one. The network is an
// address, of IPv6 its /64, which is one household's. A client without an address is drawn: it could otherwise choose to have
// none.
//
// The draw keeps no secret. Whoever can change networks finds one outside of a small share by trying, whatever the hash.
func (r *Rule) draws(client netip.Addr) bool {
	if !client.IsValid() {
		return true
	}
	client = client.Unmap()
	var text [len(r.salt) + 8]byte
	n := copy(text[:], r.salt[:])
	if client.Is4() {
		four := client.As4()
		n += copy(text[n:], four[:])
	} else {
		sixteen := client.As16()
		n += copy(text[n:], sixteen[:8])
	}
	sum := sha256.Sum256(text[:n])
	ticket, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), everybody)
	return ticket < uint64(r.Rollout)
}

// spares reports whether the rule has a rollout that has not reached a client. Few rules have any, and most decisions need no more
// than a look.
func (r *Rule) spares(client netip.Addr) bool { return r.Rollout != 0 && !r.draws(client) }

// announced reports whether requests are told at an instant that the rule will block them.
func (r *Rule) announced(at time.Time) bool {
	return r.Mode == Enforce && !r.NoticeFrom.IsZero() && !at.Before(r.NoticeFrom) && at.Before(r.Effective.From)
}

// willBlock reports whether the rule, which lists the origin, blocks it when it begins: what is told a client must come true.
func (r *Rule) willBlock(from *Origin, g *goods) bool {
	at := r.Effective.From
	return !r.spares(from.Client) && !r.paused(at) && r.exempts(from, g, at) == nil
}

// announce makes a rule the one that is announced if it begins sooner than what has been found so far.
func (d *Decision) announce(r *Rule) {
	if d.Notice == nil || r.sooner(d.Notice) {
		d.Notice = r
	}
}

func (r *Rule) sooner(other *Rule) bool {
	if c := r.Effective.From.Compare(other.Effective.From); c != 0 {
		return c < 0
	}
	return strings.Compare(r.ID, other.ID) < 0
}
