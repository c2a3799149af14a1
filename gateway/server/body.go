package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// state is how the next bytes of a body are to be read.
type state int8

const (
	over     state = iota // None of the connection's bytes are the request's any more.
	counting              // The body has so many bytes.
	size                  // A line with a chunk's size comes.
	chunk                 // The bytes of a chunk come.
	between               // The end of the line behind a chunk comes.
	trailing              // A line of the trailer comes, or the empty one that ends it.
)

const (
	// mostLine bounds the line with a chunk's size, and the trailer as a whole.
	mostLine = 4 << 10
	// mostWaste is how much more than they need chunks may cost.
	mostWaste = 16 << 10
	// mostDrained is how much of a body that nobody wants is read so that the connection can be kept.
	mostDrained = 256 << 10
)

var (
	errChunk   = errors.New("the request's body is not chunked as it ought to be")
	errWaste   = errors.New("the chunks of the request's body hold next to nothing")
	errTrailer = errors.New("the request's trailer is too long")
)

// body is what a request holds. Another goroutine than the connection's may read it, one at a time.
type body struct {
	x        *exchange
	expects  bool        // The client has said that it waits to be asked for it.
	waits    bool        // The client waits to be asked for it, and has not been asked. It belongs to exchange.writing.
	uncalled atomic.Bool // It is to be asked as soon as somebody reads.
	whole    atomic.Bool // Nothing of it is still to come.

	mu      sync.Mutex
	state   state
	left    int64  // Of the body, or of the chunk.
	waste   int64  // What chunks cost beside what they hold.
	trailed []byte // The trailer's lines so far.
	closed  bool   // Nobody is to have any more of it.
	drained bool   // Nobody wants what is left.
	err     error  // Why no more can be had.
}

// Read reads the body. It returns io.EOF with the last bytes, if it can. It waits for bytes only while it has none.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

// read is Read with mu.
func (b *body) read(p []byte) (n int, err error) {
	switch {
	case b.err != nil:
		return 0, b.err
	case b.state == over:
		return 0, io.EOF
	case b.uncalled.Load():
		b.x.call()
	}
	if b.state == counting {
		if n, err = b.some(p); b.left == 0 {
			b.state, err = over, io.EOF
		}
	} else {
		n, err = b.readChunks(p)
	}
	switch {
	case b.state == over:
		b.whole.Store(true)
		b.x.resumeWatch()
	case err != nil:
		b.err = err
	}
	return n, err
}

// some reads some of the bytes that are left.
func (b *body) some(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	c := b.x.c
	p = p[:min(int64(len(p)), b.left)]
	if c.r < c.w {
		n = copy(p, c.in[c.r:c.w])
		c.r += n
	} else {
		b.unhurry()
		if n, err = c.nc.Read(p); err != nil {
			err = b.x.lost(err)
		}
	}
	b.left -= int64(n)
	return n, err
}

func (b *body) readChunks(p []byte) (n int, err error) {
	c := b.x.c
	for err == nil {
		switch {
		case b.state == over:
			return n, io.EOF
		case b.state != chunk:
			if n > 0 && bytes.IndexByte(c.in[c.r:c.w], '\n') < 0 {
				return n, nil
			}
			err = b.advance()
		case n == len(p), n > 0 && c.r == c.w:
			return n, nil
		default:
			var m int
			m, err = b.some(p[n:])
			n += m
			if b.left == 0 {
				b.state = between
			}
		}
	}
	return n, err
}

// line reads a line that is not of the body, and returns it without its end, which must be a whole one.
func (b *body) line() ([]byte, error) {
	c := b.x.c
	for {
		if i := bytes.IndexByte(c.in[c.r:c.w], '\n'); i >= 0 {
			line := c.in[c.r : c.r+i]
			c.r += i + 1
			if bytes.IndexByte(line, '\r') != len(line)-1 || len(line) == 0 || len(line) > mostLine {
				return nil, errChunk
			}
			return line[:len(line)-1], nil
		}
		if c.w-c.r > mostLine {
			return nil, errChunk
		}
		b.unhurry()
		if err := c.fill(max(len(c.in), 2*mostLine)); err != nil {
			return nil, b.x.lost(err)
		}
	}
}

// advance reads a line that is not of the body: a chunk's size, its end, or one of the trailer (RFC 9112, section 7.1).
func (b *body) advance() error {
	if b.state == between {
		return b.endChunk()
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	if b.state == trailing {
		return b.trail(line)
	}
	if b.left, err = chunkSize(line); err != nil {
		return err
	}
	// One byte per chunk is no offence, but what is said about it is.
	if b.waste = max(0, b.waste+int64(len(line))+2-16-2*min(b.left, mostWaste)); b.waste > mostWaste {
		return errWaste
	}
	b.state = chunk
	if b.left == 0 {
		b.state = trailing
	}
	return nil
}

// endChunk reads the two bytes behind a chunk.
func (b *body) endChunk() error {
	c := b.x.c
	for c.w-c.r < 2 {
		b.unhurry()
		if err := c.fill(len(c.in)); err != nil {
			return b.x.lost(err)
		}
	}
	if c.in[c.r] != '\r' || c.in[c.r+1] != '\n' {
		return errChunk
	}
	c.r += 2
	b.state = size
	return nil
}

// chunkSize reads a size, and drops the extensions behind it.
func chunkSize(line []byte) (n int64, err error) {
	line = bytes.TrimRight(line, " \t")
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	if len(line) == 0 || len(line) > 15 {
		return 0, errChunk
	}
	for _, c := range line {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errChunk
		}
		n = n<<4 | int64(c)
	}
	return n, nil
}

// trail takes a line of the trailer.
func (b *body) trail(line []byte) error {
	if len(b.trailed)+len(line)+1 > mostLine {
		return errTrailer
	}
	if len(line) > 0 {
		b.trailed = append(append(b.trailed, line...), '\n')
		return nil
	}
	if len(b.trailed) > 0 {
		capitalize(b.trailed)
		fields := http.Header{}
		if err := addFields(fields, string(b.trailed), nil); err != nil {
			return err
		}
		if b.x.r.Trailer == nil {
			b.x.r.Trailer = http.Header{}
		}
		for name, values := range fields {
			b.x.r.Trailer[name] = values
		}
	}
	b.state = over
	return nil
}

// Close has nobody read any more. What is left is read as long as that is little, because another request may stand behind it.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.close()
}

// close is Close with mu.
func (b *body) close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.state == over || b.err != nil || b.state == counting && b.left > mostDrained {
		return nil
	}
	// A client that is asked for its body only to have it dropped would rather be told to keep it.
	if b.expects && b.x.refusesBody() {
		return nil
	}
	b.drain()
	return nil
}

// unhurry gives whoever reads as much time as the client needs, unless the handler has said otherwise.
func (b *body) unhurry() {
	if !b.drained {
		b.x.c.limit(0)
	}
}

// drain reads what is left, if that is not too much and comes soon, with mu.
func (b *body) drain() {
	b.drained = true
	b.x.c.limit(drainPatience)
	room := buffers.Get().(*buffer)
	defer buffers.Put(room)
	for n := 0; b.state != over && b.err == nil && n <= mostDrained; {
		m, _ := b.read(room[:]) // an error is kept
		n += m
	}
}

// forsake has nobody read any more, whatever is left.
func (b *body) forsake() {
	b.uncalled.Store(false)
	_ = b.x.c.choose(longAgo) // whoever reads lets go
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// refusesBody reports whether the client was to be asked for its body, and has got its answer instead.
func (x *exchange) refusesBody() bool {
	x.writing.Lock()
	defer x.writing.Unlock()
	return x.body.waits
}
