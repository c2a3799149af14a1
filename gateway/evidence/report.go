package evidence

import (
	"errors"
	"fmt"
	"time"
)

// Report is what the logs of one or more replicas say of a span of time, in numbers that add up.
type Report struct {
	// From and Until are the span, half-open, by the time at which decisions were recorded; empty where it is open.
	From  string `json:"from"`
	Until string `json:"until"`
	// Records is how many decisions were recorded; Unreadable is how many lines look like decisions or previews and cannot be read.
	Records    int64 `json:"records"`
	Unreadable int64 `json:"unreadable"`
	// Previews is how often an auditor was shown what would become of a buyer. They are none of the records, and in no number
	// but this one.
	Previews int64 `json:"previews"`
	// Verdicts, Reasons, Rules, Countries and Days each divide all records. The name is empty for decisions that no single
	// rule led to, and for unknown countries. Days are UTC.
	Verdicts  []Count `json:"verdicts"`
	Reasons   []Count `json:"reasons"`
	Rules     []Count `json:"rules"`
	Countries []Count `json:"countries"`
	Days      []Count `json:"days"`
	// Shadows is how many records name a shadow rule that would have blocked.
	Shadows []Count `json:"shadows"`
	// Policies are the policies that decided, Databases the builds that told countries, in the order of their first use.
	Policies  []Use `json:"policies"`
	Databases []Use `json:"databases"`
	// Events are changes of policies and databases, and rules paused and resumed, as the logs have them; before those of the
	// span there are the ones that were in force when it began.
	Events []EventSeen `json:"events"`
	// Lost is how many decisions were answered without a record, Failed how many requests were refused for want of one.
	Lost   int64 `json:"lost"`
	Failed int64 `json:"failed"`
	Gaps   []Gap `json:"gaps"`
	// Torn is how many ends of files were set aside, Starts and Stops how often logs were opened and closed. An open that no
	// close came before followed a crash.
	Torn int64 `json:"torn"`
	// Unsigned is how many lines stood behind the last checkpoint when a log was opened: left by a crash, or added by
	// somebody meanwhile. What is still in the log is signed since then.
	Unsigned int64 `json:"unsigned"`
	Starts   int64 `json:"starts"`
	Stops    int64 `json:"stops"`
	// Logs are the logs that the report is made of.
	Logs []LogReport `json:"logs"`
}

// Count is a number of decisions under a name.
type Count struct {
	Name  string `json:"name"`
	Allow int64  `json:"allow"`
	Block int64  `json:"block"`
}

// Total returns the number of decisions of either verdict.
func (c Count) Total() int64 { return c.Allow + c.Block }

// Use says between which times something was used by how many decisions.
type Use struct {
	Name    string `json:"name"`
	First   string `json:"first"`
	Last    string `json:"last"`
	Records int64  `json:"records"`
	// AgeDays is how old a database was when it was last used; -1 if no event tells when it was made.
	AgeDays int `json:"age_days"`
}

// EventSeen is an event of a log.
type EventSeen struct {
	Replica string `json:"replica"`
	Time    string `json:"time"`
	Event   string `json:"event"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
	By      string `json:"by"`
}

// Gap is a span of time from which decisions are missing.
type Gap struct {
	Replica string `json:"replica"`
	Since   string `json:"since"`
	Time    string `json:"time"`
	Lost    int64  `json:"lost"`
	Failed  int64  `json:"failed"`
}

// LogReport says which log was read and whether it is what was signed.
type LogReport struct {
	Replica  string `json:"replica"`
	Records  int64  `json:"records"` // in the span
	Verified bool   `json:"verified"`
	*Verification
}

// ReportOptions say what a report is about. The zero ReportOptions are usable.
type ReportOptions struct {
	// From and Until are the span, half-open; zero where it is open.
	From, Until time.Time
	// Verify says what the logs are verified against. Checkpoints that were kept are each for the log of their origin.
	Verify VerifyOptions
}

// NewReport reads and verifies the logs in the folders in one go, with memory for the numbers alone. An error means that a log
// could not be read, or that the numbers do not add up; a log that is not what was signed is told in the report.
func NewReport(dirs []string, opts ReportOptions) (*Report, error) {
	if len(dirs) == 0 {
		return nil, errors.New("no log to report on; name at least one folder")
	}
	t := newTally(opts)
	for _, dir := range dirs {
		t.replica, t.records = "", t.total
		verify := opts.Verify
		verify.each = t.line
		verify.Checkpoints = keptFor(dir, opts.Verify.Checkpoints)
		v, err := Verify(dir, verify)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		t.report.Logs = append(t.report.Logs, LogReport{t.replica, t.total - t.records, v.OK(), v})
	}
	return t.finish()
}

// keptFor returns the checkpoints of the log in a folder, or all of them if that cannot be told.
func keptFor(dir string, kept [][]byte) [][]byte {
	segments, err := listSegments(dir)
	if err != nil || len(kept) == 0 {
		return kept
	}
	_, last, err := lastCheckpoint(dir, segments)
	if err != nil {
		return kept
	}
	var own [][]byte
	for _, text := range kept {
		if cp, err := readNote(text); err != nil || cp.Origin == last.Origin {
			own = append(own, text)
		}
	}
	return own
}
