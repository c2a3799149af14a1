package gateway_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gate451/gateway"
)

// arrival is a request as a server got it, with all of its body.
type arrival struct {
	method, target, body string
	question             bool // of the gateway's own: no client asks for JSON that is not compressed
}

// register is where servers write down what arrives: each request, and what no message may hold.
type register struct {
	mu     sync.Mutex
	came   []arrival
	faults []string
}

func (r *register) add(a arrival) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.came = append(r.came, a)
}

func (r *register) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *register) take() (came []arrival, faults []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	came, faults = r.came, r.faults
	r.came, r.faults = nil, nil
	return came, faults
}

// pedant is an upstream that reads each request by the letter of RFC 9112, with code of its own, and takes any latitude for
// a fault: what it puts up with is what every other server reads in the same way.
type pedant struct {
	register
	url  string
	cart atomic.Pointer[standIn] // nil for a shop that nobody asks for a cart
}

func newPedant(t testing.TB) *pedant {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pedant{url: "http://" + ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				p.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		serving.Wait() // the gateway has ended, and its connections with it
	})
	return p
}

func (p *pedant) serve(conn net.Conn) {
	for reader := bufio.NewReader(conn); ; {
		a, err := readStrictly(reader, func() { _, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n") })
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return // given up midway
		case err != nil:
			if !strings.Contains(err.Error(), "reset") {
				p.fault("%v", err)
			}
			return
		}
		text := "ok"
		if cart := p.cart.Load(); cart == nil || !cart.asked(a) {
			p.add(a)
		} else {
			text = cart.answer
		}
		length := fmt.Sprintf("%d\r\n\r\n%s", len(text), text)
		if a.method == http.MethodHead {
			length = "2\r\n\r\n"
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: "+length); err != nil {
			return
		}
	}
}

// readStrictly reads one request.
func readStrictly(r *bufio.Reader, goOn func()) (a arrival, err error) {
	line, err := strictLine(r)
	if err != nil {
		return a, err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[1] == "" || parts[2] != "HTTP/1.1" {
		return a, fmt.Errorf("request line %q", line)
	}
	a.method, a.target = parts[0], parts[1]
	header, err := strictHeader(r)
	if err != nil {
		return a, err
	}
	lengths, codings := header["content-length"], header["transfer-encoding"]
	switch {
	case len(header["host"]) != 1:
		return a, fmt.Errorf("%d hosts", len(header["host"]))
	case len(lengths)+len(codings) > 1:
		return a, fmt.Errorf("lengths %q and codings %q", lengths, codings)
	}
	a.question = slices.Equal(header["accept"], []string{"application/json"}) && slices.Equal(header["accept-encoding"], []string{"identity"})
	if len(header["expect"]) > 0 {
		goOn()
	}
	switch {
	case len(codings) == 1 && codings[0] != "chunked":
		return a, fmt.Errorf("coding %q", codings[0])
	case len(codings) == 1:
		a.body, err = strictChunks(r)
	case len(lengths) == 1:
		n, bad := strconv.ParseUint(lengths[0], 10, 62)
		if bad != nil || strconv.FormatUint(n, 10) != lengths[0] {
			return a, fmt.Errorf("length %q", lengths[0])
		}
		var body bytes.Buffer
		_, err = io.CopyN(&body, r, int64(n))
		a.body = body.String()
	}
	return a, err
}

// strictLine reads a line that ends in CR LF and holds no other control character.
func strictLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line, ok := strings.CutSuffix(text, "\r\n")
	if !ok || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return "", fmt.Errorf("line %q", text)
	}
	return line, nil
}

func strictHeader(r *bufio.Reader) (map[string][]string, error) {
	header := map[string][]string{}
	for {
		line, err := strictLine(r)
		if err != nil || line == "" {
			return header, err
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, fmt.Errorf("field %q", line)
		}
		name = strings.ToLower(name)
		header[name] = append(header[name], strings.Trim(value, " \t"))
	}
}

func strictChunks(r *bufio.Reader) (string, error) {
	var body bytes.Buffer
	for {
		line, err := strictLine(r)
		if err != nil {
			return "", err
		}
		n, bad := strconv.ParseUint(line, 16, 62)
		if bad != nil || strings.ContainsAny(line, "+-_xX") {
			return "", fmt.Errorf("chunk size %q", line)
		}
		if n == 0 {
			trailer, err := strictHeader(r)
			for name := range trailer {
				if slices.Contains([]string{"content-length", "transfer-encoding", "host", "trailer"}, name) {
					return "", fmt.Errorf("trailer %s", name)
				}
			}
			return body.String(), err
		}
		if _, err := io.CopyN(&body, r, int64(n)); err != nil {
			return "", err
		}
		if end, err := strictLine(r); err != nil || end != "" {
			return "", errors.Join(fmt.Errorf("behind a chunk %q", end), err)
		}
	}
}

func isToken(text string) bool {
	return text != "" && strings.Trim(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// framings are ways to say how long a body is, right and wrong, each with one that it may stand before.
var framings = [][2]string{
	{"Content-Length: 5\r\n", "hello"}, {"Content-Length: 0\r\n", ""}, {"", ""}, {"Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
	{"Transfer-Encoding: chunked\r\n", "5;a=\"b\"\r\nhello\r\n000\r\nX-Sum: 1\r\n\r\n"}, {"Transfer-Encoding: chunked\r\nTrailer: X-Sum, Content-Length\r\n", "1\r\na\r\n0\r\nContent-Length: 9\r\n\r\n"},
	{"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden}, {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "5\r\nhello\r\n0\r\n\r\n"},
	{"Content-Length: 5\r\nContent-Length: 5\r\n", "hello"}, {"Content-Length: 5\r\nContent-Length: 6\r\n", "hello"}, {"Content-Length: +5\r\n", "hello"}, {"Content-Length: 05\r\n", "hello"},
	{"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"}, {"Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"}, {"Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"}, {"Transfer-Encoding : chunked\r\n", "0\r\n\r\n"},
	{"Transfer-Encoding: chunked\r\n", "5\nhello\n0\n\n"}, {"Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFFF\r\n"}, {"Transfer-Encoding: chunked\r\n", "-1\r\n"}, {"Transfer-Encoding: chunked\r\n", "5\r\nhelloX\r\n0\r\n\r\n"},
	{"Content-Length: 100000\r\n", "hello"}, {"Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"}, {"Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"}, {"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n"},
	{"Content-Encoding: gzip\r\nContent-Length: 3\r\n", "\x1f\x8b\x08"}, {"X: \x00\r\nContent-Length: 1\r\n", "a"}, {"X: a\rContent-Length: 9\r\n", ""}, {"X: a\nContent-Length: 1\n", "b"}, {"Upgrade: websocket\r\nConnection: Upgrade\r\n", "\x81\x05hello"},
	{"\r\n" + hidden + "X: ", ""}, {"Content-Length: 5\r\n\r\nhello" + hidden, ""}, {"Content-Length: " + strconv.Itoa(len(hidden)) + "\r\n", hidden},
}

// forbidden finds a target that is a governed path and no other one that begins like it.
var forbidden = regexp.MustCompile(`(?i)^/(cart|checkout|buy)([/?.;]|$)`)

// FuzzBodies sends a request with any framing and any body, followed by one that ends the connection, as an American. What
// arrives behind the gateway is well-formed to the letter, is nothing that Americans may not have, and has the bodies that
// a server gets which is asked directly.
func FuzzBodies(f *testing.F) {
	for _, one := range framings {
		f.Add([]byte(one[0]), []byte(one[1]), uint16(0))
		f.Add([]byte(one[0]), []byte(one[1]+hidden), uint16(len(one[0])+40))
		f.Add([]byte(one[0]+"Connection: close\r\n"), []byte(one[1]), uint16(60))
	}
	behind, direct := newPedant(f), new(register)
	open := strings.TrimPrefix(newShop(f, func(_ http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			direct.add(arrival{method: r.Method, target: r.RequestURI, body: string(body)})
		}
	}), "http://")
	g := start(f, setup{
		policy: corpusPolicy, upstream: behind.url, config: "client_ip: {}\ngeoip: {overrides: {127.0.0.0/8: US}}\n",
		options: func(o *gateway.Options) { o.Logger = slog.New(slog.DiscardHandler) },
	})
	f.Fuzz(func(t *testing.T, framing, body []byte, cut uint16) {
		text := "POST /about HTTP/1.1\r\nHost: shop.example\r\n" + string(framing) + "\r\n" + string(body) + parting
		compare := func() error {
			say(t, open, text, int(cut))
			answers := say(t, g.PublicAddr().String(), text, int(cut))
			want, _ := direct.take()
			got, faults := behind.take()
			if len(want) > 0 && len(got) == 0 && strings.HasPrefix(answers, "HTTP/1.1 200 ") {
				return fmt.Errorf("answered %.200q, and nothing has arrived; asked directly, %+v does", answers, want)
			}
			return differs(got, want, faults)
		}
		err := compare()
		if err == nil {
			return
		}
		// What the gateway had begun to forward for another client may arrive after that one has got its answer and left.
		for {
			time.Sleep(100 * time.Millisecond)
			if late, _ := behind.take(); len(late) == 0 {
				break
			}
		}
		direct.take()
		if again := compare(); again != nil {
			t.Errorf("%v; and once more: %v", err, again)
		}
	})
}

// differs compares what has arrived behind the gateway with what a server gets that is asked directly.
func differs(got, want []arrival, faults []string) error {
	if len(faults) > 0 {
		return fmt.Errorf("the upstream finds fault with %q", faults)
	}
	rest := want
	for _, a := range got {
		if forbidden.MatchString(a.target) {
			return fmt.Errorf("%s %s has arrived", a.method, a.target)
		}
		i := slices.Index(rest, a)
		if i < 0 {
			return fmt.Errorf("%+v has arrived; asked directly, %+v does", a, want)
		}
		rest = rest[i+1:]
	}
	return nil
}

// say sends a text in two parts and returns all that is answered. Where more is waited for, no more comes.
func say(t *testing.T, address, text string, cut int) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cut = min(cut, len(text))
	go func() {
		_, _ = io.WriteString(conn, text[:cut]) // a connection that is closed meanwhile shows in the answer
		_, _ = io.WriteString(conn, text[cut:])
	}()
	var answers bytes.Buffer
	for buf, waits := make([]byte, 4<<10), 0; ; {
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buf)
		answers.Write(buf[:n])
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			if waits++; waits == 1 {
				_ = conn.(*net.TCPConn).CloseWrite() // or it is closed already
			}
			if waits < 1000 {
				continue
			}
			t.Fatalf("the connection stays open behind %.300q", answers.String())
		}
		if err != nil {
			return answers.String()
		}
	}
}

// TestBodiesArrive shows that FuzzBodies has something to look at: the pedant gets bodies, and finds fault where there is.
func TestBodiesArrive(t *testing.T) {
	t.Parallel()
	behind := newPedant(t)
	g := start(t, setup{policy: corpusPolicy, upstream: behind.url})
	for _, one := range framings[:5] {
		conn, reader := g.raw(t, american, "POST /about HTTP/1.1\r\nHost: shop.example\r\n"+one[0]+"\r\n"+one[1]+parting)
		codes := strings.Join(statuses(reader), " ")
		conn.Close()
		came, faults := behind.take()
		wanted := ""
		if strings.Contains(one[1], "hello") {
			wanted = "hello"
		}
		if codes != "200 200" || len(came) != 2 || came[0].body != wanted || len(faults) > 0 {
			t.Errorf("%q: answered %s, arrived %+v, faults %q", one, codes, came, faults)
		}
	}
	for _, text := range []string{
		"GET / HTTP/1.1\n\n", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
	} {
		if a, err := readStrictly(bufio.NewReader(strings.NewReader(text)), func() {}); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q is read as %+v, %v", text, a, err)
		}
	}
}
