package canonical

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"gate451/rules"
)

// row is an attempt to get past the gateway by a buyer in a banned country, as it goes over the wire.
type row struct {
	ID      string
	Method  string
	Target  string
	Proto   string
	Headers [][2]string
	Expect  string
	AlsoOK  []string `json:"also_ok"`
}

func TestNoRowOfTheCorpusGetsThrough(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(judge))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	for _, row := range readRows(t) {
		got := play(t, server.Listener.Addr().String(), row)
		if got != row.Expect && !slices.Contains(row.AlsoOK, got) {
			t.Errorf("%s: %.60s %.60s: got %s, want %s or one of %v", row.ID, row.Method, row.Target, got, row.Expect, row.AlsoOK)
		}
	}
}

// judge answers as a gateway would that knows three hosts and a policy for two of them.
func judge(w http.ResponseWriter, r *http.Request) {
	var out rules.Request
	var refused *Malformed
	switch err := Read(r, &out); {
	case errors.As(err, &refused):
		http.Error(w, refused.Detail, refused.Status)
	case err != nil:
		panic("an error that is not a *Malformed: " + err.Error())
	case !slices.Contains([]string{"shop.example", "updates.example", "other.example"}, out.Host):
		http.Error(w, out.Host, http.StatusMisdirectedRequest)
	case governed(out.Host, out.Paths):
		http.Error(w, "no", http.StatusUnavailableForLegalReasons)
	}
}

func play(t *testing.T, address string, row row) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", row.Method, row.Target, row.Proto)
	for _, header := range row.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", header[0], header[1])
	}
	if _, err := io.WriteString(conn, b.String()+"\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: row.Method})
	if err != nil {
		return "reject"
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		return "pass"
	case http.StatusUnavailableForLegalReasons:
		return "block"
	}
	return "reject"
}

func readRows(t *testing.T) (rows []row) {
	t.Helper()
	file, err := os.Open("testdata/bypass.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for decoder := json.NewDecoder(file); decoder.More(); {
		var r row
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	if len(rows) < 100 {
		t.Fatalf("the corpus has %d rows only", len(rows))
	}
	return rows
}
