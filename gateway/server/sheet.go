package server

import (
	"net"
	"net/http"
	"sync"
)

// sheet is what an answer is made with: a header for the handler, and memory for what is sent.
type sheet struct {
	header  http.Header
	text    [sheetSize]byte
	pieces  [2][]byte // What is sent together.
	buffers net.Buffers
}

const (
	sheetSize = 8 << 10
	// mostFields is how many fields an answer may have had whose header is used again.
	mostFields = 64
)

var sheets = sync.Pool{New: func() any { return &sheet{header: make(http.Header, 16)} }}

// open takes memory for the answer.
func (x *exchange) open() {
	if x.sheet == nil {
		x.sheet = sheets.Get().(*sheet)
		x.out = x.sheet.text[:0]
	}
}

// shut gives it back, and the answer's header with it.
func (x *exchange) shut() {
	if x.sheet == nil {
		return
	}
	if len(x.sheet.header) <= mostFields {
		clear(x.sheet.header)
		sheets.Put(x.sheet)
	}
	x.header, x.sheet, x.out = nil, nil, nil
}

// send sends what there is, and p behind it.
func (x *exchange) send(p []byte) (err error) {
	switch {
	case x.c.broken:
		return net.ErrClosed
	case len(p) == 0 && len(x.out) == 0:
		return nil
	case len(p) == 0:
		err = x.c.write(x.out)
	case len(x.out) == 0:
		err = x.c.write(p)
	default:
		s := x.sheet
		s.pieces = [2][]byte{x.out, p}
		s.buffers = s.pieces[:]
		_, err = s.buffers.WriteTo(x.c.nc)
		s.pieces = [2][]byte{}
	}
	x.out = x.out[:0]
	if err != nil {
		x.c.broken = true
		x.life.end()
	}
	return err
}

// write writes all of p.
func (c *conn) write(p []byte) error {
	if c.socket != nil && len(p) <= 2*sheetSize {
		return c.socket.send(p)
	}
	_, err := c.nc.Write(p)
	return err
}
