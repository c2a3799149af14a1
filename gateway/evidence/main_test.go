package evidence

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gate451/rules"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(children[role]())
	}
	goleak.VerifyTestMain(m)
}

// childRole says what this binary does when a test starts it again as a process of its own.
const childRole = "GATE451_EVIDENCE_TEST_CHILD"

// child returns a command that runs this binary in a role.
func child(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childRole+"="+role), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// need skips a test that cannot run here, unless every test is required to.
func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}

// testSeed returns a seed, another every time unless GATE451_TEST_SEED repeats one.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("GATE451_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("GATE451_TEST_SEED=%d", seed)
	return seed
}

// clock is a clock that tests move. Unless it is to stand still it also goes on a little whenever somebody looks at it.
type clock struct {
	mu    sync.Mutex
	at    time.Time
	still bool
}

func newClock() *clock { return &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.still {
		c.at = c.at.Add(time.Microsecond)
	}
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// open opens a log that is closed with the test, unless the test does so.
func open(t testing.TB, cfg Config) *Log {
	t.Helper()
	if cfg.Replica == "" {
		cfg.Replica = "test-1"
	}
	l, err := Open(cfg)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// entry returns the n-th of a series of different entries.
func entry(n int) *Entry {
	d := &rules.Decision{
		Verdict: rules.Block, Reason: rules.ReasonListedCountry, Rule: &rules.Rule{ID: "kaspersky-us-2024/sales"}, Activity: "sale",
		Product: "kaspersky", Country: rules.CountryOf("US"), Client: netip.AddrFrom4([4]byte{50, 114, byte(n >> 8), byte(n)}),
		At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Policy: "sha256:7c0a",
	}
	if n%3 == 0 {
		d.Verdict, d.Reason, d.Rule, d.Country = rules.Allow, rules.ReasonCountryNotListed, nil, rules.CountryOf("DE")
	}
	return &Entry{Decision: d, Reference: reference(n), Method: "POST", Host: "shop.example", Path: "/cart/" + strconv.Itoa(n), Database: "2026-02-24"}
}

// reference returns the reference of the n-th entry.
func reference(n int) string { return fmt.Sprintf("%04X-%04X", n>>16, n&0xffff) }

// record writes entries, one after the other.
func record(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		must(t, l.Record(context.Background(), entry(n)))
	}
}

// verified fails the test unless the log in a folder is what was signed.
func verified(t testing.TB, dir string, opts VerifyOptions) *Verification {
	t.Helper()
	v, err := Verify(dir, opts)
	must(t, err)
	for _, f := range v.Findings {
		t.Error(f)
	}
	if !v.OK() {
		t.FailNow()
	}
	return v
}

// copyFolder copies the files of a folder.
func copyFolder(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, e.Name()), data, 0o600))
	}
	return to
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within ten seconds: ", what)
		}
	}
}

// loud writes the log's own messages into the test's.
func loud(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}
