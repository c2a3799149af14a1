package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// updatesPolicy claims what the updaters ask for, by the presets for them.
const updatesPolicy = `version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale: [{paths: [/buy]}]
  update:
    - {preset: apt, base: /debian}
    - {preset: apt, base: /flat}
    - {preset: clamav}
    - {paths: [/custom]}
products:
  kaspersky: [{all: true}]
`

// signature is a file of signatures that freshclam takes without those of its vendor: MD5, size and name of what is found.
const signature = "44d88612fea8a8f36de82e1278abb02f:68:Test.File\n"

// theUpdateSentence is what updaters are told, with the reference behind it.
var theUpdateSentence = regexp.MustCompile(`For legal compliance purposes, Kaspersky products cannot be updated from your country\. .*Reference: [0-9A-Z]{4}-[0-9A-Z]{4}\.`)

// updateServer is an update server, and the gateway before it. It has testdata/apt: a repository with the two folders that
// apt knows and a flat one, signed by a key of which only the public half was kept.
type updateServer struct {
	*gate
	url string

	mu    sync.Mutex
	asked []string // paths that came through
}

// startUpdates starts one at an instant, for clients of whom all are in a country.
func startUpdates(t *testing.T, country string, at time.Time, encrypted bool) *updateServer {
	t.Helper()
	u := new(updateServer)
	files := http.FileServer(http.Dir(filepath.Join("testdata", "apt")))
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.asked = append(u.asked, r.URL.Path)
		u.mu.Unlock()
		switch r.URL.Path {
		case "/custom/test.hdb", "/daily.cvd":
			http.ServeContent(w, r, "", time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), strings.NewReader(signature))
		default:
			files.ServeHTTP(w, r)
		}
	})
	s := setup{
		at: at, policy: updatesPolicy, config: "client_ip: {}\ngeoip: {overrides: {127.0.0.0/8: " + country + "}}\n" +
			`routes: [{name: updates, hosts: ["127.0.0.1"], upstreams: ["` + shop + `"]}]` + "\n",
	}
	scheme := "http"
	if encrypted {
		cert, key := certificate(t, 1)
		s.files = map[string][]byte{"tls.crt": cert, "tls.key": key}
		s.config += "tls: {cert_file: tls.crt, key_file: tls.key}\n"
		scheme = "https"
	}
	u.gate = start(t, s)
	u.url = scheme + "://" + u.PublicAddr().String()
	return u
}

// through returns the paths that came through to the update server.
func (u *updateServer) through() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked)
}

// updater is a program that fetches updates, and how it says how that went.
type updater struct {
	program string
	// command makes the arguments, with what they need in a folder of its own.
	command func(t *testing.T, dir, url string) []string
	// told is what its user reads when it is refused, besides the sentence where whole is set; failed is its exit code then.
	told   string
	whole  bool
	failed int
	// fetched is what it has asked for once it is served.
	fetched []string
	// unsigned says that it does not take what it was served, because it has no signature of its vendor.
	unsigned bool
}

var realUpdaters = map[string]updater{
	"apt": {
		program: "apt-get", command: aptRepository("/debian stable main"), told: "Err:1 ", whole: true, failed: 100,
		fetched: []string{"/debian/dists/stable/InRelease", "/debian/dists/stable/main/binary-amd64/Packages"},
	},
	"apt, a flat repository": {
		program: "apt-get", command: aptRepository("/flat ./"), told: "Err:1 ", whole: true, failed: 100,
		fetched: []string{"/flat/./InRelease", "/flat/./Packages"},
	},
	"apt, a package": {
		program: "apt-get", command: aptPackage, told: "E: Failed to fetch ", whole: true, failed: 100,
		fetched: []string{"/debian/pool/hallo_1.0_all.deb"},
	},
	"freshclam, a custom file": {
		program: "freshclam", command: freshclam("DatabaseCustomURL %s/custom/test.hdb", "--update-db=custom"), told: "ERROR: downloadFile: Unexpected response (451) from ", failed: 11,
		fetched: []string{"/custom/test.hdb"},
	},
	"freshclam, a mirror": {
		program: "freshclam", command: freshclam("PrivateMirror %s"), told: "ERROR: remote_cvdhead: Unexpected response (451) from ", failed: 11,
		fetched: []string{"/daily.cvd"}, unsigned: true,
	},
	"freshclam, talkative": {
		program: "freshclam", command: freshclam("PrivateMirror %s", "--verbose"), told: "< HTTP/1.1 451 ", whole: true, failed: 11,
		fetched: []string{"/daily.cvd"}, unsigned: true,
	},
	"wget": {
		program: "wget", command: plainly("--no-check-certificate", "-O", "got"), told: "ERROR 451: ", whole: true, failed: 8,
		fetched: []string{"/custom/test.hdb"},
	},
	"curl": {
		program: "curl", command: plainly("-sSk"), whole: true, fetched: []string{"/custom/test.hdb"},
	},
	"curl, failing": {
		program: "curl", command: plainly("-sSkf"), told: "The requested URL returned error: 451", failed: 22, fetched: []string{"/custom/test.hdb"},
	},
	"urllib": {
		program: "python3", command: plainly("-c", "import ssl, sys, urllib.request; urllib.request.urlopen(sys.argv[1], context=ssl._create_unverified_context())"),
		told: "HTTP Error 451: ", whole: true, failed: 1, fetched: []string{"/custom/test.hdb"},
	},
}

// TestRealUpdaters has programs that fetch updates do so through the gateway. From the instant of the date on their users in
// the United States are refused, and read why; until then, and in Germany, they are served.
func TestRealUpdaters(t *testing.T) {
	t.Parallel()
	date := time.Date(2024, 9, 29, 4, 0, 0, 0, time.UTC) // 00:00 in Washington
	for name, c := range map[string]struct {
		country            string
		at                 time.Time
		encrypted, refused bool
	}{
		"an American on the date":         {country: "US", at: date, refused: true},
		"an American the second before":   {country: "US", at: date.Add(-time.Second)},
		"a German on the date":            {country: "DE", at: date},
		"an American on the date, in TLS": {country: "US", at: date, encrypted: true, refused: true},
		"a German on the date, in TLS":    {country: "DE", at: date, encrypted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, updater := range realUpdaters {
				if c.encrypted && updater.program == "freshclam" {
					continue // it would want the certificate of an authority that the machine knows
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					u := startUpdates(t, c.country, c.at, c.encrypted)
					updater.run(t, u, c.refused)
				})
			}
		})
	}
}

// run has the program update, and looks at what its user reads and at what came through.
func (p *updater) run(t *testing.T, u *updateServer, refused bool) {
	t.Helper()
	said, code := p.update(t, u.url)
	through := u.through()
	if !refused {
		if code != 0 && !p.unsigned || strings.Contains(said, "451") && strings.Contains(said, "egal") {
			t.Errorf("it is not served, with exit code %d:\n%s", code, said)
		}
		for _, path := range p.fetched {
			if !slices.Contains(through, path) {
				t.Errorf("%s did not come through, only %s:\n%s", path, through, said)
			}
		}
		return
	}
	if code != p.failed || !strings.Contains(said, p.told) || p.whole && !theUpdateSentence.MatchString(said) {
		t.Errorf("exit code %d, want %d, %q and %s:\n%s", code, p.failed, p.told, theUpdateSentence, said)
	}
	if len(through) > 0 {
		t.Errorf("%s came through", through)
	}
	eventually(t, "what was answered is counted as 451", func() bool {
		all := u.admin(t, http.MethodGet, "/metrics").text
		return strings.Contains(all, `gate451_http_requests_total{code="451",method="GET",route="updates"} `) && !strings.Contains(all, `code="101"`)
	})
}

// update runs the program and returns what it says, and its exit code.
func (p *updater) update(t *testing.T, url string) (said string, code int) {
	t.Helper()
	path, err := find(p.program)
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("%s is not installed: %v", p.program, err)
	default:
		t.Skipf("%s is not installed: %v", p.program, err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, p.command(t, dir, url)...)
	cmd.Dir = dir
	// Nothing of the machine's own settings, and no proxy between.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "APT_CONFIG=" + filepath.Join(dir, "apt.conf")}
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

// aptConfiguration keeps apt away from the machine: everything that it reads and writes is below one folder.
const aptConfiguration = `Dir %q;
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Etc::main "/dev/null"; Dir::Etc::parts "/dev/null"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist %q;
Dir::Etc::trusted "/dev/null"; Dir::Etc::trustedparts "/dev/null";
Dir::State::status "/dev/null";
APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "";
Acquire::Languages "none"; Acquire::Retries "0"; Acquire::http::Proxy "DIRECT"; Acquire::https::Proxy "DIRECT";
Acquire::https::Verify-Peer "false"; Acquire::https::Verify-Host "false";
`

// aptRepository has apt read a repository of one line.
func aptRepository(line string) func(t *testing.T, dir, url string) []string {
	return func(t *testing.T, dir, url string) []string {
		t.Helper()
		key, err := filepath.Abs("testdata/apt/key.asc")
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range []string{"etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		sources := filepath.Join(dir, "sources.list")
		writeFile(t, sources, []byte("deb [signed-by="+key+"] "+url+line+"\n"))
		writeFile(t, filepath.Join(dir, "apt.conf"), fmt.Appendf(nil, aptConfiguration, dir+"/", sources))
		return []string{"--error-on=any", "update"}
	}
}

// aptPackage has apt fetch a package of which it knows from before.
func aptPackage(t *testing.T, dir, url string) []string {
	t.Helper()
	aptRepository("/debian stable main")(t, dir, url)
	name := regexp.MustCompile(`^https?://`).ReplaceAllString(url, "")
	for file, from := range map[string]string{"InRelease": "InRelease", "main_binary-amd64_Packages": "main/binary-amd64/Packages"} {
		text, err := os.ReadFile(filepath.Join("testdata/apt/debian/dists/stable", from))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "var/lib/apt/lists", name+"_debian_dists_stable_"+file), text)
	}
	return []string{"download", "hallo"}
}

// freshclam has it fetch from where one line of its configuration says.
func freshclam(line string, options ...string) func(t *testing.T, dir, url string) []string {
	return func(t *testing.T, dir, url string) []string {
		t.Helper()
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "freshclam.conf")
		writeFile(t, file, []byte(strings.Join([]string{
			fmt.Sprintf(line, url), "DatabaseMirror " + url, "DatabaseDirectory " + dir, "DatabaseOwner " + me.Username, "MaxAttempts 1", "TestDatabases yes", "",
		}, "\n")))
		return append([]string{"--config-file=" + file, "--no-dns"}, options...)
	}
}

// plainly has a program fetch one file.
func plainly(options ...string) func(*testing.T, string, string) []string {
	return func(_ *testing.T, _, url string) []string {
		return append(slices.Clone(options), url+"/custom/test.hdb")
	}
}
