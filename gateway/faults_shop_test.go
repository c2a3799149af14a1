package gateway_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// content returns the body that belongs to an id.
func content(id string, size int) []byte {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id) // a hash takes all
	random := rand.NewPCG(h.Sum64(), 451)
	text := make([]byte, size+8)
	for i := 0; i < size; i += 8 {
		for j, n := 0, random.Uint64(); j < 8; j, n = j+1, n>>8 {
			text[i+j] = byte(n)
		}
	}
	return text[:size]
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// ailing is an upstream on a socket of its own that falls ill when it is told to.
type ailing struct {
	address string

	mu      sync.Mutex
	ailment string
	cured   chan struct{} // closed when the ailment ends
	ln      net.Listener  // nil while it is down
	conns   map[net.Conn]bool
	came    []reached
	serving sync.WaitGroup
}

func newAiling(t testing.TB) *ailing {
	t.Helper()
	u := &ailing{ailment: "well", cured: make(chan struct{}), conns: map[net.Conn]bool{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.address = ln.Addr().String()
	u.open(ln)
	t.Cleanup(func() {
		u.shut()
		u.serving.Wait()
	})
	return u
}

func (u *ailing) open(ln net.Listener) {
	u.mu.Lock()
	u.ln = ln
	u.mu.Unlock()
	u.serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			shut := u.ln != ln
			u.conns[conn] = true
			u.mu.Unlock()
			if shut {
				conn.Close()
			}
			u.serving.Go(func() {
				u.serve(conn)
				conn.Close()
				u.mu.Lock()
				delete(u.conns, conn)
				u.mu.Unlock()
			})
		}
	})
}

// shut closes the socket and every connection.
func (u *ailing) shut() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ln != nil {
		u.ln.Close()
		u.ln = nil
	}
	u.hangUp()
}

// hangUp closes every connection. It is called with mu.
func (u *ailing) hangUp() {
	close(u.cured)
	u.cured = make(chan struct{})
	for conn := range u.conns {
		conn.Close()
	}
}

// fall changes how the shop does.
func (u *ailing) fall(t testing.TB, ailment string) {
	t.Helper()
	if ailment == "down" {
		u.shut()
		return
	}
	u.mu.Lock()
	u.ailment = ailment
	down := u.ln == nil
	if ailment == "well" || ailment == "frozen" {
		u.hangUp()
	}
	u.mu.Unlock()
	if down {
		eventually(t, "the shop has its address again", func() bool {
			ln, err := net.Listen("tcp", u.address)
			if err == nil {
				u.open(ln)
			}
			return err == nil
		})
	}
}

func (u *ailing) state() (string, chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ailment, u.cured
}

// note writes a request down and returns how to complete the record.
func (u *ailing) note(r reached) (complete func(answered string)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.came = append(u.came, r)
	i := len(u.came) - 1
	return func(answered string) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.came[i].answered = answered
	}
}

func (u *ailing) serve(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		path := r.URL.Path
		size, err2 := strconv.Atoi(r.URL.Query().Get("size"))
		if err2 != nil {
			size = 2
		}
		visit := reached{
			id: path[strings.LastIndexByte(path, '/')+1:], method: r.Method, decision: r.Header.Get("Gate451-Decision"),
			country: r.Header.Get("X-Country-Code"), whole: err == nil, got: digest(body),
		}
		complete := u.note(visit)
		if err != nil {
			return
		}
		if u.answer(conn, visit.id, content(visit.id, size), complete) != nil {
			return
		}
	}
}

var (
	errHungUp = errors.New("hung up")
	garbage   = []string{
		"\x00\x01\x02 no answer at all\r\n\r\n", "HTTP/1.1 twohundred OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "HTTP/1.1 099 Less\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nX-Id", "HTTP/1.1 200 OK\r\nX: a\rb\x00\r\nContent-Length: 0\r\n\r\n",
	}
)

// answer answers as the shop does at present. An error says that the connection is of no more use.
func (u *ailing) answer(conn net.Conn, id string, text []byte, complete func(string)) error {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nX-Id: " + id + "\r\n"
	length := func(n int) string { return head + "Content-Length: " + strconv.Itoa(n) + "\r\n\r\n" }
	say := func(parts ...string) error {
		_, err := io.WriteString(conn, strings.Join(parts, ""))
		return err
	}
	half := string(text[:len(text)/2])
	ailment, cured := u.state()
	switch ailment {
	case "frozen":
		<-cured
		return errHungUp
	case "silent":
		return errHungUp
	case "slow header":
		u.rest(cured)
	case "slow body":
		complete(digest(text))
		if err := say(length(len(text))); err != nil {
			return err
		}
		for i := range 4 {
			if err := say(string(text[len(text)*i/4 : len(text)*(i+1)/4])); err != nil {
				return err
			}
			u.rest(cured)
		}
		return nil
	case "reset":
		err := say(length(len(text)), half)
		return errors.Join(err, conn.(*net.TCPConn).SetLinger(0), errHungUp)
	case "broken off":
		return errors.Join(say(head, fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(text)), half), errHungUp)
	case "too long":
		return errors.Join(say(length(len(text)+451), string(text)), errHungUp)
	case "too short":
		complete(digest([]byte(half)))
		return say(length(len(half)), string(text))
	case "smuggling": // another answer, that nobody has asked for, behind one of the announced length
		// It comes in one segment with the end of the announced one. Nobody can tell an answer that comes later from the
		// answer to the next request.
		complete(digest([]byte(half)))
		end := len(half) - min(len(half), 20)
		if err := say(length(len(half)), half[:end]); err != nil {
			return err
		}
		return say(half[end:], "HTTP/1.1 200 OK\r\nX-Id: smuggled\r\nContent-Length: 2\r\n\r\nno")
	case "garbage":
		return errors.Join(say(garbage[int(text[0])%len(garbage)]), errHungUp)
	}
	complete(digest(text))
	if text[0]%2 == 0 {
		return say(head, fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(text)), string(text), "\r\n0\r\n\r\n")
	}
	return say(length(len(text)), string(text))
}

// rest is slowness, which is what is tested and not a wait for anything.
func (u *ailing) rest(cured chan struct{}) {
	timer := time.NewTimer(20 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-cured:
	}
}

// TestFaultUnaskedAnswers has the shop say another whole answer behind each. No buyer gets one that was not asked for.
func TestFaultUnaskedAnswers(t *testing.T) {
	t.Parallel()
	c := newCalamity(t, 451, false, func(s *setup) { // no time is short here
		s.config = strings.NewReplacer("header_timeout: 1s", "header_timeout: 60s", "header_timeout: 4s", "header_timeout: 60s").Replace(s.config)
	})
	c.shop.fall(t, "smuggling")
	c.world.shop.may("smuggling")
	var going sync.WaitGroup
	for i := range 32 {
		random := rand.New(rand.NewPCG(451, uint64(i)))
		going.Go(func() {
			for range 60 {
				c.traffic.ask(random, german, []int{3, 4, 7, 8, 6}[random.IntN(5)], false)
			}
		})
	}
	going.Wait()
	wrong, _ := c.world.join(c.records(t))
	for _, text := range wrong[:min(5, len(wrong))] {
		t.Error(text)
	}
}
