package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// newShop serves an upstream.
func newShop(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// ok answers with a body of two bytes, and with what the gateway decided.
func ok(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Told", r.Header.Get("Gate451-Decision"))
	w.Header().Set("X-Told-Country", r.Header.Get("X-Country-Code"))
	_, _ = io.WriteString(w, "ok") // whoever is gone needs no answer
}

// witness is an upstream that writes down every byte of every request's head, and answers ok.
type witness struct {
	url string

	mu    sync.Mutex
	heads []string
	conns []net.Conn
}

func newWitness(t testing.TB) *witness {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{url: "http://" + ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, conn)
			w.mu.Unlock()
			serving.Go(func() {
				defer conn.Close()
				w.serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		w.mu.Lock()
		for _, conn := range w.conns {
			conn.Close()
		}
		w.mu.Unlock()
		serving.Wait()
	})
	return w
}

// serve answers the requests of a connection until one is no HTTP; that one is written down too.
func (w *witness) serve(conn net.Conn) {
	var seen bytes.Buffer
	reader := bufio.NewReader(io.TeeReader(conn, &seen))
	for {
		r, err := http.ReadRequest(reader)
		consumed := seen.Len() - reader.Buffered()
		head, _, _ := strings.Cut(string(seen.Next(consumed)), "\r\n\r\n")
		if head != "" {
			w.mu.Lock()
			w.heads = append(w.heads, head)
			w.mu.Unlock()
		}
		if err != nil {
			return
		}
		if r.Header.Get("Expect") != "" {
			if _, err := io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		seen.Next(seen.Len() - reader.Buffered())
		body := "ok"
		if r.Method == http.MethodHead {
			body = ""
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Target: %s\r\nContent-Length: 2\r\n\r\n%s", r.RequestURI, body); err != nil {
			return
		}
	}
}

// take returns the heads so far and forgets them.
func (w *witness) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	heads := w.heads
	w.heads = nil
	return heads
}

// certificate returns a certificate for the tests' hosts, and its key.
func certificate(t testing.TB, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"shop.example", "updates.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// database makes a country database.
func database(t testing.TB, built time.Time, countries map[string]string) []byte {
	t.Helper()
	records := map[string]mmdbtype.Map{}
	for network, code := range countries {
		records[network] = mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}
	}
	return databaseOf(t, built, "GeoLite2-Country", records)
}

func databaseOf(t testing.TB, built time.Time, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind, BuildEpoch: built.Unix(), IPVersion: 6, RecordSize: 24, Description: map[string]string{"en": "A test database"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		prefix := netip.MustParsePrefix(network)
		if err := tree.Insert(&net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}, record); err != nil {
			t.Fatal(err)
		}
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
