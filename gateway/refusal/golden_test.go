package refusal

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gate451/rules"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eastern is New York's time in the summer of 2024, without asking the machine for its zones.
var eastern = time.FixedZone("EDT", -4*60*60)

// sales is a refusal with everything in it.
func sales() Refusal {
	return Refusal{
		Kind:      Purchase,
		Products:  []string{"Kaspersky products"},
		Country:   rules.CountryOf("PR"),
		Reason:    "listed_country",
		Since:     time.Date(2024, 7, 20, 0, 0, 0, 0, eastern),
		Until:     time.Date(2034, 7, 20, 0, 0, 0, 0, eastern),
		Basis:     Basis{Title: "89 FR 52434", URL: "https://www.federalregister.gov/d/2024-13532"},
		Reference: "K3F9-0ZQ1",
		Activity:  "sale",
		Product:   "kaspersky",
		Rule:      "kaspersky-us-2024/sales",
	}
}

func newWriter(t testing.TB, cfg Config) *Writer {
	t.Helper()
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// serve answers every request with f, on a real socket.
func serve(t testing.TB, w *Writer, f Refusal) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.Write(rw, r, &f) }))
	t.Cleanup(server.Close)
	return server
}

// dump writes an answer as it came, with its headers in order and without the date.
func dump(t testing.TB, response *http.Response) []byte {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", response.Proto, response.Status)
	response.Header.Del("Date")
	names := make([]string, 0, len(response.Header))
	for name := range response.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range response.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteByte('\n')
	if _, err := io.Copy(&b, response.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var acceptOf = [forms]string{line: "text/plain", page451: "text/html", problem: "application/problem+json"}

func TestGolden(t *testing.T) {
	t.Parallel()
	vary := func(change func(*Refusal)) Refusal {
		f := sales()
		change(&f)
		return f
	}
	unknown := func(reason string) Refusal {
		return vary(func(f *Refusal) { f.Reason, f.Until = reason, time.Time{} })
	}
	refusals := map[string]Refusal{
		"purchase": sales(),
		"update": vary(func(f *Refusal) {
			f.Kind, f.Activity, f.Rule = Update, "update", "kaspersky-us-2024/updates"
			f.Since, f.Until = time.Date(2024, 9, 29, 4, 0, 0, 0, time.UTC), time.Time{}
			f.Products = []string{"Kaspersky products", "Kaspersky Endpoint Security", "AVP"}
		}),
		"access":               {Kind: Access, Reason: "listed_country", Country: rules.CountryOf("CU"), Reference: "0000-0001"},
		"nothing":              {},
		"unknown_country":      unknown("unknown_country"),
		"private_network":      unknown("private_network"),
		"client_address":       unknown("client_address"),
		"stale_database":       unknown("stale_database"),
		"anonymized":           unknown("anonymized"),
		"undetermined_product": unknown("undetermined_product"),
	}
	w := newWriter(t, Config{BlockedBy: "https://shop.example/"})
	suffixes := [forms]string{line: "txt", page451: "html", problem: "json"}
	for name, f := range refusals {
		server := serve(t, w, f)
		for form, accept := range acceptOf {
			file := filepath.Join("testdata", name+"."+suffixes[form]+".golden")
			t.Run(filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				request, err := http.NewRequest(http.MethodGet, server.URL, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Accept", accept)
				response, err := server.Client().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				length := response.ContentLength
				got := dump(t, response)
				if body := got[bytes.Index(got, []byte("\n\n"))+2:]; strconv.Itoa(len(body)) != response.Header.Get("Content-Length") || length < 1 {
					t.Errorf("Content-Length %s for %d bytes", response.Header.Get("Content-Length"), len(body))
				}
				if *update {
					if err := os.WriteFile(file, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("run with -update if this is right (-want +got):\n%s", diff)
				}
			})
		}
	}
}
