package goods

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errTooLong = errors.New("the body is longer than it may be")
	errTooSlow = errors.New("the body has not come in time")
)

// readBody reads the beginning of the body and puts it back. An error says that the body has not been read whole, or that
// it ended with that error.
func readBody(w http.ResponseWriter, r *http.Request, opts Options) ([]byte, error) {
	t := &takenBody{src: r.Body, most: int(opts.MostBytes), done: make(chan struct{})}
	size := int64(512)
	if r.ContentLength > 0 {
		// One byte more finds the end without growing. What a client merely announces is not believed.
		size = min(r.ContentLength+1, 8<<10)
	}
	go t.fill(int(size))
	r.Body = t
	timer := time.NewTimer(opts.Patience)
	defer timer.Stop()
	select {
	case <-t.done:
		return t.read, t.problem()
	case <-timer.C:
	case <-r.Context().Done():
	}
	t.enough.Store(true)
	t.letGo(w, r)
	return nil, errTooSlow
}

// takenBody is a body of which the beginning has been read, or is being read, by a goroutine of its own. A deadline
// would do without one, but what has missed a deadline cannot be read on: the client that is merely slow would lose
// its body.
type takenBody struct {
	src  io.ReadCloser
	most int
	done chan struct{} // Closed when fill has ended: read and err are its until then.
	read []byte
	err  error
	off  int

	enough atomic.Bool // Nobody waits for more.
	mu     sync.Mutex  // Held while the connection is told to let go.
}

// fill reads until the body ends or is too long, or nobody waits for it.
func (t *takenBody) fill(size int) {
	defer func() {
		if p := recover(); p != nil {
			t.err = fmt.Errorf("the body could not be read: %v", p)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		close(t.done)
	}()
	t.read = make([]byte, 0, min(size, t.most+1))
	for len(t.read) <= t.most && !t.enough.Load() {
		if len(t.read) == cap(t.read) {
			grown := make([]byte, len(t.read), min(4*cap(t.read), t.most+1))
			copy(grown, t.read)
			t.read = grown
		}
		n, err := t.src.Read(t.read[len(t.read):cap(t.read)])
		t.read = t.read[:len(t.read)+n]
		if err != nil {
			t.err = err
			return
		}
	}
}

// problem says why what was read is not the whole body.
func (t *takenBody) problem() error {
	switch {
	case len(t.read) > t.most:
		return errTooLong
	case errors.Is(t.err, io.EOF):
		return nil
	}
	return t.err
}

// letGo makes the connection give up a body that is still awaited when the request has been answered. The server would
// otherwise wait for it, because it closes the body and cannot while it is being read.
func (t *takenBody) letGo(w http.ResponseWriter, r *http.Request) {
	deadline := deadlineOf(w)
	if deadline == nil || r.ProtoMajor != 1 {
		return // HTTP/2 ends the stream by itself.
	}
	context.AfterFunc(r.Context(), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		select {
		case <-t.done:
		default:
			_ = deadline.SetReadDeadline(time.Unix(1, 0))
		}
	})
}

// deadliner is a connection as net/http shows it to its handlers.
type deadliner interface{ SetReadDeadline(time.Time) error }

// deadlineOf returns what http.ResponseController would use. It is looked for while the request is being handled, since
// frameworks use their writers for other requests afterwards.
func deadlineOf(w http.ResponseWriter) deadliner {
	for {
		if d, ok := w.(deadliner); ok {
			return d
		}
		wrapped, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = wrapped.Unwrap()
	}
}

// Read yields what was read, then the rest.
func (t *takenBody) Read(p []byte) (int, error) {
	<-t.done
	if t.off < len(t.read) {
		n := copy(p, t.read[t.off:])
		t.off += n
		if t.off == len(t.read) {
			return n, t.err
		}
		return n, nil
	}
	if t.err != nil {
		return 0, t.err
	}
	return t.src.Read(p)
}

// AtHand returns what has been read and not yet been handed on, if that is the whole body.
func (t *takenBody) AtHand() (body []byte, whole bool) {
	select {
	case <-t.done:
		return t.read, t.off == 0 && errors.Is(t.err, io.EOF)
	default:
		return nil, false
	}
}

// Close closes the body. One that is being read is left to the server.
func (t *takenBody) Close() error {
	t.enough.Store(true)
	select {
	case <-t.done:
		return t.src.Close()
	default:
		return nil
	}
}
