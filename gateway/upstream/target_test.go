package upstream

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
)

// echoTarget answers every request on a connection with the request line and Host that it saw.
func echoTarget(conn net.Conn, br *bufio.Reader) {
	for {
		head, err := readHead(br)
		if err != nil {
			return
		}
		seen := head[0] + "|" + head[1]
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(seen), seen)
	}
}

func TestTargetsArriveByteForByte(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoTarget)})
	g.Config.Handler.(http.HandlerFunc)(discard{}, &http.Request{Method: "GET", RequestURI: ""}) // No target, no panic.
	tests := []struct{ method, target, want string }{
		{"GET", "/", "/"},
		{"GET", "/?", "/?"},
		{"GET", "/a//b", "/a//b"},
		{"GET", "//a", "//a"},
		{"GET", "//", "//"},
		{"GET", "///a/../b", "///a/../b"},
		{"GET", "//evil.example/x?", "//evil.example/x?"},
		{"GET", "//a?b=c;d=%zz&&", "//a?b=c;d=%zz&&"},
		{"GET", "//a%2Fb%2fc?//", "//a%2Fb%2fc?//"},
		{"GET", "/a%2fb", "/a%2fb"},
		{"GET", "/%41%7e~", "/%41%7e~"},
		{"GET", "/x/../y/./z", "/x/../y/./z"},
		{"GET", "/a;b=c;d?e;f;g=%", "/a;b=c;d?e;f;g=%"},
		{"GET", "/münchen?ü=\xff\xfe", "/münchen?ü=\xff\xfe"},
		{"GET", "/\"<>\\^`{|}", "/\"<>\\^`{|}"},
		{"GET", "/a#b", "/a#b"},
		{"GET", "/*", "/*"},
		{"GET", "/a:b@c//d", "/a:b@c//d"},
		{"OPTIONS", "*", "*"},
		{"PROPFIND", "/dav", "/dav"},
		{"GET", "http://shop.example/a//b?c", "/a//b?c"},
		{"GET", "HTTPS://shop.example?c", "/?c"},
		{"GET", "http://shop.example", "/"},
		{"GET", "http://shop.example//a", "//a"},
		{"OPTIONS", "http://shop.example", "*"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			_, br := g.dial(t, tt.method+" "+tt.target+" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
			answer := readAll(t, br)
			if want := tt.method + " " + tt.want + " HTTP/1.1|Host: shop.example"; !strings.HasSuffix(answer, "\r\n\r\n"+want) {
				t.Errorf("upstream saw\n%q, want\n%q", answer, want)
			}
		})
	}
}

func TestTargetsThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoTarget)})
	for i, line := range []string{
		"GET //münchen HTTP/1.1\r\nHost: a",
		"GET //a|b HTTP/1.1\r\nHost: a",
		"GET * HTTP/1.1\r\nHost: a",
		"GET ftp://a/b HTTP/1.1\r\nHost: a",
		"GET mailto:a HTTP/1.1\r\nHost: a",
		"GET http://u:p@a/b HTTP/1.1\r\nHost: a",
		"GET http:///b HTTP/1.1\r\nHost: a",
		"CONNECT a:443 HTTP/1.1\r\nHost: a:443",
		"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]",
		"GET / HTTP/1.1\r\nHost: [shop.example]:80",
		"GET / HTTP/1.1\r\nHost: [::1",
	} {
		_, br := g.dial(t, line+"\r\nConnection: close\r\n\r\n")
		answer := readAll(t, br)
		if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.HasSuffix(answer, "\r\n\r\n"+texts[400]) ||
			!strings.Contains(answer, "\r\nCache-Control: no-store\r\n") {
			t.Errorf("%q was answered %q", line, answer)
		}
		g.wait(t, fmt.Sprintf("unforwardable:%d", i+1))
	}
	if log := g.logged(); log != "" {
		t.Errorf("a client's fault was logged as the upstream's: %s", log)
	}
}

func TestHostArrivesAsItCame(t *testing.T) {
	t.Parallel()
	raw := newRaw(t, echoTarget)
	g := newGate(t, []string{raw})
	for host, want := range map[string]string{
		"Shop.Example:8080": "Shop.Example:8080", "a_b.example.": "a_b.example.", "[2001:db8::1]:80": "[2001:db8::1]:80",
		"[::1]": "[::1]", "x:": "x:", "a%41": "a%41", "a!b": "a!b", "": strings.TrimPrefix(raw, "http://"),
	} {
		_, br := g.dial(t, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if answer := readAll(t, br); !strings.HasSuffix(answer, "|Host: "+want) {
			t.Errorf("Host %q: upstream saw %q", host, answer)
		}
	}
}

// TestRandomTargets sends a few thousand targets of the characters that matter over one connection. What is
// refused must be of the one kind that may be.
func TestRandomTargets(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newRaw(t, echoTarget)})
	conn, br := g.dial(t, "")
	random := rand.New(rand.NewPCG(4, 51))
	pieces := []string{"/", "/", "//", "?", "%", "%2f", "%2F", "%25", "%zz", ";", "&", "=", "..", ".", "a", "Z", "0", "*", ":", "@",
		"\\", "|", "^", "\"", "<", "[", "]", "{", "`", "~", "+", "!", "$", "'", "(", ",", "\u00fc", "\xff", "#", "http:"}
	for range 3000 {
		target := "/"
		for range random.IntN(8) {
			target += pieces[random.IntN(len(pieces))]
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", target)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("%q: %v", target, err)
		}
		body := readAll(t, res.Body)
		res.Body.Close()
		switch {
		case body == "GET "+target+" HTTP/1.1|Host: a":
		case res.StatusCode == 400 && strings.HasPrefix(target, "//") && body == texts[400]:
		case res.StatusCode == 400 && !strings.HasPrefix(body, "GET ") && strings.Contains(target, "%"):
			// The server itself refuses a malformed encoding and hangs up.
			conn.Close()
			conn, br = g.dial(t, "")
		default:
			t.Fatalf("%q arrived as %d %q", target, res.StatusCode, body)
		}
	}
}

// FuzzTarget checks that a target is written exactly as it is, or refused.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/", "//", "//a?", "/a?b?c", "/%2f", "//%2f", "//\xff", "*", "http://a", "http://a?b", "/a b", "/a\r\nX: y", "//a#b", ""} {
		f.Add("GET", seed)
		f.Add("OPTIONS", seed)
	}
	f.Fuzz(func(t *testing.T, method, raw string) {
		if method != "GET" && method != "OPTIONS" {
			return
		}
		target, err := targetOf(&http.Request{Method: method, RequestURI: raw})
		if err != nil {
			return
		}
		var wire sheet
		if err := wire.write(&head{method: method, target: target, host: "h"}); err != nil {
			t.Fatalf("%q passed, but: %v", raw, err)
		}
		want := raw
		if raw != "*" && raw[0] != '/' {
			_, rest, _ := strings.Cut(raw, "://")
			i := strings.IndexAny(rest, "/?")
			switch {
			case i >= 0 && rest[i] == '/':
				want = rest[i:]
			case i >= 0:
				want = "/" + rest[i:]
			case method == "OPTIONS":
				want = "*"
			default:
				want = "/"
			}
		}
		if got := string(wire.text); got != method+" "+want+" HTTP/1.1\r\nHost: h\r\n\r\n" {
			t.Errorf("%q is written as %q", raw, got)
		}
	})
}

// discard is a writer that keeps nothing.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (discard) WriteHeader(int)             {}

func TestTargetWithSpaceOverHTTP2IsRefused(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"/a HTTP/1.1", "/ ", "//a b", "/a\tb", "/a\x7f", "/\r\n", "http://a#b", "http://a/\n", "a"} {
		if target, err := targetOf(&http.Request{Method: "GET", RequestURI: raw}); err == nil {
			t.Errorf("%q passed as %q", raw, target)
		}
	}
}

func TestTargetAllocatesNothing(t *testing.T) {
	for _, raw := range []string{"/", "/product/kaspersky-standard?sku=KL1041&x=%zz"} {
		r := &http.Request{Method: "GET", RequestURI: raw, Host: "shop.example:8080"}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := targetOf(r); err != nil || checkHost(r.Host) != nil {
				t.Error(raw)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", raw, n)
		}
	}
}
