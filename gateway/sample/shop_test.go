package sample

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// visitor is a browser with cookies, before a server on a real socket.
type visitor struct {
	t      *testing.T
	server *httptest.Server
	client *http.Client
}

func visit(t *testing.T, handler http.Handler) *visitor {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &visitor{t, server, another(t, server)}
}

// another returns a further client with cookies of its own.
func another(t *testing.T, server *httptest.Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: server.Client().Transport, Jar: jar}
}

// reply is an answer whose body has been read.
type reply struct {
	Status        string
	StatusCode    int
	Header        http.Header
	ContentLength int64
	Request       *http.Request
	Cookies       []*http.Cookie
}

// do sends a request and returns the answer to it, or to the last redirect, with its body.
func (v *visitor) do(method, path, contentType, body string, headers ...string) (reply, string) {
	v.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, v.server.URL+path, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return reply{response.Status, response.StatusCode, response.Header, response.ContentLength, response.Request, response.Cookies()}, string(content)
}

const form = "application/x-www-form-urlencoded"

func TestPages(t *testing.T) {
	t.Parallel()
	v := visit(t, Shop())
	for _, test := range []struct {
		method, path string
		status       int
		contains     string
	}{
		{"GET", "/", 200, `<a href="/products/kaspersky-standard">Kaspersky Standard</a>, $29.99`},
		{"GET", "/products/kaspersky-standard", 200, `<input type="hidden" name="sku" value="KL1">`},
		{"GET", "/products/Kaspersky-Premium", 200, `<a class="button" href="/buy/kaspersky-premium">Buy now</a>`},
		{"GET", "/products/kaspersky-threat-intelligence", 200, "$899.00"},
		{"GET", "/products/other-antivirus", 200, "<h1>Other Antivirus</h1>"},
		{"GET", "/products/other-password-manager", 200, "SKU OP1"},
		{"GET", "/products/none", 404, "There is no such page"},
		{"GET", "/about", 200, "<h1>About us</h1>"},
		{"GET", "/cart", 200, "Your cart is empty."},
		{"GET", "/checkout", 200, "Your cart is empty."},
		{"POST", "/checkout", 200, "Your cart is empty."},
		{"GET", "/buy/kaspersky-premium", 200, `<form method="post" action="/buy/kaspersky-premium">`},
		{"POST", "/buy/kaspersky-premium", 200, "Your order was placed."},
		{"POST", "/buy/none", 404, "There is no such page"},
		{"GET", "/nowhere", 404, "There is no such page"},
	} {
		response, body := v.do(test.method, test.path, "", "", "X-Country-Code", "PR")
		if response.StatusCode != test.status || !strings.Contains(body, test.contains) {
			t.Errorf("%s %s: %s without %q:\n%s", test.method, test.path, response.Status, test.contains, body)
		}
		if !strings.Contains(body, "The gateway says that you are in <strong>PR</strong>.") {
			t.Errorf("%s %s does not show the country", test.method, test.path)
		}
		if outside := regexp.MustCompile(`(?:src|href|action)="(?:[a-z]+:)?//`).FindString(body); outside != "" {
			t.Errorf("%s %s leads outside: %s", test.method, test.path, outside)
		}
	}
	if _, body := v.do("GET", "/", "", "", "X-Country-Code", "<b>"); !strings.Contains(body, "<strong>&lt;b&gt;</strong>") {
		t.Errorf("a country that is markup was not escaped:\n%s", body)
	}
	if _, body := v.do("GET", "/", "", ""); !strings.Contains(body, "No gateway told this shop where you are.") {
		t.Errorf("no country, and yet:\n%s", body)
	}
}

// TestEveryLinkLeadsSomewhere follows the links from the home page on, as a visitor might.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	v := visit(t, Shop())
	links := regexp.MustCompile(`href="(/[^"]*)"`)
	seen, next := map[string]bool{"/": true}, []string{"/"}
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		response, body := v.do("GET", path, "", "")
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, response.Status)
		}
		for _, link := range links.FindAllStringSubmatch(body, -1) {
			if !seen[link[1]] {
				seen[link[1]] = true
				next = append(next, link[1])
			}
		}
	}
	if want := 4 + 2*len(catalogue()); len(seen) != want {
		t.Errorf("%d pages were found, want %d: %v", len(seen), want, seen)
	}
}

func TestBuying(t *testing.T) {
	t.Parallel()
	v := visit(t, Shop())
	response, body := v.do("POST", "/cart", form, "sku=KL1&quantity=2")
	if response.Request.Method != "GET" || response.Request.URL.Path != "/cart" || !strings.Contains(body, "$59.98") {
		t.Fatalf("a form does not lead to the cart: %s %s\n%s", response.Request.Method, response.Request.URL, body)
	}
	response, body = v.do("POST", "/cart/add", "application/json; charset=utf-8", `{"sku":"oa1"}`)
	const want = `{"lines":[{"sku":"KL1","name":"Kaspersky Standard","price_cents":2999,"quantity":2},` +
		`{"sku":"OA1","name":"Other Antivirus","price_cents":2499,"quantity":1}]}` + "\n"
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/json" || body != want {
		t.Fatalf("got %s %s\nwant %s", response.Status, body, want)
	}
	if cookies := response.Cookies; len(cookies) != 0 {
		t.Errorf("a known session got another: %v", cookies)
	}
	stranger := &visitor{t, v.server, another(t, v.server)}
	if _, body := stranger.do("GET", "/cart", "", ""); !strings.Contains(body, "Your cart is empty.") {
		t.Errorf("a stranger sees a cart:\n%s", body)
	}
	if _, body = v.do("GET", "/checkout", "", ""); !strings.Contains(body, "$84.97") {
		t.Errorf("the checkout does not ask for $84.97:\n%s", body)
	}
	if _, body = v.do("POST", "/checkout", form, ""); !strings.Contains(body, "Your order was placed.") || !strings.Contains(body, "$84.97") {
		t.Errorf("the order was not placed:\n%s", body)
	}
	if _, body = v.do("GET", "/cart", "", ""); !strings.Contains(body, "Your cart is empty.") {
		t.Errorf("the cart is full after the order:\n%s", body)
	}
	var multi bytes.Buffer
	parts := multipart.NewWriter(&multi)
	if err := parts.WriteField("sku", "TI1"); err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	if _, body = v.do("POST", "/cart", parts.FormDataContentType(), multi.String()); !strings.Contains(body, "$899.00") {
		t.Errorf("a multipart form is not understood:\n%s", body)
	}
}

func TestBadOrders(t *testing.T) {
	t.Parallel()
	v := visit(t, Shop())
	for _, test := range []struct {
		contentType, body string
		status            int
		want              string
	}{
		{"application/json", `{"sku":"none"}`, 422, `{"error":"no such SKU is sold here"}`},
		{"application/json", `{"sku":`, 400, `{"error":"the body is not an order in JSON: unexpected EOF"}`},
		{"application/json", `{"sku":"KL1","quantity":0}`, 400, `{"error":"the quantity is not between 1 and 99"}`},
		{"application/json", `{"sku":"` + strings.Repeat("x", maxBody) + `"}`, 413, `{"error":"the body is not an order in JSON: http: request body too large"}`},
		{form, "", 422, "That did not work: no such SKU is sold here"},
		{form, "sku=%zz", 400, "That did not work: the body is not a form: invalid URL escape &#34;%zz&#34;"},
		{form, "sku=KL1&quantity=many", 400, "That did not work: the quantity is not a number"},
		{form, "sku=KL1&quantity=-1", 400, "That did not work: the quantity is not between 1 and 99"},
		{form, "sku=" + strings.Repeat("x", maxBody), 413, "That did not work: the body is not a form: http: request body too large"},
		{"text/plain", "sku=KL1", 422, "no such SKU is sold here"},
	} {
		response, body := v.do("POST", "/cart", test.contentType, test.body)
		if response.StatusCode != test.status || !strings.Contains(body, test.want) {
			t.Errorf("%s %.40q: got %s\n%s\nwant %d %s", test.contentType, test.body, response.Status, body, test.status, test.want)
		}
		if len(response.Cookies) != 0 {
			t.Errorf("%s %.40q: a cart was made", test.contentType, test.body)
		}
	}
}

func TestCartsAreBounded(t *testing.T) {
	t.Parallel()
	handler := Shop()
	v := visit(t, handler)
	for range 3 {
		v.do("POST", "/cart", "application/json", `{"sku":"KL1","quantity":60}`)
	}
	if _, body := v.do("POST", "/cart", "application/json", `{"sku":"KL1"}`); !strings.Contains(body, `"quantity":99}]`) {
		t.Errorf("a line grows beyond its bound: %s", body)
	}
	// A made-up session is not taken over, so that it cannot be shared with a victim.
	response, _ := v.do("POST", "/cart", "application/json", `{"sku":"KL2"}`)
	made := httptest.NewRequest(http.MethodPost, "/cart", strings.NewReader("sku=KL2"))
	made.Header.Set("Content-Type", form)
	made.AddCookie(&http.Cookie{Name: sessionCookie, Value: "chosen"})
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, made)
	given := rec.Result().Cookies()
	if len(given) != 1 || given[0].Value == "chosen" || !given[0].HttpOnly || len(response.Cookies) != 0 {
		t.Errorf("a made-up session got %v", given)
	}

	c := newCarts()
	sessions := make([]*http.Cookie, 0, maxCarts+1)
	for range maxCarts + 1 {
		rec := httptest.NewRecorder()
		c.add(rec, httptest.NewRequest(http.MethodPost, "/cart", http.NoBody), catalogue()[0], 1)
		sessions = append(sessions, rec.Result().Cookies()[0])
	}
	if len(c.bySession) != maxCarts || len(c.sessions) != maxCarts {
		t.Errorf("%d carts, %d sessions", len(c.bySession), len(c.sessions))
	}
	for i, want := range map[int]int{0: 0, 1: 1, maxCarts: 1} {
		r := httptest.NewRequest(http.MethodGet, "/cart", http.NoBody)
		r.AddCookie(sessions[i])
		if got := len(c.of(r).Lines); got != want {
			t.Errorf("cart %d has %d lines, want %d", i, got, want)
		}
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	v := visit(t, Shop())
	response, body := v.do("PUT", "/echo?a=%2e%2E&b=<i>", "text/plain", "hello", "X-Country-Code", "PR", "X-Forwarded-For", "192.0.2.1",
		"X-Forwarded-For", "192.0.2.2", "Gate451-Decision", "allow", "Cookie", "secret=1", "Authorization", "Bearer secret", "User-Agent", "test")
	want := "PUT /echo?a=%2e%2E&b=<i> HTTP/1.1\nHost: " + strings.TrimPrefix(v.server.URL, "http://") + `
Accept-Encoding: gzip
Authorization: (left out)
Content-Length: 5
Content-Type: text/plain
Cookie: (left out)
Gate451-Decision: allow
User-Agent: test
X-Country-Code: PR
X-Forwarded-For: 192.0.2.1
X-Forwarded-For: 192.0.2.2

5 bytes, sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
`
	if body != want || response.Header.Get("Content-Type") != "text/plain; charset=utf-8" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %s\n%s\nwant\n%s", response.Header, body, want)
	}
	if response, body = v.do("POST", "/echo", form, strings.Repeat("x", maxBody+1)); response.StatusCode != 413 || body != fmt.Sprintf("the body is longer than %d bytes, or broke off\n", maxBody) {
		t.Errorf("a long body: %s %s", response.Status, body)
	}
}
