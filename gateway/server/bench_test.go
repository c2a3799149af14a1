package server

import (
	"bufio"
	"io"
	"net/http"
	"testing"
)

// small answers as a refusal does, without making anything that it could have at hand.
func small() http.HandlerFunc {
	text := make([]byte, 300)
	fields := http.Header{}
	for _, name := range []string{"Cache-Control", "Content-Type", "Referrer-Policy", "Vary", "X-Content-Type-Options", "Content-Language", "Link", "Gate451-Reference"} {
		fields[name] = []string{"a value of some length"}
	}
	fields["Content-Length"] = []string{"300"}
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range fields {
			h[name] = values
		}
		w.WriteHeader(http.StatusUnavailableForLegalReasons)
		_, _ = w.Write(text)
	}
}

const smallRequest = "GET /buy/1k HTTP/1.1\r\nHost: shop.example\r\nuser-agent: h2load\r\nAccept: */*\r\nX-Forwarded-For: 50.114.0.1\r\n\r\n"

// BenchmarkSmall asks for a small answer on a connection that is kept.
func BenchmarkSmall(b *testing.B) {
	s := serve(b, small(), nil)
	nc := s.dial(b)
	in := bufio.NewReader(nc)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(nc, smallRequest); err != nil {
			b.Fatal(err)
		}
		for line := []byte("x"); len(line) > 2; {
			var err error
			if line, err = in.ReadSlice('\n'); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := in.Discard(300); err != nil {
			b.Fatal(err)
		}
	}
}
