package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// The states of a requestBody.
const (
	unread int32 = iota
	begun
	retired
)

var errRetired = errors.New("the request was given up")

// requestBody is the client's body as one attempt at forwarding sees it. It outlives the attempt: the
// transport closes what it is given even if it has not read it.
type requestBody struct {
	x       *exchange
	src     io.Reader
	left    int64 // Bytes to come; negative if unknown.
	trailer http.Header

	state   atomic.Int32
	blocked atomic.Bool // A read is waiting for the client.
	done    atomic.Bool // The client has sent everything.
	broken  atomic.Bool // The client has not, and will not.
	large   atomic.Bool // It is broken off because it is longer than it may be.
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(unread, begun) && b.state.Load() == retired {
		return 0, errRetired
	}
	x := b.x
	b.blocked.Store(true)
	x.owe(x.p.cfg.IdleBody)
	n, err := b.src.Read(p)
	b.blocked.Store(false)
	b.left -= int64(n)
	switch {
	case err == io.EOF:
		if b.trailer != nil {
			copyTrailers(b.trailer, x.r, x.m.CountryHeader)
		}
		b.finish()
	case err != nil:
		var large *http.MaxBytesError
		b.large.Store(errors.As(err, &large))
		b.broken.Store(true)
	case b.left == 0:
		b.finish()
	default:
		x.owe(x.p.cfg.IdleBody)
	}
	return n, err
}

// finish leaves the upstream to answer.
func (b *requestBody) finish() {
	b.done.Store(true)
	b.x.owe(b.x.p.cfg.HeaderTimeout)
}

// Close does nothing: the body is the server's to close, and closing it here would wait for a client that
// holds it back.
func (b *requestBody) Close() error { return nil }

// retire makes sure that the body will not be read. It returns false if it has been.
func (b *requestBody) retire() bool {
	return b.state.CompareAndSwap(unread, retired) || b.state.Load() == retired
}
