package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spoofs are headers by which a client could claim to be elsewhere, or to ask for something else.
var spoofs = []string{
	"X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP",
	"X-Country-Code", "CF-IPCountry", "X-Geo-Country", "GeoIP-Country-Code", "CloudFront-Viewer-Country", "X-Vercel-IP-Country", "X-Appengine-Country",
	"X-Forwarded-Proto", "X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "Gate451-Decision", "Gate451-Reference", "X_Forwarded_For", "X.Forwarded.For", "X_Country_Code",
}

// mark stands in everything that a spoof claims. As an address it is a German one.
const mark = german

// TestSpoofs shows that a client which nobody vouches for is judged by its connection, and that the upstream sees
// nothing of what it claims.
func TestSpoofs(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url})
	for _, name := range append(slices.Clone(spoofs), "") {
		var lines strings.Builder
		for _, spoof := range spoofs {
			if name == "" || name == spoof {
				lines.WriteString(spoof + ": " + mark + "\r\n")
			}
		}
		for path, want := range map[string]int{"/cart": 451, "/about": 200} {
			_, reader := g.raw(t, american, "GET "+path+" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"+lines.String()+"\r\n")
			a, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			a.Body.Close()
			heads := seen.take()
			if a.StatusCode != want || len(heads) != map[int]int{451: 0, 200: 1}[want] {
				t.Errorf("%q with %s: %d, upstream saw %q", path, name, a.StatusCode, heads)
			}
			for _, head := range heads {
				if strings.Contains(head, mark) {
					t.Errorf("with %s the upstream saw %q", name, head)
				}
				for _, line := range []string{"X-Forwarded-For: " + american, "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example", "X-Country-Code: US"} {
					if strings.Count(head, "\r\n"+line) != 1 {
						t.Errorf("with %s the upstream saw no %q in %q", name, line, head)
					}
				}
			}
		}
	}
}

// TestTrustedProxy shows whom a chain of proxies names, and that a proxy which names nobody vouches for nobody.
func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{upstream: seen.url})
	for _, c := range []struct {
		peer, header string
		status       int
		client       string // as the upstream is told
	}{
		{"10.0.0.7", german, 200, german},
		{"10.0.0.7", american, 451, ""},
		{"10.0.0.7", german + ", " + american, 451, ""},
		{"10.0.0.7", american + ", " + german, 200, german},
		{"10.0.0.7", american + ", " + german + ", 10.0.0.8", 200, german},
		{"10.0.0.7", german + ", junk", 451, ""},
		{"10.0.0.7", "", 451, ""},
		{"11.0.0.7", german, 451, ""}, // a stranger, in the United States
	} {
		headers := []string{"X-Forwarded-Proto", "https"}
		if c.header != "" {
			headers = append(headers, "X-Forwarded-For", c.header)
		}
		a := g.get(t, c.peer, "http://shop.example/cart", headers...)
		heads := strings.Join(seen.take(), "\n")
		if a.StatusCode != c.status || (heads != "") != (c.status == 200) {
			t.Errorf("%s with %q: %d, upstream saw %q", c.peer, c.header, a.StatusCode, heads)
		}
		if c.client != "" && (!strings.Contains(heads, "X-Forwarded-For: "+c.client) || strings.Contains(heads, american) || !strings.Contains(heads, "X-Forwarded-Proto: https")) {
			t.Errorf("%s with %q: upstream saw %q", c.peer, c.header, heads)
		}
		if c.status == 451 {
			if link := a.Header.Get("Link"); (link == `<https://shop.example/>; rel="blocked-by"`) != (c.peer == "10.0.0.7") {
				t.Errorf("%s with %q: Link %q", c.peer, c.header, link)
			}
		}
	}
}
