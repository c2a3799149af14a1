package clientip_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"gate451/gateway/clientip"
)

var cases = []struct {
	name, header, peer string
	lines              []string
}{
	{"untrusted", "", us4 + ":40000", []string{de4}},
	{"untrusted6", "", "[" + us6 + "]:40000", nil},
	{"trusted", "", proxy, []string{us4}},
	{"trusted6", "", proxy, []string{us6}},
	{"port", "", proxy, []string{"[" + us6 + "]:4711"}},
	{"three_hops", "", proxy, []string{de4 + ", " + us4 + ", 10.9.9.9, 10.8.8.8"}},
	{"two_lines", "", proxy, []string{us4, "10.9.9.9"}},
	{"mapped", "", "[::ffff:10.1.2.3]:40000", []string{"::ffff:" + us4}},
	{"one_address", "CF-Connecting-IP", proxy, []string{us4}},
	{"forwarded", "Forwarded", proxy, []string{"for=" + de4 + ", by=10.1.1.1;for=" + us4 + ";host=shop.example;proto=https"}},
	{"forwarded6", "Forwarded", proxy, []string{`for="[` + us6 + `]:4711";proto=https`}},
}

// benchCase returns what a case needs to be resolved.
func benchCase(tb testing.TB, i int) (*clientip.Resolver, http.Header) {
	c := cases[i]
	name := c.header
	if name == "" {
		name = "X-Forwarded-For"
	}
	r := newResolver(tb, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"), Header: c.header})
	return r, header(name, c.lines...)
}

func BenchmarkResolve(b *testing.B) {
	for i, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			r, h := benchCase(b, i)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Resolve(c.peer, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestResolveDoesNotAllocate is not parallel, because testing.AllocsPerRun counts everybody's allocations.
func TestResolveDoesNotAllocate(t *testing.T) {
	for i, c := range cases {
		r, h := benchCase(t, i)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := r.Resolve(c.peer, h); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations", c.name, allocs)
		}
	}
}

// endless is what a connection has behind its header.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestConnDoesNotAllocate(t *testing.T) {
	r := newResolver(t, clientip.Config{ProxyProtocol: trusted})
	sent := io.MultiReader(strings.NewReader(v1Header), endless{})
	c, err := r.Listen(pipeListener{conn: recorded{Reader: sent}}, clientip.ListenOptions{}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	allocs := testing.AllocsPerRun(100, func() {
		if n, err := c.Read(b); err != nil || n == 0 || c.RemoteAddr() == nil {
			t.Fatal(n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for each Read", allocs)
	}
}
