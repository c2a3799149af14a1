package server

import (
	"fmt"
	"strings"
	"testing"
)

// nasty are requests that programs disagree about, or might.
func nasty() (all []string) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
	n := fmt.Sprint(len(hidden))
	post := func(headers, body string) string {
		return "POST /about HTTP/1.1\r\nHost: shop.example\r\n" + headers + "\r\n" + body + hidden
	}
	for _, framing := range []string{
		"Content-Length: 0", "Content-Length: " + n, "Content-Length: " + n + "\r\nContent-Length: " + n, "Content-Length: " + n + ", " + n,
		"Content-Length: 0\r\nContent-Length: " + n, "Content-Length: -1", "Content-Length: +" + n, "Content-Length: 0x10", "Content-Length: 1_0",
		"Content-Length:", "Content-Length: 9223372036854775808", "Content-Length: 18446744073709551616", "Content-Length: 00", "Content-Length : " + n,
		"Content-Length: " + n + "\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4", "Content-Length: 1 2", "Content-Length: 5 ",
		"Content-Length: \v5", "content-length: 3\r\nContent-length: 3", "Content-Length: 10\r\nExpect: 100-continue", "Expect: 100-continue", "Expect: 200-ok",
		"Expect:", "Content-Length: 3\r\nExpect: 100-Continue", "Expect: x, 100-continue\r\nContent-Length: 3", "Content-Length: 3\r\nConnection: close",
		"Connection: keep-alive, close", "Connection: Close", "Connection: x close", "Trailer: X", "Pragma: no-cache", "Pragma: no-cache\r\nCache-Control: max-age=0",
		"Content-Length: 300000", "Content-Length: 200000", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x",
	} {
		all = append(all, post(framing+"\r\n", ""), strings.Replace(post(framing+"\r\n", ""), "/about", "/unread", 1),
			strings.Replace(post(framing+"\r\n", ""), "/about", "/some", 1), strings.Replace(post(framing+"\r\n", ""), "HTTP/1.1", "HTTP/1.0", 1))
	}
	for _, coding := range []string{
		"chunked", "CHUNKED", "chunked ", "\tchunked", "\vchunked", "xchunked", "\"chunked\"", "chunked, chunked", "chunked\r\nTransfer-Encoding: chunked",
		"chunked, identity", "identity", "identity\r\nContent-Length: " + n, "gzip, chunked", "", "\r\n chunked", "chunked;q=1",
	} {
		all = append(all, post("Transfer-Encoding: "+coding+"\r\n", "0\r\n\r\n"), strings.Replace(post("Transfer-Encoding: "+coding+"\r\n", "0\r\n\r\n"), "HTTP/1.1", "HTTP/1.0", 1))
	}
	for _, body := range []string{
		"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "3\nabc\n0\n\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\rabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n0;c\r\n\r\n",
		"3 \r\nabc\r\n0\r\n\r\n", "3 ;x\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "3;a\nb\r\nabc\r\n0\r\n\r\n", "3;a\rb\r\nabc\r\n0\r\n\r\n",
		"10000000000000000\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", "-1\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n",
		"\r\nabc\r\n0\r\n\r\n", "1\r\nabc\r\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "0\r\nContent-Length: 5\r\nHost: other.example\r\n\r\n", "0\r\nX: 1\r\nX: 2\r\n\r\n",
		"0\r\nX: 1\r\n 2\r\n\r\n", "0\r\nX : 1\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\nX: a\x00b\r\n\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n", "", "A\r\n0123456789\r\n0\r\n\r\n",
		"000003\r\nabc\r\n000\r\n\r\n", strings.Repeat("1\r\nx\r\n", 50) + "0\r\n\r\n", strings.Repeat("1;"+strings.Repeat("e", 100)+"\r\nx\r\n", 50) + "0\r\n\r\n",
		"3;" + strings.Repeat("a", 5<<10) + "\r\nabc\r\n0\r\n\r\n",
	} {
		all = append(all, post("Transfer-Encoding: chunked\r\n", body), post("Transfer-Encoding: chunked\r\nTrailer: X, Y\r\n", body),
			strings.Replace(post("Transfer-Encoding: chunked\r\n", body), "/about", "/unread", 1))
	}
	for _, line := range []string{
		"GET / HTTP/1.1", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET /\tHTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/1.0", "GET / HTTP/1.2", "GET / HTTP/0.9", "GET / HTTP/2.0",
		"GET / HTTP/3.0", "GET / HTTP/1.10", "GET / HTTP/1.", "GET / http/1.1", "GET / HTTP/11", "GET /", "GET", "", "G\x00T / HTTP/1.1", "get / HTTP/1.1", "G@T / HTTP/1.1",
		"OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "CONNECT x:443 HTTP/1.1", "CONNECT /x HTTP/1.1", "CONNECT x HTTP/1.1", "TRACE / HTTP/1.1", "GET http://other.example/x HTTP/1.1",
		"GET http://other.example HTTP/1.1", "GET HTTPS://Other.Example:80/a?b#c HTTP/1.1", "GET http://u@other.example/ HTTP/1.1", "GET http:///x HTTP/1.1", "GET x HTTP/1.1",
		"GET //a/b HTTP/1.1", "GET ///a HTTP/1.1", "GET /a%2Fb%zz HTTP/1.1", "GET /a%2Fb HTTP/1.1", "GET /?a=b&c HTTP/1.1", "GET /? HTTP/1.1", "GET /a?? HTTP/1.1", "GET /a?b#c HTTP/1.1",
		"GET /a#b HTTP/1.1", "GET /\x7f HTTP/1.1", "GET /a\x01 HTTP/1.1", "GET /?a\x01 HTTP/1.1", "GET /\xe4\xbd HTTP/1.1", "GET /?\xe4\xbd HTTP/1.1", "GET /a;b=c,d:e@f&g=h+i$j!k*l'm(n) HTTP/1.1",
		"GET /[a]{b}|c^d`e\"f<g>\\h HTTP/1.1", "GET /a/../b/./c HTTP/1.1", "PRI * HTTP/2.0", "PRI * HTTP/1.1", "HEAD / HTTP/1.1", "HEAD /long HTTP/1.1", "HEAD /short HTTP/1.1",
		"GET /close HTTP/1.1", "GET /empty HTTP/1.1", "GET /long HTTP/1.1", "GET /flushed HTTP/1.1", "GET /short HTTP/1.1", "GET /long HTTP/1.0", "GET /flushed HTTP/1.0",
		"GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1", "GET /" + strings.Repeat("a", 14<<10) + " HTTP/1.1", "\x16\x03\x01\x02", "GET mailto:a HTTP/1.1", "GET ?a HTTP/1.1",
	} {
		all = append(all, line+"\r\nHost: shop.example\r\n\r\n"+hidden, line+"\nHost: shop.example\n\n"+hidden, line+"\r\nHost: shop.example\r\nConnection: keep-alive\r\n\r\n"+hidden)
	}
	for _, header := range []string{
		"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "host: a\r\n", "Host : a\r\n", "Host: a b\r\n", "Host: a\x00\r\n", "Host: [::1]:80\r\n", "Host: a/b\r\n", "Host: a@b\r\n",
		"Host: a\r\nX: a\x00b\r\n", "Host: a\r\nX: a\rb\r\n", "Host: a\r\nX: a\nb\r\n", "Host: a\r\nX: a\x7fb\r\n", "Host: a\r\nX: \xff\t\x80 \r\n", "Host: a\r\n: b\r\n", "Host: a\r\nX\r\n",
		"Host: a\r\nX: 1\r\n 2\r\n", "Host: a\r\nX: 1\r\n\t2\r\n", "Host: a\r\nX: 1\r\n \r\n", " Host: a\r\n", "Host: a\r\n\rX: 1\r\n", "Host: a\r\nX: 1\r\r\n", "Host: a\r\nX\xe4: 1\r\n",
		"Host: a\r\nX(: 1\r\n", "Host: a\r\nx-y-z: 1\r\nX-Y-Z: 2\r\nX-y-Z: 3\r\n", "Host: a\r\nX_Y: 1\r\nx.y: 2\r\n", "Host: a\r\nx: \t 1 \t \r\n", "Host: a\r\nAccept:a\r\nAccept:\r\nAccept: \r\n",
		"Host: a\r\nCookie: " + strings.Repeat("c", 5<<10) + "\r\n", "Host: a\r\nCookie: " + strings.Repeat("c", 14<<10) + "\r\n", "Host: a\r\n" + strings.Repeat("X: y\r\n", 500),
		"Host: a\r\n" + strings.Repeat("a", 100) + ": y\r\n", "Host: a\r\nsec-ch-ua: x\r\nUSER-AGENT: y\r\n", "X: y\r\nHost: a\r\n\r\nX: z\r\n",
	} {
		all = append(all, "GET / HTTP/1.1\r\n"+header+"\r\n"+hidden, "GET / HTTP/1.0\r\n"+header+"\r\n"+hidden, "GET http://b.example/ HTTP/1.1\r\n"+header+"\r\n"+hidden)
	}
	return append(all, "", "\r\n", "\r\n\r\n", "\n"+hidden, "\r\n"+hidden, hidden+"\r\n"+hidden, post("Content-Length: 0\r\n", "\r\n"), post("Content-Length: 0\r\n", "\r\n\r\n"),
		post("Content-Length: 0\r\n", "\r\n\r\n\r\n"), post("Content-Length: 0\r\n", "\n\n\n\n"), post("Content-Length: 1\r\n", "x\r"), hidden+hidden+hidden, hidden+"GET /half", "GET / HTTP/1.1\r\nHost: a\r\n",
		preface, preface+hidden, "GET /cart\r\n", strings.Repeat(hidden, 300))
}

// TestLikeNetHTTP sends every nasty request to a server of net/http and to this one, whole and in bites, and compares what their
// handlers see and what they answer.
func TestLikeNetHTTP(t *testing.T) {
	t.Parallel()
	c := compare(t)
	for i, text := range nasty() {
		c.try(t, []byte(text), byte(i%7*i%23))
	}
}

// FuzzLikeNetHTTP does so with whatever comes up.
func FuzzLikeNetHTTP(f *testing.F) {
	for i, text := range nasty() {
		f.Add([]byte(text), byte(i))
	}
	c := compare(f)
	f.Fuzz(func(t *testing.T, text []byte, bite byte) { c.try(t, text, bite) })
}
