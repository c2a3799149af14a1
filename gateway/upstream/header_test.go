package upstream

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// echoHead answers every request with its header as it came, after having read its body.
func echoHead(conn net.Conn, br *bufio.Reader) {
	head, err := readHead(br)
	if err != nil {
		return
	}
	answer := strings.Join(head[1:], "\n")
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(answer), answer)
}

// upstreamSees returns the header, sorted, that arrives for what a client sent.
func upstreamSees(t *testing.T, g *gate, head string) []string {
	t.Helper()
	_, br := g.dial(t, head+"\r\n\r\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatalf("answered %s", res.Status)
	}
	lines := strings.Split(readAll(t, res.Body), "\n")
	slices.Sort(lines)
	return lines
}

func TestRequestHeader(t *testing.T) {
	t.Parallel()
	ours := []string{"Gate451-Decision: allow", "Host: shop.example", "X-Country-Code: DE", "X-Forwarded-For: 203.0.113.9",
		"X-Forwarded-Host: shop.example", "X-Forwarded-Proto: https"}
	tests := []struct {
		name, sent string
		want       []string // Beside ours.
	}{
		{"nothing is added", "", nil},
		{"what is the client's passes", "Accept: a\r\nAccept: b\r\nCookie: c=d\r\nUser-Agent: x\r\nX_Custom.Name: y\r\nAccept-Encoding: br",
			[]string{"Accept-Encoding: br", "Accept: a", "Accept: b", "Cookie: c=d", "User-Agent: x", "X_custom.name: y"}},
		{"conditional and ranged", "Range: bytes=1-\r\nIf-Range: \"x\"\r\nIf-None-Match: W/\"y\"",
			[]string{"If-None-Match: W/\"y\"", "If-Range: \"x\"", "Range: bytes=1-"}},
		{"forged copies", "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil\r\nX-Country-Code: FR\r\nGate451-Decision: no\r\nGate451-Other: x", nil},
		{"aliases", "X_Forwarded_For: 1.1.1.1\r\nX.Forwarded.For: 1.1.1.1\r\nx_forwarded-FOR: 1\r\nX_COUNTRY_CODE: FR\r\nx.country_code: FR\r\nGate451_Decision: no\r\n" +
			"Transfer_Encoding: chunked\r\nContent_Length: 5\r\nX!Forwarded~Host: evil\r\nX_Original_URL: /", nil},
		{"other ideas of the target", "Forwarded: for=1.1.1.1\r\nX-Original-URL: /\r\nX-Rewrite-URL: /\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Server: x\r\n" +
			"X-Forwarded-Prefix: /x\r\nX-Forwarded-Ssl: on\r\nX-Forwarded-Scheme: x\r\nFront-End-Https: on\r\nX-Real-IP: 1.1.1.1\r\nProxy: x", nil},
		{"other ideas of the country", "CF-IPCountry: US\r\nCloudFront-Viewer-Country: US\r\nCloudFront-Viewer-Country-Name: US\r\nGeoIP-Country-Code: US\r\n" +
			"GEOIP_COUNTRY_CODE: US\r\nMM_COUNTRY_CODE: US\r\nX-GeoIP-Country: US\r\nX-AppEngine-Country: US\r\nX-Vercel-IP-Country: US\r\nX-Geo-Country: US\r\nShop-Edge-Country: US\r\nSHOP_EDGE.COUNTRY: US", nil},
		{"hop by hop", "Connection: keep-alive, X-Hop, x-HOP-two\r\nX-Hop: a\r\nX-Hop-Two: b\r\nX-Stay: c\r\nKeep-Alive: x\r\nProxy-Connection: x\r\n" +
			"Proxy-Authorization: x\r\nTE: gzip, deflate\r\nTrailer: x", []string{"X-Stay: c"}},
		{"Connection strips nothing of ours", "Connection: X-Forwarded-For, X-Forwarded-Host, X-Country-Code, Gate451-Decision, Host\r\nX-Forwarded-For: 1", nil},
		{"Connection strips nothing that is for all", "Connection: Authorization, Cookie, Content-Type, If-Match\r\nAuthorization: a\r\nCookie: b\r\nContent-Type: c\r\nIf-Match: d",
			[]string{"Authorization: a", "Content-Type: c", "Cookie: b", "If-Match: d"}},
		{"upgrades but websocket", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ", nil},
		{"websocket with a body", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", []string{"Content-Length: 1"}},
		{"websocket", "Connection: keep-alive, Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Key: k",
			[]string{"Connection: Upgrade", "Sec-Websocket-Key: k", "Upgrade: websocket"}},
		{"trailers are welcome", "TE: gzip, trailers", []string{"Connection: TE", "Te: trailers"}},
		{"keys that make some clients repeat", "Idempotency-Key: 1\r\nX-Idempotency-Key: 2", []string{"Idempotency-Key: 1", "X-Idempotency-Key: 2"}},
	}
	g := newGate(t, []string{newRaw(t, echoHead)}, withMeta(buyer))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			head := "GET / HTTP/1.1\r\nHost: shop.example\r\n" + tt.sent
			want := slices.Sorted(slices.Values(append(slices.Clone(ours), tt.want...)))
			if diff := cmp.Diff(want, upstreamSees(t, g, strings.TrimSuffix(head, "\r\n"))); diff != "" {
				t.Errorf("upstream sees (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestHeaderOfUnknownBuyer(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoHead)}, withMeta(Meta{CountryHeader: "x-shop-country"}))
	got := upstreamSees(t, g, "GET / HTTP/1.0\r\nX_Shop.Country: US\r\nX-Forwarded-For: 1.1.1.1\r\nExpect: 100-continue")
	if len(got) != 1 || !strings.HasPrefix(got[0], "Host: 127.0.0.1:") {
		t.Errorf("upstream sees %q, want only a Host", got)
	}
}

func TestRequestHeaderAddresses(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"::ffff:203.0.113.9": "203.0.113.9", "2001:db8::1": "2001:db8::1", "fe80::1%eth0": "fe80::1",
	} {
		r := &http.Request{Header: http.Header{}}
		h := requestHeader(r, Meta{Client: netip.MustParseAddr(addr), CountryHeader: "x-country-code", Country: "DE"}, false)
		if got := h["X-Forwarded-For"]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is told as %q, want %s", addr, got, want)
		}
		if got := h["X-Country-Code"]; len(got) != 1 || got[0] != "DE" {
			t.Errorf("country header is %q", got)
		}
	}
}

func TestNamesFitTheFold(t *testing.T) {
	t.Parallel()
	for name := range withheldNames {
		if len(name) > longestName {
			t.Errorf("%s is longer than longestName", name)
		}
		if !withheld(strings.ToUpper(strings.ReplaceAll(name, "-", "_")), new(Meta)) {
			t.Errorf("an alias of %s passes", name)
		}
	}
	long := strings.Repeat("x", longestName)
	if withheld(long+"-Country", &Meta{CountryHeader: long}) || !withheld(long+"_COUNTRY", &Meta{HeardHeader: long + "-Country"}) || withheld(long+"-Countrz", &Meta{CountryHeader: long + "-Country"}) {
		t.Error("long country headers are not compared whole")
	}
}

// TestTraceContext: the client's own is passed on where the gateway traces nothing, and never beside the gateway's.
func TestTraceContext(t *testing.T) {
	t.Parallel()
	r := &http.Request{Host: "shop.example", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{
		"Traceparent": {"theirs", "theirs too"}, "Tracestate": {"theirs"}, "Connection": {"Traceparent"},
	}}
	for _, c := range []struct {
		parent, state string
		want          [2][]string
	}{
		{"", "", [2][]string{nil, {"theirs"}}}, // the client has it stripped by Connection
		{"ours", "", [2][]string{{"ours"}, nil}},
		{"ours", "ours", [2][]string{{"ours"}, {"ours"}}},
	} {
		h := requestHeader(r, Meta{Client: netip.MustParseAddr("203.0.113.9"), TraceParent: c.parent, TraceState: c.state}, true)
		if d := cmp.Diff(c.want, [2][]string{h["Traceparent"], h["Tracestate"]}); d != "" {
			t.Errorf("%q and %q (-want +got):\n%s", c.parent, c.state, d)
		}
	}
}

func TestWithheldAllocatesNothing(t *testing.T) {
	meta := Meta{CountryHeader: "X-Country-Code", HeardHeader: "Shop-Edge-Country"}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range []string{"Accept", "X_forwarded.for", "Gate451-Decision", "X-Some-Very-Long-Header-Name-Of-A-Shops-Own"} {
			withheld(name, &meta)
			lasting(name)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRequestTrailers(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	raw := newRaw(t, func(conn net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err != nil {
			return
		}
		var all strings.Builder
		for !strings.HasSuffix(all.String(), "\r\n\r\n") {
			b, err := br.ReadByte()
			if err != nil {
				break
			}
			all.WriteByte(b)
		}
		got <- all.String()
		send(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	g := newGate(t, []string{raw}, withMeta(buyer))
	g.dial(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X_Forwarded_For\r\nConnection: X-Hop\r\n\r\n"+
		"5\r\nhello\r\n0\r\nX-Sum: 42\r\nX_Forwarded_For: 1.1.1.1\r\nX-Forwarded-For: 1.1.1.1\r\nX-Country-Code: US\r\nHost: b\r\nAuthorization: c\r\n"+
		"X-Hop: d\r\nX-Unannounced: e\r\n\r\n")
	if body := receive(t, got); body != "5\r\nhello\r\n0\r\nX-Sum: 42\r\nX-Unannounced: e\r\n\r\n" {
		t.Errorf("upstream read %q", body)
	}
}

func TestHTTP2TrailersWithLengthDoNotPanic(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) { pass(w, r.Body) })}, withTLS)
	req, err := http.NewRequest("POST", g.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": {"42"}}
	res, err := g.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body := readAll(t, res.Body); res.ProtoMajor != 2 || body != "hello" {
		t.Errorf("%s %q", res.Proto, body)
	}
}

// TestHeadersThatWouldNotBeOne shows that what a server would not let in, a program around the gateway cannot send either.
func TestHeadersThatWouldNotBeOne(t *testing.T) {
	t.Parallel()
	for i, header := range []http.Header{{"X": {"a\r\nHost: b"}}, {"X: a\r\nY": {"b"}}, {"A(": {"a"}}, {"X": {"a\x00"}}} {
		g := newGate(t, []string{newRaw(t, func(_ net.Conn, br *bufio.Reader) {
			if head, err := readHead(br); err == nil {
				t.Errorf("%q arrived", head)
			}
		})})
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header = header
			g.serve(w, r)
		})
		if res := g.do(t, "GET", "/", nil); res.StatusCode != 400 {
			t.Errorf("header %d is answered %s", i, res.Status)
		}
		g.wait(t, "unforwardable:1")
	}
	if _, err := targetOf(&http.Request{Method: "GE T", RequestURI: "/"}); err == nil {
		t.Error("a method of two words passes")
	}
}
