package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// trickle serves a download in parts, one after each tick.
func trickle(content []byte, parts int, every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		if r.Method == http.MethodHead {
			return
		}
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		for part := range parts {
			if _, err := w.Write(content[len(content)*part/parts : len(content)*(part+1)/parts]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush() // an error shows in the next writing
			<-ticks.C
		}
	}
}

// TestStopFinishes shows that a download under way comes to its end, byte for byte, after the gateway has been told to
// stop, while nothing new is accepted and unused connections are closed.
func TestStopFinishes(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	g := start(t, setup{upstream: newShop(t, trickle(content, 20, 100*time.Millisecond))})
	_, idle := g.raw(t, german, "HEAD /about HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	unused, err := http.ReadResponse(idle, &http.Request{Method: http.MethodHead})
	if err != nil || unused.StatusCode != 200 {
		t.Fatalf("%v, %v", unused, err)
	}
	unused.Body.Close()
	_, reader := g.raw(t, german, "GET /updates/all HTTP/1.1\r\nHost: updates.example\r\n\r\n")
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}

	g.stop()
	if _, err := idle.ReadByte(); err != io.EOF {
		t.Errorf("the unused connection: %v, want its end", err)
	}
	eventually(t, "new connections are refused", func() bool {
		conn, err := g.dial(german)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-g.ends:
		t.Fatalf("the gateway did not wait for the download: %v", err)
	default:
	}
	rest, err := io.ReadAll(res.Body)
	if err != nil || sha256.Sum256(append(content[:16:16], rest...)) != sha256.Sum256(content) {
		t.Errorf("%d bytes, %v; want the whole download", 16+len(rest), err)
	}
	if err := g.end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if lines := g.log.lines(t, "stopped"); len(lines) != 1 {
		t.Errorf("log: %s", g.log.String())
	}
}

// TestReadinessFailsFirst shows that requests are served while readiness fails, before anything else changes.
func TestReadinessFailsFirst(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok), config: "shutdown: {delay: 60s}\n"})
	if a := g.admin(t, http.MethodGet, "/readyz"); a.StatusCode != 200 || a.text != "ok\n" {
		t.Errorf("before: %d %q", a.StatusCode, a.text)
	}
	g.stop()
	eventually(t, "readiness fails", func() bool {
		a := g.admin(t, http.MethodGet, "/readyz")
		return a.StatusCode == http.StatusServiceUnavailable && a.text == "stopping\n"
	})
	if a := g.admin(t, http.MethodGet, "/healthz"); a.StatusCode != 200 {
		t.Errorf("/healthz: %d", a.StatusCode)
	}
	if a := g.get(t, german, "http://shop.example/cart"); a.StatusCode != 200 {
		t.Errorf("a request during the delay: %d", a.StatusCode)
	}
	conn, err := g.dial(german)
	if err != nil {
		t.Fatalf("a connection during the delay: %v", err)
	}
	conn.Close()
	g.client(german).CloseIdleConnections()
	g.kill() // ends the delay
	_ = g.end()
	if conn, err := g.dial(german); err == nil {
		conn.Close()
		t.Error("a connection after the end")
	}
}

// TestKill shows that a second stop cuts off what the first one waits for.
func TestKill(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	g := start(t, setup{upstream: newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(2<<20))
		_, _ = w.Write(make([]byte, 1<<20)) // an error shows in the answer
		_ = http.NewResponseController(w).Flush()
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})})
	defer close(hold)
	_, reader := g.raw(t, german, "GET /updates/all HTTP/1.1\r\nHost: updates.example\r\n\r\n")
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	g.stop()
	eventually(t, "it is stopping", func() bool { return strings.Contains(g.log.String(), `"stopping"`) })
	g.kill()
	if err := g.end(); !errors.Is(err, context.Canceled) || err.Error() != "requests were cut off: context canceled" {
		t.Errorf("Run: %v", err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("the download seems whole with %d bytes", n)
	}
}

// TestWebSocketHoldsStop shows that an upgraded exchange counts as one under way.
func TestWebSocketHoldsStop(t *testing.T) {
	t.Parallel()
	for name, goodbye := range map[string]bool{"until it ends": true, "until the timeout": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := "500ms"
			if goodbye {
				timeout = "60s"
			}
			g := start(t, setup{upstream: newShop(t, webSocket), config: "shutdown: {timeout: " + timeout + "}\n"})
			conn, reader := g.raw(t, german, "GET /cart/live"+upgrade)
			res, err := http.ReadResponse(reader, nil)
			if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%v, %v", res, err)
			}
			res.Body.Close()
			told := time.Now()
			g.stop()
			eventually(t, "new connections are refused", func() bool {
				conn, err := g.dial(german)
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
			if goodbye {
				if _, err := io.WriteString(conn, "still here"); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(reader, make([]byte, len("still here"))); err != nil {
					t.Errorf("after the stop: %v", err)
				}
				conn.Close()
				if err := g.end(); err != nil {
					t.Errorf("Run: %v", err)
				}
				return
			}
			if err := g.end(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Run: %v", err)
			}
			if waited := time.Since(told); waited < 500*time.Millisecond {
				t.Errorf("it waited %v only", waited)
			}
			if _, err := reader.ReadByte(); err == nil {
				t.Error("the WebSocket outlives the gateway")
			}
		})
	}
}
