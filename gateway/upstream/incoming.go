package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

// response is an upstream's answer: its head, and what of its body is still to come.
type response struct {
	l       *link
	status  int
	header  http.Header
	trailer http.Header // The names that are announced; with values once the body has ended.
	length  int64       // Of the body; -1 if it is not said.
	last    bool        // The connection is of no use afterwards.

	state   state
	left    int64  // Of the body, or of the chunk.
	waste   int64  // What chunks cost beside what they hold.
	trailed []byte // The trailer's lines so far.
}

// state is how the next bytes of a body are to be read.
type state int8

const (
	ended    state = iota // None of the connection's bytes are the answer's any more.
	counting              // The body has so many bytes.
	closing               // It ends with the connection.
	size                  // A line with a chunk's size comes.
	chunk                 // The bytes of a chunk come.
	between               // The end of the line behind a chunk comes.
	trailing              // A line of the trailer comes, or the empty one that ends it.
)

const (
	// mostWaste is how much more than they need chunks may cost.
	mostWaste = 16 << 10
	// trailerBytes bounds a trailer.
	trailerBytes = 4 << 10
)

var (
	errChunk       = errors.New("the upstream's answer is not chunked as it ought to be")
	errWaste       = errors.New("the chunks of the upstream's answer hold next to nothing")
	errLongTrailer = errors.New("the upstream's trailer is too long")
)

// Read reads the body. It returns io.EOF, with the last bytes if it can, when the answer has ended, and another error if it has
// not. It waits for bytes only while it has none.
func (r *response) Read(p []byte) (n int, err error) {
	switch r.state {
	case ended:
		return 0, io.EOF
	case closing:
		n, err = r.l.in.Read(p)
		if errors.Is(err, io.EOF) {
			r.state = ended
		}
		return n, err
	case counting:
		n, err = r.some(p)
		if r.left == 0 {
			r.state, err = ended, io.EOF
		}
		return n, err
	}
	return r.readChunks(p)
}

// some reads some of the bytes that are left.
func (r *response) some(p []byte) (int, error) {
	n, err := r.l.in.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if errors.Is(err, io.EOF) && r.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *response) readChunks(p []byte) (n int, err error) {
	for err == nil {
		switch {
		case r.state == ended:
			return n, io.EOF
		case r.state != chunk:
			if n > 0 && !lineBuffered(r.l.in) {
				return n, nil
			}
			err = r.advance()
		case n == len(p), n > 0 && r.l.in.Buffered() == 0:
			return n, nil
		default:
			var m int
			m, err = r.some(p[n:])
			n += m
			if r.left == 0 && err == nil {
				r.state = between
			}
		}
	}
	return n, err
}

func lineBuffered(in *bufio.Reader) bool {
	had, _ := in.Peek(in.Buffered()) // cannot fail
	return bytes.IndexByte(had, '\n') >= 0
}

// advance reads a line that is not of the body: a chunk's size, its end, or one of the trailer (RFC 9112, section 7.1). All of
// them end as they must, with a carriage return too.
func (r *response) advance() error {
	line, err := r.l.in.ReadSlice('\n')
	switch {
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, bufio.ErrBufferFull):
		return errChunk
	case err != nil:
		return err
	case len(line) < 2 || bytes.IndexByte(line, '\r') != len(line)-2:
		return errChunk
	}
	if r.state == trailing {
		return r.trail(line)
	}
	line = line[:len(line)-2]
	if r.state == between {
		if len(line) > 0 {
			return errChunk
		}
		r.state = size
		return nil
	}
	if r.left, err = chunkSize(line); err != nil {
		return err
	}
	// One byte per chunk is no offence, but what is said about it is.
	if r.waste = max(0, r.waste+int64(len(line))-16-2*min(r.left, mostWaste)); r.waste > mostWaste {
		return errWaste
	}
	r.state = chunk
	if r.left == 0 {
		r.state = trailing
	}
	return nil
}

// chunkSize reads a size, and drops the extensions behind it.
func chunkSize(line []byte) (n int64, err error) {
	if i := bytes.IndexByte(line, ';'); i >= 0 {
		line = line[:i]
	}
	line = bytes.TrimRight(line, " \t")
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
func (r *response) trail(line []byte) error {
	if len(r.trailed)+len(line) > trailerBytes {
		return errLongTrailer
	}
	if len(line) > 2 {
		r.trailed = append(r.trailed, line...)
		return nil
	}
	if r.state = ended; len(r.trailed) == 0 {
		return nil
	}
	fields := http.Header{}
	if err := addFields(fields, string(r.trailed)+"\r\n"); err != nil {
		r.state = trailing // It has not come to a good end.
		return err
	}
	for name, values := range fields {
		if framing(name) {
			continue
		}
		if r.trailer == nil {
			r.trailer = http.Header{}
		}
		r.trailer[name] = values
	}
	return nil
}
