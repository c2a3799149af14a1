package clientip_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"gate451/gateway/clientip"
)

// trusted is what the fuzz targets trust, tested here by netip alone.
var trusted = prefixes("10.0.0.0/8", "2001:db8:aaaa::/48")

func isTrusted(a netip.Addr) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

// FuzzResolve checks the promises of Resolve, and its answers against a plainer way to find them.
func FuzzResolve(f *testing.F) {
	names := []string{"X-Forwarded-For", "Forwarded", "CF-Connecting-IP"}
	for _, peer := range []string{proxy, us4 + ":1", "[::ffff:10.1.2.3]:1", "[fe80::1%eth0]:1", "@", ""} {
		for _, line := range []string{
			us4, us6, "[" + us6 + "]:80", us4 + ":80", de4 + ", " + us4 + ", 10.9.9.9", "::ffff:" + us4, ",,", us4 + ",", "unknown", "_x",
			"fe80::1%eth0", "0.0.0.0", "050.114.0.1", "10.1.1.1, 10.2.2.2", "2001:db8:aaaa::1",
			"for=" + us4, `for="[` + us6 + `]:_x";proto=https, for=10.9.9.9`, `for="x, for=` + us4, `host="a\",\\";for=` + us4 + ";;", `for=""`, "by=_x",
		} {
			for i := range names {
				f.Add(byte(i), peer, "", line)
				f.Add(byte(i), peer, line, "for=10.9.9.9")
			}
		}
	}
	var resolvers []*clientip.Resolver
	for _, name := range names {
		resolvers = append(resolvers, newResolver(f, clientip.Config{TrustedProxies: trusted, Header: name}))
	}
	f.Fuzz(func(t *testing.T, kind byte, peer, line1, line2 string) {
		name, r := names[int(kind)%len(names)], resolvers[int(kind)%len(names)]
		lines := []string{line1, line2}
		if line1 == "" {
			lines = lines[1:]
		}
		got, err := r.Resolve(peer, header(name, lines...))
		if err != nil {
			if got.Addr.IsValid() || !slices.Contains(clientip.Reasons(), reasonOf(err)) || err.Error() == "" {
				t.Fatalf("%+v beside %v", got, err)
			}
		} else if a := got.Addr; !a.IsValid() || isTrusted(a) || a.Is4In6() || a.Zone() != "" || a.IsUnspecified() {
			t.Fatalf("client %s", a)
		}
		if !got.Trusted {
			if again, errAgain := r.Resolve(peer, nil); again != got || reasonOf(errAgain) != reasonOf(err) {
				t.Fatalf("an untrusted peer's headers matter: %+v, %v; without %+v, %v", got, err, again, errAgain)
			}
			if err == nil && got.Addr != got.Peer {
				t.Fatalf("client %s is not the peer %s", got.Addr, got.Peer)
			}
		} else if !isTrusted(got.Peer) {
			t.Fatalf("peer %s is trusted", got.Peer)
		}
		if err == nil && name != "CF-Connecting-IP" {
			checkOneHopMore(t, r, name, lines, got)
		}
		if got.Trusted && len(line1)+len(line2) < 1000 {
			checkPlainer(t, name, lines, got, err)
		}
	})
}

// checkOneHopMore checks that the client remains the same when one more trusted proxy comes between.
func checkOneHopMore(t *testing.T, r *clientip.Resolver, name string, lines []string, got clientip.Client) {
	added := got.Peer.String()
	if name == "Forwarded" {
		if added = "for=" + added; got.Peer.Is6() {
			added = `for="[` + got.Peer.String() + `]:4711"`
		}
	}
	joined := slices.Clone(lines)
	joined[len(joined)-1] += ", " + added
	for _, lines := range [][]string{joined, append(slices.Clone(lines), added)} {
		again, err := r.Resolve(proxy, header(name, lines...))
		if reasonOf(err) == clientip.TooLong {
			continue
		}
		if err != nil || again.Addr != got.Addr || again.Hop != got.Hop+1 {
			t.Fatalf("%q: %+v, %v; one proxy less %+v", lines, again, err, got)
		}
	}
}

// checkPlainer finds the client by splitting the whole header forwards. It gives up where Forwarded is not
// well-formed from end to end, which only reading backwards can put up with.
func checkPlainer(t *testing.T, name string, lines []string, got clientip.Client, err error) {
	var hops []netip.Addr // invalid where unusable
	switch name {
	case "CF-Connecting-IP":
		hops = []netip.Addr{plainAddr(lines[0])}
		if len(lines) > 1 {
			hops[0] = netip.Addr{}
		}
	case "X-Forwarded-For":
		for _, element := range strings.Split(strings.Join(lines, ","), ",") {
			hops = append(hops, plainAddr(element))
		}
	default:
		for _, line := range lines {
			addrs, ok := plainForwarded(line)
			if !ok {
				return
			}
			hops = append(hops, addrs...)
		}
	}
	want, hop := netip.Addr{}, 0
	for i, addr := range slices.Backward(hops) {
		if hop = len(hops) - i; hop > 32 || !addr.IsValid() {
			break
		}
		if !isTrusted(addr) {
			want = addr
			break
		}
	}
	if got.Addr != want || err == nil && got.Hop != hop {
		t.Fatalf("%s %q: %+v, %v; want %s at hop %d", name, lines, got, err, want, hop)
	}
}

// plainAddr returns the address that an element of X-Forwarded-For holds, or the zero Addr.
func plainAddr(s string) netip.Addr {
	s = strings.Trim(s, " \t")
	addr, err := netip.ParseAddr(s)
	if err != nil {
		colon := strings.LastIndexByte(s, ':')
		if inner, ok := strings.CutPrefix(strings.TrimSuffix(s, "]"), "["); ok && s != inner && strings.HasSuffix(s, "]") {
			if addr, err = netip.ParseAddr(inner); err != nil || !addr.Is6() {
				return netip.Addr{}
			}
		} else if addrPort, err := netip.ParseAddrPort(s); err != nil || len(s)-colon > 6 {
			return netip.Addr{}
		} else {
			addr = addrPort.Addr()
		}
	}
	if addr = addr.Unmap(); addr.Zone() != "" || addr.IsUnspecified() {
		return netip.Addr{}
	}
	return addr
}

const (
	word  = "[-!#$%&'*+.^_`|~0-9A-Za-z]+"
	pairs = "(" + word + `)=(?:(` + word + `)|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*)")`
)

var (
	pairRE    = regexp.MustCompile(pairs)
	elementRE = regexp.MustCompile(`^[ \t]*(?:` + pairs + `)?[ \t]*(?:;[ \t]*(?:` + pairs + `)?[ \t]*)*(,|$)`)
	escapedRE = regexp.MustCompile(`(?s)\\(.)`)
	nodeRE    = regexp.MustCompile(`^(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)\])(?::(?:([0-9]{1,5})|_[A-Za-z0-9._-]+))?$`)
)

// plainForwarded returns the addresses of a line of Forwarded, zero where there is none, if it is well-formed.
func plainForwarded(line string) (addrs []netip.Addr, ok bool) {
	for {
		bounds := elementRE.FindStringSubmatchIndex(line)
		if bounds == nil {
			return nil, false
		}
		var clients []string
		for _, pair := range pairRE.FindAllStringSubmatch(line[:bounds[1]], -1) {
			if strings.EqualFold(pair[1], "for") {
				clients = append(clients, pair[2]+escapedRE.ReplaceAllString(pair[3], "$1"))
			}
		}
		addr := netip.Addr{}
		if len(clients) == 1 {
			addr = plainNode(clients[0])
		}
		addrs = append(addrs, addr)
		if bounds[1] == bounds[len(bounds)-2] { // no comma
			return addrs, true
		}
		line = line[bounds[1]:]
	}
}

func plainNode(s string) netip.Addr {
	m := nodeRE.FindStringSubmatch(s)
	if m == nil {
		return netip.Addr{}
	}
	if port, _ := strconv.Atoi(m[3]); port > 65535 {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(m[1] + m[2])
	if addr = addr.Unmap(); err != nil || addr.IsUnspecified() || m[2] != "" && !strings.Contains(m[2], ":") {
		return netip.Addr{}
	}
	return addr
}

// recorded is a connection from a balancer that sends what was recorded.
type recorded struct {
	net.Conn
	io.Reader
}

func (r recorded) Read(b []byte) (int, error)      { return r.Reader.Read(b) }
func (recorded) RemoteAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1} }
func (recorded) SetReadDeadline(_ time.Time) error { return nil }
func (recorded) Close() error                      { return nil }

// FuzzListen checks that a balancer's own address never becomes a client's, that nothing is served without
// a header, and that nothing behind it is lost.
func FuzzListen(f *testing.F) {
	for _, header := range []string{
		"", get, v1Header, "PROXY UNKNOWN\r\n", "PROXY TCP6 ::ffff:" + us4 + " ::1 1 80\r\n", v2(1, 0x11, ips(us4, "127.0.0.1")...),
		v2(1, 0x21, ips(us6, "::1")...), v2(0, 0), v2(1, 0x31, make([]byte, 216)...), v2(1, 0x12, ips(us4, "127.0.0.1")...),
	} {
		f.Add([]byte(header + get))
		f.Add([]byte(header))
		f.Add([]byte(header[:len(header)/2]))
	}
	r := newResolver(f, clientip.Config{ProxyProtocol: trusted})
	f.Fuzz(func(t *testing.T, sent []byte) {
		causes := 0
		ln := r.Listen(pipeListener{conn: recorded{Reader: bytes.NewReader(sent)}}, clientip.ListenOptions{OnError: func(cause string) {
			if causes++; !slices.Contains(clientip.Causes(), cause) {
				t.Errorf("cause %q", cause)
			}
		}})
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		remote := c.RemoteAddr().String()
		body, err := io.ReadAll(c)
		client, errClient := r.Resolve(remote, nil)

		reader := bufio.NewReaderSize(bytes.NewReader(sent), 256)
		parsed, errParsed := proxyproto.Read(reader)
		if errParsed != nil {
			if err == nil || causes != 1 || remote != "proxy-protocol-failed" || reasonOf(errClient) != clientip.NoAddress {
				t.Fatalf("%v, but %d causes, %s, %v, %v", errParsed, causes, remote, err, errClient)
			}
			return
		}
		rest, _ := io.ReadAll(reader)
		if err != nil || causes != 0 || !bytes.Equal(body, rest) {
			t.Fatalf("read %q, %v; want %q", body, err, rest)
		}
		source, _, ok := parsed.IPs()
		switch {
		case parsed.Command.IsLocal() || !ok:
			if remote != "proxy-protocol-local" || reasonOf(errClient) != clientip.NoAddress {
				t.Fatalf("%+v became %s, %v", parsed, remote, errClient)
			}
		case source.IsUnspecified():
			if reasonOf(errClient) != clientip.Unspecified {
				t.Fatalf("%+v became %s, %v", parsed, remote, errClient)
			}
		case errClient != nil || client.Addr.String() != source.String():
			t.Fatalf("%+v became %s, %v", parsed, client.Addr, errClient)
		}
	})
}

// TestOnErrorMayBeNil is for callers that do not count.
func TestOnErrorMayBeNil(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{ProxyProtocol: trusted})
	c, err := r.Listen(pipeListener{conn: recorded{Reader: strings.NewReader(get)}}, clientip.ListenOptions{}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, proxyproto.ErrNoProxyProtocol) {
		t.Error(err)
	}
}
