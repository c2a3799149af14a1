package goods

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"gate451/rules"
)

// TestBodiesArrive sends a thousand random bodies, chunked or not, compressed or not, through a server that reads them,
// and compares their digests.
func TestBodiesArrive(t *testing.T) {
	carriers := []*rules.Carrier{
		carrier("php", "param id", "form quantity[*] key"),
		carrier("node", "json items.#.id", addItem),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length := r.ContentLength
		Read(w, r, []string{r.URL.Path}, carriers, Options{})
		digest := sha256.New()
		if _, err := io.Copy(digest, r.Body); err != nil || r.ContentLength != length {
			t.Errorf("the body ends with %v, its length was %d and is %d", err, length, r.ContentLength)
		}
		_, _ = io.WriteString(w, hex.EncodeToString(digest.Sum(nil)))
	}))
	defer server.Close()
	client := server.Client()
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(4, 51))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	for i := range 1000 {
		body := make([]byte, random.IntN(1<<random.IntN(17))+(i/990)<<18)
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			body = append([]byte(pick(`{"query":"`, "id=7&", "--b\r\n", "[[", "{")), body...)
		}
		coding := pick("", "", "gzip", "deflate", "br", "zstd")
		body = encode(coding, body)
		var from io.Reader = bytes.NewReader(body)
		if random.IntN(2) == 0 {
			from = io.MultiReader(from) // Of a length that the client does not know, so that it sends chunks.
		}
		request, err := http.NewRequestWithContext(t.Context(), pick("POST", "PUT", "GET"), server.URL+"/?id=7", from)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", pick(form, "application/json", "multipart/form-data; boundary=b", "text/plain"))
		if coding != "" {
			request.Header.Set("Content-Encoding", pick(coding, coding, "gzip", "foo"))
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if want := sha256.Sum256(body); string(got) != hex.EncodeToString(want[:]) {
			t.Fatalf("%d bytes, %s and %v, have not arrived as they were", len(body), coding, request.Header)
		}
	}
}
