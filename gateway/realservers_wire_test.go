package gateway_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// wire is a connection that is kept and made again.
type wire struct {
	dial   func() (net.Conn, error)
	conn   net.Conn
	reader *bufio.Reader
}

// received is an answer, and how long its body is said to be.
type received struct {
	status int
	header http.Header
	text   []byte
	length int64
}

// ask sends a request as it is. A connection that was kept may have ended meanwhile, and is tried once more.
func (w *wire) ask(a attempt, host string) (*received, error) {
	for kept := w.conn != nil; ; kept = false {
		got, err := w.exchange(a, host)
		if err == nil {
			return got, nil
		}
		w.close()
		if e, ok := errors.AsType[net.Error](err); !kept || ok && e.Timeout() {
			return nil, err
		}
	}
}

func (w *wire) exchange(a attempt, host string) (*received, error) {
	if w.conn == nil {
		conn, err := w.dial()
		if err != nil {
			return nil, err
		}
		w.conn, w.reader = conn, bufio.NewReader(conn)
	}
	if err := w.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	var length string
	if a.method == http.MethodPost {
		length = "Content-Length: 0\r\n"
	}
	if _, err := io.WriteString(w.conn, a.method+" "+a.target+" HTTP/1.1\r\nHost: "+host+"\r\n"+length+"\r\n"); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(w.reader, &http.Request{Method: a.method})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.Close || res.StatusCode == http.StatusBadRequest { // some say nothing and end it all the same
		w.close()
	}
	return &received{res.StatusCode, res.Header, text, res.ContentLength}, nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}
