package sample

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
)

// echo answers with the request as it arrived: request line, host, headers in order, and the body's size and digest. Only
// what could be a secret is left out, so that the answer can be shown to somebody.
func echo(w http.ResponseWriter, r *http.Request) {
	digest := sha256.New()
	size, err := io.Copy(digest, http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body is longer than "+fmt.Sprint(maxBody)+" bytes, or broke off", http.StatusRequestEntityTooLarge)
		return
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s %s\nHost: %s\n", r.Method, r.RequestURI, r.Proto, r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			if name == "Cookie" || name == "Authorization" {
				value = "(left out)"
			}
			fmt.Fprintf(&text, "%s: %s\n", name, value)
		}
	}
	if size > 0 {
		fmt.Fprintf(&text, "\n%d bytes, sha256 %x\n", size, digest.Sum(nil))
	}
	answer(w, http.StatusOK, "text/plain; charset=utf-8", text.Bytes())
}
