package upstream

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asker returns a proxy that only asks.
func asker(t testing.TB, upstreams ...string) (*Proxy, *witness) {
	t.Helper()
	w := new(witness)
	var cfg Config
	for _, u := range upstreams {
		cfg.Upstreams = append(cfg.Upstreams, mustURL(t, u))
	}
	p, err := New(cfg, Options{OnError: w.onError})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, w
}

func clientRequest(header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/checkout?x=1", nil)
	r.Host, r.Header = "shop.example", header
	return r
}

var plainInquiry = Inquiry{Target: "/cart?a=%20b", Headers: []string{"Cookie", "Authorization"}, Within: patience, MostBytes: 1000}

// TestQuestionsBearWhoAsks shows what arrives with a question: the fields that are named, under every spelling that a shop may
// take for them, who asks, and nothing else of the client's request.
func TestQuestionsBearWhoAsks(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	p, _ := asker(t, newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		lines, err := readHead(br)
		if err != nil {
			return
		}
		slices.Sort(lines[1:])
		heads <- strings.Join(lines, "\n")
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\n{}")
	}))
	header := http.Header{
		"Cookie": {"a=1; a=2", "b=3"}, "Authorization": {"Bearer x"}, "Cart_token": {"t"}, "Cart-Token": {"s"}, "Vendure-Token": {"other"},
		"Content-Type": {"text/plain"}, "Content-Encoding": {"gzip"}, "Accept": {"text/html"}, "Accept-Encoding": {"br"}, "User-Agent": {"agent/1"},
		"X-Forwarded-For": {"192.0.2.1"}, "X-Http-Method-Override": {"DELETE"}, "If-None-Match": {"x"}, "Range": {"bytes=0-1"}, "X-Country-Code": {"FR"},
		"Connection": {"cookie, X-Dropped"}, "X-Dropped": {"1"}, "Expect": {"100-continue"}, "Transfer-Encoding": {"chunked"},
	}
	m := buyer
	m.Decision = ""
	q := plainInquiry
	q.Headers = []string{"Cookie", "Authorization", "Cart-Token", "X-Dropped", "Content-Type"}
	if _, err := p.Ask(clientRequest(header), m, q); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"GET /cart?a=%20b HTTP/1.1", "Accept-Encoding: identity", "Accept: application/json", "Authorization: Bearer x", "Cart-Token: s", "Cart_token: t",
		"Content-Type: text/plain", "Cookie: a=1; a=2", "Cookie: b=3", "Host: shop.example", "User-Agent: agent/1", "X-Country-Code: DE", "X-Forwarded-For: 203.0.113.9",
		"X-Forwarded-Host: shop.example", "X-Forwarded-Proto: https",
	}, "\n")
	if diff := cmp.Diff(want, receive(t, heads)); diff != "" {
		t.Error(diff)
	}
}

// TestQuestionsThatArePosted shows that a query is posted as JSON, and once.
func TestQuestionsThatArePosted(t *testing.T) {
	t.Parallel()
	var came atomic.Int32
	p, _ := asker(t, newShop(t, func(w http.ResponseWriter, r *http.Request) {
		came.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || len(r.Header["X-Idempotency-Key"]) > 0 {
			t.Errorf("%s %v, %v", r.Method, r.Header, err)
		}
		w.Header()["User-Agent"] = r.Header["User-Agent"]
		_, _ = w.Write(body)
	}))
	q := plainInquiry
	q.Body = []byte(`{"query":"{ a }"}`)
	answer, err := p.Ask(clientRequest(http.Header{}), buyer, q)
	if err != nil || string(answer) != `{"query":"{ a }"}` || came.Load() != 1 {
		t.Errorf("%q, %v, %d times", answer, err, came.Load())
	}
}

// TestUnanswered shows that whatever is no answer is an error that says what it was.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	for cause, shop := range map[string]http.HandlerFunc{
		"": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Content-Encoding", "identity")
			_, _ = io.WriteString(w, strings.Repeat("a", 1000))
		},
		CauseStatus:          func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		CauseStatus + " 204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		CauseStatus + " 302": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) },
		CauseTooLong:         func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("a", 1001)) },
		CauseEncoded: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "{}")
			z.Close()
		},
		CauseSlow: func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-hold:
			}
		},
		CauseSlow + " body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-hold:
			}
		},
		CauseClosed: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		CauseClosed + " midway": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "{")
			panic(http.ErrAbortHandler)
		},
		CauseProtocol + " switched": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				send(conn, switched)
				conn.Close()
			}
		},
		CauseProtocol: func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				send(conn, "nonsense\r\n\r\n")
				conn.Close()
			}
		},
	} {
		t.Run(cause, func(t *testing.T) {
			t.Parallel()
			p, _ := asker(t, newShop(t, shop))
			q := plainInquiry
			if strings.HasPrefix(cause, CauseSlow) {
				q.Within = 50 * time.Millisecond
			}
			answer, err := p.Ask(clientRequest(http.Header{}), buyer, q)
			want, _, _ := strings.Cut(cause, " ")
			un, failed := errors.AsType[*Unanswered](err)
			switch {
			case want == "" && (err != nil || len(answer) != 1000):
				t.Errorf("%d bytes, %v", len(answer), err)
			case want != "" && (!failed || un.Cause != want || answer != nil || un.Unwrap() == nil || !strings.HasPrefix(un.Error(), want+": ")):
				t.Errorf("%q, %v", answer, err)
			}
		})
	}
}

// TestQuestionsToUpstreamsThatAreDown shows that a question goes to another upstream if there is one, and that a client who is
// gone, and a target or a host that cannot be sent, is no upstream's fault.
func TestQuestionsToUpstreamsThatAreDown(t *testing.T) {
	t.Parallel()
	up := newShop(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") })
	p, w := asker(t, refused(t), up)
	for range 4 {
		if _, err := p.Ask(clientRequest(http.Header{}), buyer, plainInquiry); err != nil {
			t.Error(err)
		}
	}
	if got := w.count(); got != "connect:2" && got != "connect:3" { // as the turns fall
		t.Errorf("causes %q", got)
	}
	causeOf := func(p *Proxy, r *http.Request, q Inquiry) string {
		_, err := p.Ask(r, buyer, q)
		if un, failed := errors.AsType[*Unanswered](err); failed {
			return un.Cause
		}
		return "none"
	}
	down, _ := asker(t, refused(t))
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	odd := clientRequest(http.Header{})
	odd.Host = "shop.example/x"
	spaced := plainInquiry
	spaced.Target = "/a b"
	got := map[string]string{
		"down": causeOf(down, clientRequest(http.Header{}), plainInquiry), "gone": causeOf(p, clientRequest(http.Header{}).WithContext(gone), plainInquiry),
		"host": causeOf(p, odd, plainInquiry), "target": causeOf(p, clientRequest(http.Header{}), spaced),
	}
	want := map[string]string{"down": CauseConnect, "gone": CauseClientGone, "host": CauseUnforwardable, "target": CauseUnforwardable}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestFloodsOfQuestions shows that an upstream is never asked more than so much at a time, however many ask.
func TestFloodsOfQuestions(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	full, release := make(chan struct{}), make(chan struct{})
	p, _ := asker(t, newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == mostQuestions {
			close(full)
		}
		<-release
		_, _ = io.WriteString(w, "{}")
	}))
	var all sync.WaitGroup
	var slow, answered atomic.Int32
	ask := func(within time.Duration) {
		q := plainInquiry
		q.Within = within
		_, err := p.Ask(clientRequest(http.Header{}), buyer, q)
		switch un, failed := errors.AsType[*Unanswered](err); {
		case err == nil:
			answered.Add(1)
		case failed && un.Cause == CauseSlow:
			slow.Add(1)
		default:
			t.Error(err)
		}
	}
	for range mostQuestions {
		all.Go(func() { ask(patience) })
	}
	receive(t, full)
	for range 3 * mostQuestions {
		all.Go(func() { ask(50 * time.Millisecond) })
	}
	for end := time.Now().Add(patience); slow.Load() < 3*mostQuestions && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	close(release)
	all.Wait()
	if most.Load() != mostQuestions || answered.Load() != mostQuestions || slow.Load() != 3*mostQuestions {
		t.Errorf("%d at a time, %d answered, %d too slow; want %d, %[4]d, %d", most.Load(), answered.Load(), slow.Load(), mostQuestions, 3*mostQuestions)
	}
}

// TestQuestionsOnKeptConnections shows that a question is not lost to a connection that the upstream has closed meanwhile, nor
// takes what an upstream said unasked on a connection of clients' requests.
func TestQuestionsOnKeptConnections(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	p, _ := asker(t, newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		connections.Add(1)
		lines, err := readHead(br)
		if err != nil {
			return
		}
		if strings.HasPrefix(lines[0], http.MethodPost) {
			_, _ = br.Discard(2) // what is left unread would reset the connection
		}
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") // and is closed without a word
	}))
	for range 20 {
		for _, body := range [][]byte{nil, []byte(`{}`)} {
			q := plainInquiry
			q.Body = body
			if answer, err := p.Ask(clientRequest(http.Header{}), buyer, q); err != nil || string(answer) != "{}" {
				t.Fatalf("%q, %v", answer, err)
			}
		}
	}
	if connections.Load() != 40 {
		t.Errorf("%d connections", connections.Load())
	}
}
