package gateway_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestBypassesOverHTTP2 plays the rows of the corpus that can be said in HTTP/2, over TLS. A row that is to be refused may
// be so at any layer: a stream that is reset, or a connection that is ended, has reached nobody.
func TestBypassesOverHTTP2(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, 1)
	for group, rows := range readCorpus(t) {
		t.Run(group, func(t *testing.T) {
			t.Parallel()
			seen, public, said := newWitness(t), track(t), 0
			g := start(t, setup{
				policy: corpusPolicy, options: public.use, files: map[string][]byte{"tls.crt": cert, "tls.key": key},
				config: "tls: {cert_file: tls.crt, key_file: tls.key}\n" + `routes: [{hosts: [shop.example, updates.example, other.example], upstreams: ["` + seen.url + `"]}]`,
			})
			for _, r := range rows {
				if !r.sayableInHTTP2() {
					continue
				}
				said++
				seen.take()
				status := r.playHTTP2(t, g.dial)
				heads := seen.take()
				passes := len(heads) > 0
				switch wanted := r.Expect == passed; {
				case passes && !wanted && !slices.Contains(r.AlsoOK, passed):
					t.Errorf("bypass: %s: %s %.70q answered %d; upstream saw %q; %s", r.ID, r.Method, r.Target, status, heads, r.Note)
				case !passes && wanted && len(r.AlsoOK) == 0:
					t.Errorf("over-block: %s: %s %.70q answered %d; %s", r.ID, r.Method, r.Target, status, r.Note)
				}
				for _, head := range heads {
					if withheld.MatchString(head) {
						t.Errorf("%s: the upstream saw %q", r.ID, head)
					}
				}
			}
			if said < len(rows)/8 {
				t.Errorf("only %d of %d rows were said", said, len(rows))
			}
			public.settled(t)
		})
	}
}

// sayableInHTTP2 reports whether HTTP/2 has words for a row: it knows no version in a request, no second request behind
// a body, and no header that speaks of the connection (RFC 9113, section 8.2.2).
func (r *row) sayableInHTTP2() bool {
	return r.Proto == nil && r.Then == "" && !slices.ContainsFunc(r.Headers, func(h [2]string) bool {
		switch strings.ToLower(strings.TrimSpace(h[0])) {
		case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "te", "http2-settings":
			return true
		}
		return false
	})
}

// playHTTP2 sends a row as the first stream of a connection of its own to what dial leads to, and returns the final status; 0 if
// there is none.
func (r *row) playHTTP2(t *testing.T, dial func(buyer string) (net.Conn, error)) (status int) {
	t.Helper()
	plain, err := dial(r.RemoteIP)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example", NextProtos: []string{"h2"}})
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, preface); err != nil {
		return 0 // turned away before it has said anything, as a peer without an address may be
	}
	framer := http2.NewFramer(conn, conn)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	block, whole := r.http2Fields(t)
	err = errors.Join(framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block[:min(len(block), 16<<10)], EndStream: r.Body == "" && whole, EndHeaders: len(block) <= 16<<10,
	}))
	for rest := block[min(len(block), 16<<10):]; err == nil && len(rest) > 0; {
		n := min(len(rest), 16<<10)
		err = framer.WriteContinuation(1, n == len(rest), rest[:n])
		rest = rest[n:]
	}
	if err == nil && r.Body != "" {
		err = framer.WriteData(1, whole, []byte(r.Body))
	}
	if err != nil {
		t.Logf("%s: the connection ended while it was written to: %v", r.ID, err)
	}
	return http2Status(t, framer)
}

// http2Fields encodes the header of a row. What HTTP/1.1 writes into the request line and the first Host goes into
// pseudo-header fields. It reports whether the body is as long as the header says.
func (r *row) http2Fields(t *testing.T) (block []byte, whole bool) {
	t.Helper()
	var text strings.Builder
	encoder := hpack.NewEncoder(&text)
	write := func(name, value string) {
		if err := encoder.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	write(":method", r.Method)
	write(":scheme", "https")
	write(":path", r.Target)
	whole = true
	first := slices.IndexFunc(r.Headers, func(h [2]string) bool { return h[0] == "Host" })
	if first >= 0 {
		write(":authority", r.Headers[first][1])
	}
	for i, h := range r.Headers {
		if i == first {
			continue
		}
		if n, err := strconv.Atoi(h[1]); strings.EqualFold(h[0], "Content-Length") && err == nil && n > len(r.Body) {
			whole = false
		}
		write(strings.ToLower(h[0]), h[1])
	}
	return []byte(text.String()), whole
}

// http2Status reads frames until the first stream has a final status, or will have none.
func http2Status(t *testing.T, framer *http2.Framer) int {
	t.Helper()
	for {
		frame, err := framer.ReadFrame()
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Errorf("no answer: %v", err)
			return 0
		}
		if err != nil {
			return 0
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if status, err := strconv.Atoi(frame.PseudoValue("status")); err == nil && status >= http.StatusOK {
				return status
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0
		}
	}
}
