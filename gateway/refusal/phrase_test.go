package refusal

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// told is the line of the refusal that sales returns.
const told = "For legal compliance purposes, Kaspersky products cannot be purchased from your country. Legal basis: 89 FR 52434. Until: 2034-07-20. Reference: K3F9-0ZQ1."

func TestPhrase(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	w.patience = 100 * time.Millisecond
	address := serve(t, w, sales()).Listener.Addr().String()
	for name, c := range map[string]struct {
		request     string
		first, body string
	}{
		"apt":        {"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Debian APT-HTTP/1.3 (2.6.1)\r\n", "HTTP/1.1 451 " + told, told + "\n"},
		"urllib":     {"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Python-urllib/3.11\r\n", "HTTP/1.1 451 " + told, told + "\n"},
		"freshclam":  {"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nUser-Agent: ClamAV/1.4.6 (OS: Linux)\r\n", "HTTP/1.1 451 " + told, told + "\n"},
		"old wget":   {"GET / HTTP/1.0\r\nHost: a\r\nUser-Agent: Wget/1.9\r\n", "HTTP/1.1 451 " + told, told + "\n"},
		"wget looks": {"HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: Wget/1.21.3\r\n", "HTTP/1.1 451 " + told, ""},
		"wget wants a page": {
			"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Wget/1.21.3\r\nAccept: application/problem+json\r\nConnection: close\r\n",
			"HTTP/1.1 451 Unavailable For Legal Reasons", "{",
		},
		"wget sends a form": {
			"POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: Wget/1.21.3\r\nContent-Length: 9\r\n", "HTTP/1.1 451 Unavailable For Legal Reasons", told + "\n",
		},
		"curl": {"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: curl/7.88.1\r\nConnection: close\r\n", "HTTP/1.1 451 Unavailable For Legal Reasons", told + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head, body, _ := strings.Cut(exchange(t, address, c.request+"\r\n"), "\r\n\r\n")
			first, headers, _ := strings.Cut(head, "\r\n")
			if first != c.first || !strings.HasPrefix(body, c.body) || c.body == "" && body != "" {
				t.Errorf("%q with the body %q, want %q with %q", first, body, c.first, c.body)
			}
			for _, want := range []string{"\r\nConnection: close", "\r\nDate: ", "\r\nCache-Control: no-store", "\r\nContent-Length: ", "\r\nGate451-Reference: K3F9-0ZQ1"} {
				if !strings.Contains("\r\n"+headers, want) {
					t.Errorf("no %q in %q", want, headers)
				}
			}
		})
	}
}

// TestPhraseBeforeMoreRequests has a client send more before it knows that nothing more is answered, as apt does for
// packages: the answer arrives whole, and what was sent behind it is not served.
func TestPhraseBeforeMoreRequests(t *testing.T) {
	t.Parallel()
	address := serve(t, newWriter(t, Config{}), sales()).Listener.Addr().String()
	request := "GET /pool/a.deb HTTP/1.1\r\nHost: a\r\nUser-Agent: Debian APT-HTTP/1.3 (2.6.1)\r\n\r\n"
	answer := exchange(t, address, strings.Repeat(request, 10))
	if n := strings.Count(answer, "HTTP/1.1 "); n != 1 || !strings.HasSuffix(answer, "\r\n\r\n"+told+"\n") {
		t.Errorf("%d answers: %q", n, answer)
	}
}

// TestPhraseForWhoStays has a client that never closes: its connection is cut all the same.
func TestPhraseForWhoStays(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	w.patience = 50 * time.Millisecond
	conn, err := net.Dial("tcp", serve(t, w, sales()).Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: Wget/1.21.3\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != told+"\n" {
		t.Fatalf("%q, %v", body, err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Fatalf("the answer does not end: %v", err)
	}
	for err = nil; err == nil; time.Sleep(time.Millisecond) { // until the gateway's kernel says that nobody listens
		_, err = io.WriteString(conn, "x")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was never closed")
	}
}

// TestPhraseInEveryLanguage: a shop's own language is told to programs that ask for none, in a status line that can be read.
func TestPhraseInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, language := range Languages() {
		server := serve(t, newWriter(t, Config{Language: language}), sales())
		r, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("User-Agent", "Wget/1.21.3")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatalf("%s: %v", language, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close() // it has been read
		if err != nil || response.Status != "451 "+strings.TrimSuffix(string(body), "\n") || !utf8.Valid(body) || response.Header.Get("Content-Language") == "" {
			t.Errorf("%s: %q and %q, %v", language, response.Status, body, err)
		}
	}
}
