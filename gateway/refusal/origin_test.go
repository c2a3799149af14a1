package refusal

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestBlockedBy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://shop.example":               "https://shop.example",
		"http://shop.example:8080/legal?a=b": "http://shop.example:8080/legal?a=b",
		"HTTPS://[2001:db8::1]/":             "https://[2001:db8::1]/",
		"https://shop.example/a b":           "https://shop.example/a%20b",
		`https://shop.example/?<">#<">`:      `https://shop.example/?%3C%22%3E#%3C%22%3E`,
	} {
		w, err := New(Config{BlockedBy: text})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if w.blockedBy != want {
			t.Errorf("%q: got %s, want %s", text, w.blockedBy, want)
		}
	}
	for text, want := range map[string]string{
		"shop.example":             `blocked-by URL "shop.example" is not absolute; expected one such as https://shop.example/`,
		"//shop.example/":          `blocked-by URL "//shop.example/" is not absolute; expected one such as https://shop.example/`,
		"https:///legal":           `blocked-by URL "https:///legal" is not absolute; expected one such as https://shop.example/`,
		"mailto:legal@shop":        `blocked-by URL "mailto:legal@shop" is not absolute; expected one such as https://shop.example/`,
		"javascript:alert(1)":      `blocked-by URL "javascript:alert(1)" is not absolute; expected one such as https://shop.example/`,
		"https://shöp.example/":    `blocked-by URL "https://shöp.example/" is not absolute; expected one such as https://shop.example/`,
		"https://a:b@shop.example": `blocked-by URL of shop.example carries credentials; every buyer would read them, so leave them out`,
		"https://a\nb/":            `blocked-by URL: parse "https://a\nb/": net/url: invalid control character in URL; expected one such as https://shop.example/`,
	} {
		if _, err := New(Config{BlockedBy: text}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v\nwant %s", text, err, want)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		r    http.Request
		want string
	}{
		{"plain", http.Request{Host: "shop.example"}, "http://shop.example/"},
		{"port", http.Request{Host: "shop.example:8080", URL: &url.URL{Path: "/"}}, "http://shop.example:8080/"},
		{"TLS", http.Request{Host: "Shop.example", TLS: &tls.ConnectionState{}}, "https://Shop.example/"},
		{"TLS before the gateway", http.Request{Host: "shop.example", URL: &url.URL{Scheme: "https"}}, "https://shop.example/"},
		{"IPv6", http.Request{Host: "[::1]:443"}, "http://[::1]:443/"},
		{"no host", http.Request{}, "/"},
		{"no plain host", http.Request{Host: `a">`}, "/"},
	} {
		if got := linked(linkToOrigin(&test.r)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestPlainHost(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"a", "a.", "A-b.example", "127.0.0.1", "127.0.0.1:80", "[::1]", "[2001:db8::1]:65535", "xn--shp-sna.example"} {
		if !plainHost(host) {
			t.Errorf("%q is plain", host)
		}
	}
	for _, host := range []string{"", ":80", "a:", "a:0", "a:65536", "a:+1", "a:1:2", "a:b", "::1", "[]", "[", "[::1", "[::1]x", "[::1]:", "[::1%25eth0]", "[::1%eth0]",
		"[127.0.0.1]", "a_b", "a b", "a/b", "a@b", "a\\b", "a%41", "a>", "a<", `a"`, "a;b", "a,b", "a\x00", "a\r\nb", "é", "-a", ".a", "a..b", "a]", strings.Repeat("a", maxHost+1)} {
		if plainHost(host) {
			t.Errorf("%q is not plain", host)
		}
	}
}

// FuzzOrigin checks that whatever is repeated of a host is a URL of that very host, and cannot end the link.
func FuzzOrigin(f *testing.F) {
	for _, seed := range []string{"shop.example", "[::1]:80", "a:b@c", `a">`, "a:1:2", "a%2f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		got := linked(linkToOrigin(&http.Request{Host: host}))
		if got == "/" {
			return
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != host || u.User != nil || u.Path != "/" || u.RawQuery != "" || u.String() != got {
			t.Errorf("host %q became %q: %v", host, got, err)
		}
		if strings.ContainsAny(got, "<>\"'; \t\r\n\\") {
			t.Errorf("host %q ends the link: %q", host, got)
		}
	})
}
