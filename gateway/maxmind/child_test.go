package maxmind

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childVariable has this program be an Updater of a folder, once, instead of tests.
const childVariable = "GATE451_TEST_UPDATES"

type place struct{ URL, Dir, Stop string }

func child(text string) {
	var p place
	err := json.Unmarshal([]byte(text), &p)
	at, bad := url.Parse(p.URL)
	if err != nil || bad != nil {
		panic(text)
	}
	u, err := New(
		Config{URL: at, AccountID: account, LicenseKey: key, Editions: []string{edition}, Dir: p.Dir, Every: 24 * time.Hour},
		Options{Now: func() time.Time { return monday }, Check: func(path string) (string, time.Time, error) {
			if p.Stop == "check" {
				die()
			}
			return check(path)
		}, OnResult: func(string, Result) {
			if p.Stop == "result" {
				die()
			}
		}})
	if err != nil {
		panic(err)
	}
	reports, err := u.Update(context.Background(), WhenDue)
	fmt.Println(reports, err)
	os.Exit(0)
}

// die ends the process as a power cut would: nothing is cleaned up.
func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		_ = p.Kill()
	}
	select {}
}

func (s *server) child(t *testing.T, dir, stop string, wrapper ...string) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(place{s.URL, dir, stop})
	if err != nil {
		t.Fatal(err)
	}
	words := append(wrapper, os.Args[0])
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	return cmd
}

// TestKilledBetweenSteps ends the process at every step, and looks that the next one does not download again at once, has a
// good database at all times, and goes on when its time has come.
func TestKilledBetweenSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"HEAD tar.gz", "GET tar.gz.sha256", "GET tar.gz", "middle", "check", "result"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			st := s.station(t, t.TempDir())
			old := monday.AddDate(0, 0, -3)
			if err := os.WriteFile(st.cfg.Path(edition), database(t, edition, old), 0o600); err != nil {
				t.Fatal(err)
			}
			s.publish(published(t, edition, monday), monday)
			cmd, started := s.child(t, st.cfg.Dir, step), make(chan struct{})
			s.answers(func(w http.ResponseWriter, r *http.Request, suffix string) bool {
				asked := r.Method + " " + suffix
				if asked != step && (step != "middle" || asked != "GET tar.gz") {
					return false
				}
				if step == "middle" {
					_, _ = w.Write(s.archive[:len(s.archive)/2])
					_ = http.NewResponseController(w).Flush()
				}
				<-started
				_ = cmd.Process.Kill()
				<-r.Context().Done()
				return true
			})
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			close(started)
			if err := cmd.Wait(); err == nil {
				t.Fatal("it was not killed")
			}
			s.answers(nil)
			s.took()
			want := old
			if step == "result" {
				want = monday
			}
			if st.built() != want {
				t.Errorf("after it was killed, the database is of %s, want %s", st.built(), want)
			}
			if r := st.asks(WhenDue); r.Result != Waiting || s.took() != nothing {
				t.Errorf("the next process asks at once: %+v", r)
			}
			st.now = monday.Add(time.Hour)
			r := st.asks(WhenDue)
			took := s.took()
			if step == "result" { // it was in place already, and is known
				if r.Result != Unchanged || took != aLook {
					t.Errorf("the database in place is downloaded again: %+v, %s", r, took)
				}
			} else if r.Result != Updated || took != aDownload {
				t.Errorf("later: %+v, %s", r, took)
			}
			if extra := st.litter(); st.built() != monday || extra != nil {
				t.Errorf("at the end, the database is of %s and the folder also has %v", st.built(), extra)
			}
		})
	}
}

// TestDiskFull lets files grow no further than a database that is smaller than the new one.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	prlimit, err := exec.LookPath("prlimit")
	if err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := serve(t)
	st := s.station(t, t.TempDir())
	if r := st.asks(WhenDue); r.Result != Updated {
		t.Fatalf("%+v", r)
	}
	old := st.built()
	large := append(make([]byte, 1<<20), database(t, edition, monday)...)
	s.publish(archive(t, file{name: edition + ".mmdb", data: large}), monday.Add(time.Hour))
	if err := os.Remove(st.cfg.Path(edition)); err != nil { // so that it is due
		t.Fatal(err)
	}
	if err := os.WriteFile(st.cfg.Path(edition), database(t, edition, old), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (state{}).save(st.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	out, err := s.child(t, st.cfg.Dir, "", prlimit, "--fsize=65536").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "file too large") {
		t.Errorf("%v: %s", err, out)
	}
	if extra := st.litter(); st.built() != old || extra != nil {
		t.Errorf("the database is of %s and the folder also has %v", st.built(), extra)
	}
}
