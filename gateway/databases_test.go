package gateway

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gate451/config"
	"gate451/gateway/geoip"
	"gate451/rules"
)

const (
	tinyIPv4 = "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n16777216,16777471,AU\n16777472,16777727,EU\n"
	tinyIPv6 = "# Generated: Wed, 24 Jun 2026 04:33:59 GMT\n2001:2::,2001:2:0:ffff:ffff:ffff:ffff:ffff,JP\n"
)

// tiny writes a database of few networks into a new folder, and a configuration that names it.
func tiny(t *testing.T) (*config.Config, BuildReport) {
	t.Helper()
	dir := t.TempDir()
	ipv4, ipv6, out := filepath.Join(dir, "geoip"), filepath.Join(dir, "geoip6"), filepath.Join(dir, "tiny.mmdb")
	if err := errors.Join(os.WriteFile(ipv4, []byte(tinyIPv4), 0o600), os.WriteFile(ipv6, []byte(tinyIPv6), 0o600)); err != nil {
		t.Fatal(err)
	}
	report, err := BuildDatabase(ipv4, ipv6, out)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(filepath.Join(dir, "gateway.yaml"), []byte("routes: [{hosts: [\"*\"], upstreams: [\"http://127.0.0.1:1\"]}]\npolicy: policy.yaml\n"+
		"geoip: {databases: [tiny.mmdb], overrides: {192.0.2.0/24: US}, max_age: 1d}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, report
}

func TestDatabaseIsBuiltDescribedAndAsked(t *testing.T) {
	t.Parallel()
	cfg, report := tiny(t)
	built := time.Date(2026, 6, 24, 4, 33, 59, 0, time.UTC)
	if want := (BuildReport{Generated: built, IPv4Ranges: 1, IPv6Ranges: 1, Countries: 2, LeftOut: map[string]int{"EU": 1}, Bytes: report.Bytes}); !cmp.Equal(report, want) {
		t.Errorf("%+v, want %+v", report, want)
	}
	databases, err := Databases(cfg, built.Add(24*time.Hour))
	if err != nil || len(databases) != 1 {
		t.Fatalf("%v, %+v", err, databases)
	}
	d := databases[0]
	if d.Name != "tiny.mmdb" || d.Path != cfg.GeoIP.Databases[0] || !d.Built.Equal(built) || d.IPVersion != 6 || d.Bytes != int(report.Bytes) || d.Nodes == 0 || d.Stale || d.Anonymous {
		t.Errorf("%+v", d)
	}
	if databases, err := Databases(cfg, built.Add(48*time.Hour)); err != nil || !databases[0].Stale {
		t.Errorf("%v, %+v", err, databases)
	}
	for address, want := range map[string]AddressRecord{
		"::ffff:1.0.0.1": {
			Address: "::ffff:1.0.0.1", Judged: "1.0.0.1", Country: "AU", Source: "tiny.mmdb", Public: true,
			Findings: []FindingRecord{{Source: "tiny.mmdb", Network: "1.0.0.0/24", Country: "AU", Said: []string{"AU"}}},
		},
		"192.0.2.1": {
			Address: "192.0.2.1", Judged: "192.0.2.1", Country: "US", Source: "override",
			Findings: []FindingRecord{{Source: "override", Network: "192.0.2.0/24", Country: "US"}, {Source: "tiny.mmdb", Network: "128.0.0.0/1"}},
		},
	} {
		got, err := Locate(cfg, netip.MustParseAddr(address), built)
		if err != nil {
			t.Fatal(err)
		}
		empty := cmp.Transformer("list", func(texts []string) string { return strings.Join(texts, " ") })
		ignored := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".words" }, cmp.Ignore())
		if diff := cmp.Diff(want, got, empty, ignored); diff != "" {
			t.Error(diff)
		}
		if got.Others == nil || got.Subdivisions == nil || got.Findings[0].Said == nil || got.Findings[0].Subdivisions == nil {
			t.Errorf("a list that JSON would write as null: %+v", got)
		}
	}
}

func TestDatabasesThatAreNotThere(t *testing.T) {
	t.Parallel()
	cfg, _ := tiny(t)
	if err := os.Remove(cfg.GeoIP.Databases[0]); err != nil {
		t.Fatal(err)
	}
	_, err := Databases(cfg, time.Now())
	_, err2 := Locate(cfg, netip.MustParseAddr("1.0.0.1"), time.Now())
	for _, err := range []error{err, err2} {
		if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(filepath.Dir(cfg.Policy), "gateway.yaml")+":3:") || !strings.Contains(err.Error(), "tiny.mmdb: no such file or directory; ") {
			t.Errorf("error %v", err)
		}
	}
}

func TestFindingRecordKeepsWhatIsOdd(t *testing.T) {
	t.Parallel()
	r := findingRecord(geoip.Finding{Source: "x", Traits: rules.StaleDatabase, Err: errors.New("broken")})
	if r.Error != "broken" || !r.Stale || r.Network != "" || r.String() != "cannot be read: broken; the database is older than geoip.max_age" {
		t.Errorf("%+v: %v", r, r)
	}
}

// TestFilesAppearWholeOrNotAtAll has writing fail at each step.
func TestFilesAppearWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "country.mmdb")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := writeWhole(path, func(w io.Writer) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, broken)
	}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	const advice = "; name a file in a folder that exists and can be written to"
	for to, want := range map[string]string{
		filepath.Join(dir, "absent", "x"): "no such file or directory",
		dir:                               "file exists",
		filepath.Join(path, "x"):          "not a directory",
	} {
		if err := writeWhole(to, func(io.Writer) error { return nil }); err == nil || err.Error() != "cannot write "+to+": "+want+advice {
			t.Errorf("error %v", err)
		}
	}
	if err := writeWhole(path, func(w io.Writer) error { return w.(io.Closer).Close() }); err == nil || err.Error() != "cannot write "+path+": file already closed"+advice {
		t.Errorf("error %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if text, err := os.ReadFile(path); string(text) != "old" {
		t.Errorf("the file is now %q (%v)", text, err)
	}
}

func TestBuildDatabaseNamesTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	absent, out := filepath.Join(dir, "absent"), filepath.Join(dir, "x.mmdb")
	if _, err := BuildDatabase("", absent, out); err == nil || err.Error() != "open "+absent+": no such file or directory; Debian's package tor-geoipdb has the files geoip and geoip6 in /usr/share/tor" {
		t.Errorf("error %v", err)
	}
	if _, err := BuildDatabase("", "", out); err == nil || err.Error() != "no sources to build a geoip database from; expected Tor's files geoip and geoip6" {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestDatabaseNoticeNamesSourceAndLicence(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"IPFire", "CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/", "Changes made to the data"} {
		if !strings.Contains(DatabaseNotice(), want) {
			t.Errorf("the notice lacks %q", want)
		}
	}
}
