package refusal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesAreWellFormedAndSmall(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.html.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, file := range files {
		answer, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, page, _ := bytes.Cut(answer, []byte("\n\n"))
		if compressed(page) > mostPage {
			t.Errorf("%s: %d bytes when it is compressed", file, compressed(page))
		}
		decoder := xml.NewDecoder(bytes.NewReader(page))
		decoder.Strict, decoder.AutoClose = false, xml.HTMLAutoClose
		var language, heading, style string
		var open []string
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				open = append(open, token.Name.Local)
				for _, attribute := range token.Attr {
					switch name := attribute.Name.Local; {
					case name == "lang":
						language = attribute.Value
					case name == "src" || name == "style" || strings.HasPrefix(name, "on"):
						t.Errorf("%s: attribute %s is against the page's own policy", file, name)
					}
				}
				switch token.Name.Local {
				case "script", "img", "link", "iframe", "form", "base":
					t.Errorf("%s: element %s", file, token.Name.Local)
				}
			case xml.EndElement:
				open = open[:len(open)-1]
			case xml.CharData:
				if len(open) > 0 {
					switch open[len(open)-1] {
					case "h1":
						heading += string(token)
					case "style":
						style += string(token)
					}
				}
			}
		}
		if language != "en" || !strings.HasPrefix(heading, "For legal compliance purposes, ") {
			t.Errorf("%s: language %q, heading %q", file, language, heading)
		}
		sum := sha256.Sum256([]byte(style))
		if want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !bytes.Contains(head, []byte(want)) {
			t.Errorf("%s: a browser would not apply the style sheet, whose policy must say %s", file, want)
		}
	}
}

func TestOnlyAListedCountryIsTold(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	for _, reason := range []string{"unknown_country", "private_network", "client_address", "stale_database", "anonymized", "undetermined_product", "", "else"} {
		f := sales()
		f.Reason = reason
		for form, accept := range acceptOf {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept", accept)
			rec := httptest.NewRecorder()
			w.Write(rec, r, &f)
			body := rec.Body.String()
			if strings.Contains(body, "Puerto Rico") || strings.Contains(body, `"PR"`) {
				t.Errorf("reason %q, form %d claims to know the country: %s", reason, form, body)
			}
			if !strings.Contains(body, "could not be determined") || !strings.Contains(body, "For legal compliance purposes, this request was refused.") ||
				strings.Contains(body, "from your country") {
				t.Errorf("reason %q, form %d: %s", reason, form, body)
			}
		}
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	t.Parallel()
	server := serve(t, newWriter(t, Config{}), sales())
	for _, accept := range acceptOf {
		answers := map[string]*http.Response{}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			request, err := http.NewRequest(method, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept", accept)
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || (len(body) == 0) != (method == http.MethodHead) {
				t.Errorf("%s %s: %d bytes, %v", method, accept, len(body), err)
			}
			answers[method] = response
		}
		get, head := answers[http.MethodGet], answers[http.MethodHead]
		if head.ContentLength != get.ContentLength || head.ContentLength < 1 || head.StatusCode != 451 {
			t.Errorf("%s: HEAD has %s, length %d; GET has length %d", accept, head.Status, head.ContentLength, get.ContentLength)
		}
	}
}

// TestNothingIsReflected sends a mark in every part of a request that a client controls.
func TestNothingIsReflected(t *testing.T) {
	t.Parallel()
	server := serve(t, newWriter(t, Config{}), sales())
	const mark = "m4rk"
	for _, host := range []string{mark + `">`, mark + "<script>", mark + "_x", mark + "@shop.example", "shop.example:" + mark, "[" + mark + "]", "-" + mark, mark + "%41", mark + ";x", mark + ",x"} {
		for _, accept := range acceptOf {
			request := fmt.Sprintf("POST /%[1]s?%[1]s=<%[1]s> HTTP/1.1\r\nHost: %[2]s\r\nAccept: %[3]s, x/%[1]s\r\nUser-Agent: %[1]s\r\nReferer: http://%[1]s/\r\n"+
				"Accept-Language: %[1]s\r\nCookie: a=%[1]s\r\nX-Forwarded-Host: %[1]s\r\nX-Forwarded-Proto: %[1]s\r\nOrigin: http://%[1]s\r\nContent-Length: 4\r\n\r\n%[1]s", mark, host, accept)
			answer := exchange(t, server.Listener.Addr().String(), request)
			if strings.Contains(answer, mark) {
				t.Errorf("host %q comes back:\n%s", host, answer)
			}
			if !strings.HasPrefix(answer, "HTTP/1.1 400 ") && !strings.Contains(answer, "\r\nLink: </>; rel=\"blocked-by\"\r\n") {
				t.Errorf("host %q: no relative link in\n%s", host, answer)
			}
		}
	}
}

func TestHeadersOfOthers(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	for range 2 {
		rec := httptest.NewRecorder()
		for _, name := range []string{"Location", "Etag", "Last-Modified", "Content-Encoding", "Expires", "Refresh", "Vary", "Content-Type", "Cache-Control"} {
			rec.Header().Set(name, "other")
		}
		rec.Header().Set("X-Request-Id", "kept")
		w.Write(rec, httptest.NewRequest(http.MethodGet, "http://shop.example/", nil), new(sales()))
		for name, values := range rec.Header() {
			if len(values) != 1 || values[0] == "other" {
				t.Errorf("%s: %q", name, values)
			}
		}
		if rec.Header().Get("X-Request-Id") != "kept" {
			t.Error("a header that says nothing of the body was lost")
		}
		// The next answer must not show what a middleware adds to this one.
		rec.Header().Add("Vary", "Accept-Encoding")
		rec.Header().Add("Cache-Control", "other")
	}
}

func TestHostileNamesStayText(t *testing.T) {
	t.Parallel()
	const evil = "<script>alert(1)</script>\"'\r\nX: y\x1b[2J\u2028"
	w := newWriter(t, Config{Name: evil, Contact: "javascript:alert(1)//@"})
	f := Refusal{Kind: evil, Products: []string{evil}, Reason: evil, Reference: evil, Activity: evil, Product: evil, Rule: evil,
		Basis: Basis{Title: evil, URL: "javascript:alert(1)"}}
	for form, accept := range acceptOf {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		w.Write(rec, r, &f)
		body := rec.Body.String()
		switch {
		case form == int(line):
			if strings.Count(body, "\n") != 1 || strings.ContainsAny(body, "\r\x1b\u2028") {
				t.Errorf("more than a line: %q", body)
			}
		case strings.Contains(body, "<script"), strings.Contains(body, `href="javascript`):
			t.Errorf("form %d: %s", form, body)
		case form == int(problem) && !json.Valid(rec.Body.Bytes()):
			t.Errorf("not JSON: %s", body)
		}
	}
	w = newWriter(t, Config{Contact: "https://b.example/\"x"})
	f = Refusal{Basis: Basis{URL: "https://a.example/?a=<b>&c"}}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/html")
	rec := httptest.NewRecorder()
	w.Write(rec, r, &f)
	for _, want := range []string{`<a href="https://a.example/?a=%3cb%3e&amp;c" rel="external noreferrer"><bdi>https://a.example/?a=&lt;b&gt;&amp;c</bdi></a>`,
		`<a href="https://b.example/%22x"><bdi>https://b.example/&#34;x</bdi></a>`} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("no %s in %s", want, rec.Body)
		}
	}
}

func TestAPageThatFailsBecomesALine(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	w.page = template.Must(template.New("").Parse("half of it {{.Missing}}"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/html")
	rec := httptest.NewRecorder()
	w.Write(rec, r, new(sales()))
	if rec.Header().Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(rec.Body.String(), "For legal") {
		t.Errorf("got %v %s", rec.Header(), rec.Body)
	}
}

func TestGiantRefusalsAreNotKept(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	f := sales()
	f.Products = []string{strings.Repeat("x", 2*keptBuffer)}
	w.Write(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), &f)
	if buf := w.buffers.Get().(*bytes.Buffer); buf.Cap() > keptBuffer {
		t.Errorf("a buffer of %d bytes was kept", buf.Cap())
	}
}
