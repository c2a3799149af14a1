package evidence

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gate451/rules"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file under testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

// reportLogs returns the folders of two replicas' logs, over three days.
func reportLogs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, replica := range []string{"shop-1", "shop-2"} {
		dir, c := t.TempDir(), newClock()
		c.still = true
		for day := range 3 {
			l := open(t, Config{Dir: dir, Replica: replica, Now: c.now, Random: &same{}})
			must(t, l.Note(t.Context(), PolicyChanged{fmt.Sprintf("sha256:%d", day), "policy.yaml"}))
			must(t, l.Note(t.Context(), DatabaseChanged{"GeoLite2-Country", fmt.Sprintf("2026-02-%d", 20+day), time.Date(2026, 2, 20+day, 0, 0, 0, 0, time.UTC)}))
			must(t, l.Note(t.Context(), CatalogueChanged{"goods.csv", fmt.Sprintf("%064d", day), 1000 * (day + 1)}))
			for n := range 6 + day {
				c.move(time.Second)
				e := entry(n)
				e.Decision.Policy, e.Database = fmt.Sprintf("sha256:%d", day), fmt.Sprintf("2026-02-%d", 20+day)
				if n == 4 {
					e.Decision.Country, e.Decision.Reason, e.Decision.Rule = 0, rules.ReasonUnknownCountry, &rules.Rule{ID: "=<b>cuba & sales</b>"}
				}
				must(t, l.Record(t.Context(), e))
			}
			if day == 1 {
				must(t, l.Note(t.Context(), RulePaused{"cuba-sales", c.now().Add(time.Hour), "licence <1234>", "ops"}))
				must(t, l.Note(t.Context(), RuleResumed{"cuba-sales", "again", "ops"}))
			}
			must(t, l.Close())
			c.move(24 * time.Hour)
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// same is a source of keys that are always the same.
type same struct{ n byte }

func (s *same) Read(p []byte) (int, error) {
	for i := range p {
		s.n++
		p[i] = s.n
	}
	return len(p), nil
}

// steady replaces what differs from run to run: folders, signatures and roots.
func steady(r *Report) {
	for i := range r.Logs {
		l := &r.Logs[i]
		l.Dir = fmt.Sprintf("/log%d", i)
		l.Checkpoint = strings.SplitAfter(l.Checkpoint, "\n")[0]
		l.Lines, l.Covered, l.Checkpoints, l.Signatures = 0, 0, 0, 0
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	dirs := reportLogs(t)
	for _, test := range []struct {
		name        string
		from, until time.Time
	}{
		{"all", time.Time{}, time.Time{}},
		{"day", time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)},
	} {
		r, err := NewReport(dirs, ReportOptions{From: test.from, Until: test.until})
		must(t, err)
		for _, l := range r.Logs {
			if !l.Verified || l.Replica == "" || l.Records == 0 {
				t.Errorf("%+v", l.Verification)
			}
		}
		steady(r)
		for suffix, write := range map[string]func(io.Writer) error{"json": r.JSON, "csv": r.CSV, "txt": r.Text, "html": r.HTML} {
			var out bytes.Buffer
			must(t, write(&out))
			golden(t, "report_"+test.name+"."+suffix, out.Bytes())
			wellFormed(t, suffix, out.Bytes())
		}
	}
}

// wellFormed reads an output as its readers do.
func wellFormed(t *testing.T, suffix string, text []byte) {
	t.Helper()
	switch suffix {
	case "json":
		var r Report
		must(t, json.Unmarshal(text, &r))
	case "csv":
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		must(t, err)
		for _, row := range rows {
			if strings.HasPrefix(row[1], "=") {
				t.Errorf("a spreadsheet takes %q for a formula", row[1])
			}
		}
	case "html":
		if bytes.Contains(text, []byte("<script")) || bytes.Contains(text, []byte("http")) || bytes.Contains(text, []byte("<b>cuba")) {
			t.Error("the page runs, fetches or contains what it should not")
		}
		d := xml.NewDecoder(bytes.NewReader(text))
		d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		for {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			must(t, err)
		}
	}
}

// TestReportOfAltered reports what is there and says that it is not what was signed.
func TestReportOfAltered(t *testing.T) {
	t.Parallel()
	dir := grownLog(t, false)
	path := glob(t, dir, plainSuffix)[0]
	data, err := os.ReadFile(path)
	must(t, err)
	altered := bytes.Replace(data, []byte(`"verdict":"block"`), []byte(`"verdict":"blocc"`), 1)
	altered = bytes.Replace(altered, []byte(`,"reason":"country_not_listed"`), []byte(`,"reasom":"country_not_listed"`), 1)
	must(t, os.WriteFile(path, altered, 0o600))
	r, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if r.Logs[0].Verified || r.Records != 58 || r.Unreadable != 2 {
		t.Errorf("verified %t, %d records, %d unreadable", r.Logs[0].Verified, r.Records, r.Unreadable)
	}
	var out bytes.Buffer
	must(t, r.Text(&out))
	if !strings.Contains(out.String(), "NOT VERIFIED") || !strings.Contains(out.String(), path+":") {
		t.Error(out.String())
	}
	for _, dirs := range [][]string{nil, {t.TempDir()}} {
		if _, err := NewReport(dirs, ReportOptions{}); err == nil {
			t.Errorf("a report on %v", dirs)
		}
	}
}

// TestReportChecks finds numbers that do not add up.
func TestReportChecks(t *testing.T) {
	t.Parallel()
	tally := newTally(ReportOptions{})
	tally.total = 1
	if _, err := tally.finish(); err == nil || !strings.Contains(err.Error(), "does not add up: 1 records, and 0 by verdict") {
		t.Error(err)
	}
}

// TestReportKept gives the checkpoints of two logs that were kept to a report on both.
func TestReportKept(t *testing.T) {
	t.Parallel()
	dirs := reportLogs(t)
	var kept [][]byte
	for _, dir := range dirs {
		segments, err := listSegments(dir)
		must(t, err)
		text, _, err := lastCheckpoint(dir, segments[:1])
		must(t, err)
		kept = append(kept, text)
	}
	r, err := NewReport(dirs, ReportOptions{Verify: VerifyOptions{Checkpoints: kept}})
	must(t, err)
	for _, l := range r.Logs {
		if !l.Verified {
			t.Error(l.Findings)
		}
	}
}

// TestFlat reports on a long log, of which no more than its numbers is kept in memory.
func TestFlat(t *testing.T) {
	if racing {
		t.Skip("the race detector needs memory of its own")
	}
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Durability: BestEffort, QueueBytes: 64 << 20, SegmentBytes: 4 << 20, FlushEvery: 10 * time.Millisecond})
	const n = 100_000
	for i := range n {
		must(t, l.Record(context.Background(), entry(i)))
	}
	must(t, l.Close())
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // or else what nobody uses any more would count
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, peak, seen := heap(), uint64(0), int64(0)
	r, err := NewReport([]string{dir}, ReportOptions{Verify: VerifyOptions{Progress: func(lines int64) { seen, peak = lines, max(peak, heap()) }}})
	must(t, err)
	if r.Records+r.Lost != n || seen != r.Logs[0].Lines {
		t.Errorf("%d records, %d lost of %d; %d lines seen", r.Records, r.Lost, n, seen)
	}
	t.Logf("%d MiB at a time", (peak-before)>>20)
	if peak > before+24<<20 {
		t.Errorf("a report on %d records takes %d MiB at a time", n, (peak-before)>>20)
	}
}
