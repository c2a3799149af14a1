package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// failuresToEject is how many failures in a row take an upstream out of turn.
	failuresToEject = 3
	firstEjection   = 10 * time.Second
	longestEjection = time.Minute
)

// upstream is one server, in turn or ejected for a while.
type upstream struct {
	host   string        // What is sent as Host if a request names none.
	links  pool          // Of clients' requests.
	asked  pool          // Of questions, which have connections of their own.
	places chan struct{} // Holds one thing for each question that is being asked.
	// until is when an ejected upstream may be tried again, in Unix nanoseconds; zero if it is in turn.
	until atomic.Int64
	// troubled says that failures or ejections are not zero, so that success need not take the lock.
	troubled atomic.Bool

	mu                  sync.Mutex
	failures, ejections int
}

// idleConnections is how many connections are kept per upstream.
const idleConnections = 512

func newUpstream(at *url.URL, d *dialer, lasts time.Duration, logger *slog.Logger) (*upstream, error) {
	host, err := httpguts.PunycodeHostPort(at.Host)
	if err != nil {
		return nil, fmt.Errorf("%q: no such host: %w", at.Redacted(), err)
	}
	dial := d.to(at.Scheme, host)
	u := &upstream{
		host:   withoutZone(host),
		links:  pool{dial: dial, most: idleConnections, lasts: lasts},
		asked:  pool{dial: dial, most: mostQuestions, lasts: lasts},
		places: make(chan struct{}, mostQuestions),
	}
	u.links.unasked = func() {
		logger.LogAttrs(context.Background(), slog.LevelWarn, "upstream said more than it was asked", slog.String("upstream", u.host))
	}
	u.asked.unasked = u.links.unasked
	return u, nil
}

// withoutZone returns a host without the zone of an IPv6 address, which means nothing to anybody else (RFC 6874, section 4).
func withoutZone(host string) string {
	address, rest, ok := strings.Cut(host, "%")
	if !ok || host[0] != '[' {
		return host
	}
	_, port, _ := strings.Cut(rest, "]")
	return address + "]" + port
}

// turn is one use of an upstream.
type turn struct {
	*upstream
	// probe says that the upstream is ejected and this request is the one that finds out how it does.
	probe bool
}

// balancer gives upstreams their turn.
type balancer struct {
	all    []*upstream
	now    func() time.Time
	logger *slog.Logger
	next   atomic.Uint64
}

// pick returns the next upstream that has not been tried. One that is ejected is picked for a probe when
// its time is over, by one request at a time, and otherwise only if nothing else is left. There must be
// an untried one.
func (b *balancer) pick(tried []*upstream) turn {
	var spare *upstream
	start := b.next.Add(1) - 1
	for i := range b.all {
		u := b.all[(start+uint64(i))%uint64(len(b.all))]
		if slices.Contains(tried, u) {
			continue
		}
		until := u.until.Load()
		if until == 0 {
			return turn{upstream: u}
		}
		if now := b.now(); now.UnixNano() >= until && u.until.CompareAndSwap(until, now.Add(firstEjection).UnixNano()) {
			return turn{upstream: u, probe: true}
		}
		if spare == nil {
			spare = u
		}
	}
	return turn{upstream: spare}
}

// succeeded notes that the upstream answered.
func (b *balancer) succeeded(t turn) {
	if !t.troubled.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures, t.ejections = 0, 0
	t.troubled.Store(false)
	if t.until.Swap(0) != 0 {
		b.logger.LogAttrs(context.Background(), slog.LevelInfo, "upstream returned", slog.String("upstream", t.host))
	}
}

// failed notes that the upstream could not be reached or did not answer. What fails while the upstream is
// already ejected says nothing new, unless it was the probe.
func (b *balancer) failed(t turn) {
	if len(b.all) == 1 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until.Load() != 0 && !t.probe {
		return
	}
	t.failures++
	t.troubled.Store(true)
	if t.failures < failuresToEject {
		return
	}
	pause := min(firstEjection<<min(t.ejections, 8), longestEjection)
	t.ejections++
	t.until.Store(b.now().Add(pause).UnixNano())
	b.logger.LogAttrs(context.Background(), slog.LevelWarn, "upstream ejected",
		slog.String("upstream", t.host), slog.Int("failures", t.failures), slog.Duration("pause", pause))
}
