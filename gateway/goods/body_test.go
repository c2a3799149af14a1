package goods

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"gate451/rules"
)

// encode returns a body in a content coding; "raw" is deflate without the wrapping of zlib.
func encode(coding string, body []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, 6)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	default:
		return body
	}
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

func encoded(coding, header string, body []byte) *http.Request {
	r := post("/", "application/json", string(encode(coding, body)))
	r.Header["Content-Encoding"] = strings.Split(header, "|")
	return r
}

// TestEncodedParts hides parts behind others that are compressed, in a charset that is not read.
func TestEncodedParts(t *testing.T) {
	part := func(header, id string) string {
		return "--b\r\nContent-Disposition: form-data; name=id\r\n" + header + "\r\n" + id + "\r\n--b--\r\n"
	}
	c := carrier("node", "form id")
	for header, undetermined := range map[string]bool{"": false, "Content-Type: text/plain; charset=gbk\r\n": true} {
		body := string(encode("deflate", []byte(part("", "1")))) + "\r\n" + part(header, "7")
		r := post("/", "multipart/form-data; boundary=b", body)
		r.Header.Set("Content-Encoding", "deflate")
		check(t, read(r, c), true, undetermined, "1", "7")
	}
}

func TestEncodings(t *testing.T) {
	body := []byte(`{"id":7}`)
	c := carrier("node", "json id")
	for _, tt := range [][2]string{{"gzip", "gzip"}, {"gzip", "GZip"}, {"gzip", " x-gzip "}, {"deflate", "deflate"}, {"raw", "deflate"},
		{"br", "br"}, {"zstd", "zstd"}, {"", "identity"}, {"", ""}, {"br", "identity, br"}} {
		check(t, read(encoded(tt[0], tt[1], body), c), true, false, "7")
	}
	twice := encode("br", body)
	check(t, read(encoded("gzip", "br, gzip", twice), c), true, false, "7")
	check(t, read(encoded("gzip", "br|gzip", twice), c), true, false, "7")
	check(t, read(encoded("gzip", "gzip, br", twice), c), false, true)
	check(t, read(encoded("gzip", "gzip, gzip, gzip, gzip", body), c), false, true)
	check(t, read(encoded("gzip", "compress", body), c), false, true)
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		// It is said to be encoded and is not: shops that do not look at the header read it.
		check(t, read(encoded("", coding, body), c), true, true, "7")
		whole := encode(coding, body)
		r := encoded("", coding, whole[:len(whole)-3])
		if got := read(r, c); !got.Undetermined {
			t.Errorf("%s that is cut off gives %+v", coding, got)
		}
		bomb := encode(coding, append(body, bytes.Repeat([]byte(" "), 1<<20)...))
		got := read(encoded("", coding, bomb), c)
		if !got.Undetermined || !got.Present && coding != "zstd" && coding != "br" { // Which say before how long they are.
			t.Errorf("%s that is too long gives %+v", coding, got)
		}
	}
	hidden := post("/", form, "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00&id=7&\x00"+string(encode("gzip", nil)[10:]))
	hidden.Header.Set("Content-Encoding", "gzip")
	check(t, read(hidden, carrier("php", "form id")), true, false, "7")
}

func TestLimits(t *testing.T) {
	c := carrier("php", "form id")
	opts := Options{MostBytes: 100}
	for _, tt := range []struct {
		body                  string
		present, undetermined bool
	}{
		{"id=7&x=" + strings.Repeat("y", 93), true, false},
		{"id=7&x=" + strings.Repeat("y", 94), true, true},
		{strings.Repeat("y", 100) + "&id=7", false, true},
	} {
		for _, length := range []int64{int64(len(tt.body)), -1} {
			r := post("/", form, tt.body)
			r.ContentLength = length
			got := Read(nil, r, nil, []*rules.Carrier{c}, opts)[0]
			if got.Present != tt.present || got.Undetermined != tt.undetermined {
				t.Errorf("%d bytes give %+v", len(tt.body), got)
			}
			if back, err := io.ReadAll(r.Body); err != nil || string(back) != tt.body || r.ContentLength != length {
				t.Errorf("%q has become %q (%v), of length %d", tt.body, back, err, r.ContentLength)
			}
			if err := r.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestUnread(t *testing.T) {
	never := iotest.ErrReader(errors.New("the body has been read"))
	for _, c := range []*rules.Carrier{
		carrier("php", "query id", "path /x/*"),
		carrier("php", "json id"),
		carrier("node", "json id"),
	} {
		r := post("/", form, "")
		r.Body, r.ContentLength = io.NopCloser(never), 10
		check(t, read(r, c), false, false)
	}
	r := post("/", form, "")
	r.Method, r.Body, r.ContentLength = "GET", io.NopCloser(never), 10
	check(t, read(r, carrier("php", "form id", "param x")), false, false)
	if got := Read(nil, r, nil, nil, Options{}); len(got) != 0 {
		t.Errorf("no carriers give %v", got)
	}
}

func TestBrokenBodies(t *testing.T) {
	broken := errors.New("gone")
	r := post("/", form, "")
	r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("id=7&id=8"), iotest.ErrReader(broken))), 20
	check(t, read(r, carrier("node", "form id")), true, true, "7", "8")
	if back, err := io.ReadAll(r.Body); string(back) != "id=7&id=8" || !errors.Is(err, broken) {
		t.Errorf("got %q and %v", back, err)
	}
	r.Body, r.ContentLength = panics{}, 20
	check(t, read(r, carrier("node", "form id")), false, true)
}

type panics struct{}

func (panics) Read([]byte) (int, error) { panic("out of order") }
func (panics) Close() error             { return nil }

// TestSlowBody has a client whose body comes too late for the decision. The upstream gets it nevertheless.
func TestSlowBody(t *testing.T) {
	from, to := io.Pipe()
	r := post("/", form, "")
	r.Body, r.ContentLength = from, -1
	go func() { _, _ = io.WriteString(to, "id=7") }()
	got := Read(nil, r, nil, []*rules.Carrier{carrier("node", "form id")}, Options{Patience: 10 * time.Millisecond})[0]
	check(t, got, false, true)
	if err := r.Body.Close(); err != nil { // Must not wait for the client.
		t.Error(err)
	}
	go func() {
		_, _ = io.WriteString(to, "&x=1")
		_, _ = io.WriteString(to, "&y=2")
		_ = to.Close()
	}()
	if back, err := io.ReadAll(r.Body); err != nil || string(back) != "id=7&x=1&y=2" {
		t.Errorf("got %q and %v", back, err)
	}
}

func TestCancelled(t *testing.T) {
	from, to := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := post("/", form, "").WithContext(ctx)
	r.Body, r.ContentLength = from, -1
	got := Read(httptest.NewRecorder(), r, nil, []*rules.Carrier{carrier("node", "form id")}, Options{})[0]
	check(t, got, false, true)
	_ = to.Close()
	_, _ = io.Copy(io.Discard, r.Body)
}

// TestStuckClient has a client that never sends its body: the server must be able to answer and to hang up.
func TestStuckClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := Read(w, r, nil, []*rules.Carrier{carrier("node", "form id")}, Options{Patience: 10 * time.Millisecond})[0]
		if !got.Undetermined {
			t.Errorf("got %+v", got)
		}
		w.WriteHeader(http.StatusUnavailableForLegalReasons)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: "+form+"\r\nContent-Length: 10\r\n\r\nid=7")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	answer, err := io.ReadAll(conn) // Ends when the server has hung up.
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 451 ")) {
		t.Errorf("got %q and %v", answer, err)
	}
}

// TestAtHand shows that a body is at hand if it has been read to its end and nobody has begun to read it again.
func TestAtHand(t *testing.T) {
	for text, want := range map[string]bool{"id=7": true, "id=7&x=" + strings.Repeat("y", 94): false} {
		r := post("/", form, text)
		Read(nil, r, nil, []*rules.Carrier{carrier("php", "form id")}, Options{MostBytes: 100})
		taken := r.Body.(*takenBody)
		if body, whole := taken.AtHand(); whole != want || whole && string(body) != text {
			t.Errorf("%q is at hand: %v, as %q", text, whole, body)
		}
		if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, whole := taken.AtHand(); whole {
			t.Errorf("%q is at hand though part of it is gone", text)
		}
	}
	r := post("/", form, "")
	from, to := io.Pipe()
	r.Body, r.ContentLength = from, 4
	Read(nil, r, nil, []*rules.Carrier{carrier("php", "form id")}, Options{Patience: time.Millisecond})
	if _, whole := r.Body.(*takenBody).AtHand(); whole {
		t.Error("what has not come is at hand")
	}
	_ = to.Close()
	_, _ = io.Copy(io.Discard, r.Body)
}
