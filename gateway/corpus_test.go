package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is one attempt to get past the gateway.
type row struct {
	ID       string      `json:"id"`
	Group    string      `json:"group"`
	Method   string      `json:"method"`
	Target   string      `json:"target"`
	Proto    *string     `json:"proto"` // nil stands for HTTP/1.1
	Headers  [][2]string `json:"headers"`
	Body     string      `json:"body"`
	Then     string      `json:"then"` // sent on the same connection after the first answer
	RemoteIP string      `json:"remote_ip"`
	Expect   string      `json:"expect"`
	AlsoOK   []string    `json:"also_ok"`
	Note     string      `json:"note"`
}

// The outcomes of a row: 451, another refusal or none at all, and forwarded.
const (
	blocked  = "block"
	rejected = "reject"
	passed   = "pass"
)

const corpusPolicy = `version: 1
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /checkout, /buy]}]
  update: [{hosts: [updates.example], paths: [/updates]}]
rules:
  - {id: sales, activity: sale, countries: [US], unknown_country: allow}
  - {id: updates, activity: update, countries: [US], unknown_country: allow}
`

// TestBypasses plays the corpus of attempts over real sockets. None may reach the upstream that should not, and none may
// be refused that should reach it.
func TestBypasses(t *testing.T) {
	t.Parallel()
	groups := readCorpus(t)
	for group, rows := range groups {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			seen := newWitness(t)
			g := start(t, setup{policy: corpusPolicy, config: `routes: [{hosts: [shop.example, updates.example, other.example], upstreams: ["` + seen.url + `"]}]`})
			for _, r := range rows {
				seen.take()
				codes := r.play(t, g.dial)
				heads := slices.DeleteFunc(seen.take(), func(head string) bool { return strings.HasPrefix(head, "GET "+sentinel+" ") })
				if verdict := r.verdict(codes, heads); verdict != "" {
					t.Errorf("%s: %s: %s %.70q answered %v, want %s or %v; upstream saw %q; %s", verdict, r.ID, r.Method, r.Target, codes, r.Expect, r.AlsoOK, heads, r.Note)
				}
				for _, head := range heads {
					if withheld.MatchString(head) {
						t.Errorf("%s: the upstream saw %q", r.ID, head)
					}
				}
			}
		})
	}
}

// withheld are the headers that no upstream may see.
var withheld = regexp.MustCompile(`(?im)^(x[-_.](original|rewrite)[-_.]ur[il]|x-envoy-original-path|x?-?request-uri|x-http-destinationurl|x-http-path-override|x-proxy-url|x[_.]forwarded[_.]for|http2-settings):|^upgrade:.*h2c`)

// protected finds a request line that asks for what the corpus' policy governs.
var protected = regexp.MustCompile(`(?i)^[^\r\n]*(/|%2f|\\|%5c)(cart|checkout|buy|updates)`)

// verdict returns what is wrong with an outcome; empty if nothing is.
func (r *row) verdict(codes []int, heads []string) string {
	leaked := func(head string) bool { return protected.MatchString(head) }
	if (r.Then != "" || r.Group == "protocol") && len(heads) > 0 {
		// An embedded or second request for a protected path must never arrive.
		if r.Expect != passed && slices.ContainsFunc(heads, leaked) || slices.ContainsFunc(heads[1:], leaked) || r.Then != "" && leaked(heads[0]) {
			return "bypass"
		}
	}
	outcome := rejected
	switch {
	case len(heads) > 0:
		outcome = passed
	case len(codes) > 0 && codes[0] == 451:
		outcome = blocked
	}
	switch {
	case outcome == r.Expect || slices.Contains(r.AlsoOK, outcome):
		return ""
	case outcome == passed:
		return "bypass"
	case r.Expect == passed:
		return "over-block"
	}
	return "other outcome"
}

// TestVerdicts shows that the corpus would notice.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const cart, about = "GET /%2fCart HTTP/1.1", "GET /about HTTP/1.1"
	for _, c := range []struct {
		row   row
		codes []int
		heads []string
		want  string
	}{
		{row{Expect: blocked}, []int{451}, nil, ""},
		{row{Expect: blocked}, []int{200}, []string{cart}, "bypass"},
		{row{Expect: blocked}, nil, nil, "other outcome"},
		{row{Expect: blocked, AlsoOK: []string{rejected}}, nil, nil, ""},
		{row{Expect: rejected}, []int{200}, []string{about}, "bypass"},
		{row{Expect: passed}, []int{200}, []string{about}, ""},
		{row{Expect: passed}, []int{451}, nil, "over-block"},
		{row{Expect: passed, Then: "x"}, []int{200}, []string{about, cart}, "bypass"},
		{row{Expect: passed, Group: "protocol"}, []int{200}, []string{about, cart}, "bypass"},
		{row{Expect: rejected, AlsoOK: []string{passed}, Group: "protocol"}, []int{200}, []string{about}, ""},
		{row{Expect: rejected, AlsoOK: []string{passed}, Group: "protocol"}, []int{200}, []string{cart}, "bypass"},
	} {
		if got := c.row.verdict(c.codes, c.heads); got != c.want {
			t.Errorf("%+v with %v and %q: %q, want %q", c.row, c.codes, c.heads, got, c.want)
		}
	}
}

func readCorpus(t *testing.T) map[string][]row {
	t.Helper()
	text, err := os.ReadFile("testdata/bypass.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("${US4}", american, "${US6}", "2600:1f00::1", "${DE4}", german, "${DE6}", "2a01:4f8::1", "${US4HEX}", "3272:1", "${US4XORHEX}", "cd8d:fffe")
	groups, n := map[string][]row{}, 0
	for line := range bytes.Lines(text) {
		var r row
		if err := json.Unmarshal([]byte(fill.Replace(string(line))), &r); err != nil {
			t.Fatal(err)
		}
		groups[r.Group] = append(groups[r.Group], r)
		n++
	}
	if n < 752 {
		t.Fatalf("the corpus has %d rows, want at least 752", n)
	}
	return groups
}

// text is what a row sends.
func (r *row) text() string {
	proto := " HTTP/1.1"
	if r.Proto != nil {
		proto = strings.TrimSuffix(" "+*r.Proto, " ")
	}
	text := r.Method + " " + r.Target + proto + "\r\n"
	for _, header := range r.Headers {
		text += header[0] + ": " + header[1] + "\r\n"
	}
	return text + "\r\n" + r.Body
}

// sentinel is asked for after every row on its connection, if that is still open: whatever the row has smuggled past
// the first answer is answered before it.
const sentinel = "/sentinel"

// play sends a row to what dial leads to, and returns the final status codes.
func (r *row) play(t *testing.T, dial func(buyer string) (net.Conn, error)) (codes []int) {
	t.Helper()
	conn, err := dial(r.RemoteIP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	later := "GET " + sentinel + " HTTP/1.1\r\nHost: other.example\r\n\r\n"
	send := func(text string) bool {
		_, err := io.WriteString(conn, text)
		return err == nil
	}
	target := "" // of the last answer that came from the upstream
	limit := time.Second
	if r.Expect == passed || slices.Contains(r.AlsoOK, passed) {
		limit = patience // an answer that is only late would be taken for none, and what the upstream saw for another row's
	}
	await := func() bool {
		_ = conn.SetReadDeadline(time.Now().Add(limit)) // an error shows in the reading
		for {
			res, err := http.ReadResponse(reader, &http.Request{Method: r.Method})
			if err != nil {
				return false
			}
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode >= 200 {
				codes, target = append(codes, res.StatusCode), res.Header.Get("X-Target")
				return err == nil && !res.Close
			}
		}
	}
	if !send(r.text()) {
		return nil
	}
	if !await() {
		return codes
	}
	if r.Then != "" && (!send(r.Then) || !await()) {
		return codes
	}
	if !send(later) {
		return codes
	}
	first := slices.Clone(codes)
	for r.Method = http.MethodGet; target != sentinel && await(); {
	}
	return first
}

// TestCorpusRunner shows that the sentinel comes behind whatever a connection still holds.
func TestCorpusRunner(t *testing.T) {
	t.Parallel()
	seen := newWitness(t)
	g := start(t, setup{policy: corpusPolicy, config: `routes: [{hosts: [shop.example, other.example], upstreams: ["` + seen.url + `"]}]`})
	smuggled := "GET /second HTTP/1.1\r\nHost: shop.example\r\n\r\n"
	r := row{Method: "GET", Target: "/first", Headers: [][2]string{{"Host", "shop.example"}}, Body: smuggled, RemoteIP: german}
	r.play(t, g.dial)
	var lines []string
	for _, head := range seen.take() {
		line, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head + "\r\n"))).ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if got := fmt.Sprint(lines); got != "[GET /first HTTP/1.1 GET /second HTTP/1.1 GET "+sentinel+" HTTP/1.1]" {
		t.Errorf("the upstream saw %s", got)
	}
}
