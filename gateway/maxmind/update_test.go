package maxmind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestANewerDatabaseIsPutInPlace goes through some weeks: what is downloaded, when, and what only looked at.
func TestANewerDatabaseIsPutInPlace(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := s.station(t, t.TempDir())
	friday, next := monday.AddDate(0, 0, -3), monday.AddDate(0, 0, 1)
	for i, step := range []struct {
		what  string
		do    func()
		ask   Asking
		want  Result
		built time.Time
		took  string
	}{
		{"the first one", func() {}, WhenDue, Updated, friday, aDownload},
		{"nothing is due yet", func() {}, WhenDue, Waiting, friday, nothing},
		{"an operator may look, which is free", func() {}, Anyway, Unchanged, friday, aLook},
		{"a day later", func() { st.now = next }, WhenDue, Unchanged, friday, aLook},
		{"a newer one", func() { s.publish(published(t, edition, monday), next); st.now = next.AddDate(0, 0, 1) }, WhenDue, Updated, monday, aDownload},
		{"after a restart", func() { st = s.station(t, st.cfg.Dir); st.now = next.AddDate(0, 0, 1) }, WhenDue, Waiting, monday, nothing},
		{"published anew with nothing new", func() { s.publish(s.archive, next.AddDate(0, 0, 1)) }, Anyway, Unchanged, monday, aSecondSum},
		{"and only looked at from then on", func() {}, Anyway, Unchanged, monday, aLook},
		{"somebody has deleted it", func() { os.Remove(st.cfg.Path(edition)) }, WhenDue, Updated, monday, aDownload},
		{"somebody has put another one there", func() {
			if err := os.WriteFile(st.cfg.Path(edition), database(t, edition, friday), 0o600); err != nil {
				t.Fatal(err)
			}
		}, Anyway, Updated, monday, aDownload},
		{"the state is damaged", func() {
			if err := os.WriteFile(filepath.Join(st.cfg.Dir, stateName), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, WhenDue, Updated, monday, aDownload},
	} {
		step.do()
		r := st.asks(step.ask)
		if took := s.took(); r.Result != step.want || r.Err != nil || !st.built().Equal(step.built) || took != step.took {
			t.Fatalf("%d, %s: %s, %v, built %s, asked %q; want %s, %s, %q", i, step.what, r.Result, r.Err, st.built(), took, step.want, step.built, step.took)
		}
	}
	if extra := st.litter(); extra != nil {
		t.Errorf("the folder also has %v", extra)
	}
	all, err := Statuses(st.cfg.Dir, []string{edition, "GeoIP2-City"})
	if err != nil || !all[0].Checked.Equal(st.now) || !all[0].Next.After(st.now) || all[1] != (Status{Edition: "GeoIP2-City"}) {
		t.Errorf("status %+v, %v", all, err)
	}
}

// TestWhatIsNoGoodChangesNothing tries everything that a server, a network or an attacker between may do.
func TestWhatIsNoGoodChangesNothing(t *testing.T) {
	t.Parallel()
	good := published(t, edition, monday)
	mmdb := database(t, edition, monday)
	status := func(code int, header ...string) func(*server) {
		return func(s *server) {
			s.answers(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
				for i := 0; i < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
				return true
			})
		}
	}
	archived := func(data []byte) func(*server) {
		return func(s *server) { s.publish(data, monday) }
	}
	onDownload := func(instead http.HandlerFunc) func(*server) {
		return func(s *server) {
			s.publish(good, monday)
			s.answers(func(w http.ResponseWriter, r *http.Request, suffix string) bool {
				if r.Method == http.MethodHead || suffix != "tar.gz" {
					return false
				}
				instead(w, r)
				return true
			})
		}
	}
	redirect := func(to string) func(*server) {
		return onDownload(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
	}
	var bomb bytes.Buffer
	zipped := gzip.NewWriter(&bomb)
	tarred := tar.NewWriter(zipped)
	if err := tarred.WriteHeader(&tar.Header{Name: edition + ".mmdb", Size: 64 << 20, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := tarred.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tarred.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	many := make([]file, 200)
	for i := range many {
		many[i].name = "LICENSE.txt"
	}
	damaged := bytes.Clone(mmdb)
	copy(damaged[100:], "damage of the search tree, which only a look at all of it finds")

	for name, test := range map[string]struct {
		do    func(*server)
		want  string
		pause time.Duration // until it is asked again; 0 means the first one after any failure
	}{
		"unauthorized":       {status(401), "does not accept account and license key (401); see that they belong together", 24 * time.Hour},
		"forbidden":          {status(403), "does not accept account and license key (403)", 24 * time.Hour},
		"no such edition":    {status(404), "has no such edition (404)", 24 * time.Hour},
		"no more today":      {status(429), "all the downloads of the day (429)", 0},
		"no more for a time": {status(429, "Retry-After", "7200"), "(429)", 2 * time.Hour},
		"no more until":      {status(429, "Retry-After", monday.Add(3*time.Hour).Format(http.TimeFormat)), "(429)", 3 * time.Hour},
		"no more for years":  {status(429, "Retry-After", "99999999"), "(429)", lastPause},
		"out of order":       {status(503, "Retry-After", "soon"), "answers 503; it is asked again later", 0},
		"an empty answer":    {status(204), "answers 204", 0},
		"304 to a download": {onDownload(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		}), "answers 304", 0},
		"truncated":         {archived(good[:len(good)/2]), "ended early", 0},
		"no archive":        {archived([]byte("<html>Please log in</html>")), "the archive is not gzip", 0},
		"an empty archive":  {archived(nil), "the archive is not gzip: it ended early", 0},
		"no database in it": {archived(archive(t, file{name: "COPYRIGHT.txt"})), "the archive has no GeoLite2-Country.mmdb", 0},
		"another one in it": {archived(archive(t, file{name: "x/GeoLite2-City.mmdb", data: mmdb})), "the archive has no GeoLite2-Country.mmdb", 0},
		"very many files":   {archived(archive(t, many...)), "more than 100 files", 0},
		"a link":            {archived(archive(t, file{name: edition + ".mmdb", kind: tar.TypeSymlink, link: outside})), "the archive has no", 0},
		"a hard link":       {archived(archive(t, file{name: edition + ".mmdb", kind: tar.TypeLink, link: outside})), "the archive has no", 0},
		"another edition":   {archived(archive(t, file{name: edition + ".mmdb", data: database(t, "GeoLite2-City", monday)})), `says that it is "GeoLite2-City", and GeoLite2-Country was asked for`, 0},
		"an older one":      {archived(published(t, edition, monday.AddDate(0, 0, -9))), "was built on 2026-05-23, before the one in place, which is of 2026-05-29", 0},
		"one of the future": {archived(published(t, edition, monday.AddDate(0, 0, 2))), "was built on 2026-06-03, which is still to come", 0},
		"a damaged one":     {archived(archive(t, file{name: edition + ".mmdb", data: damaged})), "the database is no good", 0},
		"half of one":       {archived(archive(t, file{name: edition + ".mmdb", data: mmdb[:len(mmdb)/2]})), "the database is no good", 0},
		"an empty one":      {archived(archive(t, file{name: edition + ".mmdb"})), "the database is no good", 0},
		"a bomb":            {archived(bomb.Bytes()), "what is in the archive is larger than any database", 0},
		"an endless answer": {onDownload(func(w http.ResponseWriter, _ *http.Request) {
			block := bytes.Repeat([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}, 1<<12)
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}), "the archive", 0},
		"a wrong checksum":   {func(s *server) { s.publish(good, monday); s.lies(strings.Repeat("ab", 32)) }, "the archive is not the one that its checksum is of", 0},
		"no checksum":        {func(s *server) { s.publish(good, monday); s.lies("none today") }, "the checksum is none", 0},
		"a host in the open": {redirect("http://storage.example/object"), "it redirects to http://storage.example, which is not encrypted", 0},
		"a file":             {redirect("file:///etc/passwd"), "it redirects to file://, which is not encrypted", 0},
		"a circle":           {func(s *server) { redirect(s.URL + "/geoip/databases/" + edition + "/download?suffix=tar.gz")(s) }, "it redirects more than 5 times", 0},
		"a cut connection":   {onDownload(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "EOF", 0},
		"a hanging server": {onDownload(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(good[:100])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), "the server sent nothing for 500ms", 0},
		"a silent server": {onDownload(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "the server sent nothing for 500ms", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			st := s.station(t, t.TempDir())
			if r := st.asks(WhenDue); r.Result != Updated {
				t.Fatalf("%+v", r)
			}
			before, err := os.ReadFile(st.cfg.Path(edition))
			if err != nil {
				t.Fatal(err)
			}
			st.limits = limits{archive: 1 << 20, database: 8 << 20, entries: 100, patience: 30 * time.Second, altogether: time.Minute}
			if strings.Contains(test.want, "500ms") {
				st.limits.patience = 500 * time.Millisecond
			}
			test.do(s)
			st.now = monday.Add(25 * time.Hour)
			if name == "one of the future" {
				st.now = monday
			}
			r := st.asks(Anyway)
			if r.Result != Failed || r.Err == nil || !strings.Contains(r.Err.Error(), test.want) {
				t.Errorf("%s, %v; want one that says %q", r.Result, r.Err, test.want)
			}
			if after, err := os.ReadFile(st.cfg.Path(edition)); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the database has changed: %v", err)
			}
			if extra := st.litter(); extra != nil {
				t.Errorf("the folder also has %v", extra)
			}
			if _, err := os.Stat(outside); err == nil {
				t.Error("something was written outside")
			}
			pause := test.pause
			if pause == 0 {
				pause = firstPause
			}
			if strings.HasPrefix(name, "no more until") {
				pause = monday.Add(3 * time.Hour).Sub(st.now)
				pause = max(pause, firstPause)
			}
			if got := r.Next.Sub(st.now); got != pause {
				t.Errorf("it is asked again in %s, want %s", got, pause)
			}
			// Neither the schedule, nor a restart, nor an operator in a hurry asks again before; one who insists does.
			s.took()
			st = s.station(t, st.cfg.Dir)
			st.now = r.Next.Add(-time.Second)
			for _, asking := range []Asking{WhenDue, Anyway} {
				if r := st.asks(asking); r.Result != Waiting || s.took() != nothing || r.Err == nil {
					t.Errorf("asked again before its time: %+v", r)
				}
			}
			s.answers(nil)
			s.lies("")
			s.publish(published(t, edition, monday.Add(time.Hour)), st.now)
			if r := st.asks(AtOnce); r.Result != Updated {
				t.Errorf("the next good one is not taken: %+v", r)
			}
		})
	}
}

// TestPathsInTheArchiveMeanNothing has an archive call its database by names that lead elsewhere.
func TestPathsInTheArchiveMeanNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../../" + edition + ".mmdb", "/" + edition + ".mmdb", "a/../../b/" + edition + ".mmdb", "./" + edition + ".mmdb"} {
		s := serve(t)
		parent := t.TempDir()
		dir := filepath.Join(parent, "a", "b")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		st := s.station(t, dir)
		s.publish(archive(t, file{name: "../../evil", data: []byte("x")}, file{name: name, data: database(t, edition, monday)}), monday)
		if r := st.asks(WhenDue); r.Result != Updated || st.built() != monday {
			t.Errorf("%s: %+v", name, r)
		}
		var found []string
		err := filepath.WalkDir(parent, func(path string, _ os.DirEntry, err error) error {
			found = append(found, path)
			return err
		})
		if err != nil || len(found) != 3+3 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

// TestCredentialsStayWithTheirHost has the server redirect to itself under another name, and to a host that sends it back.
func TestCredentialsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := s.station(t, t.TempDir())
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusOK)
	}))
	defer other.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(other.URL, "http://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "sub.localhost"} {
		s.answers(func(w http.ResponseWriter, r *http.Request, _ string) bool {
			http.Redirect(w, r, "http://"+host+":"+port+"/", http.StatusTemporaryRedirect)
			return true
		})
		_ = st.asks(AtOnce)
	}
	if len(seen) == 0 || strings.Join(seen, "") != "" {
		t.Errorf("another host was told %q", seen)
	}
}

func TestConfigurationsThatWouldLeak(t *testing.T) {
	t.Parallel()
	parse := func(text string) *url.URL {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	good := Config{URL: parse("https://download.maxmind.com"), AccountID: account, LicenseKey: key, Editions: []string{edition}, Every: time.Hour}
	for _, test := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.URL = parse("http://127.0.0.1:1") }, ""},
		{func(c *Config) { c.URL = parse("http://[::1]:1") }, ""},
		{func(c *Config) { c.URL = parse("http://localhost:1") }, ""},
		{func(c *Config) { c.URL = parse("http://download.maxmind.com") }, "without encryption"},
		{func(c *Config) { c.URL = parse("http://127.0.0.1.example") }, "without encryption"},
		{func(c *Config) { c.URL = parse("ftp://127.0.0.1") }, "without encryption"},
		{func(c *Config) { c.URL = nil }, "without encryption"},
		{func(c *Config) { c.AccountID = "" }, "is missing"},
		{func(c *Config) { c.LicenseKey = "" }, "is missing"},
		{func(c *Config) { c.Editions = nil }, "no edition"},
		{func(c *Config) { c.Editions = []string{"../x"} }, `edition "../x"`},
		{func(c *Config) { c.Every = 0 }, "positive duration"},
	} {
		c := good
		test.change(&c)
		_, err := New(c, Options{Check: check})
		if got := ""; test.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v%s, want %q", c.URL, err, got, test.want)
		}
	}
}

// TestOneProcessAtATime has two Updaters on one folder.
func TestOneProcessAtATime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	dir := t.TempDir()
	one, other := s.station(t, dir), s.station(t, dir)
	inside, done := make(chan struct{}), make(chan struct{})
	s.answers(func(w http.ResponseWriter, _ *http.Request, suffix string) bool {
		if suffix == "tar.gz.sha256" {
			close(inside)
			<-done
		}
		return false
	})
	first := make(chan Report)
	go func() { first <- one.asks(WhenDue) }()
	<-inside
	if _, err := other.Update(context.Background(), AtOnce); !errors.Is(err, ErrBusy) {
		t.Errorf("the second one says %v", err)
	}
	close(done)
	if r := <-first; r.Result != Updated {
		t.Errorf("the first one: %+v", r)
	}
	s.answers(nil)
	s.took()
	if r := other.asks(WhenDue); r.Result != Waiting || s.took() != nothing {
		t.Errorf("the second one asks again: %+v", r)
	}
}

func TestAFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := s.station(t, filepath.Join(t.TempDir(), "none"))
	if _, err := st.Update(context.Background(), AtOnce); err == nil || !strings.Contains(err.Error(), "name a folder that the gateway may write to") {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, stateName+".new"), 0o700); err != nil { // the state cannot be written
		t.Fatal(err)
	}
	st = s.station(t, dir)
	if _, err := st.Update(context.Background(), AtOnce); err == nil {
		t.Error("the state cannot be kept, and nobody says so")
	}
	if took := s.took(); took != nothing {
		t.Errorf("without a state, the server was asked: %s", took)
	}
}

// TestRun has the schedule itself do the work, in steps of milliseconds.
func TestRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := s.station(t, t.TempDir())
	st.cfg.Every = 5 * time.Millisecond
	st.opts.Now = time.Now
	results := make(chan Result, 100)
	st.opts.OnResult = func(_ string, r Result) {
		select {
		case results <- r:
		default:
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); st.Run(ctx) }()
	for _, want := range []Result{Updated, Unchanged, Unchanged} {
		if got := <-results; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	cancel()
	<-ended
}

// TestRunSaysOnceWhyItCannot has a folder that cannot be used, for many rounds.
func TestRunSaysOnceWhyItCannot(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := s.station(t, filepath.Join(t.TempDir(), "none"))
	st.cfg.Every = time.Millisecond
	var rounds int
	ctx, cancel := context.WithCancel(context.Background())
	st.opts.Random = func() float64 {
		if rounds++; rounds == 5 {
			cancel()
		}
		return 0
	}
	st.Run(ctx)
	if n := strings.Count(st.log.String(), "geoip databases are not kept current"); n != 1 {
		t.Errorf("said %d times:\n%s", n, st.log.String())
	}
}
