package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	// probeTime is how long the body of a request that seldom has one may take to show that it is none.
	probeTime = 200 * time.Millisecond
	// sendTime is how long the end of a body may be on its way when the answer has ended already.
	sendTime = 50 * time.Millisecond
)

// requestBody is the client's body. It is sent by a goroutine of its own, since the upstream may answer before it has ended.
type requestBody struct {
	x       *exchange
	src     io.Reader
	left    int64 // Bytes to come; negative if unknown.
	trailer http.Header

	call   chan bool     // Receives whether the upstream wants it. Nil if the client does not wait to be asked.
	over   chan struct{} // Closed when the sender has ended. Nil if there is none.
	sent   bool          // The sender has sent everything; set before over is closed.
	probed chan struct{} // Closed when early and ended have been read. Nil if nothing is read ahead.
	early  []byte
	ended  error
	taken  bool // The sender's: it has what was read ahead.
	fault  any  // What reading panicked with; set before probed or over is closed.

	begun   atomic.Bool // Reading has.
	blocked atomic.Bool // A read is waiting for the client.
	done    atomic.Bool // The client has sent everything.
	broken  atomic.Bool // The client has not, and will not.
	large   atomic.Bool // It is broken off because it is longer than it may be.
}

func newBody(x *exchange) *requestBody {
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 {
		return nil
	}
	b := &requestBody{x: x, src: x.r.Body, left: x.r.ContentLength}
	if httpguts.HeaderValuesContainsToken(x.header["Expect"], "100-continue") {
		b.call = make(chan bool, 1)
	}
	if b.left < 0 {
		// Not nil, so that trailers which were not announced find a place too.
		b.trailer = http.Header{}
		copyTrailers(b.trailer, x.r, &x.m)
	}
	return b
}

// mostAtHand is how long a body may be that is sent with its head: whatever the upstream does, a socket takes as much at once.
const mostAtHand = 16 << 10

// atHand returns a body of known length that has been read already, or nil. Whoever has read it says so with a method of its own.
func (b *requestBody) atHand() []byte {
	reader, ok := b.src.(interface {
		AtHand() (body []byte, whole bool)
	})
	if !ok || b.call != nil || b.left < 0 || b.left > mostAtHand {
		return nil
	}
	if body, whole := reader.AtHand(); whole && int64(len(body)) == b.left {
		return body
	}
	return nil
}

// Read reads from the client.
func (b *requestBody) Read(p []byte) (int, error) {
	x := b.x
	b.begun.Store(true)
	b.blocked.Store(true)
	x.owe(x.p.cfg.IdleBody)
	if b.left >= 0 {
		p = p[:min(int64(len(p)), b.left)] // or else the rest would be another request
	}
	n, err := b.src.Read(p)
	b.blocked.Store(false)
	if b.left >= 0 {
		b.left -= int64(n)
		if errors.Is(err, io.EOF) && b.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		if b.trailer != nil {
			copyTrailers(b.trailer, x.r, &x.m)
		}
		b.finish()
	case err != nil:
		var large *http.MaxBytesError
		b.large.Store(errors.As(err, &large))
		b.broken.Store(true)
	case b.left == 0:
		b.finish()
		err = io.EOF
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

// probe waits a moment for the body of a request that may have none though it announced no length, as requests do over HTTP/2:
// servers do not expect one. It reports whether there is none.
func (b *requestBody) probe() (none bool) {
	switch b.x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, "PROPFIND", "SEARCH":
	default:
		return false
	}
	if b.left >= 0 {
		return false
	}
	if b.probed == nil {
		b.probed = make(chan struct{})
		go func() {
			defer close(b.probed)
			defer b.catch()
			b.early = make([]byte, 512)
			n, err := b.Read(b.early)
			b.early, b.ended = b.early[:n], err
		}()
	}
	timer := time.NewTimer(probeTime)
	defer timer.Stop()
	select {
	case <-b.probed:
		return len(b.early) == 0 && errors.Is(b.ended, io.EOF)
	case <-timer.C:
		return false
	}
}

// start lets the body follow its head.
func (b *requestBody) start(l *link) {
	b.over = make(chan struct{})
	go b.send(l)
}

// room is how much of a buffer is left for the size of a chunk.
const room = 8

func (b *requestBody) send(l *link) {
	defer close(b.over)
	defer b.catch()
	if b.call != nil && !b.called() {
		return
	}
	x := b.x
	buf := x.p.buffers.Get().(*[bufferSize]byte)
	defer x.p.buffers.Put(buf)
	for {
		n, err := b.next(buf[room : bufferSize-room])
		if err != nil && !errors.Is(err, io.EOF) {
			x.cut() // What the upstream has is not the whole body, and must not look as if it were.
			return
		}
		text := buf[room : room+n]
		if b.trailer != nil {
			text = chunked(buf, n)
		}
		if b.trailer != nil && err != nil {
			text = b.last(text)
		}
		if len(text) > 0 {
			if _, err := l.Write(text); err != nil {
				x.owe(x.p.cfg.HeaderTimeout) // There may be an answer all the same.
				return
			}
		}
		if err != nil {
			b.sent = true
			return
		}
	}
}

// next reads what was read ahead, and then from the client.
func (b *requestBody) next(p []byte) (int, error) {
	if b.probed == nil || b.taken {
		return b.Read(p)
	}
	<-b.probed
	b.taken = true
	return copy(p, b.early), b.ended
}

// chunked returns the n bytes behind the room in a buffer as a chunk.
func chunked(buf *[bufferSize]byte, n int) []byte {
	if n == 0 {
		return nil
	}
	var memory [room]byte
	line := append(strconv.AppendInt(memory[:0], int64(n), 16), "\r\n"...)
	begin := room - len(line)
	copy(buf[begin:], line)
	copy(buf[room+n:], "\r\n")
	return buf[begin : room+n+2]
}

// last appends what ends a body of chunks.
func (b *requestBody) last(text []byte) []byte {
	text = append(text, "0\r\n"...)
	for _, name := range names(b.trailer) {
		for _, value := range b.trailer[name] {
			text = append(append(append(append(text, name...), ": "...), textproto.TrimString(value)...), "\r\n"...)
		}
	}
	return append(text, "\r\n"...)
}

// called waits until the upstream calls for the body or refuses it. One that does neither is sent it uncalled for.
func (b *requestBody) called() bool {
	timer := time.NewTimer(b.x.p.cfg.ContinueTimeout)
	defer timer.Stop()
	select {
	case wanted := <-b.call:
		return wanted
	case <-timer.C:
		return true
	}
}

// want tells a body that waits for it whether the upstream wants it. Only the first time counts.
func (b *requestBody) want(wanted bool) {
	if b == nil || b.call == nil {
		return
	}
	select {
	case b.call <- wanted:
	default:
	}
}

// whole reports whether everything has been sent.
func (b *requestBody) whole() bool {
	switch {
	case b == nil:
		return true
	case !b.done.Load() || b.call != nil:
		return false // The upstream was told that the connection will be closed if it need not want the body.
	case b.over == nil:
		return b.sent
	}
	select {
	case <-b.over:
		return b.sent
	default:
	}
	timer := time.NewTimer(sendTime)
	defer timer.Stop()
	select {
	case <-b.over:
		return b.sent
	case <-timer.C:
		return false
	}
}

// stop ends the sender. A read that still waits for the client is broken off.
func (b *requestBody) stop() {
	b.want(false)
	if !b.done.Load() && b.x.rc.SetReadDeadline(longAgo) != nil {
		return // Whoever reads is left to the server.
	}
	if b.probed != nil {
		<-b.probed
	}
	if b.over != nil {
		<-b.over
	}
	if b.fault != nil {
		panic(b.fault)
	}
}

// catch keeps a panic of whoever reads for the client from ending the program: it belongs to the goroutine that answers the
// request, where stop raises it again.
func (b *requestBody) catch() {
	if fault := recover(); fault != nil {
		b.fault, b.early, b.ended = fault, nil, io.ErrUnexpectedEOF
		b.broken.Store(true)
		b.x.cut()
	}
}
