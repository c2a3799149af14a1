package evidence

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPreview shows that a preview is in the evidence, can be found and proved, and is none of the decisions that are counted.
func TestPreview(t *testing.T) {
	t.Parallel()
	dir, c := t.TempDir(), newClock()
	l := open(t, Config{Dir: dir, Client: ClientFull, Now: c.now})
	must(t, l.Record(t.Context(), entry(1)))
	decided, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	shown := entry(2)
	shown.Preview, shown.Path = true, `/cart"},{"kind":"stop","verdict":"allow`
	must(t, l.Record(t.Context(), shown))
	must(t, l.Close())

	v, err := Verify(dir, VerifyOptions{})
	must(t, err)
	if !v.OK() || v.Records != 1 {
		t.Errorf("%+v", v)
	}
	r, err := NewReport([]string{dir}, ReportOptions{})
	must(t, err)
	if r.Previews != 1 {
		t.Errorf("%d previews", r.Previews)
	}
	for _, both := range [][2]any{
		{decided.Records, r.Records}, {decided.Unreadable, r.Unreadable}, {decided.Sections(), r.Sections()}, {decided.Policies, r.Policies}, {decided.Databases, r.Databases}, {decided.Events, r.Events},
	} {
		if d := cmp.Diff(both[0], both[1]); d != "" {
			t.Errorf("the preview shows among the decisions: %s", d)
		}
	}
	var text, page bytes.Buffer
	must(t, r.Text(&text))
	must(t, r.HTML(&page))
	if !strings.Contains(text.String(), "\n1 previews for auditors beside them, about no buyer\n") || !strings.Contains(page.String(), "Auditors were shown 1 previews") {
		t.Errorf("a reader is not told of it:\n%s\n%s", &text, &page)
	}
	later, err := NewReport([]string{dir}, ReportOptions{From: c.now().Add(time.Hour)})
	must(t, err)
	if later.Previews != 0 {
		t.Errorf("%d previews after the last", later.Previews)
	}

	for reference, begins := range map[string]string{"0000-0001": `{"verdict":"block"`, "0000-0002": `{"kind":"event","time":"`} {
		found, err := Find(dir, reference)
		must(t, err)
		if len(found) != 1 || !strings.HasPrefix(found[0].Text, begins) {
			t.Fatalf("%s: %+v", reference, found)
		}
		proof, err := Prove(dir, reference)
		must(t, err)
		if p, err := VerifyProof(proof, l.Verifier()); err != nil || p.Line != found[0].Text {
			t.Errorf("%+v, %v", p, err)
		}
	}
	found, err := Find(dir, "0000-0002")
	must(t, err)
	var line struct {
		Kind, Event string
		Decision    wholeRecord
	}
	must(t, json.Unmarshal([]byte(found[0].Text), &line))
	if line.Kind != "event" || line.Event != "preview" || line.Decision.Path != shown.Path || line.Decision.Verdict != "block" {
		t.Errorf("%+v", line)
	}
	if d := cmp.Diff(shown.Decision.Record(), line.Decision.Record); d != "" {
		t.Error(d)
	}
}

// TestPreviewsThatCannotBeRead are told of, as decisions are.
func TestPreviewsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Dir: t.TempDir()})
	e := entry(1)
	e.Preview = true
	good := string(l.appendRecord(nil, e, time.Now()))
	for _, text := range []string{strings.Replace(good, `"country"`, `"land"`, 1), strings.TrimSuffix(good, "}") + " }"} {
		tally := newTally(ReportOptions{})
		tally.line([]byte(text), kindOf([]byte(text)))
		if r := tally.report; r.Previews != 0 || r.Unreadable != 1 {
			t.Errorf("%s: %d previews, %d unreadable", text, r.Previews, r.Unreadable)
		}
	}
	for _, text := range []string{`{"verdict":"block"}`, `{"kind":"event","time":"x`, strings.Replace(good, `"preview"`, `"policy"`, 1)} {
		if record, ok := previewOf([]byte(text)); ok {
			t.Errorf("%s holds %s", text, record)
		}
	}
}
