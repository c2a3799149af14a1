package gateway_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// TestRejections shows how requests are answered that can be neither judged nor forwarded, and what is counted.
func TestRejections(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url})
	for _, c := range []struct {
		cause, request string // the request line and the headers
		status         int
	}{
		{"unknown_host", "GET /cart HTTP/1.1\r\nHost: elsewhere.example", 421},
		{"unknown_host", "GET / HTTP/1.1\r\nHost: shop.example.evil.example", 421},
		{"method", "CONNECT / HTTP/1.1\r\nHost: shop.example", 405},
		{"method", "get /cart HTTP/1.1\r\nHost: shop.example", 400},
		{"target", "GET /cart#top HTTP/1.1\r\nHost: shop.example", 400},
		{"length", "GET /" + strings.Repeat("a", 9<<10) + " HTTP/1.1\r\nHost: shop.example", 414},
		{"encoding", "GET /%c0%af HTTP/1.1\r\nHost: shop.example", 400},
		{"control", "GET /a%00b HTTP/1.1\r\nHost: shop.example", 400},
		{"above_root", "GET /../cart HTTP/1.1\r\nHost: shop.example", 400},
		{"host", "GET / HTTP/1.1\r\nHost: shop_.-example", 400},
		{"host", "GET / HTTP/1.1\r\nHost: shop.example:0", 400},
	} {
		_, reader := g.raw(t, german, c.request+"\r\n\r\nGET /about HTTP/1.1\r\nHost: shop.example\r\n\r\n")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Errorf("%q: %v", c.request, err)
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || string(text) != http.StatusText(c.status)+"\n" || !res.Close || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %q %v, %v; want %d and the connection closed", c.request, res.StatusCode, text, res.Header, err, c.status)
		}
		if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
			t.Errorf("%q: after the answer %q, %v", c.request, rest, err)
		}
	}
	if heads := seen.take(); len(heads) > 0 {
		t.Errorf("the upstream saw %q", heads)
	}
	for cause, n := range map[string]string{
		"unknown_host": "2", "method": "2", "target": "1", "length": "1", "encoding": "1", "control": "1", "above_root": "1", "host": "2",
	} {
		if got := g.metric(t, `gate451_requests_rejected_total{cause="`+cause+`"}`); got != n {
			t.Errorf("%s is counted %q times, want %s", cause, got, n)
		}
	}
}

// TestSlowRejected shows that a client whose request is rejected cannot hold its connection by keeping its body back.
func TestSlowRejected(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	_, reader := g.raw(t, german, "POST / HTTP/1.1\r\nHost: elsewhere.example\r\nContent-Length: 10\r\n\r\nhalf")
	if text, err := readToEnd(reader); err != nil || !strings.HasPrefix(text, "HTTP/1.1 421 ") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestOptionsStar shows that OPTIONS * is judged and forwarded like everything else.
func TestOptionsStar(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url})
	for host, want := range map[string]int{"shop.example": 200, "elsewhere.example": 421} {
		_, reader := g.raw(t, german, "OPTIONS * HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		heads := seen.take()
		if res.StatusCode != want || want == 200 && (len(heads) != 1 || !strings.HasPrefix(heads[0], "OPTIONS * HTTP/1.1\r\n")) || want != 200 && len(heads) != 0 {
			t.Errorf("%s: %d, upstream saw %q", host, res.StatusCode, heads)
		}
	}
}

// TestBodyLimit shows that a body of the limit passes and a longer one does not, whether its length is told or not.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	var large atomic.Int32
	g := start(t, setup{config: "limits: {body_bytes: 1KiB}\n", upstream: newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1024 {
			large.Add(1)
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = io.WriteString(w, "ok") // an error shows in the answer
		}
	})})
	rejected := 0
	for _, c := range []struct {
		bytes  int
		told   bool
		status int
	}{{1024, true, 200}, {1025, true, 413}, {1024, false, 200}, {1025, false, 413}, {1 << 20, false, 413}, {0, true, 200}} {
		var content io.Reader = strings.NewReader(strings.Repeat("x", c.bytes))
		if !c.told {
			content = io.MultiReader(content) // whose length nobody can see
		}
		a := g.send(t, german, http.MethodPost, "http://shop.example/cart", content)
		if a.StatusCode != c.status {
			t.Errorf("%d bytes, length told %v: %d %q, want %d", c.bytes, c.told, a.StatusCode, a.text, c.status)
		}
		if c.status == 413 {
			rejected++
		}
	}
	if got := g.metric(t, `gate451_requests_rejected_total{cause="body_size"}`); got != "3" || rejected != 3 {
		t.Errorf("counted %s times, want %d", got, rejected)
	}
	if n := large.Load(); n > 0 {
		t.Errorf("the upstream saw %d bodies that were announced to be too long", n)
	}
	if got := g.metric(t, `gate451_upstream_errors_total{cause="too_large",route="shop"}`); got != "" {
		t.Errorf("the upstream is blamed %s times", got)
	}
	if a := g.send(t, american, http.MethodPost, "http://shop.example/cart", strings.NewReader(strings.Repeat("x", 1<<20))); a.StatusCode != 451 {
		t.Errorf("a large body that is refused anyway: %d", a.StatusCode)
	}
}

// TestHeaderLimits shows the ends of a header that is too large and of one that does not come.
func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok), config: "limits: {header_bytes: 8KiB, header_timeout: 200ms}\n"})
	if a := g.get(t, german, "http://shop.example/", "X-Large", strings.Repeat("x", 4<<10)); a.StatusCode != 200 {
		t.Errorf("a header within the limit: %d", a.StatusCode)
	}
	_, reader := g.raw(t, german, "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Large: "+strings.Repeat("x", 16<<10)+"\r\n\r\n")
	if line, err := reader.ReadString('\n'); err != nil || line != "HTTP/1.1 431 Request Header Fields Too Large\r\n" {
		t.Errorf("%q, %v", line, err)
	}
	for _, slow := range []string{"", "GET / HTTP/1.1\r\nHost: shop.ex"} {
		_, reader := g.raw(t, german, slow)
		if text, err := readToEnd(reader); err != nil || strings.HasPrefix(text, "HTTP/1.1 2") {
			t.Errorf("after %q: %q, %v", slow, text, err)
		}
	}
}

// readToEnd reads until the connection is closed, which may reset it.
func readToEnd(reader *bufio.Reader) (string, error) {
	text, err := io.ReadAll(reader)
	if err != nil && strings.Contains(err.Error(), "reset") {
		err = nil
	}
	return string(text), err
}

// TestProxyProtocolErrors shows that a balancer which announces nobody properly is turned away, and counted.
func TestProxyProtocolErrors(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok)})
	g.announced = false
	_, reader := g.raw(t, german, "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	if text, err := readToEnd(reader); err != nil || text != "" {
		t.Errorf("%q, %v", text, err)
	}
	eventually(t, "the cause is counted", func() bool {
		return g.metric(t, `gate451_requests_rejected_total{cause="proxy_protocol_absent"}`) == "1"
	})
}

// TestUpstreamDown shows what a route without a living upstream answers.
func TestUpstreamDown(t *testing.T) {
	t.Parallel()
	g := start(t, setup{})
	if a := g.get(t, german, "http://shop.example/cart"); a.StatusCode != http.StatusBadGateway {
		t.Errorf("%d %q", a.StatusCode, a.text)
	}
	if got := g.metric(t, `gate451_upstream_errors_total{cause="connect",route="shop"}`); got != "1" {
		t.Errorf("counted %q times", got)
	}
	if a := g.get(t, american, "http://shop.example/cart"); a.StatusCode != 451 {
		t.Errorf("a refusal: %d", a.StatusCode)
	}
}
