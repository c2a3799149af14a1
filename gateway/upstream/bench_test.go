package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// page is an upstream that answers every request on a connection with 1 KiB, and costs next to nothing.
func page(conn net.Conn, br *bufio.Reader) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nDate: Sat, 20 Jul 2024 04:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" +
		strings.Repeat("x", 1024))
	for {
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// BenchmarkForward passes 1 KiB answers on over one kept connection; what is allocated includes the part of
// net/http's server and transport.
func BenchmarkForward(b *testing.B) {
	g := newGate(b, []string{newRaw(b, page)}, withMeta(buyer))
	conn, br := g.dial(b, "")
	ask := []byte("GET /product?id=1 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\nAccept-Encoding: gzip, br\r\n" +
		"Accept-Language: de\r\nCookie: session=0123456789\r\nCache-Control: no-cache\r\nReferer: https://shop.example/\r\n\r\n")
	b.ReportAllocs()
	b.SetBytes(1024)
	for b.Loop() {
		if _, err := conn.Write(ask); err != nil {
			b.Fatal(err)
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != 1024 || err != nil {
			b.Fatal(n, err)
		}
		res.Body.Close()
	}
}

// BenchmarkRequestHeader is what the header of a browser's request costs.
func BenchmarkRequestHeader(b *testing.B) {
	r := &http.Request{Host: "shop.example", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"User-Agent": {"x"}, "Accept": {"x"}, "Accept-Encoding": {"x"}, "Accept-Language": {"x"}, "Cookie": {"x"}, "Referer": {"x"},
		"Connection": {"keep-alive"}, "Sec-Fetch-Dest": {"x"}, "Sec-Fetch-Mode": {"x"}, "Sec-Fetch-Site": {"x"}, "Upgrade-Insecure-Requests": {"1"}}}
	b.ReportAllocs()
	for b.Loop() {
		requestHeader(r, buyer, false)
	}
}
