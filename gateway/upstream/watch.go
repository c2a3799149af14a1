package upstream

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// slot is something that somebody owes in an exchange.
type slot int

const (
	// request is owed until the upstream begins to answer: the client's next bytes, their acceptance by the
	// upstream, the answer's header.
	request slot = iota
	// answer is what the upstream owes after its header; in a tunnel, any sign of life.
	answer
	// reading is owed by a client that is being written to.
	reading
	// moving is owed by both while the kernel passes bytes on.
	moving
	slots
)

// watch notices when what is owed does not come. Saying that something is owed costs a look at the clock
// and a store; one timer runs behind, and is touched only if a new date is earlier than its own.
type watch struct {
	start time.Time
	// stalled is called at most once, never after stop has returned, with the slot that is overdue.
	stalled func(slot)

	due  [slots]atomic.Int64 // Nanoseconds since start; zero if nothing is owed.
	next atomic.Int64        // When the timer fires.

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

func (w *watch) init(stalled func(slot)) {
	w.start, w.stalled = time.Now(), stalled
	w.next.Store(math.MaxInt64)
}

// expect says that something is owed within d from now, whatever was said before.
func (w *watch) expect(s slot, d time.Duration) {
	due := int64(time.Since(w.start) + d)
	w.due[s].Store(due)
	if due < w.next.Load() {
		w.hasten(due, d)
	}
}

// settle says that nothing is owed any more.
func (w *watch) settle(s slot) { w.due[s].Store(0) }

func (w *watch) hasten(due int64, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped || due >= w.next.Load() {
		return
	}
	w.next.Store(due)
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.tick)
		return
	}
	w.timer.Reset(d)
}

// tick looks for what is overdue. It forgets its date before it looks, so that whatever it misses is
// brought to it by hasten.
func (w *watch) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	w.next.Store(math.MaxInt64)
	now, next := int64(time.Since(w.start)), int64(math.MaxInt64)
	for s := range w.due {
		due := w.due[s].Load()
		switch {
		case due == 0:
		case due <= now:
			w.stopped = true
			w.stalled(slot(s))
			return
		default:
			next = min(next, due)
		}
	}
	if next != math.MaxInt64 {
		w.next.Store(next)
		w.timer.Reset(time.Duration(next - now))
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
