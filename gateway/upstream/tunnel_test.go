package upstream

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	handshake = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switched  = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// echoSocket switches and sends back what it gets, until that ends.
func echoSocket(conn net.Conn, br *bufio.Reader) {
	if head, err := readHead(br); err != nil || !strings.Contains(strings.Join(head, "\n"), "Upgrade: websocket") {
		return
	}
	send(conn, switched+"hi")
	pass(conn, br)
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoSocket)})
	conn, br := g.dial(t, handshake+"early")
	head, err := readHead(br)
	if err != nil || strings.Join(head, "\n") != "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nUpgrade: websocket" {
		t.Fatalf("client saw %q, %v", head, err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	expect("hiearly")
	for range 3 {
		send(conn, "ping\x00\xff")
		expect("ping\x00\xff")
	}
	send(conn, "bye")
	_ = closeWrite(conn) // What is under way still arrives.
	if rest := readAll(t, br); rest != "bye" {
		t.Errorf("rest %q", rest)
	}
	receive(t, g.done)
	if causes := g.count(); causes != "" {
		t.Errorf("causes %s", causes)
	}
}

func TestWebSocketWithANotice(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoSocket)}, withMeta(Meta{Notice: "soon"}))
	_, br := g.dial(t, handshake)
	if head, err := readHead(br); err != nil || !slices.Contains(head, "Gate451-Notice: soon") {
		t.Errorf("client saw %q, %v", head, err)
	}
}

func TestWebSocketDeclined(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")})
	_, br := g.dial(t, handshake)
	if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 403 Forbidden" {
		t.Errorf("client saw %q, %v", head, err)
	}
}

func TestSwitchToSomethingElse(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{says(t, strings.Replace(switched, "websocket", "h2c", 1)), says(t, strings.Replace(switched, "Upgrade: websocket\r\n", "", 1))})
	for range 2 {
		_, br := g.dial(t, handshake)
		if head, err := readHead(br); err != nil || head[0] != "HTTP/1.1 502 Bad Gateway" {
			t.Errorf("client saw %q, %v", head, err)
		}
	}
	g.wait(t, "protocol:2")
}

func TestTunnelEnds(t *testing.T) {
	t.Parallel()
	silent := func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		send(conn, switched)
		drain(br)
	}
	flood := func(conn net.Conn, br *bufio.Reader) {
		skipHead(br)
		send(conn, switched)
		forever := endless(1 << 40)
		pass(conn, &forever)
	}
	for name, tt := range map[string]struct {
		shop func(net.Conn, *bufio.Reader)
		cfg  func(*Config)
		end  func(*gate, net.Conn)
	}{
		"by silence":                 {shop: silent, cfg: func(c *Config) { c.IdleStream = 20 * time.Millisecond }},
		"by Close":                   {shop: silent, end: func(g *gate, _ net.Conn) { g.proxy.Close() }},
		"by the client":              {shop: silent, end: func(_ *gate, c net.Conn) { c.Close() }},
		"by a client that reads not": {shop: flood, cfg: func(c *Config) { c.IdleBody = 20 * time.Millisecond }},
		"by a client that resets":    {shop: flood, end: func(_ *gate, c net.Conn) { bare(c).Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, []string{newRaw(t, tt.shop)}, withConfig(func(c *Config) {
				if tt.cfg != nil {
					tt.cfg(c)
				}
			}))
			conn, br := g.dial(t, handshake)
			if _, err := readHead(br); err != nil {
				t.Fatal(err)
			}
			if tt.end != nil {
				tt.end(g, conn)
			}
			receive(t, g.done)
		})
	}
}
