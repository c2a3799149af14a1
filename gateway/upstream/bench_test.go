package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// page is an upstream that answers every request on a connection with so many bytes, and costs next to nothing.
func page(size int) func(net.Conn, *bufio.Reader) {
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nDate: Sat, 20 Jul 2024 04:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s",
		size, strings.Repeat("x", size))
	return func(conn net.Conn, br *bufio.Reader) {
		for {
			for length := 0; ; {
				line, err := br.ReadSlice('\n')
				if err != nil {
					return
				}
				if string(line) == "Content-Length: 2048\r\n" {
					length = 2048
				}
				if len(line) == 2 {
					if _, err := br.Discard(length); err != nil {
						return
					}
					break
				}
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}
}

const browser = "Host: shop.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\nAccept-Encoding: gzip, br\r\n" +
	"Accept-Language: de\r\nCookie: session=0123456789\r\nCache-Control: no-cache\r\nReferer: https://shop.example/\r\n"

// asking are the requests that are measured, with how long their answers are.
var asking = map[string]struct {
	text string
	size int
}{
	"1 KiB":           {"GET /product?id=1 HTTP/1.1\r\n" + browser + "\r\n", 1 << 10},
	"64 KiB":          {"GET /product?id=1 HTTP/1.1\r\n" + browser + "\r\n", 64 << 10},
	"POST with 2 KiB": {"POST /cart HTTP/1.1\r\n" + browser + "Content-Length: 2048\r\n\r\n" + strings.Repeat("y", 2048), 1 << 10},
}

// asks returns what puts a request over one kept connection and reads its answer, at next to no cost of its own.
func (g *gate) asks(t testing.TB, text string, size int) func() {
	conn, br := g.dial(t, "")
	ask := []byte(text)
	return func() {
		if _, err := conn.Write(ask); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				t.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if n, err := br.Discard(size); err != nil {
			t.Fatal(n, err)
		}
	}
}

// BenchmarkForward passes answers on over one kept connection; what is allocated includes the part of net/http's server.
func BenchmarkForward(b *testing.B) {
	for name, what := range asking {
		b.Run(name, func(b *testing.B) {
			g := newGate(b, []string{newRaw(b, page(what.size))}, withMeta(buyer))
			ask := g.asks(b, what.text, what.size)
			b.ReportAllocs()
			b.SetBytes(int64(what.size))
			for b.Loop() {
				ask()
			}
		})
	}
}

// TestForwardAllocatesLittle counts what one request costs in allocations beside what net/http's server does for it.
func TestForwardAllocatesLittle(t *testing.T) {
	served := func(text string, size int, forward bool) float64 {
		g := newGate(t, []string{newRaw(t, page(size))}, withMeta(buyer))
		if !forward {
			answer := []byte(strings.Repeat("x", size))
			g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				drain(r.Body)
				_, _ = w.Write(answer)
			})
		}
		return testing.AllocsPerRun(200, g.asks(t, text, size))
	}
	for name, most := range map[string]float64{"1 KiB": 38, "64 KiB": 38, "POST with 2 KiB": 46} {
		what := asking[name]
		own := served(what.text, what.size, true) - served(what.text, what.size, false)
		if t.Logf("%s: %v allocations", name, own); own > most {
			t.Errorf("%s: %v allocations beside net/http's, want at most %v", name, own, most)
		}
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

// BenchmarkAnswer is what reading an answer's head and body costs.
func BenchmarkAnswer(b *testing.B) {
	text := "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: max-age=60\r\nDate: Sat, 20 Jul 2024 04:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024)
	from := strings.NewReader(text)
	l := &link{in: bufio.NewReader(from)}
	buf := make([]byte, bufferSize)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		from.Reset(text)
		l.in.Reset(from)
		var r response
		if _, err := r.listen(l, http.MethodGet, headerBytes); err != nil {
			b.Fatal(err)
		}
		if n, err := r.Read(buf); n != 1024 || !errors.Is(err, io.EOF) {
			b.Fatal(n, err)
		}
	}
}
