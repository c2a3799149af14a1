package gateway_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// hidden is a request that nobody may have answered but as what its buyer may have: Americans no /cart.
const hidden = "GET /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n"

// parting is the last request on a connection, after which it is closed.
const parting = "GET /parting HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"

// preface is how a client begins that speaks HTTP/2 (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// converse sends a text, then parting, and tells which answers came back and which request lines reached the upstream.
func (g *gate) converse(t *testing.T, seen *witness, buyer, text string) (codes string, lines []string) {
	t.Helper()
	seen.take()
	_, reader := g.raw(t, buyer, text+parting)
	return strings.Join(statuses(reader), " "), seen.lines()
}

// statuses reads answers until there is none.
func statuses(reader *bufio.Reader) (codes []string) {
	for {
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !strings.Contains(err.Error(), "reset") {
				codes = append(codes, err.Error())
			}
			return codes
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			codes = append(codes, err.Error())
		}
		res.Body.Close()
		codes = append(codes, fmt.Sprint(res.StatusCode))
	}
}

// lines returns the request lines that have arrived since the last time, without their protocol.
func (w *witness) lines() (all []string) {
	for _, head := range w.take() {
		line, _, _ := strings.Cut(head, "\r\n")
		all = append(all, strings.TrimSuffix(line, " HTTP/1.1"))
	}
	return all
}

// TestConnectionsHoldWhatTheyHold sends connections that proxies disagree about. Each begins as an American's and may hold
// hidden; whatever a proxy makes of it, the upstream gets only what Americans may have.
func TestConnectionsHoldWhatTheyHold(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{policy: corpusPolicy, upstream: seen.url, config: "limits: {header_bytes: 8KiB, header_timeout: 2s}\n"})
	post := func(headers, body string) string {
		return "POST /about HTTP/1.1\r\nHost: shop.example\r\n" + headers + "\r\n" + body
	}
	chunked := func(body string) string { return post("Transfer-Encoding: chunked\r\n", body) }
	n := fmt.Sprint(len(hidden))
	for i, c := range []struct {
		name, text, codes string
		lines             string // with a question mark: they may have been sent before the mistake was seen
	}{
		{"length", post("Content-Length: "+n+"\r\n", hidden), "200 200", "POST /about | GET /parting"},
		{"length 0 before a request", post("Content-Length: 0\r\n", hidden), "200 451 200", "POST /about | GET /parting"},
		{"equal lengths", post("Content-Length: "+n+"\r\nContent-Length: "+n+"\r\n", hidden), "200 200", "POST /about | GET /parting"},
		{"equal lengths in a list", post("Content-Length: "+n+", "+n+"\r\n", hidden), "400", ""},
		{"different lengths", post("Content-Length: 0\r\nContent-Length: "+n+"\r\n", hidden), "400", ""},
		{"different lengths, turned", post("Content-Length: "+n+"\r\nContent-Length: 0\r\n", hidden), "400", ""},
		{"negative length", post("Content-Length: -1\r\n", hidden), "400", ""},
		{"length with plus", post("Content-Length: +"+n+"\r\n", hidden), "400", ""},
		{"hexadecimal length", post("Content-Length: 0x10\r\n", hidden), "400", ""},
		{"length with underscore", post("Content-Length: 1_0\r\n", hidden), "400", ""},
		{"empty length", post("Content-Length:\r\n", hidden), "400", ""},
		{"length too large", post("Content-Length: 9223372036854775808\r\n", hidden), "400", ""},
		{"length wraps", post("Content-Length: 18446744073709551616\r\n", hidden), "400", ""},
		{"length with leading zero", post("Content-Length: 00\r\n", hidden), "200 451 200", "POST /about | GET /parting"},
		{"spaced length", post("Content-Length : "+n+"\r\n", hidden), "400", ""},
		{"length and chunked", post("Content-Length: "+n+"\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), "400", ""},
		{"chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"+hidden), "400", ""},
		{"chunked", chunked("0\r\n\r\n" + hidden), "200 451 200", "POST /about | GET /parting"},
		{"CHUNKED", post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"+hidden), "200 451 200", "POST /about | GET /parting"},
		{"chunked, space", post("Transfer-Encoding: chunked \r\n", "0\r\n\r\n"+hidden), "200 451 200", "POST /about | GET /parting"},
		{"tab, chunked", post("Transfer-Encoding: \tchunked\r\n", "0\r\n\r\n"+hidden), "200 451 200", "POST /about | GET /parting"},
		{"vertical tab, chunked", post("Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n"+hidden), "400", ""},
		{"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"quoted", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"chunked on two lines", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"chunked, identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"identity", post("Transfer-Encoding: identity\r\n", hidden), "501", ""},
		{"identity and length", post("Transfer-Encoding: identity\r\nContent-Length: "+n+"\r\n", hidden), "501", ""},
		{"gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"+hidden), "501", ""},
		{"empty encoding", post("Transfer-Encoding:\r\n", hidden), "501", ""},
		{"spaced encoding", post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"+hidden), "400", ""},
		{"underscored encoding", post("Transfer_Encoding: chunked\r\n", hidden), "200 451 200", "POST /about | GET /parting"},
		{"folded encoding", post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"+hidden), "400", ""},
		{"folded host", "GET /about HTTP/1.1\r\nHost: shop.example\r\nX-A: b\r\n Content-Length: " + n + "\r\n\r\n" + hidden, "400", ""},
		{"encoding behind a NUL", post("X: \x00Transfer-Encoding: chunked\r\n", hidden), "400", ""},
		{"encoding behind a CR", post("X: a\rTransfer-Encoding: chunked\r\n", hidden), "400", ""},
		{"encoding behind an LF", post("X: a\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), "200 451 200", "POST /about | GET /parting"},
		{"LF line ends", strings.ReplaceAll(post("Content-Length: 0\r\n", ""), "\r\n", "\n") + hidden, "200 451 200", "POST /about | GET /parting"},
		{"LF in chunks", chunked("3\nabc\n0\n\n" + hidden), "400", "POST /about?"},
		{"LF after a size", chunked("3\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"LF after data", chunked("3\r\nabc\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"CR after a size", chunked("3\rabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"extension", chunked("3;a=b\r\nabc\r\n0;c\r\n\r\n" + hidden), "200 451 200", "POST /about | GET /parting"},
		{"LF in an extension", chunked("3;a\nb\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"CR in an extension", chunked("3;a\rb\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"long extension", chunked("3;" + strings.Repeat("a", 8<<10) + "\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"size too large", chunked("10000000000000000\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"size wraps", chunked("fffffffffffffffffff\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"negative size", chunked("-1\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"size with plus", chunked("+3\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"no size", chunked("\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"size too small", chunked("1\r\nabc\r\n0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"data without end", chunked("3\r\nabc0\r\n\r\n" + hidden), "400", "POST /about?"},
		{"forbidden trailers", chunked("0\r\nContent-Length: 5\r\nHost: other.example\r\n\r\n" + hidden), "200 451 200", "POST /about | GET /parting"},
		{"length on GET", "GET /about HTTP/1.1\r\nHost: shop.example\r\nContent-Length: " + n + "\r\n\r\n" + hidden, "200 200", "GET /about | GET /parting"},
		{"pipelined", "GET /about HTTP/1.1\r\nHost: shop.example\r\n\r\n" + hidden, "200 451 200", "GET /about | GET /parting"},
		{"refused, body unread", "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: " + n + "\r\n\r\n" + hidden, "451", ""},
		{"refused, chunks unread", "POST /cart HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "451", ""},
		{"refused, bad chunks", "POST /cart HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n\r\n" + hidden, "451", ""},
		{"refused, 100-continue", "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: " + n + "\r\nExpect: 100-continue\r\n\r\n" + hidden, "451", ""},
		{"refused upgrade", "GET /cart" + upgrade, "451 200", "GET /parting"},
		{"declined upgrade", "GET /about" + upgrade + hidden, "200 451 200", "GET /about | GET /parting"},
		{"h2c upgrade", "GET /about HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + hidden, "200 451 200", "GET /about | GET /parting"},
		{"TLS upgrade", "GET /about HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n" + hidden, "200 451 200", "GET /about | GET /parting"},
		{"CONNECT", "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n" + hidden, "405", ""},
		{"CONNECT path", "CONNECT /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n" + hidden, "405", ""},
		{"TRACE", "TRACE /about HTTP/1.1\r\nHost: shop.example\r\n\r\n", "405", ""},
		{"TRACE cart", "TRACE /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n", "405", ""},
		{"too large", "GET /about HTTP/1.1\r\nHost: shop.example\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n" + hidden, "431", ""},
		{"1.0 refused", "GET /cart HTTP/1.0\r\nHost: shop.example\r\n\r\n", "451", ""},
		{"1.0", "GET /about HTTP/1.0\r\nHost: shop.example\r\n\r\n" + hidden, "200", "GET /about"},
		{"1.0 kept", "GET /about HTTP/1.0\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n" + hidden, "200 451 200", "GET /about | GET /parting"},
		{"1.0 without host", "GET /cart HTTP/1.0\r\n\r\n", "400", ""},
		{"1.0 chunked", "POST /about HTTP/1.0\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "400", ""},
		{"1.1 without host", "GET /about HTTP/1.1\r\n\r\n" + hidden, "400", ""},
		{"two hosts", "GET /about HTTP/1.1\r\nHost: shop.example\r\nHost: other.example\r\n\r\n" + hidden, "400", ""},
		{"0.9", "GET /cart\r\n", "400", ""},
		{"0.9 named", "GET /cart HTTP/0.9\r\nHost: shop.example\r\n\r\n" + hidden, "505", ""},
		{"1.2", "GET /cart HTTP/1.2\r\nHost: shop.example\r\n\r\n" + hidden, "451 451 200", "GET /parting"},
		{"2.0", "GET /cart HTTP/2.0\r\nHost: shop.example\r\n\r\n" + hidden, "505", ""},
		{"preface", preface, "400", ""},
		{"preface with a host", "PRI * HTTP/2.0\r\nHost: shop.example\r\n\r\nSM\r\n\r\n" + hidden, "400", ""},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400", ""},
	} {
		// The upstream may see a row's request when a later row is sent already, so that each has a target of its own.
		own := fmt.Sprintf("/about?%d", i)
		codes, lines := g.converse(t, seen, american, strings.ReplaceAll(c.text, "/about", own))
		want, maybe := strings.CutSuffix(c.lines, "?")
		for _, line := range lines {
			if protected.MatchString(line) {
				t.Errorf("%s: upstream saw %s", c.name, line)
			}
		}
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "/about?") && !strings.HasSuffix(line, own) })
		got := strings.ReplaceAll(strings.Join(lines, " | "), own, "/about")
		if codes != c.codes || got != want && !(maybe && got == "") {
			t.Errorf("%s: answered %q, want %q; upstream saw %q, want %q", c.name, codes, c.codes, got, c.lines)
		}
	}
}

// TestPipelining shows that each of several requests in one packet is judged by itself.
func TestPipelining(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{policy: corpusPolicy, upstream: seen.url})
	about := "GET /about HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	for _, c := range []struct{ buyer, text, codes, lines string }{
		{american, about + hidden + about, "200 451 200 200", "GET /about | GET /about | GET /parting"},
		{american, hidden + about + hidden, "451 200 451 200", "GET /about | GET /parting"},
		{german, about + hidden + about, "200 200 200 200", "GET /about | GET /cart | GET /about | GET /parting"},
	} {
		if codes, lines := g.converse(t, seen, c.buyer, c.text); codes != c.codes || strings.Join(lines, " | ") != c.lines {
			t.Errorf("%s %q: answered %q, want %q; upstream saw %q, want %q", c.buyer, c.text, codes, c.codes, lines, c.lines)
		}
	}
}

// TestBodiesThatNeverCome shows that a refusal waits for no body, and that a client which leaves takes its exchange along.
func TestBodiesThatNeverCome(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{policy: corpusPolicy, upstream: seen.url})
	for _, framing := range []string{"Content-Length: 1000", "Content-Length: 100000000", "Transfer-Encoding: chunked", "Content-Length: 10\r\nExpect: 100-continue"} {
		_, reader := g.raw(t, american, "POST /cart HTTP/1.1\r\nHost: shop.example\r\n"+framing+"\r\n\r\n")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%s: %v", framing, err)
		}
		res.Body.Close()
		if res.StatusCode != 451 || !res.Close {
			t.Errorf("%s: answered %d, closed %v; want 451 and the connection closed", framing, res.StatusCode, res.Close)
		}
	}
	if lines := seen.lines(); len(lines) > 0 {
		t.Errorf("upstream saw %q", lines)
	}
	conn, _ := g.raw(t, german, "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1000\r\n\r\nx")
	eventually(t, "the request arrives", func() bool { return strings.Join(seen.lines(), "") == "POST /cart" })
	conn.Close()
	eventually(t, "the exchange ends", func() bool {
		return strings.Contains(g.admin(t, http.MethodGet, "/metrics").text, `method="POST",route="shop"`)
	})
}

// TestTrickle shows that a header which comes byte by byte gets no more time than one that does not come.
func TestTrickle(t *testing.T) {
	t.Parallel()
	g := start(t, setup{config: "limits: {header_timeout: 200ms}\n"})
	conn, reader := g.raw(t, german, "GET / HTTP/1.1\r\nHost: shop.example\r\nX: ")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = readToEnd(reader) // how it ends is net/http's choice
	}()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for limit := time.After(patience); ; {
		select {
		case <-ended:
			return
		case <-pace.C:
			_, _ = io.WriteString(conn, "x") // an error shows as the end
		case <-limit:
			t.Fatal("the connection stays open")
		}
	}
}
