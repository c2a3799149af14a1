package clientip_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"gate451/gateway/clientip"
)

// pair returns both ends of a connection through Listen, and what OnError is told.
func pair(t testing.TB, announced string, timeout time.Duration) (client *net.TCPConn, server net.Conn, causes chan string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	causes = make(chan string, 16)
	ln := newResolver(t, clientip.Config{ProxyProtocol: prefixes(announced)}).
		Listen(inner, clientip.ListenOptions{HeaderTimeout: timeout, OnError: func(cause string) { causes <- cause }})
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = ln.Accept() // nothing has been sent: Accept must not wait for it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dialled.Close()
		_ = server.Close()
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept on a closed listener: %v", err)
		}
	})
	return dialled.(*net.TCPConn), server, causes
}

const v1Header = "PROXY TCP4 " + us4 + " 192.0.2.1 40000 80\r\n"

func send(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func TestConnUnnamedPeerIsItself(t *testing.T) {
	t.Parallel()
	_, server, _ := pair(t, "10.0.0.0/8", patience)
	if _, ok := server.(*net.TCPConn); !ok {
		t.Errorf("got %T; want the *net.TCPConn that was accepted", server)
	}
}

func TestConnAddresses(t *testing.T) {
	t.Parallel()
	client, server, _ := pair(t, "127.0.0.0/8", patience)
	send(t, client, v1Header)
	if got := server.RemoteAddr(); got.String() != us4+":40000" || got.Network() != "tcp" {
		t.Errorf("RemoteAddr %s %s", got.Network(), got)
	}
	if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
		t.Errorf("LocalAddr %s; want the socket's, %s", got, want)
	}
	raw := server.(interface{ NetConn() net.Conn }).NetConn()
	if _, ok := raw.(*net.TCPConn); !ok {
		t.Errorf("NetConn is a %T", raw)
	}
}

func TestConnUnmaps(t *testing.T) {
	t.Parallel()
	client, server, _ := pair(t, "127.0.0.0/8", patience)
	send(t, client, v2(1, 0x21, ips(us4, "::1")...))
	if got := server.RemoteAddr().(*net.TCPAddr).AddrPort().String(); got != us4+":40000" {
		t.Errorf("RemoteAddr %s", got)
	}
}

func TestConnFailed(t *testing.T) {
	t.Parallel()
	client, server, causes := pair(t, "127.0.0.0/8", patience)
	send(t, client, get)
	if got := server.RemoteAddr(); got.String() != "proxy-protocol-failed" || got.Network() != "tcp" {
		t.Errorf("RemoteAddr %s %s", got.Network(), got)
	}
	want := "no usable PROXY protocol header from " + client.LocalAddr().String() + " (absent): proxyproto: proxy protocol signature not present"
	for name, use := range map[string]func() error{
		"Read":     func() error { _, err := server.Read(make([]byte, 1)); return err },
		"Write":    func() error { _, err := server.Write([]byte("x")); return err },
		"ReadFrom": func() error { _, err := server.(io.ReaderFrom).ReadFrom(strings.NewReader("x")); return err },
		"WriteTo":  func() error { _, err := server.(io.WriterTo).WriteTo(io.Discard); return err },
	} {
		if err := use(); err == nil || err.Error() != want || !errors.Is(err, proxyproto.ErrNoProxyProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := <-causes; got != clientip.CauseAbsent || len(causes) != 0 {
		t.Errorf("cause %s and %d more", got, len(causes))
	}
	if n, err := client.Read(make([]byte, 1)); err == nil {
		t.Errorf("the peer read %d byte", n)
	}
}

func TestConnClosedFromThisSide(t *testing.T) {
	t.Parallel()
	_, server, causes := pair(t, "127.0.0.0/8", patience)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if len(causes) != 0 {
		t.Errorf("reported %s", <-causes)
	}
}

func TestConnStream(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", 1<<16)
	read := func(t *testing.T, read func(net.Conn) ([]byte, error), pieces ...string) {
		t.Helper()
		client, server, _ := pair(t, "127.0.0.0/8", patience)
		var sending sync.WaitGroup
		sending.Go(func() {
			for _, piece := range pieces {
				_, _ = io.WriteString(client, piece)
			}
			_ = client.CloseWrite()
		})
		got, err := read(server)
		sending.Wait()
		if want := strings.TrimPrefix(strings.Join(pieces, ""), v1Header); err != nil || string(got) != want {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	small := func(c net.Conn) ([]byte, error) {
		var b bytes.Buffer
		_, err := io.CopyBuffer(struct{ io.Writer }{&b}, struct{ io.Reader }{c}, make([]byte, 7))
		return b.Bytes(), err
	}
	writeTo := func(c net.Conn) ([]byte, error) {
		var b bytes.Buffer
		n, err := c.(io.WriterTo).WriteTo(&b)
		if n != int64(b.Len()) {
			t.Errorf("WriteTo returned %d for %d bytes", n, b.Len())
		}
		return b.Bytes(), err
	}
	afterOne := func(c net.Conn) ([]byte, error) {
		one := make([]byte, 1)
		if _, err := c.Read(one); err != nil {
			return nil, err
		}
		rest, err := writeTo(c)
		return append(one, rest...), err
	}
	for name, f := range map[string]func(net.Conn) ([]byte, error){"Read": small, "WriteTo": writeTo, "Read and WriteTo": afterOne} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read(t, f, v1Header+long)
			read(t, f, v1Header, long)
			read(t, f, v1Header+"x")
			if name != "Read and WriteTo" {
				read(t, f, v1Header)
			}
		})
	}
	t.Run("WriteTo what fails", func(t *testing.T) {
		t.Parallel()
		client, server, _ := pair(t, "127.0.0.0/8", patience)
		send(t, client, v1Header+"x")
		broken, pipe := io.Pipe()
		_ = broken.Close()
		if _, err := server.(io.WriterTo).WriteTo(pipe); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ReadFrom and CloseWrite", func(t *testing.T) {
		t.Parallel()
		client, server, _ := pair(t, "127.0.0.0/8", patience)
		send(t, client, v1Header)
		var sending sync.WaitGroup
		sending.Go(func() {
			_, _ = server.Write([]byte("first"))
			_, _ = server.(io.ReaderFrom).ReadFrom(strings.NewReader(long))
			_ = server.(interface{ CloseWrite() error }).CloseWrite()
		})
		got, err := io.ReadAll(client)
		sending.Wait()
		if err != nil || string(got) != "first"+long {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		send(t, client, "still open")
		if _, err := server.Read(make([]byte, 10)); err != nil {
			t.Errorf("after CloseWrite: %v", err)
		}
	})
}

func TestConnDeadlines(t *testing.T) {
	t.Parallel()
	set := map[string]func(net.Conn, time.Time) error{
		"SetDeadline":     net.Conn.SetDeadline,
		"SetReadDeadline": net.Conn.SetReadDeadline,
	}
	for name, set := range set {
		t.Run(name+" earlier than the header's", func(t *testing.T) {
			t.Parallel()
			_, server, causes := pair(t, "127.0.0.0/8", patience)
			if err := set(server, time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read: %v", err)
			}
			if got := <-causes; got != clientip.CauseTimeout {
				t.Errorf("cause %s", got)
			}
		})
		t.Run(name+" gives the header no more time", func(t *testing.T) {
			t.Parallel()
			_, server, causes := pair(t, "127.0.0.0/8", 10*time.Millisecond)
			if err := set(server, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read: %v", err)
			}
			if got := <-causes; got != clientip.CauseTimeout {
				t.Errorf("cause %s", got)
			}
		})
		t.Run(name+" holds after the header", func(t *testing.T) {
			t.Parallel()
			client, server, causes := pair(t, "127.0.0.0/8", patience)
			if err := set(server, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			send(t, client, v1Header)
			if got := server.RemoteAddr().String(); got != us4+":40000" {
				t.Fatalf("RemoteAddr %s", got)
			}
			if err := set(server, time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Read: %v", err)
			}
			if len(causes) != 0 {
				t.Errorf("reported %s", <-causes)
			}
		})
	}
}

// deadlines records what the deadline for reading is.
type deadlines struct {
	recorded
	last *time.Time
}

func (d deadlines) SetReadDeadline(t time.Time) error {
	*d.last = t
	return nil
}

func TestConnRestoresDeadline(t *testing.T) {
	t.Parallel()
	for _, wanted := range []time.Time{{}, time.Now().Add(time.Hour)} {
		last := time.Unix(0, 0)
		inner := deadlines{recorded{Reader: strings.NewReader(v1Header)}, &last}
		r := newResolver(t, clientip.Config{ProxyProtocol: trusted})
		c, err := r.Listen(pipeListener{conn: inner}, clientip.ListenOptions{}).Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(wanted); err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != us4+":40000" || !last.Equal(wanted) {
			t.Errorf("RemoteAddr %s leaves deadline %s; want %s", got, last, wanted)
		}
	}
}

// pipeListener accepts one connection that is not TCP and has no half-close.
type pipeListener struct {
	net.Listener
	conn net.Conn
}

func (l pipeListener) Accept() (net.Conn, error) { return l.conn, nil }

// addressed gives a connection a peer.
type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }

func TestConnNotTCP(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	r := newResolver(t, clientip.Config{ProxyProtocol: prefixes("10.0.0.0/8")})

	c, err := r.Listen(pipeListener{conn: ours}, clientip.ListenOptions{}).Accept()
	if err != nil || c != ours {
		t.Errorf("a peer without address: %T, %v; want it as it is", c, err)
	}
	named := addressed{ours, &net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 1}}
	c, err = r.Listen(pipeListener{conn: named}, clientip.ListenOptions{}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
}
