package gateway_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gate451/config"
	"gate451/gateway"
)

// published is a server that has one edition, as MaxMind does.
type published struct {
	*httptest.Server
	archive atomic.Pointer[[]byte]
	refuses atomic.Bool
}

func publish(t *testing.T, database []byte) *published {
	t.Helper()
	return publishEdition(t, "GeoLite2-Country", database)
}

func publishEdition(t *testing.T, edition string, database []byte) *published {
	t.Helper()
	p := &published{}
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	tarred := tar.NewWriter(zipped)
	err := tarred.WriteHeader(&tar.Header{Name: edition + "_20250101/" + edition + ".mmdb", Size: int64(len(database)), Mode: 0o644})
	if err == nil {
		_, err = tarred.Write(database)
	}
	if err := errors.Join(err, tarred.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	text := archive.Bytes()
	p.archive.Store(&text)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, key, _ := r.BasicAuth()
		archive := *p.archive.Load()
		switch {
		case p.refuses.Load():
			w.WriteHeader(http.StatusTooManyRequests)
		case account != "123456" || key != "s3cret" || r.URL.Path != "/geoip/databases/"+edition+"/download" || r.UserAgent() == "":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("suffix") == "tar.gz":
			http.ServeContent(w, r, "", time.Date(2025, 1, 1, 8, 0, 0, 0, time.UTC), bytes.NewReader(archive))
		default:
			fmt.Fprintf(w, "%x  %s.tar.gz\n", sha256.Sum256(archive), edition)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// TestAGatewayFetchesItsDatabase has a buyer whose address has moved to the United States since the database was built.
func TestAGatewayFetchesItsDatabase(t *testing.T) {
	t.Parallel()
	networks := func(code string) map[string]string { return map[string]string{"85.214.0.0/16": code} }
	server := publish(t, database(t, time.Date(2024, 12, 31, 0, 0, 0, 0, time.UTC), networks("US")))
	g := start(t, setup{
		upstream: newShop(t, ok), at: time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC),
		config: "geoip: {databases: [GeoLite2-Country.mmdb], update: {account_id: 123456, license_key_file: key, editions: [GeoLite2-Country], url: \"" + server.URL + "\"}}\n",
		files: map[string][]byte{
			"key":                   []byte("s3cret\n"),
			"GeoLite2-Country.mmdb": database(t, time.Date(2024, 12, 1, 0, 0, 0, 0, time.UTC), networks("DE")),
		},
	})
	eventually(t, "the buyer is refused by the new database", func() bool { return g.get(t, german, "http://shop.example/cart").StatusCode == 451 })
	for metric, want := range map[string]string{
		`gate451_geoip_updates_total{edition="GeoLite2-Country",result="updated"}`:        "1",
		`gate451_geoip_update_last_success_timestamp_seconds{edition="GeoLite2-Country"}`: "1.7357328e+09",
		`gate451_geoip_build_timestamp_seconds{database="GeoLite2-Country.mmdb"}`:         "1.7356032e+09",
		`gate451_geoip_reloads_total{database="GeoLite2-Country.mmdb",result="loaded"}`:   "1",
	} {
		if got := g.metric(t, metric); got != want {
			t.Errorf("%s is %s, want %s", metric, got, want)
		}
	}
	if lines := g.log.lines(t, "geoip database updated"); len(lines) != 1 || strings.Contains(g.log.String(), "s3cret") {
		t.Errorf("log: %s", g.log.String())
	}

	cfg, err := config.Load(g.file("gateway.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	later := func() time.Time { return g.now.now().Add(time.Hour) }
	reports, err := gateway.UpdateDatabases(t.Context(), cfg, gateway.AskAnyway, later)
	if err != nil || len(reports) != 1 || reports[0].Result != gateway.DatabaseUnchanged {
		t.Errorf("the command says %+v, %v", reports, err)
	}
	server.refuses.Store(true)
	if reports, err = gateway.UpdateDatabases(t.Context(), cfg, gateway.AskAnyway, later); err != nil || reports[0].Err == nil {
		t.Errorf("the command says %+v, %v", reports, err)
	}
	records, err := gateway.Databases(cfg, later())
	if err != nil || len(records) != 1 || records[0].Update == nil {
		t.Fatalf("%+v, %v", records, err)
	}
	if u := records[0].Update; u.Edition != "GeoLite2-Country" || !u.Checked.Equal(later()) || u.Failures != 1 || !strings.Contains(u.Error, "(429)") || !u.Next.After(later()) {
		t.Errorf("%+v", u)
	}
	writeFile(t, g.file(".gate451-update.json"), []byte("{"))
	if records, err = gateway.Databases(cfg, later()); err != nil || records[0].Update.Error == "" {
		t.Errorf("a damaged state is not told of: %+v, %v", records, err)
	}
	if got := g.metric(t, `gate451_geoip_update_last_success_timestamp_seconds{edition="GeoLite2-Country"}`); got != "0" {
		t.Errorf("with a damaged state, the last success was at %s", got)
	}
	if err := os.RemoveAll(g.dir); err != nil {
		t.Fatal(err)
	}
	if _, err = gateway.UpdateDatabases(t.Context(), cfg, gateway.AskAtOnce, later); err == nil || !strings.Contains(err.Error(), "name a folder that the gateway may write to") {
		t.Errorf("without the folder: %v", err)
	}
}

// TestTheAnonymousDatabaseIsFetched as the others are, and taken into use while the gateway runs.
func TestTheAnonymousDatabaseIsFetched(t *testing.T) {
	t.Parallel()
	const edition = "GeoIP-Anonymous-Plus"
	list := func(day int, network string) []byte {
		return databaseOf(t, time.Date(2024, 12, day, 0, 0, 0, 0, time.UTC), edition, map[string]mmdbtype.Map{network: {"is_anonymous": mmdbtype.Bool(true)}})
	}
	server := publishEdition(t, edition, list(31, "85.214.0.0/16"))
	g := start(t, setup{
		upstream: newShop(t, ok), at: time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC), policy: packPolicy + "defaults: {anonymized: block}\n",
		config: "geoip: {anonymous: " + edition + ".mmdb, update: {account_id: 123456, license_key_file: key, editions: [" + edition + "], url: \"" + server.URL + "\"}}\n",
		files:  map[string][]byte{"key": []byte("s3cret\n"), edition + ".mmdb": list(1, "8.8.8.0/24")},
	})
	eventually(t, "the buyer is refused by the new list", func() bool { return answered(t, g, german, "/cart") == "anonymized" })
	cfg, err := config.Load(g.file("gateway.yaml"), nil)
	must(t, err)
	records, err := gateway.Databases(cfg, g.now.now())
	if err != nil || len(records) != 2 || !records[1].Anonymous || records[1].Update == nil || records[1].Update.Edition != edition {
		t.Errorf("%+v, %v", records, err)
	}
}
