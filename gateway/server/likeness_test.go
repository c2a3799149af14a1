package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// seen is a request as a handler sees it, in words.
func seen(r *http.Request, body []byte, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %s %d.%d host %q url %q user %v parts %q length %d coding %q close %v\n", r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor,
		r.Host, r.URL, r.URL.User, []string{r.URL.Scheme, r.URL.Opaque, r.URL.Host, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.Fragment}, r.ContentLength, r.TransferEncoding, r.Close)
	_ = r.Header.Write(&b)
	fmt.Fprintf(&b, "body %q broken %v trailer %d", body, err != nil, len(r.Trailer))
	if err == nil {
		_ = r.Trailer.Write(&b)
	}
	return b.String()
}

// recorder is a handler that notes what it sees, by the client's address.
type recorder struct {
	mu   sync.Mutex
	seen map[string][]string
}

func (rec *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	var err error
	switch {
	case strings.HasPrefix(r.URL.Path, "/unread"):
	case strings.HasPrefix(r.URL.Path, "/some"):
		body = make([]byte, 3)
		_, err = io.ReadFull(r.Body, body)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil // as it happens, whether it is broken is seen or not
			body = nil
		}
	default:
		body, err = io.ReadAll(r.Body)
	}
	rec.mu.Lock()
	rec.seen[r.RemoteAddr] = append(rec.seen[r.RemoteAddr], seen(r, body, err))
	rec.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Method", r.Method)
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	switch r.URL.Path {
	case "/close":
		w.Header().Set("Connection", "close")
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
		return
	case "/long":
		_, _ = w.Write(bytes.Repeat([]byte("long"), 5000))
	case "/flushed":
		_, _ = io.WriteString(w, "one")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "two")
	case "/short":
		w.Header().Set("Content-Length", "100")
	}
	_, _ = io.WriteString(w, "done")
}

func (rec *recorder) take(addr string) []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	all := rec.seen[addr]
	delete(rec.seen, addr)
	return all
}

// told is what a client is answered.
type replies struct {
	statuses []string // and the bodies
	closed   bool     // the last one said that it is
	torn     bool     // the connection was reset, so that some may be missing
}

// ask sends a text to a server and returns what comes back, and the client's address.
func ask(t testing.TB, at string, first, text []byte) (replies, string) {
	t.Helper()
	nc, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	go func() {
		_, _ = nc.Write(append(first, text...)) // an error shows in what comes back
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	all, err := io.ReadAll(nc)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	r := understood(all)
	r.torn = err != nil
	return r, nc.LocalAddr().String()
}

func understood(all []byte) (r replies) {
	in := bufio.NewReaderSize(bytes.NewReader(all), len(all)+16)
	for {
		_, _ = in.Peek(1) // fills the buffer, with everything
		ahead, _ := in.Peek(in.Buffered())
		var asked *http.Request
		if head, _, _ := bytes.Cut(ahead, []byte("\r\n\r\n")); bytes.Contains(head, []byte("\r\nX-Method: HEAD")) {
			asked = &http.Request{Method: http.MethodHead} // or else what comes behind it would be taken for a body
		}
		res, err := http.ReadResponse(in, asked)
		if err != nil {
			return r
		}
		if res.StatusCode < 200 {
			r.statuses = append(r.statuses, res.Status)
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		status := fmt.Sprintf("%s %d %v", res.Status, len(text), err)
		switch res.StatusCode {
		case 400, 431, 501, 505: // Which of its faults a request is refused for makes no difference.
			status = "refused"
		case 417:
			status = "417"
		}
		r.statuses = append(r.statuses, status)
		r.closed = res.Close
	}
}

// bites has its connections read no more than so many bytes at a time as the first byte of each says.
type bites struct{ net.Listener }

func (b bites) Accept() (net.Conn, error) {
	nc, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &bitten{Conn: nc}, nil
}

type bitten struct {
	net.Conn
	most int
}

func (b *bitten) Read(p []byte) (int, error) {
	if b.most == 0 {
		var one [1]byte
		if _, err := io.ReadFull(b.Conn, one[:]); err != nil {
			return 0, err
		}
		b.most = int(one[0]) + 1
	}
	return b.Conn.Read(p[:min(len(p), b.most)])
}

func (b *bitten) CloseWrite() error { return b.Conn.(*net.TCPConn).CloseWrite() }

// stricter are the reasons for which a request may be refused that net/http takes.
var stricter = []string{
	"it has both a Content-Length and a Transfer-Encoding", "it has a Transfer-Encoding, which HTTP/1.0 does not know",
	"its header has a line that is no name, colon and value", // a value that goes on in a second line
	"its header has a name that is none",                     // as above
	"it begins like HTTP/2",
}

// compared are a server of net/http and two of ours, of which one gets its bytes in bites.
type compared struct {
	standard, whole, bitten recorder
	log                     [2]*reasons
	at                      [3]string
}

func compare(t testing.TB) *compared {
	t.Helper()
	c := new(compared)
	for _, rec := range []*recorder{&c.standard, &c.whole, &c.bitten} {
		rec.seen = map[string][]string{}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	standard := &http.Server{
		Handler: &c.standard, MaxHeaderBytes: 8 << 10, ErrorLog: stdlog.New(io.Discard, "", 0), DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout: patience,
	}
	served := make(chan error, 1)
	go func() { served <- standard.Serve(ln) }()
	t.Cleanup(func() {
		_ = standard.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	whole := serve(t, c.whole.ServeHTTP, nil)
	cut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pieces := serveOn(t, bites{cut}, c.bitten.ServeHTTP, nil)
	c.at = [3]string{ln.Addr().String(), whole.at, pieces.at}
	c.log = [2]*reasons{whole.log, pieces.log}
	return c
}

// try sends a text to all of them.
func (c *compared) try(t testing.TB, text []byte, bite byte) {
	t.Helper()
	standard, addr := ask(t, c.at[0], nil, text)
	requests := c.standard.take(addr)
	for i, rec := range []*recorder{&c.whole, &c.bitten} {
		var first []byte
		if i == 1 {
			first = []byte{bite}
		}
		ours, addr := ask(t, c.at[i+1], first, text)
		got, whys := rec.take(addr), c.log[i].take()
		if problem := differs(standard, ours, requests, got, whys); problem != "" {
			t.Errorf("%q in bites of %d: %s\nnet/http answers %q closed %v and sees %q\nthis answers %q closed %v for %q and sees %q",
				text, int(bite)+1, problem, standard.statuses, standard.closed, requests, ours.statuses, ours.closed, whys, got)
		}
	}
}

// differs says what is wrong with what a server of ours has seen and answered, beside what net/http has.
func differs(standard, ours replies, requests, got, whys []string) string {
	strict := slices.ContainsFunc(whys, func(why string) bool { return slices.Contains(stricter, why) })
	for i, request := range got {
		if i >= len(requests) {
			return "a request that there is not"
		}
		if request != requests[i] {
			if strings.Contains(request, "broken true") && strings.Split(request, "body ")[0] == strings.Split(requests[i], "body ")[0] {
				return "" // a body that is refused and not net/http's, in which nothing comes after it
			}
			return "another request"
		}
	}
	if ends := len(got) > 0 && ours.closed && len(ours.statuses) > 0; ends {
		// Nothing comes behind a body that is broken, be it unread, nor where a client speaks of an end and of none, nor behind a
		// CONNECT, which is new in net/http of Go 1.26.9.
		last := got[len(got)-1]
		strict = strict || strings.HasPrefix(last, "CONNECT ")
		// HTTP/1.0 is kept for whoever says keep-alive, and net/http finds that among blanks, too.
		strict = strict || strings.Contains(last, " HTTP/1.0 1.0 ") && !strings.Contains(last, "\nConnection: keep-alive\r\n")
		strict = strict || strings.Contains(last, "broken true") || strings.Contains(last, `coding ["chunked"]`) && strings.Contains(last, `body "" broken`) || strings.Contains(strings.ToLower(last), "close, keep-alive") || strings.Contains(strings.ToLower(last), "keep-alive, close")
	}
	// An expectation of which net/http understands a part may be one that there is not.
	strict = strict || ours.closed && slices.Contains(ours.statuses, "417")
	if n := len(standard.statuses); n < len(ours.statuses) && ours.statuses[n] == "refused" && ours.closed {
		ours.statuses, ours.closed = ours.statuses[:n], standard.closed // Where a request is torn, net/http says nothing sometimes.
	}
	switch {
	case strict && len(ours.statuses) > 0 && ours.closed:
		return ""
	case len(got) != len(requests):
		return "a request is missing"
	case standard.torn && !ours.torn:
		return "" // net/http has closed on bytes that it had not read, which takes answers from its client.
	case !slices.Equal(ours.statuses, standard.statuses):
		return "another answer"
	case ours.closed && len(got) > 0 && !strings.Contains(got[len(got)-1], " length 0 "):
		return "" // Nothing may come behind a body of which some is missing.
	case ours.closed != standard.closed:
		return "another end"
	}
	return ""
}
