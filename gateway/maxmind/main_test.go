package maxmind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/maxminddb-golang/v2"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if place := os.Getenv(childVariable); place != "" {
		child(place)
	}
	goleak.VerifyTestMain(m)
}

const (
	edition = "GeoLite2-Country"
	account = "123456"
	key     = "a-license-key-that-nobody-may-see"
)

// monday is when the clock of the tests stands.
var monday = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var databases sync.Map // that were made, as it takes a while

// database makes one of a type that was built at a time. It must not be changed.
func database(t testing.TB, is string, built time.Time) []byte {
	t.Helper()
	name := is + built.String()
	if made, ok := databases.Load(name); ok {
		return made.([]byte)
	}
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: is, BuildEpoch: built.Unix(), RecordSize: 24, Description: map[string]string{"en": "A test database"}, Languages: []string{"en"}})
	if err != nil {
		t.Fatal(err)
	}
	first, last := netip.MustParseAddr("2.0.0.0"), netip.MustParseAddr("2.255.255.255")
	if err := tree.InsertRange(first.AsSlice(), last.AsSlice(), mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}}); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := tree.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	databases.Store(name, file.Bytes())
	return file.Bytes()
}

// check is what a gateway does with a database, for as much as matters here.
func check(path string) (string, time.Time, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", time.Time{}, err
	}
	reader, err := maxminddb.OpenBytes(data)
	if err == nil {
		err = reader.Verify()
	}
	if err != nil {
		return "", time.Time{}, err
	}
	return reader.Metadata.DatabaseType, reader.Metadata.BuildTime(), nil
}

// file is what an archive holds.
type file struct {
	name string
	kind byte // as tar has it; 0 for a regular file
	data []byte
	link string
}

func archive(t testing.TB, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	tarred := tar.NewWriter(zipped)
	for _, f := range files {
		if f.kind == 0 {
			f.kind = tar.TypeReg
		}
		if err := tarred.WriteHeader(&tar.Header{Name: f.name, Typeflag: f.kind, Size: int64(len(f.data)), Mode: 0o644, Linkname: f.link}); err != nil {
			t.Fatal(err)
		}
		if _, err := tarred.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tarred.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// published is an archive as MaxMind packs it.
func published(t testing.TB, is string, built time.Time) []byte {
	t.Helper()
	folder := is + "_" + built.Format("20060102") + "/"
	return archive(t, file{name: folder, kind: tar.TypeDir}, file{name: folder + "COPYRIGHT.txt", data: []byte("of the test")},
		file{name: folder + is + ".mmdb", data: database(t, is, built)})
}

// server speaks what MaxMind does: permalinks that redirect to a storage host.
type server struct {
	*httptest.Server
	storage *httptest.Server
	t       testing.TB

	mu       sync.Mutex
	archive  []byte
	sum      string // instead of the right one
	modified time.Time
	asked    []string // method and suffix
	instead  func(w http.ResponseWriter, r *http.Request, suffix string) bool
}

func serve(t testing.TB) *server {
	s := &server{t: t, archive: published(t, edition, monday.AddDate(0, 0, -3)), modified: monday.AddDate(0, 0, -2)}
	s.storage = httptest.NewServer(http.HandlerFunc(s.store))
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.storage.Close)
	t.Cleanup(s.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	suffix := r.URL.Query().Get("suffix")
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+suffix)
	instead := s.instead
	s.mu.Unlock()
	if instead != nil && instead(w, r, suffix) {
		return
	}
	user, password, _ := r.BasicAuth()
	switch {
	case user != account || password != key:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path != "/geoip/databases/"+edition+"/download":
		w.WriteHeader(http.StatusNotFound)
	default:
		http.Redirect(w, r, s.storage.URL+"/object?suffix="+suffix+"&signature=a-signature-that-nobody-may-see", http.StatusFound)
	}
}

func (s *server) store(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" {
		s.t.Errorf("the storage host is told %v", r.Header)
	}
	switch r.URL.Query().Get("suffix") {
	case "tar.gz.sha256":
		sum := s.sum
		if sum == "" {
			right := sha256.Sum256(s.archive)
			sum = hex.EncodeToString(right[:])
		}
		fmt.Fprintf(w, "%s  %s_20260529.tar.gz\n", sum, edition)
	case "tar.gz":
		http.ServeContent(w, r, "", s.modified, bytes.NewReader(s.archive)) // with If-Modified-Since
	}
}

// publish puts an archive in the place of the one from before.
func (s *server) publish(archive []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive, s.modified = archive, at
}

// lies has the server name a checksum that is not the archive's; the right one again if it is empty.
func (s *server) lies(sum string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum = sum
}

// answers has a function answer in place of the server; it returns false for what it leaves to the server.
func (s *server) answers(instead func(w http.ResponseWriter, r *http.Request, suffix string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead = instead
}

// took returns what was asked since it was last called.
func (s *server) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := strings.Join(s.asked, ", ")
	s.asked = nil
	return asked
}

const (
	nothing    = ""
	aLook      = "HEAD tar.gz"
	aDownload  = "HEAD tar.gz, GET tar.gz.sha256, GET tar.gz"
	aSecondSum = "HEAD tar.gz, GET tar.gz.sha256"
)

// station is an Updater with the folder that it keeps.
type station struct {
	*Updater
	t   testing.TB
	log lines
	now time.Time
}

func (s *server) station(t testing.TB, dir string) *station {
	t.Helper()
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	st := &station{t: t, now: monday}
	st.Updater, err = New(
		Config{URL: at, AccountID: account, LicenseKey: key, Editions: []string{edition}, Dir: dir, Every: 24 * time.Hour},
		Options{
			Logger: slog.New(slog.NewTextHandler(&st.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: func() time.Time { return st.now },
			Random: func() float64 { return 0.5 }, Check: check,
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // whatever happened
		for _, secret := range []string{key, "a-signature-that-nobody-may-see"} {
			kept, _ := os.ReadFile(filepath.Join(dir, stateName))
			if strings.Contains(st.log.String()+string(kept), secret) {
				t.Errorf("%s is in the log or in the state:\n%s\n%s", secret, st.log.String(), kept)
			}
		}
	})
	return st
}

// asks has the edition asked for.
func (st *station) asks(asking Asking) Report {
	st.t.Helper()
	reports, err := st.Update(context.Background(), asking)
	if err != nil || len(reports) != 1 {
		st.t.Fatalf("%v, %v", reports, err)
	}
	return reports[0]
}

// built is when the database in place was built; zero if there is none that is good.
func (st *station) built() time.Time {
	_, at, err := check(st.cfg.Path(edition))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// litter are the files in the folder that should not be there.
func (st *station) litter() []string {
	entries, err := os.ReadDir(st.cfg.Dir)
	if err != nil {
		st.t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if !slices.Contains([]string{stateName, lockName, edition + ".mmdb"}, e.Name()) {
			found = append(found, e.Name())
		}
	}
	return found
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var _ io.Writer = (*lines)(nil)
