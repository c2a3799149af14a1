package deployments_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gate451/config"
)

// TestPageOfTheDatabase runs what DATABASE.md shows, with a server that has what MaxMind does.
func TestPageOfTheDatabase(t *testing.T) {
	t.Parallel()
	need(t, "/usr/share/tor/geoip", found("/usr/share/tor/geoip"))
	server := maxmind(t)
	program, dir := buildProgram(t), t.TempDir()
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "gateway.yaml")
	write(t, file, read(t, file)+strings.Replace(blocks(t, "DATABASE.md", "yaml")[0], "editions:", "url: \""+server+"\", editions:", 1))
	consoles(t, "DATABASE.md", dir, program, strings.NewReplacer())
}

// TestPageOfPlaces does what PLACES.md says, with a city database that knows its buyers.
func TestPageOfPlaces(t *testing.T) {
	t.Parallel()
	program, dir := buildProgram(t), t.TempDir()
	if out, err := exec.Command(program, "init", "--dir", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	country := func(code string) mmdbtype.Map { return mmdbtype.Map{"iso_code": mmdbtype.String(code)} }
	records := map[string]mmdbtype.Map{
		"91.210.0.0/24": {"country": country("UA"), "subdivisions": mmdbtype.Slice{country("43")}},
		"91.210.1.0/24": {"country": country("UA"), "subdivisions": mmdbtype.Slice{country("30")}},
		"91.210.2.0/24": {"country": country("UA")},
		"84.200.0.0/24": {"country": country("DE"), "represented_country": country("US")},
	}
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-City", BuildEpoch: time.Now().Add(-24 * time.Hour).Unix(), RecordSize: 24, Description: map[string]string{"en": "A test database"}})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range records {
		_, prefix, err := net.ParseCIDR(network)
		if err := errors.Join(err, tree.Insert(prefix, record)); err != nil {
			t.Fatal(err)
		}
	}
	var database bytes.Buffer
	if _, err := tree.WriteTo(&database); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "GeoLite2-City.mmdb"), database.String())
	follow(t, "PLACES.md", dir, program, "127.0.0.1:1")
}

// found returns a path if there is something.
func found(path string) string {
	if matches, _ := filepath.Glob(path); len(matches) == 1 {
		return path
	}
	return ""
}

// maxmind serves GeoLite2-Country to the account that DATABASE.md has.
func maxmind(t *testing.T) string {
	t.Helper()
	yesterday := time.Now().Add(-24 * time.Hour)
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "GeoLite2-Country", BuildEpoch: yesterday.Unix(), RecordSize: 24, Description: map[string]string{"en": "A test database"}, Languages: []string{"en"},
	})
	if err != nil {
		t.Fatal(err)
	}
	german := &net.IPNet{IP: net.IPv4(85, 214, 0, 0), Mask: net.CIDRMask(16, 32)}
	if err := tree.Insert(german, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}}); err != nil {
		t.Fatal(err)
	}
	var database, archive bytes.Buffer
	if _, err := tree.WriteTo(&database); err != nil {
		t.Fatal(err)
	}
	zipped := gzip.NewWriter(&archive)
	tarred := tar.NewWriter(zipped)
	err = tarred.WriteHeader(&tar.Header{Name: "GeoLite2-Country_20260101/GeoLite2-Country.mmdb", Size: int64(database.Len()), Mode: 0o644})
	if err == nil {
		_, err = tarred.Write(database.Bytes())
	}
	if err := errors.Join(err, tarred.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, key, _ := r.BasicAuth()
		switch {
		case account != "123456" || key != "YOUR_LICENSE_KEY":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("suffix") == "tar.gz":
			http.ServeContent(w, r, "", yesterday, bytes.NewReader(archive.Bytes()))
		default:
			fmt.Fprintf(w, "%x  GeoLite2-Country.tar.gz\n", sha256.Sum256(archive.Bytes()))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestPageOfTLSLoads loads each configuration that TLS.md shows.
func TestPageOfTLSLoads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme.secret"), "0123456789abcdef\n")
	for _, text := range blocks(t, "TLS.md", "yaml") {
		file := filepath.Join(dir, "gateway.yaml")
		write(t, file, text+"routes: [{hosts: [shop.example], upstreams: [\"http://127.0.0.1:3000\"]}]\npolicy: policy.yaml\n")
		cfg, err := config.Load(file, nil)
		if err != nil || !cfg.TLS.On() {
			t.Errorf("%v\n%s", err, text)
		}
	}
}
