package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
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

// askSmall asks for a small answer.
func askSmall(t testing.TB, nc io.Writer, in *bufio.Reader) {
	if _, err := io.WriteString(nc, smallRequest); err != nil {
		t.Fatal(err)
	}
	for line := []byte("to begin with"); len(line) > 2; {
		var err error
		if line, err = in.ReadSlice('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Discard(300); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkSmall asks for a small answer on a connection that is kept.
func BenchmarkSmall(b *testing.B) {
	nc := serve(b, small(), nil).dial(b)
	in := bufio.NewReader(nc)
	b.ReportAllocs()
	for b.Loop() {
		askSmall(b, nc, in)
	}
}

// TestSmallAllocates shows what a request costs beside what its handler makes: its memory, its text, its header and
// the answer's. It is not parallel, because testing.AllocsPerRun counts everybody's.
func TestSmallAllocates(t *testing.T) {
	nc := serve(t, small(), nil).dial(t)
	in := bufio.NewReader(nc)
	most := 8.0
	if racing {
		most += 6 // it has pools forget
	}
	if n := testing.AllocsPerRun(500, func() { askSmall(t, nc, in) }); n > most {
		t.Errorf("%v allocations, want %v at most", n, most)
	}
}

// TestIdleConnectionsHoldLittle shows that a connection which has been used and waits holds no buffer. It is not parallel, because
// memory is everybody's.
func TestIdleConnectionsHoldLittle(t *testing.T) {
	const connections, most = 1000, 2 << 10
	s := serve(t, small(), nil)
	kept := make([]net.Conn, connections)
	clients := make([]*bufio.Reader, connections)
	for i := range kept { // what the clients hold is there before
		kept[i] = s.dial(t)
		clients[i] = bufio.NewReaderSize(kept[i], 2<<10)
	}
	eventually(t, "all are accepted", func() bool { return len(s.all()) == connections })
	before := held()
	for i, nc := range kept {
		askSmall(t, nc, clients[i])
	}
	eventually(t, "all are idle", func() bool {
		for _, c := range s.all() {
			if c.use.Load() != idle {
				return false
			}
		}
		return true
	})
	time.Sleep(10 * time.Millisecond) // the last of them has said so a little before it is
	if each := (held() - before) / connections; each > most {
		t.Errorf("each holds %d bytes more than before it was used, want %d at most", each, most)
	}
}

// held is how much memory is in use.
func held() int64 {
	var m runtime.MemStats
	for range 2 { // what pools hold on to survives one collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
