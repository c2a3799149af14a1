package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// echoFraming answers every request with how its body was announced and what it was.
func echoFraming(conn net.Conn, br *bufio.Reader) {
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		framing := strings.Join(r.TransferEncoding, ",")
		if length, ok := r.Header["Content-Length"]; ok {
			framing = length[0]
		}
		answer := r.Method + " " + framing + " " + string(body)
		send(conn, "HTTP/1.1 200 OK\r\nX-Seen: "+answer+"\r\nContent-Length: 0\r\n\r\n")
	}
}

// TestBodiesThatMayBeNone shows that a request which seldom has a body, and of which nobody said how long it is, is sent without one if
// it turns out to have none.
func TestBodiesThatMayBeNone(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoFraming)}, withTLS)
	for _, method := range []string{"GET", "DELETE", "PROPFIND", "POST"} {
		for _, text := range []string{"", "x"} {
			body, end := io.Pipe()
			go func() {
				if text != "" {
					send(end, text)
				}
				end.Close()
			}()
			want := method + " chunked " + text
			if text == "" && method != "POST" {
				want = method + "  "
			}
			if got := g.do(t, method, "/", body).Header.Get("X-Seen"); got != strings.TrimSpace(want) {
				t.Errorf("%s %q arrived as %q, want %q", method, text, got, want)
			}
		}
	}
	// One that keeps the upstream waiting is announced before it has come.
	body, end := io.Pipe()
	announced := time.AfterFunc(2*probeTime, func() {
		send(end, "late")
		end.Close()
	})
	defer announced.Stop()
	if got := g.do(t, "GET", "/", body).Header.Get("X-Seen"); got != "GET chunked late" {
		t.Errorf("arrived as %q", got)
	}
}

// long is a body that is longer than it is said to be.
type long struct{ io.Reader }

func (long) Close() error { return nil }

// TestBodiesEndWhereTheyAreSaidTo shows that what stands behind a body is not sent, where it would be another request, and that what
// is missing of one is missed.
func TestBodiesEndWhereTheyAreSaidTo(t *testing.T) {
	t.Parallel()
	for said, want := range map[int64]string{5: "POST 5 hello", 30: ""} {
		g := newGate(t, []string{newRaw(t, echoFraming)})
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ContentLength, r.Body = said, long{strings.NewReader("helloGET / HTTP/1.1\r\n\r\n")}
			g.serve(w, r)
		})
		res := g.do(t, "POST", "/", strings.NewReader("x"))
		if got := res.Header.Get("X-Seen"); want != "" && (got != want || res.StatusCode != 200) || want == "" && res.StatusCode != 400 {
			t.Errorf("of %d bytes arrived %q: %s", said, got, res.Status)
		}
	}
}

// TestEarlyAnswerEndsTheConnection shows that a connection on which a body was still being sent when the answer had ended serves nobody
// any more.
func TestEarlyAnswerEndsTheConnection(t *testing.T) {
	t.Parallel()
	ended := make(chan string, 1)
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		send(conn, okAnswer)
		rest, _ := io.ReadAll(br) // until the gateway hangs up
		ended <- string(rest)
	})})
	_, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n") // And nothing more.
	if answer := readAll(t, br); !strings.HasSuffix(answer, "\r\n\r\nok") {
		t.Errorf("client saw %q", answer)
	}
	receive(t, g.done)
	if len(g.kept()) != 0 {
		t.Error("the connection is kept")
	}
	if rest := receive(t, ended); strings.HasSuffix(rest, "0\r\n\r\n") {
		t.Errorf("a body that did not end looks as if it had: %q", rest)
	}
}

// ready is a body that has been read already.
type ready struct {
	*strings.Reader
	whole bool
}

func (ready) Close() error                     { return nil }
func (r ready) AtHand() (body []byte, is bool) { return []byte("order"), r.whole }

// TestBodiesAtHandGoWithTheirHead shows that a body which need not be waited for is sent in one piece with its head, and again if
// nothing of it has left, and that one which is not all there, or too long for that, arrives too.
func TestBodiesAtHandGoWithTheirHead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text   string
		whole  bool
		writes int32
	}{{"order", true, 1}, {"order", false, 2}, {"orders", true, 2}, {strings.Repeat("order", mostAtHand), true, 2}} {
		var broken *brittle
		g := newGate(t, []string{newRaw(t, echoFraming)})
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ContentLength, r.Body = int64(len(tt.text)), ready{strings.NewReader(tt.text), tt.whole}
			g.serve(w, r)
		})
		g.proxy.balancer.all[0].links.dial = brittleLinks(g, func(b *brittle) { broken = b })
		for round := range 2 {
			res := g.do(t, "POST", "/", strings.NewReader("x"))
			if got, want := res.Header.Get("X-Seen"), "POST "+strconv.Itoa(len(tt.text))+" "+tt.text; got != want {
				t.Errorf("%.50q arrived as %.50q", want, got)
			}
			receive(t, g.done)
			if n := broken.writes.Load(); n < tt.writes || tt.writes == 1 && n != 1 {
				t.Errorf("round %d: %.50q, whole: %v, was sent in %d pieces", round, tt.text, tt.whole, n)
			}
			broken.broken.Store(true)
		}
		if causes := g.count(); causes != "" {
			t.Errorf("causes %q", causes)
		}
	}
}

// TestEarlyAnswerOfAnUpstreamThatHangsUp shows that an answer arrives though the upstream takes no more of the body by then.
func TestEarlyAnswerOfAnUpstreamThatHangsUp(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")})
	for range 20 {
		conn, br := g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
		go func() {
			body := endless(5000000)
			pass(conn, &body)
		}()
		if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 413 Request Entity Too Large" {
			t.Errorf("client saw %q, %v", head, err)
		}
		conn.Close()
	}
}

// mined is a body that panics instead of ending.
type mined struct{ io.Reader }

func (mined) Close() error { return nil }

func (m mined) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	if err != nil {
		panic("mined")
	}
	return n, nil
}

// TestPanicsOfBodiesAreTheRequests shows that a reader which panics, on whatever goroutine, ends its own request and no other.
func TestPanicsOfBodiesAreTheRequests(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "GET"} { // the body of a GET is read ahead
		for _, text := range []string{"", "half an order"} {
			faults := make(chan any, 1)
			g := newGate(t, []string{newRaw(t, echoFraming)})
			g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { faults <- recover() }()
				r.ContentLength, r.Body = -1, mined{strings.NewReader(text)}
				g.proxy.Forward(w, r, g.meta)
			})
			res := g.do(t, method, "/", nil)
			if fault := receive(t, faults); fault != "mined" {
				t.Errorf("%s with %q: the request panicked with %v", method, text, fault)
			}
			if res.StatusCode != 400 {
				t.Errorf("%s with %q answered %s", method, text, res.Status)
			}
		}
	}
}
