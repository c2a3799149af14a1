package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestVersionNamesTheBuildAndTheDatabasesLicence(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^gate451 (\S+) \(revision \S+, ` + regexp.QuoteMeta(runtime.Version()) + `\)\n\n`)
	output, err := exec.Command(program(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if m := form.FindSubmatch(output); m == nil || string(m[1]) != testVersion {
		t.Errorf("a released program says:\n%s", output)
	}
	here := call(t, nil, "version")
	if here.code != exitDone || here.stderr != "" || !form.MatchString(here.stdout) {
		t.Errorf("%+v", here)
	}
	for _, text := range []string{string(output), here.stdout} {
		if !strings.Contains(text, "CC BY-SA 4.0") || !strings.Contains(text, "IPFire") {
			t.Errorf("the database's source and licence are not named:\n%s", text)
		}
	}
}

func TestSchemasAreJSON(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gateway", "policy"} {
		got := call(t, nil, "schema", name)
		var schema struct {
			Schema     string `json:"$schema"`
			Properties map[string]any
		}
		if err := json.Unmarshal([]byte(got.stdout), &schema); err != nil || got.code != exitDone || got.stderr != "" {
			t.Fatalf("schema %s: %v, %+v", name, err, got)
		}
		if key := map[string]string{"gateway": "routes", "policy": "rules"}[name]; schema.Properties[key] == nil || !strings.Contains(schema.Schema, "2020-12") {
			t.Errorf("schema %s: no %s in %s", name, key, got.stdout)
		}
	}
}

// TestInitUndoesWhatItCannotFinish has the second file refused.
func TestInitUndoesWhatItCannotFinish(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"policy.yaml": "mine\n"})
	got := call(t, nil, "init", "--dir", dir)
	if want := filepath.Join(dir, "policy.yaml") + " exists already and is left as it is; remove it first, or choose another folder with --dir\n"; got != (outcome{"", want, exitWrong}) {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "policy.yaml")); string(text) != "mine\n" {
		t.Errorf("policy.yaml is now %q (%v)", text, err)
	}
	if names := list(t, dir); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}

func TestInitSaysWhereItMayNotWrite(t *testing.T) {
	t.Parallel()
	dir := folder(t, nil)
	if err := os.Mkdir(filepath.Join(dir, "gateway.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := call(t, nil, "init", "--dir", dir); got.code != exitWrong || !strings.Contains(got.stderr, "gateway.yaml exists already") {
		t.Errorf("%+v", got)
	}
	got := call(t, nil, "init", "--dir", "/proc/self/fd")
	if got.code != exitWrong || !strings.HasSuffix(got.stderr, "; choose another folder with --dir\n") {
		t.Errorf("%+v", got)
	}
}

// list returns the names in a folder.
func list(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

const tinyData = "# Generated: Thu, 25 Jun 2026 04:33:59 GMT\n16777216,16777471,AU\n"

func TestGeoIPBuildLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"good": tinyData, "bad": tinyData + "nonsense\n", "country.mmdb": "the old one"})
	out := filepath.Join(dir, "country.mmdb")
	before := list(t, dir)
	got := call(t, nil, "geoip", "build", "--geoip", filepath.Join(dir, "bad"), "--out", out)
	if want := (outcome{"", filepath.Join(dir, "bad") + ":3: 1 fields; expected first,last,country\n", exitWrong}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if text, err := os.ReadFile(out); string(text) != "the old one" {
		t.Errorf("the old database is now %q (%v)", text, err)
	}
	if got := call(t, nil, "geoip", "build", "--geoip", filepath.Join(dir, "good"), "--out", out); got.code != exitDone {
		t.Errorf("%+v", got)
	}
	if info, err := os.Stat(out); err != nil || info.Mode() != fs.FileMode(0o644) {
		t.Errorf("the database: %v, %v", info, err)
	}
	if err := os.Remove(filepath.Join(dir, "country.mmdb")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	got = call(t, nil, "geoip", "build", "--geoip", filepath.Join(dir, "good"), "--out", out)
	if got.code != exitWrong || !strings.HasPrefix(got.stderr, "cannot write "+out+": file exists; ") || !strings.HasSuffix(got.stderr, "can be written to\n") {
		t.Errorf("%+v", got)
	}
	if after := list(t, dir); strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("before %q, after %q", before, after)
	}
}

// TestGeoIPBuildReadsWhatIsInstalled builds from Debian's package, and looks an address up in the result.
func TestGeoIPBuildReadsWhatIsInstalled(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{"gateway.yaml": minimalGateway + "geoip: {databases: [country.mmdb], max_age: 3650d}\n"})
	out := filepath.Join(dir, "country.mmdb")
	got := call(t, nil, "geoip", "build", "--out", out)
	if _, err := os.Stat("/usr/share/tor/geoip"); err != nil {
		if !strings.HasSuffix(got.stderr, "; Debian's package tor-geoipdb has the files geoip and geoip6 in /usr/share/tor\n") || got.code != exitWrong {
			t.Errorf("%+v", got)
		}
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal("Debian's package tor-geoipdb is required")
		}
		t.Skip("Debian's package tor-geoipdb is not installed")
	}
	if got.code != exitDone || !strings.HasPrefix(got.stdout, "wrote "+out+": ") {
		t.Fatalf("%+v", got)
	}
	for address, country := range map[string]string{"50.114.0.1": "US", "2003:e0::1": "DE"} {
		got = call(t, nil, "geoip", "lookup", address, "--config", filepath.Join(dir, "gateway.yaml"), "-o", "json")
		var record struct{ Country, Source string }
		if err := json.Unmarshal([]byte(got.stdout), &record); err != nil || record.Country != country || record.Source != "country.mmdb" {
			t.Errorf("%s: %v, %+v", address, err, got)
		}
	}
}
