package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// newRawTLS starts an upstream like newRaw's that speaks TLS, and returns the file of its authority.
func newRawTLS(t *testing.T, serve func(net.Conn, *bufio.Reader)) (address, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	certificates := s.TLS.Certificates
	s.Close()
	_, ca = newSecureShop(t, nil) // Whose certificate is the same.
	raw := newRaw(t, func(conn net.Conn, _ *bufio.Reader) {
		secure := tls.Server(conn, &tls.Config{Certificates: certificates})
		defer secure.Close()
		serve(secure, bufio.NewReader(secure))
	})
	return strings.Replace(raw, "http:", "https:", 1), ca
}

// eachWay runs a test with an upstream that is spoken to in plain text, and with one over TLS.
func eachWay(t *testing.T, serve func() func(net.Conn, *bufio.Reader), test func(*testing.T, *gate), options ...gateOption) {
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		test(t, newGate(t, []string{newRaw(t, serve())}, options...))
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		address, ca := newRawTLS(t, serve())
		test(t, newGate(t, []string{address}, append(options, withConfig(func(c *Config) { c.CAFile = ca }))...))
	})
}

// kept returns the connections that the gateway keeps.
func (g *gate) kept() []*link {
	p := &g.proxy.balancer.all[0].links
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*link(nil), p.idle...)
}

// TestConnectionsAreKept shows that requests one after another need one connection, whether they have bodies or not.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	eachWay(t, func() func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, br *bufio.Reader) {
			connections.Add(1)
			for {
				r, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				drain(r.Body)
				send(conn, map[string]string{
					"/length": okAnswer, "/head": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "/none": "HTTP/1.1 204 No Content\r\n\r\n", "/old": "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
					"/chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", "/hints": "HTTP/1.1 103 Early Hints\r\n\r\n" + okAnswer,
				}[r.URL.Path])
			}
		}
	}, func(t *testing.T, g *gate) {
		requests := []struct{ method, path, body string }{{"GET", "/length", ""}, {"HEAD", "/head", ""}, {"GET", "/none", ""}, {"GET", "/old", ""}, {"POST", "/chunks", "order"}, {"PUT", "/hints", "order"}}
		var on *link
		for _, r := range append(requests, requests...) {
			var body io.Reader
			if r.body != "" {
				body = io.MultiReader(strings.NewReader(r.body)) // Of a length that nobody knows.
			}
			if got := readAll(t, g.do(t, r.method, r.path, body).Body); got != "ok" && r.path != "/head" && r.path != "/none" {
				t.Errorf("%s: %q", r.path, got)
			}
			receive(t, g.done)
			kept := g.kept()
			if len(kept) != 1 || on != nil && kept[0] != on {
				t.Fatalf("after %s %s other connections are kept than before: %d", r.method, r.path, len(kept))
			}
			on = kept[0]
		}
		if causes := g.count(); causes != "" {
			t.Errorf("causes %q", causes)
		}
	})
}

// TestWhatComesUnaskedIsNobodys has the upstream say something on a kept connection before the next request, which must not take it
// for its answer, and must not fail for it either.
func TestWhatComesUnaskedIsNobodys(t *testing.T) {
	t.Parallel()
	for name, unasked := range map[string]string{"an answer": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers", "a byte": "\n", "a timeout": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", "an end": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWay(t, func() func(net.Conn, *bufio.Reader) {
				return func(conn net.Conn, br *bufio.Reader) {
					skipHead(br)
					send(conn, okAnswer)
					head, err := readHead(br)
					if err == nil && strings.HasPrefix(head[0], "GET /say") {
						send(conn, okAnswer)
						send(conn, unasked)
						if unasked == "" {
							return
						}
						head, err = readHead(br)
					}
					if err == nil {
						t.Errorf("%q came on a connection on which something had been said", head)
					}
				}
			}, func(t *testing.T, g *gate) {
				for range 5 {
					for _, path := range []string{"/", "/say"} {
						if body := readAll(t, g.do(t, "GET", path, nil).Body); body != "ok" {
							t.Fatalf("%s: %q", path, body)
						}
						receive(t, g.done)
					}
					for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
						if kept := g.kept(); len(kept) == 0 || !kept[0].look() {
							break
						}
						if time.Now().After(end) {
							t.Fatal("nothing came")
						}
					}
				}
				if causes := g.count(); causes != "" {
					t.Errorf("causes %q", causes)
				}
				secure := g.proxy.cfg.Upstreams[0].Scheme == "https"
				if told, want := strings.Contains(g.logged(), `msg="upstream said more than it was asked"`), unasked != ""; told != want && !secure || told && !want {
					t.Errorf("logged %q", g.logged())
				}
			})
		})
	}
}

// TestNothingBehindAnAnswerIsKept has more come with an answer than was announced, of which TLS keeps a part for itself.
func TestNothingBehindAnAnswerIsKept(t *testing.T) {
	t.Parallel()
	eachWay(t, func() func(net.Conn, *bufio.Reader) {
		return func(conn net.Conn, br *bufio.Reader) {
			if _, err := readHead(br); err != nil {
				return
			}
			send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n"+strings.Repeat("x", 6000)+"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nothers")
			drain(br)
		}
	}, func(t *testing.T, g *gate) {
		for range 10 {
			if body := readAll(t, g.do(t, "GET", "/", nil).Body); body != strings.Repeat("x", 6000) {
				t.Fatalf("%d bytes", len(body))
			}
			receive(t, g.done)
			if kept := g.kept(); len(kept) == 1 && kept[0].look() {
				t.Error("a connection is kept in which there is more to read")
			}
		}
	})
}

// silentLinks are connections to nobody who says anything.
func silentLinks(t *testing.T) func(context.Context) (*link, error) {
	address := strings.TrimPrefix(newRaw(t, func(_ net.Conn, br *bufio.Reader) { drain(br) }), "http://")
	return func(context.Context) (*link, error) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return nil, err
		}
		return newLink(conn, conn), nil
	}
}

func takeLink(t *testing.T, p *pool, fresh bool) *link {
	t.Helper()
	l, err := p.take(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closed(l *link) bool { return l.SetDeadline(time.Time{}) != nil }

func TestPool(t *testing.T) {
	t.Parallel()
	p := &pool{dial: silentLinks(t), most: 2, lasts: time.Hour, unasked: func() {}}
	first, second, third := takeLink(t, p, false), takeLink(t, p, false), takeLink(t, p, false)
	for _, l := range []*link{first, second, third} {
		p.keep(l)
	}
	if closed(first) || closed(second) || !closed(third) {
		t.Error("not exactly as many are kept as may be")
	}
	if l := takeLink(t, p, true); l == first || l == second {
		t.Error("a kept connection is taken for a new one")
	} else {
		l.drop()
	}
	if l := takeLink(t, p, false); l != second || !l.reused {
		t.Error("the youngest does not come first")
	}
	p.keep(second)
	second.since = time.Now().Add(-2 * time.Hour)
	if l := takeLink(t, p, false); l != first || !closed(second) {
		t.Error("one that is too old is used")
	}
	p.keep(first)
	p.close()
	if !closed(first) {
		t.Error("a kept connection outlives the pool")
	}
	late := takeLink(t, p, false)
	p.keep(late)
	if !closed(late) {
		t.Error("a connection is kept by a pool that is closed")
	}
}

// TestPoolGrowsOld shows that one timer closes each connection when it has been kept long enough, and no sooner.
func TestPoolGrowsOld(t *testing.T) {
	t.Parallel()
	p := &pool{dial: silentLinks(t), most: 10, lasts: time.Hour, unasked: func() {}}
	old, young := takeLink(t, p, false), takeLink(t, p, false)
	p.keep(old)
	p.keep(young)
	old.since = time.Now().Add(-time.Hour)
	p.sweep()
	if !closed(old) || closed(young) || !p.armed {
		t.Error("the wrong ones are closed, or nothing will close the rest")
	}
	young.since = time.Now().Add(-time.Hour)
	p.sweep()
	if !closed(young) || p.armed {
		t.Error("not all are closed, or the timer goes on for nothing")
	}

	p = &pool{dial: silentLinks(t), most: 10, lasts: short, unasked: func() {}}
	l := takeLink(t, p, false)
	p.keep(l)
	for end := time.Now().Add(patience); !closed(l); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is kept for ever")
		}
	}
}

// TestLookNeedsASocket shows that a connection of which nobody can tell whether something has come is not used again.
func TestLookNeedsASocket(t *testing.T) {
	t.Parallel()
	one, other := net.Pipe()
	defer other.Close()
	p := &pool{dial: silentLinks(t), most: 1, lasts: time.Hour, unasked: func() {}}
	p.keep(newLink(one, one))
	l := takeLink(t, p, false)
	defer l.drop()
	if l.reused {
		t.Error("it is used all the same")
	}
}

func TestLookAllocatesNothing(t *testing.T) {
	l, err := silentLinks(t)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer l.drop()
	if n := testing.AllocsPerRun(100, func() {
		if !l.look() {
			t.Error("something has come")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
