package refusal

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
)

// wholeWriter is a server's writer that takes a whole answer with fields that are text already. It reports false, and has done
// nothing, if somebody has set others.
type wholeWriter interface {
	WriteAll(status int, fields, body []byte) bool
}

// writeAll answers with the body that is in buf, where the server can take all of it at once: it goes around whatever wraps the
// server's writer. It reports whether it has answered.
func (w *Writer) writeAll(rw http.ResponseWriter, buf *bytes.Buffer, chosen form, l *language, link, reference string) bool {
	server, ok := wholeWriterOf(rw)
	if !ok {
		return false
	}
	n := buf.Len()
	all := &w.fields[chosen]
	buf.Write(all[0])
	writeField(buf, "Content-Language", l.header[0])
	buf.Write(all[1])
	if reference != "" {
		writeField(buf, "Gate451-Reference", reference)
	}
	writeField(buf, "Link", link)
	buf.Write(all[2])
	whole := buf.Bytes()
	if server.WriteAll(http.StatusUnavailableForLegalReasons, whole[n:], whole[:n]) {
		return true
	}
	buf.Truncate(n)
	return false
}

// fields are those that all refusals of a form have, as text: before Content-Language, between that and Gate451-Reference, and behind
// Link. So they stand in the order in which they would be if they were in a header.
type fields [3][]byte

func newFields(h http.Header) (f fields) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		part := 2
		switch {
		case name < "Content-Language":
			part = 0
		case name < "Gate451-Reference":
			part = 1
		}
		var text bytes.Buffer
		writeField(&text, name, h.Get(name))
		f[part] = append(f[part], text.Bytes()...)
	}
	return f
}

func wholeWriterOf(rw http.ResponseWriter) (wholeWriter, bool) {
	for {
		if server, ok := rw.(wholeWriter); ok {
			return server, true
		}
		wrapped, ok := rw.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil, false
		}
		rw = wrapped.Unwrap()
	}
}

func writeField(buf *bytes.Buffer, name, value string) {
	buf.WriteString(name)
	buf.WriteString(": ")
	buf.WriteString(value)
	buf.WriteString("\r\n")
}
