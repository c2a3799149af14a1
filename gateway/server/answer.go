package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// room is kept between a header and the body that is written before it is known how the header ends.
const room = "                                                                                                                                                                "

// chunkRoom is what chunks and their ends may need beside what they hold.
const chunkRoom = len("ffff\r\n") + len("\r\n") + len("0\r\n\r\n")

// writeHead appends the status line and the fields that the handler has set, but for those that say how the answer is framed and what
// becomes of the connection. The empty line is still to come.
func (x *exchange) writeHead(out []byte, status int) []byte {
	out = appendStatus(out, x.minor, status)
	var memory [24]string
	names := memory[:0]
	for name, values := range x.header {
		switch {
		case len(values) == 0 || !isToken(name):
			if strings.HasPrefix(name, http.TrailerPrefix) {
				x.trailed = true
			}
			continue
		case name == "Content-Length" || name == "Transfer-Encoding" || name == "Content-Type" && status == http.StatusNotModified:
			continue
		case name == "Connection":
			if x.closing = x.closing || hasClose(values); x.closing {
				continue
			}
			x.connected = true
		case name == "Date":
			x.dated = true
		case name == "Trailer":
			x.announce(values)
		}
		names = insert(names, name)
	}
	for _, name := range names {
		for _, value := range x.header[name] {
			out = appendField(out, name, value)
		}
	}
	return out
}

// insert puts a name where it belongs in a list that is in order.
func insert(names []string, name string) []string {
	names = append(names, name)
	for i := len(names) - 1; i > 0 && names[i] < names[i-1]; i-- {
		names[i], names[i-1] = names[i-1], names[i]
	}
	return names
}

func appendStatus(out []byte, minor uint8, status int) []byte {
	if minor > 0 {
		out = append(out, "HTTP/1.1 "...)
	} else {
		out = append(out, "HTTP/1.0 "...)
	}
	out = append(strconv.AppendInt(out, int64(status), 10), ' ')
	return append(append(out, http.StatusText(status)...), "\r\n"...)
}

// appendField appends a field. What would end its line, or the text for some, is a blank.
func appendField(out []byte, name, value string) []byte {
	out = append(append(out, name...), ": "...)
	value = trim(value)
	begin := len(out)
	out = append(out, value...)
	for i := begin; i < len(out); i++ {
		if c := out[i]; c == '\r' || c == '\n' || c == 0 {
			out[i] = ' '
		}
	}
	return append(out, "\r\n"...)
}

// announce notes the trailers that will come.
func (x *exchange) announce(lines []string) {
	x.trailed = true
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(trim(name))
			if name != "Transfer-Encoding" && name != "Content-Length" && name != "Trailer" && isToken(name) {
				x.trailers = append(x.trailers, name)
			}
		}
	}
}

// commit decides how the answer is framed and what becomes of the connection, and ends its header so. It has no effect the second
// time.
func (x *exchange) commit() {
	if x.committed {
		return
	}
	x.committed = true
	head, none := x.method == http.MethodHead, bare(x.status)
	body := len(x.out) - x.at
	if x.finishing && x.length < 0 && !x.trailed && !none && (!head || body > 0) {
		x.length = int64(body)
	}
	var memory [len(room)]byte
	end := memory[:0]
	x.closing = x.closing || x.c.s.stopping.Load()
	if keeps := x.kept && (head || x.length >= 0 || none); !keeps && (x.last || x.minor == 0) {
		x.closing = true
	}
	x.settleBody()
	if !x.dated {
		end = append(end, x.c.s.dateField(time.Now())...)
	}
	switch {
	case none, x.method == http.MethodConnect && x.status < 300: // such an answer has no body to frame (RFC 9110, section 9.3.6)
	case x.length >= 0:
		end = append(strconv.AppendInt(append(end, "Content-Length: "...), x.length, 10), "\r\n"...)
	case head:
	case x.minor > 0:
		x.chunked = true
		end = append(end, "Transfer-Encoding: chunked\r\n"...)
	default:
		x.closing = true
	}
	switch {
	case x.status == http.StatusSwitchingProtocols:
	case x.closing && x.minor > 0:
		end = append(end, "Connection: close\r\n"...)
	case !x.closing && x.kept && !x.connected:
		end = append(end, "Connection: keep-alive\r\n"...)
	}
	end = append(end, "\r\n"...)
	x.join(end, body, head)
}

// join moves the beginning of the answer so that its header ends where its body begins.
func (x *exchange) join(end []byte, body int, head bool) {
	if head {
		x.out, body = x.out[:x.at], 0
	}
	begin := x.at - len(room)
	if body == 0 {
		x.out = append(x.out[:begin], end...)
		x.at = 0
		return
	}
	if x.chunked {
		end = append(strconv.AppendInt(end, int64(body), 16), "\r\n"...)
		x.out = append(x.out, "\r\n"...)
	}
	shift := len(room) - len(end)
	copy(x.out[shift:], x.out[:begin])
	copy(x.out[shift+begin:], end)
	x.out, x.at = x.out[shift:], 0
}

// settleBody has the rest of the request's body read before the answer is sent, because some clients read none of it before they have
// sent everything, and the next request stands behind it. Where the connection ends anyway, it is left alone.
func (x *exchange) settleBody() {
	b := &x.body
	switch {
	case b.whole.Load():
		return
	case b.expects:
		x.closing = true // as it ought to, who expected to be asked may or may not send it
	}
	if x.closing || x.duplex {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed || b.state == counting && b.left > mostDrained:
	default:
		b.drain()
	}
	if b.state != over {
		x.closing, x.parting = true, true
	}
}

// chunkHead is the place of an open chunk's size.
const chunkHead = "0000\r\n"

// openChunk makes room for the size of a chunk, if the answer has any and none is open.
func (x *exchange) openChunk() {
	if x.committed && x.chunked && x.at == 0 {
		x.out = append(x.out, chunkHead...)
		x.at = len(x.out)
	}
}

// closeChunk writes the size of the chunk that is open.
func (x *exchange) closeChunk() {
	if !x.chunked || x.at == 0 {
		return
	}
	begin := x.at - len(chunkHead)
	held := len(x.out) - x.at
	var memory [len(chunkHead)]byte
	line := append(strconv.AppendInt(memory[:0], int64(held), 16), "\r\n"...)
	n := copy(x.out[begin:], line)
	n += copy(x.out[begin+n:], x.out[x.at:])
	x.out, x.at = append(x.out[:begin+n], "\r\n"...), 0
}

// writeTrailer ends an answer in chunks.
func (x *exchange) writeTrailer() {
	x.out = append(x.out, "0\r\n"...)
	var names []string
	for name := range x.header {
		if strings.HasPrefix(name, http.TrailerPrefix) && isToken(name[len(http.TrailerPrefix):]) {
			names = insert(names, name)
		}
	}
	for _, name := range names {
		for _, value := range x.header[name] {
			x.out = appendField(x.out, name[len(http.TrailerPrefix):], value)
		}
	}
	for _, name := range x.trailers {
		for _, value := range x.header[name] {
			x.out = appendField(x.out, name, value)
		}
	}
	x.out = append(x.out, "\r\n"...)
}

// writeInterim sends an interim answer.
func (x *exchange) writeInterim(status int) {
	x.open()
	x.out = appendStatus(x.out[:0], x.minor, status)
	var names []string
	for name := range x.header {
		if name != "Content-Length" && name != "Transfer-Encoding" && isToken(name) {
			names = insert(names, name)
		}
	}
	for _, name := range names {
		for _, value := range x.header[name] {
			x.out = appendField(x.out, name, value)
		}
	}
	x.out = append(x.out, "\r\n"...)
	_ = x.send(nil) // whoever writes the answer sees it
}
