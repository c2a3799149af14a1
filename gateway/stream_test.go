package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLargeDownload shows that a download takes no memory to speak of. It is not parallel, so that the heap is its own.
func TestLargeDownload(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads 1 GiB")
	}
	const size, most = 1 << 30, 32 << 20
	block := make([]byte, 256<<10)
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})})
	_, reader := g.raw(t, german, "GET /updates/all HTTP/1.1\r\nHost: updates.example\r\nConnection: close\r\n\r\n")
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, peak, n := m.HeapAlloc, uint64(0), 0
	buf := make([]byte, 1<<20)
	for next := 0; ; {
		read, err := res.Body.Read(buf)
		if n += read; n >= next {
			runtime.ReadMemStats(&m)
			peak, next = max(peak, m.HeapAlloc), next+size/64
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != size {
		t.Errorf("%d bytes came, want %d", n, size)
	}
	if peak > before+most {
		t.Errorf("the heap grew by %d MiB", (peak-before)>>20)
	}
}

// TestUploadStreams shows that each part of a body is forwarded before the next is sent.
func TestUploadStreams(t *testing.T) {
	t.Parallel()
	parts := make(chan string)
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64)
		for {
			n, err := r.Body.Read(buf)
			if n > 0 {
				parts <- string(buf[:n])
			}
			if err != nil {
				break
			}
		}
		fmt.Fprintf(w, "length %d, trailer %s", r.ContentLength, r.Trailer.Get("X-Sum"))
	})})
	conn, reader := g.raw(t, german, "POST /cart HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
	for _, part := range []string{"one", "two", "three"} {
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(part), part); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, parts); got != part {
			t.Fatalf("%q arrived, want %q", got, part)
		}
	}
	if _, err := io.WriteString(conn, "0\r\nX-Sum: 11\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text := body(t, reader); text != "length -1, trailer 11" {
		t.Errorf("%q", text)
	}
}

func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// body reads a whole answer and returns its body.
func body(t testing.TB, reader *bufio.Reader) string {
	t.Helper()
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// webSocket upgrades and sends back what it gets.
func webSocket(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Accept: x\r\n\r\n", r.Header.Get("Upgrade"))
	_, _ = io.Copy(conn, buffered) // until either end has had enough
}

const upgrade = " HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// TestWebSocket shows an upgrade that passes, is counted as what it is, and one that is refused.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, webSocket)})
	conn, reader := g.raw(t, german, "GET /cart/live"+upgrade)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	for _, message := range []string{"one", "another"} {
		if _, err := io.WriteString(conn, message); err != nil {
			t.Fatal(err)
		}
		echo := make([]byte, len(message))
		if _, err := io.ReadFull(reader, echo); err != nil || string(echo) != message {
			t.Fatalf("%q, %v", echo, err)
		}
	}
	conn.Close()
	eventually(t, "the upgrade is counted", func() bool {
		return g.metric(t, `gate451_http_requests_total{code="101",method="GET",route="shop"}`) == "1"
	})
	_, reader = g.raw(t, american, "GET /cart/live"+upgrade)
	if text := body(t, reader); !strings.HasPrefix(text, theSentence) {
		t.Errorf("%q", text)
	}
}

// TestServerSentEvents shows that each event arrives before the next is sent.
func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	next := make(chan string)
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			_ = http.NewResponseController(w).Flush() // an error shows in the reading
		}
	})})
	_, reader := g.raw(t, german, "GET /cart/events HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	next <- "0"
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	events := bufio.NewReader(res.Body)
	for i := range 5 {
		for _, want := range []string{fmt.Sprintf("data: %d\n", i), "\n"} {
			if line, err := events.ReadString('\n'); err != nil || line != want {
				t.Fatalf("%q, %v; want %q", line, err, want)
			}
		}
		if i < 4 {
			next <- strconv.Itoa(i + 1)
		}
	}
	close(next)
	if _, err := events.ReadByte(); err != io.EOF {
		t.Errorf("the stream ends with %v", err)
	}
}

// TestConditional shows ranges, validators and HEAD on a governed path.
func TestConditional(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		http.ServeContent(w, r, "bases.dat", built, bytes.NewReader([]byte("0123456789")))
	})})
	for _, c := range []struct {
		method, name, value string
		status              int
		text, length, field string
	}{
		{"GET", "Range", "bytes=2-4", 206, "234", "3", "bytes 2-4/10"},
		{"GET", "Range", "bytes=20-", 416, "invalid range: failed to overlap\n", "", "bytes */10"},
		{"GET", "If-None-Match", `"v1"`, 304, "", "", ""},
		{"GET", "If-None-Match", `"v0"`, 200, "0123456789", "10", ""},
		{"HEAD", "Accept", "*/*", 200, "", "10", ""},
	} {
		a := g.send(t, german, c.method, "http://updates.example/updates/bases.dat", nil, c.name, c.value)
		if a.StatusCode != c.status || a.text != c.text || c.length != "" && a.Header.Get("Content-Length") != c.length || a.Header.Get("Content-Range") != c.field {
			t.Errorf("%s with %s %s: %d %q %v", c.method, c.name, c.value, a.StatusCode, a.text, a.Header)
		}
		if a.Header.Get("Cache-Control") != "private" && c.status < 400 {
			t.Errorf("%s with %s %s: Cache-Control %q", c.method, c.name, c.value, a.Header.Get("Cache-Control"))
		}
	}
}

// TestTrailersAndHints shows what comes before and after an answer.
func TestTrailersAndHints(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body") // an error shows in the answer
		w.Header().Set("X-Sum", "7")
	})})
	var hints []string
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", header.Get("Link")))
		return nil
	}})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://shop.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.client(german).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "body" || res.Trailer.Get("X-Sum") != "7" {
		t.Errorf("%q, trailer %v, %v", text, res.Trailer, err)
	}
	if len(hints) != 1 || hints[0] != "103 </style.css>; rel=preload" {
		t.Errorf("hints %q", hints)
	}
}

// TestExpectContinue shows that a body is not called for where it would be refused, and is where it passes.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // an error shows in the answer
	})})
	const head = "POST /cart HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	_, reader := g.raw(t, american, head)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != 451 || !res.Close {
		t.Fatalf("%v, %v", res, err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || !strings.HasPrefix(string(text), theSentence) {
		t.Errorf("%q, %v", text, err)
	}
	conn, reader := g.raw(t, german, head)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := reader.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if text := body(t, reader); text != "hello" {
		t.Errorf("%q", text)
	}
}
