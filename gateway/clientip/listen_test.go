package clientip_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gate451/gateway/clientip"
)

// patience is longer than anything here takes, unless it hangs.
const patience = 20 * time.Second

// v2 returns a header of version 2.
func v2(command, family byte, block ...byte) string {
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, family, byte(len(block)>>8), byte(len(block)))
	return string(append(b, block...))
}

func ips(source, destination string) []byte {
	src, dst := net.ParseIP(source), net.ParseIP(destination)
	if src.To4() != nil && dst.To4() != nil {
		src, dst = src.To4(), dst.To4()
	}
	return append(append(append([]byte{}, src...), dst...), 0x9c, 0x40, 0x01, 0xbb)
}

// gateway is a server behind Listen that answers with what Resolve says.
type gateway struct {
	addr   string
	causes chan string
}

func serve(t *testing.T, announced string, timeout time.Duration) gateway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gateway{addr: ln.Addr().String(), causes: make(chan string, 16)}
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8"), ProxyProtocol: prefixes(announced)})
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			client, err := r.Resolve(req.RemoteAddr, req.Header)
			_, _ = fmt.Fprintf(w, "%s|%s|%s", req.RemoteAddr, client.Addr, reasonOf(err))
		}),
	}
	var done sync.WaitGroup
	done.Go(func() {
		wrapped := r.Listen(ln, clientip.ListenOptions{HeaderTimeout: timeout, OnError: func(cause string) { g.causes <- cause }})
		if err := server.Serve(wrapped); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	return g
}

func (g gateway) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends bytes in one piece and returns the status and body of the answer, or nothing if the connection
// was closed without one.
func ask(t *testing.T, c net.Conn, sent string) string {
	t.Helper()
	_, _ = io.WriteString(c, sent) // fails if the connection is closed before all is sent
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the connection is still open")
		}
		return ""
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func (g gateway) wantCause(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-g.causes:
		if got != want {
			t.Errorf("cause %s; want %s", got, want)
		}
	case <-time.After(patience):
		t.Errorf("no cause was reported; want %s", want)
	}
}

const (
	get    = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
	getXFF = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nX-Forwarded-For: " + de4 + ", " + us4 + "\r\n\r\n"
)

func TestListenServes(t *testing.T) {
	t.Parallel()
	g := serve(t, "127.0.0.0/8", patience)
	const localAnswer = "200 proxy-protocol-local|invalid IP|no_address"
	unix := make([]byte, 216)
	copy(unix, "/run/client.sock")
	tests := []struct {
		name, sent, want string
	}{
		{"v1", "PROXY TCP4 " + us4 + " 127.0.0.1 40000 80\r\n" + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v1 IPv6", "PROXY TCP6 " + us6 + " ::1 40000 80\r\n" + get, "200 [2600:1f00::1]:40000|2600:1f00::1|"},
		{"v1 mapped", "PROXY TCP6 ::ffff:" + us4 + " ::1 40000 80\r\n" + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v1 unknown", "PROXY UNKNOWN\r\n" + get, localAnswer},
		{"v1 unknown with addresses", "PROXY UNKNOWN " + us6 + " ::1 40000 80\r\n" + getXFF, localAnswer},
		{"v2", v2(1, 0x11, ips(us4, "127.0.0.1")...) + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v2 IPv6", v2(1, 0x21, ips(us6, "::1")...) + get, "200 [2600:1f00::1]:40000|2600:1f00::1|"},
		{"v2 mapped", v2(1, 0x21, ips(us4, "::1")...) + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v2 UDP", v2(1, 0x12, ips(us4, "127.0.0.1")...) + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v2 with TLVs", v2(1, 0x11, append(ips(us4, "127.0.0.1"), bytes.Repeat([]byte{0xe0, 0, 1, 'x'}, 1000)...)...) + get, "200 50.114.0.1:40000|50.114.0.1|"},
		{"v2 local", v2(0, 0x00) + get, localAnswer},
		{"v2 local with addresses", v2(0, 0x11, ips(us4, "127.0.0.1")...) + getXFF, localAnswer},
		{"v2 local, family without addresses", v2(0, 0x11) + get, localAnswer},
		{"v2 Unix", v2(1, 0x31, unix...) + get, localAnswer},
		{"unspecified", "PROXY TCP4 0.0.0.0 127.0.0.1 40000 80\r\n" + get, "200 0.0.0.0:40000|invalid IP|unspecified"},

		{"trusted proxy behind", "PROXY TCP4 10.1.2.3 127.0.0.1 40000 80\r\n" + getXFF, "200 10.1.2.3:40000|50.114.0.1|"},
		{"mapped trusted proxy behind", "PROXY TCP6 ::ffff:10.1.2.3 ::1 40000 80\r\n" + getXFF, "200 10.1.2.3:40000|50.114.0.1|"},
		{"silent trusted proxy behind", "PROXY TCP4 10.1.2.3 127.0.0.1 40000 80\r\n" + get, "200 10.1.2.3:40000|invalid IP|missing"},
		{"claims behind", "PROXY TCP4 50.114.0.2 127.0.0.1 40000 80\r\n" + getXFF, "200 50.114.0.2:40000|50.114.0.2|"},
		{"a second header is no request", "PROXY TCP4 " + us4 + " 127.0.0.1 1 80\r\nPROXY TCP4 " + de4 + " 127.0.0.1 1 80\r\n" + get, "400 400 Bad Request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ask(t, g.dial(t), test.sent); got != test.want {
				t.Errorf("got %q; want %q", got, test.want)
			}
		})
	}
	t.Cleanup(func() {
		select {
		case cause := <-g.causes:
			t.Errorf("reported %s", cause)
		default:
		}
	})
}

func TestListenCloses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sent, want string
	}{
		{"absent", get, clientip.CauseAbsent},
		{"absent with forged headers", getXFF, clientip.CauseAbsent},
		{"begins like v1", "POST / HTTP/1.1\r\n\r\n", clientip.CauseAbsent},
		{"begins like v2", "\r\n\r\n" + get, clientip.CauseAbsent},
		{"lower case", "proxy TCP4 " + us4 + " 127.0.0.1 1 80\r\n" + get, clientip.CauseAbsent},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", clientip.CauseAbsent},
		{"v1 truncated", "PROXY TCP4 50.11", clientip.CauseMalformed},
		{"v1 oversized", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n" + get, clientip.CauseMalformed},
		{"v1 without CR", "PROXY TCP4 " + us4 + " 127.0.0.1 1 80\n" + get, clientip.CauseMalformed},
		{"v1 wrong family", "PROXY TCP4 " + us6 + " ::1 1 80\r\n" + get, clientip.CauseMalformed},
		{"v1 leading zeros", "PROXY TCP4 050.114.0.1 127.0.0.1 1 80\r\n" + get, clientip.CauseMalformed},
		{"v1 zone", "PROXY TCP6 fe80::1%lo ::1 1 80\r\n" + get, clientip.CauseMalformed},
		{"v1 two spaces", "PROXY  TCP4 " + us4 + " 127.0.0.1 1 80\r\n" + get, clientip.CauseMalformed},
		{"v1 bad port", "PROXY TCP4 " + us4 + " 127.0.0.1 65536 80\r\n" + get, clientip.CauseMalformed},
		{"v1 missing port", "PROXY TCP4 " + us4 + " 127.0.0.1 1\r\n" + get, clientip.CauseMalformed},
		{"v2 oversized", v2(1, 0x11, make([]byte, 65535)...), clientip.CauseMalformed},
		{"v2 short block", v2(1, 0x21, ips(us4, "127.0.0.1")...) + get, clientip.CauseMalformed},
		{"v2 unknown command", v2(2, 0x11, ips(us4, "127.0.0.1")...) + get, clientip.CauseMalformed},
		{"v2 unknown family", v2(1, 0x41, ips(us4, "127.0.0.1")...) + get, clientip.CauseMalformed},
		{"v2 unspecified family", v2(1, 0x00) + get, clientip.CauseMalformed},
		{"v3", strings.Replace(v2(1, 0x11, ips(us4, "127.0.0.1")...), "\n\x21\x11", "\n\x31\x11", 1) + get, clientip.CauseMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, "127.0.0.0/8", patience)
			if got := ask(t, g.dial(t), test.sent); got != "" {
				t.Errorf("got %q; want a closed connection", got)
			}
			g.wantCause(t, test.want)
		})
	}
}

func TestListenClosedByPeer(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"at once":        "",
		"within v2":      v2(1, 0x11, ips(us4, "127.0.0.1")...)[:20],
		"within v2 TLVs": v2(1, 0x11, append(ips(us4, "127.0.0.1"), 0xe0, 0, 1, 'x')...)[:30],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, "127.0.0.0/8", patience)
			c := g.dial(t)
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			g.wantCause(t, clientip.CauseClosed)
		})
	}
}

func TestListenTimeout(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"nothing":       "",
		"v1 signature":  "PRO",
		"v2 signature":  "\r\n\r\n\x00\r\nQ",
		"v2 addresses":  v2(1, 0x11, ips(us4, "127.0.0.1")...)[:20],
		"v2 TLVs":       v2(1, 0x11, append(ips(us4, "127.0.0.1"), 0xe0, 0, 1, 'x')...)[:30],
		"v2 LOCAL TLVs": v2(0, 0x11, 1, 2, 3, 4)[:18],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := serve(t, "127.0.0.0/8", 20*time.Millisecond)
			if got := ask(t, g.dial(t), sent); got != "" {
				t.Errorf("got %q; want a closed connection", got)
			}
			g.wantCause(t, clientip.CauseTimeout)
		})
	}
}

func TestListenDoesNotHoldOthersUp(t *testing.T) {
	t.Parallel()
	g := serve(t, "127.0.0.0/8", patience)
	slow := g.dial(t)
	if _, err := io.WriteString(slow, "\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	const want = "200 50.114.0.1:40000|50.114.0.1|"
	whole := v2(1, 0x11, ips(us4, "127.0.0.1")...)
	if got := ask(t, g.dial(t), whole+get); got != want {
		t.Errorf("the second connection: got %q; want %q", got, want)
	}
	if got := ask(t, slow, whole[4:]+get); got != want {
		t.Errorf("the slow connection: got %q; want %q", got, want)
	}
}

func TestListenUnnamedPeer(t *testing.T) {
	t.Parallel()
	g := serve(t, "10.0.0.0/8", patience)
	if got := ask(t, g.dial(t), "PROXY TCP4 "+de4+" 127.0.0.1 40000 80\r\n"+get); got != "400 400 Bad Request" {
		t.Errorf("v1: got %q", got)
	}
	if got := ask(t, g.dial(t), v2(1, 0x11, ips(de4, "127.0.0.1")...)+get); got != "400 400 Bad Request" {
		t.Errorf("v2: got %q", got)
	}
	if got := ask(t, g.dial(t), getXFF); !strings.HasSuffix(got, "|127.0.0.1|") {
		t.Errorf("without a header: got %q", got)
	}
}

func TestListenTLS(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{ProxyProtocol: prefixes("127.0.0.0/8", "::1/128")})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s", req.Proto, req.RemoteAddr)
	}))
	server.Listener = r.Listen(server.Listener, clientip.ListenOptions{})
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			_, err = io.WriteString(c, "PROXY TCP4 "+us4+" 127.0.0.1 40000 443\r\n")
		}
		return c, err
	}
	res, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if want := "HTTP/2.0 " + us4 + ":40000"; err != nil || string(body) != want {
		t.Errorf("got %q, %v; want %q", body, err, want)
	}
	var bare tls.Dialer
	bare.Config = transport.TLSClientConfig.Clone()
	if c, err := bare.Dial("tcp", server.Listener.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("a handshake without a header succeeded")
	}
}

func TestListenWithoutProxyProtocol(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if got := newResolver(t, clientip.Config{}).Listen(ln, clientip.ListenOptions{}); got != ln {
		t.Errorf("got %T; want the listener itself", got)
	}
}
