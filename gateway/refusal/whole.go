package refusal

import (
	"bytes"
	"net/http"
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
	buf.Write(w.fields[chosen])
	writeField(buf, "Content-Language", l.header[0])
	writeField(buf, "Link", link)
	if reference != "" {
		writeField(buf, "Gate451-Reference", reference)
	}
	whole := buf.Bytes()
	if server.WriteAll(http.StatusUnavailableForLegalReasons, whole[n:], whole[:n]) {
		return true
	}
	buf.Truncate(n)
	return false
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
