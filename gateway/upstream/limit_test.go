package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// withLimit lets bodies be of so many bytes.
func withLimit(bytes int64) gateOption {
	return func(_ *Config, _ *Options, g *gate) {
		g.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, bytes)
			g.serve(w, r)
		})
	}
}

// TestTooLarge shows that a body which is longer than a reader before the proxy allows is the client's fault.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	g := newGate(t, []string{newShop(t, func(w http.ResponseWriter, r *http.Request) { pass(w, r.Body) })}, withLimit(8))
	const text = "413 Content Too Large: the request's body is longer than is taken here.\n"
	for _, c := range []struct {
		body   string
		status int
		text   string
	}{{"12345678", 200, "12345678"}, {"123456789", 413, text}, {strings.Repeat("x", 1<<20), 413, text}} {
		res := g.do(t, http.MethodPost, "/", io.MultiReader(strings.NewReader(c.body)))
		if got := readAll(t, res.Body); res.StatusCode != c.status || got != c.text || (c.status == 413) != res.Close {
			t.Errorf("%d bytes: %d %q, closed %v; want %d %q", len(c.body), res.StatusCode, got, res.Close, c.status, c.text)
		}
	}
	g.wait(t, "too_large:2")
	if logged := g.logged(); logged != "" {
		t.Errorf("the upstream is blamed: %s", logged)
	}
}
