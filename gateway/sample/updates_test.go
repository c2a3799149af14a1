package sample

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// basesDigest is published with the program: it must never change.
const basesDigest = "ea5aec52041f0d6a50923ef3fb63d1091fe7b528272f42429509b6be874ca6b2"

func TestUpdates(t *testing.T) {
	t.Parallel()
	v := visit(t, Updates())
	response, content := v.do("GET", "/updates/bases.dat", "", "")
	if got := fmt.Sprintf("%x", sha256.Sum256([]byte(content))); response.StatusCode != 200 || len(content) != 8<<20 || got != basesDigest {
		t.Fatalf("got %s, %d bytes, digest %s", response.Status, len(content), got)
	}
	tag, modified := response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	if tag != `"`+basesDigest[:32]+`"` || modified != "Mon, 01 Jul 2024 12:00:00 GMT" || response.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("headers %v", response.Header)
	}
	for _, test := range []struct {
		name    string
		headers []string
		status  int
		from    int
		size    int
		ranged  string
	}{
		{"the middle", []string{"Range", "bytes=1000-1999"}, 206, 1000, 1000, "bytes 1000-1999/8388608"},
		{"the end", []string{"Range", "bytes=-8"}, 206, 8388600, 8, "bytes 8388600-8388607/8388608"},
		{"going on", []string{"Range", "bytes=8388600-", "If-Range", tag}, 206, 8388600, 8, "bytes 8388600-8388607/8388608"},
		{"going on by date", []string{"Range", "bytes=8388600-", "If-Range", modified}, 206, 8388600, 8, "bytes 8388600-8388607/8388608"},
		{"changed since", []string{"Range", "bytes=8388600-", "If-Range", `"other"`}, 200, 0, 8 << 20, ""},
		{"known by tag", []string{"If-None-Match", tag}, 304, 0, 0, ""},
		{"known by date", []string{"If-Modified-Since", modified}, 304, 0, 0, ""},
	} {
		response, got := v.do("GET", "/updates/bases.dat", "", "", test.headers...)
		if response.StatusCode != test.status || got != content[test.from:test.from+test.size] || response.Header.Get("Content-Range") != test.ranged {
			t.Errorf("%s: got %s, %d bytes, %q", test.name, response.Status, len(got), response.Header.Get("Content-Range"))
		}
	}
	if response, _ := v.do("GET", "/updates/bases.dat", "", "", "Range", "bytes=8388608-"); response.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %s", response.Status)
	}
	if response, body := v.do("HEAD", "/updates/bases.dat", "", ""); response.ContentLength != 8<<20 || body != "" {
		t.Errorf("HEAD: length %d, %d bytes", response.ContentLength, len(body))
	}
}

func TestUpdatePages(t *testing.T) {
	t.Parallel()
	v := visit(t, Updates())
	for _, test := range []struct{ method, path, status, mediaType, contains string }{
		{"GET", "/updates/", "200 OK", "text/html; charset=utf-8", `<a href="bases.dat">bases.dat</a>, 8388608 bytes, of 1 July 2024`},
		{"GET", "/updates/bases.dat.sha256", "200 OK", "text/plain; charset=utf-8", basesDigest + "  bases.dat\n"},
		{"GET", "/updates/v1/index.json", "200 OK", "application/json", `{"files":[{"path":"/updates/bases.dat","size":8388608,"sha256":"` + basesDigest + `","modified":"2024-07-01T12:00:00Z"}],"version":"20240701"}` + "\n"},
		{"GET", "/status", "200 OK", "application/json", `{"files":1,"status":"ok"}` + "\n"},
		{"GET", "/updates", "200 OK", "text/html; charset=utf-8", "<h1>Updates</h1>"},
		{"GET", "/updates/none", "404 Not Found", "text/plain; charset=utf-8", "404"},
		{"POST", "/updates/bases.dat", "405 Method Not Allowed", "text/plain; charset=utf-8", ""},
	} {
		response, body := v.do(test.method, test.path, "", "")
		if response.Status != test.status || response.Header.Get("Content-Type") != test.mediaType || !strings.Contains(body, test.contains) {
			t.Errorf("%s %s: got %s, %s\n%s", test.method, test.path, response.Status, response.Header.Get("Content-Type"), body)
		}
	}
}
