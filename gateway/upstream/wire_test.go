package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// library answers a request for /N with the Nth text, and notes on which of its connections it did. It hangs up behind a text that
// ends with the connection, or never.
type library struct {
	texts       []string
	hangUp      func(text string) bool
	connections atomic.Int32
	last        atomic.Int32 // The connection of the last request.
}

func (l *library) serve(conn net.Conn, br *bufio.Reader) {
	id := l.connections.Add(1)
	for {
		head, err := readHead(br)
		if err != nil {
			return
		}
		_, number, _ := strings.Cut(strings.Fields(head[0])[1], "/")
		i, err := strconv.Atoi(number)
		if err != nil {
			return
		}
		l.last.Store(id)
		send(conn, l.texts[i])
		if l.hangUp(l.texts[i]) {
			return
		}
	}
}

// clientSees is what a client of net/http's sees, through the gateway or not.
func clientSees(t *testing.T, client http.RoundTripper, url string) (s seen) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.RoundTrip(req)
	if err != nil {
		return seen{Failed: "no answer"}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode == http.StatusBadGateway && string(body) == texts[502] {
		return seen{Failed: "no answer"}
	}
	if res.StatusCode < 100 {
		return seen{Failed: "no answer"}
	}
	for name, values := range res.Header {
		if !valid(name, values) { // net/http hands on what is no answer here
			return seen{Failed: "no answer"}
		}
	}
	s = seen{Status: res.StatusCode, Header: passedOn(res.Header), Body: string(body), Broken: err != nil}
	for _, own := range []string{"Date", "Content-Length"} { // A server may add the one, and the other where it knows the length.
		s.Header.Del(own)
	}
	if err == nil {
		s.Trailer = filled(res.Trailer)
	}
	return s
}

// TestClientsSeeWhatTheUpstreamSays plays answers over sockets, each twice, to a client of the gateway's and to one that asks the
// upstream itself. A connection is used again only if the answer before has come to its end and nothing came behind it.
func TestClientsSeeWhatTheUpstreamSays(t *testing.T) {
	t.Parallel()
	l := &library{hangUp: func(text string) bool {
		s := ours(http.MethodGet, strings.NewReader(text))
		return s.Failed != "" || s.Broken || s.Last
	}}
	for i, text := range answers() {
		if i%2 == 0 && !strings.Contains(text, "HTTP/1.1 101") && !strings.Contains(text, "Pragma") { // of which the client makes something
			l.texts = append(l.texts, text)
		}
	}
	shop := newRaw(t, l.serve)
	g := newGate(t, []string{shop})
	direct := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	again, anew := 0, 0
	for i, text := range l.texts {
		read := ours(http.MethodGet, strings.NewReader(text))
		want := seen{Failed: read.Failed, Status: read.Status, Header: read.Header.Clone(), Body: read.Body, Broken: read.Broken, Trailer: read.Trailer}
		if want.Header.Del("Content-Length"); want.Failed != "" {
			want = seen{Failed: "no answer"}
		}
		if want.Broken {
			want.Trailer = nil
		}
		var on [2]int32
		for round := range on {
			got := clientSees(t, g.Client().Transport, fmt.Sprintf("%s/%d", g.URL, i))
			on[round] = l.last.Load()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.300q (-want +got):\n%s", text, diff)
			}
		}
		if name, _ := explain(text, read, theirs(http.MethodGet, strings.NewReader(text))); name == "" {
			if diff := cmp.Diff(clientSees(t, direct, fmt.Sprintf("%s/%d", shop, i)), want); diff != "" {
				t.Errorf("%.300q (-direct +through the gateway):\n%s", text, diff)
			}
		}
		if read.Failed != "" {
			continue
		}
		usable := !read.Broken && !read.Last && read.Rest == ""
		if usable != (on[0] == on[1]) {
			t.Errorf("%.300q came on connections %d; may be the same: %v", text, on, usable)
		}
		if usable {
			again++
		} else {
			anew++
		}
	}
	if t.Logf("%d texts, %d connections used again, %d not", len(l.texts), again, anew); again < 20 || anew < 20 {
		t.Error("too few of either kind")
	}
}
