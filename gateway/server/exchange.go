package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one request and its answer, and the handler's http.ResponseWriter. It has all that http.ResponseController asks for.
//
// It does not guess a Content-Type, and says itself how an answer is framed: a Transfer-Encoding of the handler's is ignored.
type exchange struct {
	c    *conn
	r    *http.Request
	life life
	body body
	url  url.URL
	// Most of what the request's header says.
	values [8]string

	method     string // Whatever the handler makes of the request's.
	minor      uint8  // Of the request's version.
	last       bool   // The client wants no other request on the connection.
	kept       bool   // It wants one, though it speaks HTTP/1.0.
	unexpected bool   // It expects what there is not.
	vigil      vigil

	header    http.Header // Nil until it is asked for.
	status    int         // 0 until the handler has said it.
	length    int64       // Of the answer's body, as the handler has said; -1 if it has not.
	written   int64       // Of it.
	closing   bool        // The connection ends behind the answer.
	parting   bool        // The client may have more to say than anybody reads.
	connected bool        // The handler has said something of the connection that is not its end.
	dated     bool        // It has said a date.
	duplex    bool        // It wants to read the body while it answers.
	trailed   bool        // There may be a trailer,
	trailers  []string
	chunked   bool
	committed bool        // The header can be changed no more.
	finishing bool        // The handler has returned.
	hijacked  atomic.Bool // The connection is the handler's.

	writing sync.Mutex // Of an answer, and of a call for the body, which another goroutine may send.
	done    atomic.Bool
	sheet   *sheet
	out     []byte // What is to be sent: the header, some room, and what there is of the body, until that is committed.
	at      int    // Where in it the body begins until then, or the chunk that is open; 0 if none is.
}

// Header returns the header of the answer.
func (x *exchange) Header() http.Header {
	if x.header == nil && x.done.Load() {
		x.header = http.Header{} // The answer's is another's now.
	}
	if x.header == nil {
		x.open()
		x.header = x.sheet.header
	}
	return x.header
}

// WriteHeader begins the answer, or sends an interim one at once. The header that is sent is what it is now.
func (x *exchange) WriteHeader(status int) {
	if x.hijacked.Load() || x.status != 0 {
		x.c.s.cfg.Logger.Debug("a status too many", slog.Int("status", status))
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("there is no status %d", status))
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if status == http.StatusContinue {
		x.body.waits = false
	}
	if status == http.StatusContinue || status >= 200 {
		x.body.uncalled.Store(false)
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		x.writeInterim(status)
		return
	}
	x.status = status
	if length := x.header["Content-Length"]; len(length) > 0 && length[0] != "" {
		if n, err := strconv.ParseInt(length[0], 10, 64); err == nil && n >= 0 {
			x.length = n
		}
	}
	x.open()
	x.out = x.writeHead(x.out, status)
	x.out = append(x.out, room...)
	x.at = len(x.out)
}

// WriteAll answers with a body and with fields that are lines of text already. It spares whoever has those at hand a header of the
// answer's own, and so reports false, and has done nothing, if there is one, or an answer has begun.
func (x *exchange) WriteAll(status int, fields, body []byte) bool {
	if x.hijacked.Load() || x.status != 0 || len(x.header) > 0 {
		return false
	}
	x.writing.Lock()
	x.body.uncalled.Store(false)
	x.status, x.length = status, int64(len(body))
	x.open()
	x.out = append(append(appendStatus(x.out, x.minor, status), fields...), room...)
	x.at = len(x.out)
	x.writing.Unlock()
	_, _ = x.Write(body) // a client that is gone needs no answer
	return true
}

// Write writes some of the body.
func (x *exchange) Write(p []byte) (int, error) { return write(x, p) }

// WriteString writes some of the body.
func (x *exchange) WriteString(s string) (int, error) { return write(x, s) }

func write[T []byte | string](x *exchange, p T) (int, error) {
	if x.hijacked.Load() {
		return 0, http.ErrHijacked
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	if len(p) == 0 {
		return 0, nil
	}
	if bare(x.status) {
		return 0, http.ErrBodyNotAllowed
	}
	if x.written += int64(len(p)); x.length >= 0 && x.written > x.length {
		return 0, http.ErrContentLength
	}
	switch {
	case x.committed && x.method == http.MethodHead:
		return len(p), nil
	case len(x.out)+len(p)+chunkRoom <= sheetSize:
		x.openChunk()
		x.out = append(x.out, p...)
		return len(p), nil
	}
	return len(p), x.writeLong([]byte(p))
}

// writeLong sends what there is, and p behind it.
func (x *exchange) writeLong(p []byte) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.commit()
	if x.method == http.MethodHead {
		return x.send(nil)
	}
	if x.chunked {
		x.closeChunk()
		x.out = append(strconv.AppendInt(x.out, int64(len(p)), 16), "\r\n"...)
	}
	err := x.send(p)
	if x.chunked {
		x.out = append(x.out, "\r\n"...)
	}
	return err
}

// Flush sends what there is.
func (x *exchange) Flush() { _ = x.FlushError() }

// FlushError sends what there is, the header at the least.
func (x *exchange) FlushError() error {
	if x.hijacked.Load() {
		return http.ErrHijacked
	}
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	x.commit()
	x.closeChunk()
	return x.send(nil)
}

// ReadFrom writes what it reads. Where that comes from a file or another plain connection, and the body is as it is, the kernel passes
// it on.
func (x *exchange) ReadFrom(src io.Reader) (n int64, err error) {
	to, ok := x.c.nc.(io.ReaderFrom)
	if !ok || x.hijacked.Load() {
		return io.Copy(struct{ io.Writer }{x}, src)
	}
	if err := x.FlushError(); err != nil {
		return 0, err
	}
	if x.chunked || x.method == http.MethodHead || bare(x.status) {
		return io.Copy(struct{ io.Writer }{x}, src)
	}
	if part, ok := src.(*io.LimitedReader); x.length >= 0 && (!ok || part.N > x.length-x.written) {
		src = io.LimitReader(src, x.length-x.written)
	}
	n, err = to.ReadFrom(src)
	if x.written += n; err != nil {
		x.c.broken = true
	}
	return n, err
}

// call asks the client for the body that it keeps back.
func (x *exchange) call() {
	x.writing.Lock()
	defer x.writing.Unlock()
	if !x.body.uncalled.Swap(false) || x.c.broken {
		return
	}
	x.body.waits = false
	if _, err := io.WriteString(x.c.nc, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
		x.c.broken = true
		x.life.end()
	}
}

// lost notes that the connection cannot be read any more.
func (x *exchange) lost(err error) error {
	x.life.end()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// SetReadDeadline sets the deadline for reading the body.
func (x *exchange) SetReadDeadline(at time.Time) error {
	if x.done.Load() {
		return net.ErrClosed
	}
	return x.c.choose(at)
}

// SetWriteDeadline sets the deadline for writing the answer.
func (x *exchange) SetWriteDeadline(at time.Time) error {
	if x.done.Load() {
		return net.ErrClosed
	}
	x.c.deadlines.Lock()
	defer x.c.deadlines.Unlock()
	x.c.hasty = true
	return x.c.nc.SetWriteDeadline(at)
}

// EnableFullDuplex lets the handler read the request's body after it has begun to answer.
func (x *exchange) EnableFullDuplex() error {
	x.duplex = true
	return nil
}

// bare reports whether an answer with a status has no body (RFC 9110, section 6.4.1).
func bare(status int) bool {
	return status < 200 || status == http.StatusNoContent || status == http.StatusNotModified
}
