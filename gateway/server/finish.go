package server

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"time"
)

// Hijack gives the connection to the handler, with what its client has sent ahead. What the handler has written is sent.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if x.hijacked.Load() {
		return nil, nil, http.ErrHijacked
	}
	x.endWatch()
	x.writing.Lock()
	defer x.writing.Unlock()
	x.body.uncalled.Store(false)
	c := x.c
	if x.status != 0 {
		x.commit()
		x.closeChunk()
		_ = x.send(nil) // whoever writes more sees it
	}
	if !c.use.CompareAndSwap(busy, upgraded) {
		return nil, nil, net.ErrClosed
	}
	x.hijacked.Store(true)
	x.sheet, x.out = nil, nil // The handler may go on using the header.
	ahead := bytes.Clone(c.in[c.r:c.w])
	in := bufio.NewReaderSize(&replayed{c.nc, ahead}, max(4<<10, len(ahead)))
	_, _ = in.Peek(len(ahead)) // it is there
	return c.nc, bufio.NewReadWriter(in, bufio.NewWriter(c.nc)), c.nc.SetDeadline(time.Time{})
}

// finish ends the answer, and finds out what becomes of the connection.
func (x *exchange) finish() then {
	c := x.c
	x.life.end()
	if x.hijacked.Load() {
		return leave
	}
	x.finishing = true
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	x.writing.Lock()
	x.commit()
	x.closeChunk()
	if x.chunked {
		x.writeTrailer()
	}
	_ = x.send(nil) // the connection knows
	x.writing.Unlock()
	if x.r.MultipartForm != nil {
		_ = x.r.MultipartForm.RemoveAll() // the system cleans up what is left
	}
	if !x.body.whole.Load() {
		_ = x.body.Close() // as much as can be
	}
	x.endWatch()
	x.done.Store(true)
	x.shut()
	c.blank = 0
	if x.method == http.MethodPost {
		c.blank = mostBlank
	}
	short := x.length >= 0 && x.written != x.length && x.method != http.MethodHead && !bare(x.status)
	switch {
	case c.broken:
		return hangUp
	case !x.body.whole.Load(), x.parting:
		return linger
	case x.closing, short:
		return hangUp
	}
	return keep
}

// hasClose reports whether the options of a connection have its end among them, however they are told apart.
func hasClose(lines []string) bool {
	for _, line := range lines {
		for option := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
			if strings.EqualFold(option, "close") {
				return true
			}
		}
	}
	return false
}
