package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gate451/gateway"
)

// tracked is a listener that knows how many of its connections are open: net/http gives the client of HTTP/2 a second
// to read why its connection ends.
type tracked struct {
	net.Listener
	open atomic.Int64
}

func track(t *testing.T) *tracked {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &tracked{Listener: ln}
}

func (l *tracked) use(o *gateway.Options) { o.Public = l }

// settled waits until every connection is closed.
func (l *tracked) settled(t *testing.T) {
	t.Helper()
	eventually(t, "the connections are closed", func() bool { return l.open.Load() == 0 })
}

func (l *tracked) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &trackedConn{Conn: conn, of: l}, nil
}

type trackedConn struct {
	net.Conn
	of     *tracked
	closed atomic.Bool
}

func (c *trackedConn) Close() error {
	err := c.Conn.Close()
	if c.closed.CompareAndSwap(false, true) {
		c.of.open.Add(-1)
	}
	return err
}

const one = "GET /about HTTP/1.1\r\nHost: shop.example\r\n\r\n"

// TestConnectionsPerAddress shows whose connections are counted together, and that a closed one makes room.
func TestConnectionsPerAddress(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok), config: "limits: {connections_per_address: 2}\n"})
	served := func(buyer string) (net.Conn, bool) {
		conn, reader := g.raw(t, buyer, one)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			return conn, false
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return conn, err == nil && res.StatusCode == http.StatusOK
	}
	for _, group := range [][]string{
		{german, german},
		{"2001:4860:0:1::1", "2001:4860:0:1:ffff::2"},
		{"2001:4860:0:2::1", "2001:4860:0:2::1"},
	} {
		var held []net.Conn
		for _, buyer := range group {
			conn, ok := served(buyer)
			if !ok {
				t.Errorf("%s: a connection within the limit is not served", buyer)
			}
			held = append(held, conn)
		}
		for range 3 {
			if _, ok := served(group[0]); ok {
				t.Errorf("%s: a surplus connection is served", group[0])
			}
		}
		held[0].Close()
		eventually(t, "a closed connection makes room for "+group[1], func() bool {
			_, ok := served(group[1])
			return ok
		})
	}
	for _, many := range []string{"10.1.2.3", nobody} { // a trusted proxy, and a balancer that tells no address
		for range 4 {
			_, reader := g.raw(t, many, "GET /about HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: "+american+"\r\n\r\n")
			if text := body(t, reader); text != "ok" {
				t.Errorf("%s: %q", many, text)
			}
		}
	}
	if got := g.metric(t, `gate451_requests_rejected_total{cause="connections"}`); len(got) == 0 || got == "0" {
		t.Errorf("counted %q times, want at least 9", got)
	}
}

// TestConnectionsPerAddressUpgraded shows that TLS and upgraded connections count, and make room at their end.
func TestConnectionsPerAddressUpgraded(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, 1)
	g := start(t, setup{
		upstream: newShop(t, webSocket), files: map[string][]byte{"tls.crt": cert, "tls.key": key},
		config: "tls: {cert_file: tls.crt, key_file: tls.key}\nlimits: {connections_per_address: 1}\n",
	})
	dial := func() (*tls.Conn, bool) {
		plain, err := g.dial(german)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { plain.Close() })
		conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example"})
		return conn, conn.HandshakeContext(context.Background()) == nil
	}
	conn, welcome := dial()
	if !welcome {
		t.Fatal("the first connection is refused")
	}
	if _, err := io.WriteString(conn, "GET /live"+upgrade+"hello"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	echo := make([]byte, len("hello"))
	if _, err := io.ReadFull(reader, echo); err != nil || string(echo) != "hello" {
		t.Fatalf("%q, %v", echo, err)
	}
	if _, welcome := dial(); welcome {
		t.Error("a second connection is served beside an upgraded one")
	}
	conn.Close()
	eventually(t, "the upgraded connection makes room", func() bool {
		_, welcome := dial()
		return welcome
	})
}

// TestCountedConnections shows that a counted connection still does what others do: an upgrade without TLS, and an answer
// to what is no HTTP that arrives although more was sent.
func TestCountedConnections(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, webSocket), config: "limits: {connections_per_address: 9}\n"})
	conn, reader := g.raw(t, german, "GET /live"+upgrade)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	res.Body.Close()
	message := strings.Repeat("hello", 50_000)
	go func() { _, _ = io.WriteString(conn, message) }() // an error shows in the echo
	echo := make([]byte, len(message))
	if _, err := io.ReadFull(reader, echo); err != nil || string(echo) != message {
		t.Errorf("%d bytes came back changed, or %v", len(echo), err)
	}
	_, reader = g.raw(t, german, "no HTTP\r\n\r\n"+one)
	if text, err := readToEnd(reader); err != nil || !strings.HasPrefix(text, "HTTP/1.1 400 ") {
		t.Errorf("%q, %v", text, err)
	}
}

// speak begins HTTP/2 on a connection without TLS.
func (g *gate) speak(t *testing.T, buyer string) (net.Conn, *http2.Framer) {
	t.Helper()
	conn, reader := g.raw(t, buyer, preface)
	framer := http2.NewFramer(conn, reader)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return conn, framer
}

// fields is the header of a GET for a path of the shop.
func fields(t *testing.T, path string) []byte {
	t.Helper()
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "shop.example"}, {":path", path}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	return []byte(block.String())
}

// TestHTTP2Cleartext shows that HTTP/2 without TLS is spoken where it is configured, judged like everything else, and
// otherwise closed with nothing sent on.
func TestHTTP2Cleartext(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url, config: "http2_cleartext: true\n"})
	for buyer, want := range map[string]int{american: 451, german: 200} {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{
			Protocols:   protocols,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return g.dial(buyer) },
		}
		a := exchange(t, &http.Client{Transport: transport, Timeout: patience}, http.MethodGet, "http://shop.example/cart", nil)
		if a.ProtoMajor != 2 || a.StatusCode != want {
			t.Errorf("%s: %s %d, want %d", buyer, a.Proto, a.StatusCode, want)
		}
		transport.CloseIdleConnections()
	}
	if lines := seen.lines(); strings.Join(lines, " | ") != "GET /cart" {
		t.Errorf("upstream saw %q, want the German's request", lines)
	}
	if a := g.get(t, american, "http://shop.example/cart"); a.ProtoMajor != 1 || a.StatusCode != 451 {
		t.Errorf("beside it HTTP/1.1: %s %d", a.Proto, a.StatusCode)
	}

	off := start(t, setup{upstream: seen.url})
	conn, reader := off.raw(t, german, preface)
	if err := http2.NewFramer(conn, nil).WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: fields(t, "/about"), EndStream: true, EndHeaders: true}); err != nil {
		t.Logf("closed before the request: %v", err)
	}
	if text, err := readToEnd(reader); err != nil || strings.Contains(text, " 200 ") {
		t.Errorf("switched off: %q, %v", text, err)
	}
	if lines := seen.lines(); len(lines) > 0 {
		t.Errorf("switched off, upstream saw %q", lines)
	}
}

// TestHTTP2Streams shows that a client is told how many requests it may have under way, and held to it.
func TestHTTP2Streams(t *testing.T) {
	t.Parallel()
	public, release := track(t), make(chan struct{})
	g := start(t, setup{
		config: "http2_cleartext: true\nlimits: {http2_streams: 3}\n", options: public.use,
		upstream: newShop(t, func(http.ResponseWriter, *http.Request) { <-release }),
	})
	conn, framer := g.speak(t, german)
	told, answered, refused := uint32(0), 0, 0
	for answered+refused < 4 {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if frame.IsAck() {
				continue
			}
			told, _ = frame.Value(http2.SettingMaxConcurrentStreams)
			if err := framer.WriteSettingsAck(); err != nil {
				t.Fatal(err)
			}
			for id := uint32(1); id <= 7; id += 2 {
				if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: fields(t, "/about"), EndStream: true, EndHeaders: true}); err != nil {
					t.Fatal(err)
				}
			}
		case *http2.RSTStreamFrame:
			refused++
			if frame.StreamID != 7 {
				t.Errorf("stream %d is refused, want 7", frame.StreamID)
			}
			close(release)
		case *http2.HeadersFrame:
			answered++
		}
	}
	if told != 3 || answered != 3 || refused != 1 {
		t.Errorf("told %d, answered %d, refused %d", told, answered, refused)
	}
	conn.Close()
	public.settled(t)
}

// TestRapidReset shows that a client which resets each of 10000 streams at once (CVE-2023-44487) spoils nobody else's
// requests.
func TestRapidReset(t *testing.T) {
	t.Parallel()
	public := track(t)
	g := start(t, setup{config: "http2_cleartext: true\n", options: public.use, upstream: newShop(t, ok)})
	conn, framer := g.speak(t, american)
	ended, drained := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, conn) // what it is told, it ignores
	}()
	block := fields(t, "/about")
	go func() {
		sent := 0
		for ; sent < 10_000; sent++ {
			id := uint32(2*sent + 1)
			err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
			if err == nil {
				err = framer.WriteRSTStream(id, http2.ErrCodeCancel)
			}
			if err != nil {
				break // the gateway has had enough
			}
		}
		ended <- sent
	}()
	during := 0
	for sent := -1; sent < 0 || during < 20; during++ {
		for buyer, want := range map[string]int{american: 451, german: 200} {
			if a := g.get(t, buyer, "http://shop.example/cart"); a.StatusCode != want {
				t.Errorf("%s: %d, want %d", buyer, a.StatusCode, want)
			}
		}
		select {
		case sent = <-ended:
			t.Logf("%d streams were reset", sent)
		default:
		}
	}
	conn.Close()
	<-drained
	for _, client := range g.clients {
		client.CloseIdleConnections()
	}
	public.settled(t)
}
