package refusal

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"
)

// phraseReaders are the programs that tell their user the status line of an answer and nothing else of it, by how their
// User-Agent begins. freshclam does so when it is asked for more words (-v); otherwise it tells the number alone.
var phraseReaders = [...]string{"Debian APT-HTTP/", "ClamAV/", "Wget/", "Python-urllib/"}

// readsPhrase reports whether a request comes from such a program. Whoever pretends to be one gains nothing: the
// answer is the same but for its first line.
func readsPhrase(h http.Header) bool {
	agent := h.Get("User-Agent")
	for _, name := range phraseReaders {
		if strings.HasPrefix(agent, name) {
			return true
		}
	}
	return false
}

// linger is how long a connection is listened to behind its last answer, so that requests which were sent before their
// client knew do not destroy it (RFC 9112, section 9.6).
const linger = 500 * time.Millisecond

// writePhrase answers over the connection itself, because servers have no other way to a reason phrase of one's own (RFC
// 9112, section 4), and closes it. The answer must have no more headers to come. It reports whether it has answered:
// nothing was sent if not.
func (w *Writer) writePhrase(rw http.ResponseWriter, r *http.Request, line []byte) bool {
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // all that it had to say is said
	h := rw.Header()
	h["Connection"] = []string{"close"}
	h["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	var answer bytes.Buffer
	answer.WriteString("HTTP/1.1 451 ")
	answer.Write(bytes.TrimSuffix(line, []byte("\n")))
	answer.WriteString("\r\n")
	_ = h.Write(&answer) // a buffer takes everything
	answer.WriteString("\r\n")
	if r.Method != http.MethodHead {
		answer.Write(line)
	}
	_ = conn.SetDeadline(time.Now().Add(w.patience)) // one that is closed shows below
	if _, err = conn.Write(answer.Bytes()); err != nil {
		return true // the client has gone
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the answer says that it ends here
	}
	_ = conn.SetReadDeadline(time.Now().Add(min(linger, w.patience)))
	_, _ = io.CopyN(io.Discard, conn, 256<<10) // as much as the server itself would read
	return true
}
