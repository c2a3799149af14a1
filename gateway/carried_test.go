package gateway_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

const carriedPolicy = `version: 1
activities:
  sale:
    - hosts: [shop.example]
      paths: [/cart/add]
      dialect: php
      fields: [{param: product_id}, {json: items.#.sku}]
      when: carried
products:
  restricted: [{skus: [43, "KL*"]}]
rules:
  - {id: sales, activity: sale, products: [restricted], countries: [US]}
`

// digests is an upstream that answers with the digest of the body that it got.
func digests(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	_, err := io.Copy(hash, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, hex.EncodeToString(hash.Sum(nil))) // whoever is gone needs no answer
}

// TestCarriedProducts shows that a request is judged by the product that it carries, wherever that is.
func TestCarriedProducts(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: carriedPolicy, upstream: newShop(t, digests)})
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for _, c := range []struct {
		buyer, target, kind, body string
		want                      int
	}{
		{american, "/cart/add?product_id=43", form, "x=y", 451},
		{american, "/cart/add?product_id=44", form, "x=y", 200},
		{american, "/cart/add", form, "product_id=43", 451},
		{american, "/cart/add", form, "product.id=%2043", 451},
		{american, "/cart/add", form, "product_id=44", 200},
		{american, "/cart/add", json, `{"items":[{"sku":"A"},{"sku":"kl1"}]}`, 451},
		{american, "/cart/add", json, `{"items":[{"sku":"A"}]}`, 200},
		{american, "/cart/add", json, `{"items":`, 451}, // nobody can tell
		{american, "/cart/add", json, `{"items":[{"sku":"` + strings.Repeat("A", 300<<10) + `"}]}`, 451},
		{american, "/cart/add", "text/plain", "hello", 451}, // of a kind that may be anything
		{american, "/about", form, "product_id=43", 200},
		{german, "/cart/add", form, "product_id=43", 200},
		{german, "/cart/add", json, `{"items":[{"sku":"` + strings.Repeat("A", 300<<10) + `"}]}`, 200},
	} {
		a := g.send(t, c.buyer, http.MethodPost, "http://shop.example"+c.target, strings.NewReader(c.body), "Content-Type", c.kind)
		sum := sha256.Sum256([]byte(c.body))
		if a.StatusCode != c.want || c.want == 200 && a.text != hex.EncodeToString(sum[:]) {
			t.Errorf("%s %s %.60q: %d %.80q, want %d and the body as it was sent", c.buyer, c.target, c.body, a.StatusCode, a.text, c.want)
		}
	}
}

// TestCarriedBodiesArrive sends a thousand random bodies, in chunks and not, compressed and not. What passes arrives with the
// digest with which it left.
func TestCarriedBodiesArrive(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(faultSeed(t), 43))
	g := start(t, setup{policy: carriedPolicy, upstream: newShop(t, digests)})
	passed := 0
	for range 1000 {
		body := make([]byte, random.IntN(1<<random.IntN(17)+1))
		for i := range body {
			body[i] = byte(random.Uint32())
		}
		headers := []string{"Content-Type", "application/x-www-form-urlencoded"}
		if random.IntN(2) == 0 {
			body = fmt.Appendf(nil, "a=%x&b=%d", body, random.Uint32())
		}
		if random.IntN(3) == 0 {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			_, err := w.Write(body)
			must(t, err)
			must(t, w.Close())
			body, headers = packed.Bytes(), append(headers, "Content-Encoding", "gzip")
		}
		var reader io.Reader = bytes.NewReader(body)
		if random.IntN(2) == 0 {
			reader = io.MultiReader(reader) // of which nobody knows the length
		}
		a := g.send(t, american, http.MethodPost, "http://shop.example/cart/add", reader, headers...)
		sum := sha256.Sum256(body)
		switch {
		case a.StatusCode == 451: // it may be anything
		case a.StatusCode != 200 || a.text != hex.EncodeToString(sum[:]):
			t.Fatalf("%d bytes, %q: %d %.80q", len(body), headers, a.StatusCode, a.text)
		default:
			passed++
		}
	}
	if t.Logf("%d passed", passed); passed < 300 {
		t.Errorf("only %d of 1000 passed", passed)
	}
}

// TestBodiesThatNobodyNeeds shows that a body which decides nothing is not waited for.
func TestBodiesThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	arrived := make(chan string, 1)
	g := start(t, setup{policy: carriedPolicy, upstream: newShop(t, func(_ http.ResponseWriter, r *http.Request) {
		first := make([]byte, 5)
		if _, err := io.ReadFull(r.Body, first); err == nil {
			arrived <- string(first)
		}
	})})
	_, _ = g.raw(t, german, "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nfirst")
	if got := <-arrived; got != "first" {
		t.Errorf("%q", got)
	}
}

// TestCarriedAndCaches: what might have been refused to another buyer is kept out of shared caches, though nothing was read to
// let this one have it.
func TestCarriedAndCaches(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: carriedPolicy, upstream: newShop(t, ok)})
	for target, want := range map[string]string{"/cart/add?product_id=43": "private", "/about?product_id=43": ""} {
		if a := g.get(t, german, "http://shop.example"+target); a.StatusCode != 200 || a.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %d, Cache-Control %q, want %q", target, a.StatusCode, a.Header.Get("Cache-Control"), want)
		}
	}
}

// TestCarriedBodiesAreAskedFor shows that a client which waits to be asked for its body is asked, and once only, whether the body
// decides or not.
func TestCarriedBodiesAreAskedFor(t *testing.T) {
	t.Parallel()
	g := start(t, setup{policy: carriedPolicy, upstream: newShop(t, digests)})
	const body = "product_id=4"
	for _, c := range []struct {
		buyer, last string
		want        int
	}{{american, "3", 451}, {american, "4", 200}, {german, "3", 200}} {
		conn, reader := g.raw(t, c.buyer, "POST /cart/add HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\nExpect: 100-continue\r\n\r\n")
		asked, err := http.ReadResponse(reader, nil)
		must(t, err)
		asked.Body.Close()
		if asked.StatusCode != http.StatusContinue {
			t.Errorf("%s, %s%s: %d before the body was sent", c.buyer, body, c.last, asked.StatusCode)
			continue
		}
		_, err = io.WriteString(conn, body+c.last)
		must(t, err)
		res, err := http.ReadResponse(reader, nil)
		must(t, err)
		text, err := io.ReadAll(res.Body)
		must(t, err)
		res.Body.Close()
		sum := sha256.Sum256([]byte(body + c.last))
		if res.StatusCode != c.want || c.want == 200 && string(text) != hex.EncodeToString(sum[:]) {
			t.Errorf("%s, %s%s: %d %.80q, want %d", c.buyer, body, c.last, res.StatusCode, text, c.want)
		}
	}
}
