package upstream

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// counted is a server's writer that counts what it was not given in memory.
type counted struct {
	http.ResponseWriter
	spliced *atomic.Int64
}

func (c counted) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
	c.spliced.Add(n)
	return n, err
}

func (c counted) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

func (c counted) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(c.ResponseWriter).Hijack()
}

func (c counted) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(c.ResponseWriter).SetReadDeadline(t)
}

func (c counted) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(c.ResponseWriter).SetWriteDeadline(t)
}

func countingSpliced(spliced *atomic.Int64) gateOption {
	return withWriter(func(w http.ResponseWriter) http.ResponseWriter { return counted{w, spliced} })
}

// TestDownloadsArrive has bodies of all sizes around those at which they are passed on in another way. They arrive whole, one
// after another on the same connections, and the kernel has passed on what it could.
func TestDownloadsArrive(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{4, 5, 1})
	whole := make([]byte, 5<<20)
	_, _ = random.Read(whole) // cannot fail
	sizes := []int{100, 4096, leastSpliced - 1, leastSpliced, leastSpliced + 1, 3 * spliceStep, leastSpliced + 2*spliceStep, len(whole)}
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		var size int
		_, _ = fmt.Sscan(r.URL.Query().Get("size"), &size)
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(whole[:size])
	})
	for name, options := range map[string][]gateOption{"plain": nil, "TLS": {withTLS}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spliced atomic.Int64
			g := newGate(t, []string{shop}, append(options, countingSpliced(&spliced))...)
			for _, size := range append(sizes, sizes...) {
				before := spliced.Load()
				res := g.do(t, "GET", fmt.Sprint("/?size=", size), nil)
				got, err := io.ReadAll(res.Body)
				if err != nil || sha256.Sum256(got) != sha256.Sum256(whole[:size]) {
					t.Errorf("%d bytes: read %d, %v, or others", size, len(got), err)
				}
				moved := spliced.Load() - before
				if want := name == "plain" && size > leastSpliced+4096; (moved > 0) != want || want && moved < int64(size)-3*spliceStep {
					t.Errorf("the kernel has passed on %d of %d bytes over %s", moved, size, name)
				}
			}
			if n := len(g.kept()); n != 1 {
				t.Errorf("%d connections are kept, want 1", n)
			}
		})
	}
}

// TestDownloadsThatEndBadly breaks downloads while the kernel passes them on. The client sees that each is broken, whoever is to
// blame is blamed, and no connection is kept.
func TestDownloadsThatEndBadly(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	half := bytes.Repeat([]byte("gate451 "), size/16)
	for name, tt := range map[string]struct {
		then  func(conn net.Conn, br *bufio.Reader) // What the upstream does after half of it.
		leave bool                                  // The client hangs up before that.
		cause string
	}{
		"ends":   {func(net.Conn, *bufio.Reader) {}, false, "body:1"},
		"resets": {func(conn net.Conn, _ *bufio.Reader) { _ = conn.(*net.TCPConn).SetLinger(0) }, false, "body:1"},
		"stalls": {func(_ net.Conn, br *bufio.Reader) { drain(br) }, false, "body:1"},
		"leaves": {func(_ net.Conn, br *bufio.Reader) { drain(br) }, true, "client_gone:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var spliced atomic.Int64
			g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
				skipHead(br)
				send(conn, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
				if _, err := conn.Write(half); err != nil && !tt.leave {
					t.Error(err)
				}
				tt.then(conn, br)
			})}, countingSpliced(&spliced), withConfig(func(c *Config) { c.IdleBody = 20 * short }))
			conn, br := g.dial(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if tt.leave {
				_, _ = io.CopyN(io.Discard, br, size/8)
				conn.Close()
			} else {
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if n, err := io.Copy(io.Discard, res.Body); err == nil || n > int64(len(half)) || n < int64(len(half)) && name != "resets" {
					t.Errorf("read %d bytes, %v", n, err)
				}
			}
			receive(t, g.done)
			g.wait(t, tt.cause)
			if n := len(g.kept()); n != 0 || spliced.Load() == 0 {
				t.Errorf("%d connections are kept, and the kernel has passed on %d bytes", n, spliced.Load())
			}
		})
	}
}

// TestClientResetsADownload is not blamed on the upstream, which has more to give.
func TestClientResetsADownload(t *testing.T) {
	t.Parallel()
	var spliced atomic.Int64
	g := newGate(t, []string{newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		body := endless(1000000000)
		pass(conn, &body)
	})}, countingSpliced(&spliced))
	conn, br := g.dial(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	_, _ = io.CopyN(io.Discard, br, 8<<20)
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	receive(t, g.done)
	g.wait(t, "client_gone:1")
}
