package sample

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	basesName = "bases.dat"
	basesSize = 8 << 20
)

// basesModified is when the file was made, as far as anybody can tell.
var basesModified = time.Date(2024, time.July, 1, 12, 0, 0, 0, time.UTC)

// bases returns the content of the file to download. It is the same on every machine, and does not compress.
func bases() []byte {
	content := make([]byte, basesSize)
	// Read fills the slice and never fails.
	_, _ = rand.NewChaCha8([32]byte([]byte("a sample of bases, for downloads"))).Read(content)
	return content
}

// updateServer is the sample update server.
type updateServer struct {
	content []byte
	digest  string
}

// Updates returns the sample update server. It offers /updates/bases.dat, 8 MiB that are always the same, in whole or in
// ranges; its digest at /updates/bases.dat.sha256, as sha256sum reads it; an index for people at /updates/ and one
// for programs at /updates/v1/index.json; and its own state at /status.
func Updates() http.Handler {
	content := bases()
	u := &updateServer{content: content, digest: fmt.Sprintf("%x", sha256.Sum256(content))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /updates/{$}", u.index)
	mux.HandleFunc("GET /updates/"+basesName, u.bases)
	mux.HandleFunc("GET /updates/"+basesName+".sha256", u.sum)
	mux.HandleFunc("GET /updates/v1/index.json", u.list)
	mux.HandleFunc("GET /status", u.status)
	return mux
}

func (u *updateServer) bases(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+u.digest[:32]+`"`)
	http.ServeContent(w, r, basesName, basesModified, bytes.NewReader(u.content))
}

func (u *updateServer) sum(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "text/plain; charset=utf-8", fmt.Appendf(nil, "%s  %s\n", u.digest, basesName))
}

func (u *updateServer) status(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, map[string]any{"status": "ok", "files": 1})
}

// listed is a file in the index.
type listed struct {
	Path     string    `json:"path"`
	Size     int       `json:"size"`
	SHA256   string    `json:"sha256"`
	Modified time.Time `json:"modified"`
}

func (u *updateServer) list(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, http.StatusOK, map[string]any{
		"version": basesModified.Format("20060102"),
		"files":   []listed{{"/updates/" + basesName, len(u.content), u.digest, basesModified}},
	})
}

func (u *updateServer) index(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "text/html; charset=utf-8", fmt.Appendf(nil, `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Updates</title>
<h1>Updates</h1>
<ul>
<li><a href="%[1]s">%[1]s</a>, %[2]d bytes, of %[3]s</li>
<li><a href="%[1]s.sha256">%[1]s.sha256</a></li>
<li><a href="v1/index.json">v1/index.json</a></li>
</ul>
</html>
`, basesName, len(u.content), basesModified.Format("2 January 2006")))
}
