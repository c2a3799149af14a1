package refusal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// exchange sends bytes, and returns all that comes until the server closes.
func exchange(t *testing.T, address, request string) string {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer)
}

// TestUnreadBodies holds bodies back, and hides requests in them.
func TestUnreadBodies(t *testing.T) {
	t.Parallel()
	const hidden = "GET /hidden HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	tests := map[string]string{
		"a body that never comes":       "Content-Length: 1000000\r\n\r\n",
		"a small body that never comes": "Content-Length: 100\r\n\r\n",
		"expect continue":               "Content-Length: 10737418240\r\nExpect: 100-continue\r\n\r\n",
		"chunks that never come":        "Transfer-Encoding: chunked\r\n\r\n",
		"chunks that never end":         "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"a request hidden in a body":    fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"a request behind a body":       fmt.Sprintf("Content-Length: 5\r\n\r\nhello%s", hidden),
		"a request behind chunks":       "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + hidden,
		"a request after expect":        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n" + hidden,
		"a request in a long body":      "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", 300<<10) + hidden,
	}
	for name, rest := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWriter(t, Config{})
			w.patience = 100 * time.Millisecond
			var requests atomic.Int32
			held := make(chan struct{})
			finish := sync.OnceFunc(func() { close(held) })
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				w.Write(rw, r, new(sales()))
				<-held // The answer must be out by now.
			}))
			defer server.Close()
			defer finish()
			connection, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(connection, "POST /cart HTTP/1.1\r\nHost: shop.example\r\n"+rest); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(connection)
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != 451 || !response.Close || !bytes.HasPrefix(body, []byte("For legal")) {
				t.Errorf("got %s, close %t, %q, %v", response.Status, response.Close, body, err)
			}
			finish()
			// Whether the end comes in order or by a reset is up to how much is left in the pipe.
			if more, err := io.ReadAll(reader); len(more) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection went on: %q, %v", more, err)
			}
			connection.Close()
			server.Close()
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests were judged", n)
			}
		})
	}
}

func TestConnectionsWithoutBodyStayOpen(t *testing.T) {
	t.Parallel()
	server := serve(t, newWriter(t, Config{BlockedBy: "https://shop.example"}), sales())
	answer := exchange(t, server.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"+
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if n := strings.Count(answer, "HTTP/1.1 451 Unavailable For Legal Reasons\r\n"); n != 3 {
		t.Errorf("%d answers to 3 requests:\n%s", n, answer)
	}
	if n := strings.Count(answer, "Connection: close"); n != 1 {
		t.Errorf("%d of 3 answers close:\n%s", n, answer)
	}
}

// TestHTTP2 checks that an unread body does not hold the answer up where there is no connection to close.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.Write(rw, r, new(sales())) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	never, writer := io.Pipe()
	defer writer.Close()
	response, err := server.Client().Post(server.URL+"/cart", "application/json", never)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var details struct {
		Status    int    `json:"status"`
		BlockedBy string `json:"blocked_by"`
	}
	if err := json.NewDecoder(response.Body).Decode(&details); err != nil {
		t.Fatal(err)
	}
	if response.ProtoMajor != 2 || response.StatusCode != 451 || details.Status != 451 {
		t.Errorf("got %s %s, %+v", response.Proto, response.Status, details)
	}
	if want := server.URL + "/"; details.BlockedBy != want || response.Header.Get("Link") != "<"+want+`>; rel="blocked-by"` {
		t.Errorf("blocked by %q, Link %q; want %s", details.BlockedBy, response.Header.Get("Link"), want)
	}
}
