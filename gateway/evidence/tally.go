package evidence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gate451/rules"
)

// tally counts while lines go by.
type tally struct {
	report      *Report
	from, until string
	total       int64 // of all logs
	records     int64 // of the logs before this one
	replica     string
	f           fields
	builtAt     map[string]time.Time

	verdicts, reasons, rules, countries, days, shadows map[string]*Count
	policies, databases                                map[string]*span
	inForce                                            map[string]EventSeen
}

func newTally(opts ReportOptions) *tally {
	t := &tally{report: &Report{}, builtAt: make(map[string]time.Time)}
	for _, m := range []*map[string]*Count{&t.verdicts, &t.reasons, &t.rules, &t.countries, &t.days, &t.shadows} {
		*m = make(map[string]*Count)
	}
	t.policies, t.databases, t.inForce = make(map[string]*span), make(map[string]*span), make(map[string]EventSeen)
	t.from, t.until = stamped(opts.From), stamped(opts.Until)
	t.report.From, t.report.Until = t.from, t.until
	return t
}

func stamped(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(stamp)
}

// within reports whether a time, as text, is in the span. Such texts sort as the times do.
func (t *tally) within(at []byte) bool {
	return (t.from == "" || string(at) >= t.from) && (t.until == "" || string(at) < t.until)
}

func (t *tally) line(line []byte, k kind) {
	switch k {
	case kindDecision:
		t.decision(line)
	case kindSegment:
		var h segmentLine
		if json.Unmarshal(line, &h) == nil {
			t.replica = h.Replica
		}
	case kindEvent:
		if record, ok := previewOf(line); ok {
			t.preview(record)
			return
		}
		t.other(line, k)
	case kindStart, kindStop, kindGap, kindTorn:
		t.other(line, k)
	default:
	}
}

// decision counts a record. Nothing is allocated for names that have been seen.
func (t *tally) decision(line []byte) {
	f := &t.f
	if err := f.split(line); err != nil || len(f[fieldTime]) != len(stampExample) {
		t.report.Unreadable++
		return
	}
	if !t.within(f[fieldTime]) {
		return
	}
	allow := string(f[fieldVerdict]) == rules.Allow.String()
	if !allow && string(f[fieldVerdict]) != rules.Block.String() {
		t.report.Unreadable++
		return
	}
	t.total++
	add(t.verdicts, f[fieldVerdict], allow)
	add(t.reasons, f[fieldReason], allow)
	add(t.rules, f[fieldRule], allow)
	add(t.countries, f[fieldCountry], allow)
	add(t.days, f[fieldTime][:len(time.DateOnly)], allow)
	items(f[fieldShadow], func(rule []byte) { add(t.shadows, rule, allow) })
	use(t.policies, f[fieldPolicy], f[fieldTime])
	use(t.databases, f[fieldDatabase], f[fieldTime])
}

// preview counts a record that is about no buyer.
func (t *tally) preview(record []byte) {
	switch f := &t.f; {
	case f.split(record) != nil || len(f[fieldTime]) != len(stampExample):
		t.report.Unreadable++
	case t.within(f[fieldTime]):
		t.report.Previews++
	}
}

// stampExample is as long as every time in the log.
const stampExample = "2024-07-20T04:00:00.000000000Z"

func add(counts map[string]*Count, name []byte, allow bool) {
	c := counts[string(name)]
	if c == nil {
		c = &Count{Name: plain(string(name))}
		counts[string(name)] = c
	}
	if allow {
		c.Allow++
	} else {
		c.Block++
	}
}

// span is the time over which something was used. It holds times as the log writes them, in memory of its own.
type span struct {
	first, last [len(stampExample)]byte
	records     int64
}

// use notes that something was used at a time. Records of one log come in order but for moments, those of another do not.
func use(uses map[string]*span, name, at []byte) {
	u := uses[string(name)]
	if u == nil {
		u = new(span)
		copy(u.first[:], at)
		uses[string(name)] = u
	}
	u.records++
	if bytes.Compare(at, u.first[:]) < 0 {
		copy(u.first[:], at)
	}
	if bytes.Compare(at, u.last[:]) > 0 {
		copy(u.last[:], at)
	}
}

// otherLine has the fields of all lines that are no decisions and that a report tells of.
type otherLine struct {
	Time   string `json:"time"`
	Event  string `json:"event"`
	Digest string `json:"digest"`
	Source string `json:"source"`
	Name   string `json:"name"`
	Build  string `json:"build"`
	Built  string `json:"built"`
	Rule   string `json:"rule"`
	Until  string `json:"until"`
	Note   string `json:"note"`
	By     string `json:"by"`
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	IDs    int    `json:"ids"`
	Since  string `json:"since"`
	Lost   int64  `json:"lost"`
	Failed int64  `json:"failed"`

	Unsigned int64 `json:"unsigned"`
}

// other counts a line that is no decision.
func (t *tally) other(line []byte, k kind) {
	var o otherLine
	if k == kindDropped || json.Unmarshal(line, &o) != nil {
		return
	}
	within := t.within([]byte(o.Time))
	r := t.report
	switch {
	case k == kindEvent:
		t.event(&o, within)
	case !within:
	case k == kindStart:
		r.Starts++
		r.Unsigned += o.Unsigned
	case k == kindStop:
		r.Stops++
	case k == kindTorn:
		r.Torn++
	case k == kindGap:
		r.Lost += o.Lost
		r.Failed += o.Failed
		r.Gaps = append(r.Gaps, Gap{t.replica, o.Since, o.Time, o.Lost, o.Failed})
	}
}

// event keeps an event of the span, or one from before that may still be in force when the span begins.
func (t *tally) event(o *otherLine, within bool) {
	e := EventSeen{Replica: t.replica, Time: o.Time, Event: o.Event, By: o.By}
	switch o.Event {
	case eventPolicy:
		e.Subject, e.Detail = o.Digest, o.Source
	case eventDatabase:
		e.Subject, e.Detail = o.Build, o.Name
		if built, err := time.Parse(time.RFC3339Nano, o.Built); err == nil {
			t.builtAt[o.Build] = built
		}
	case eventCatalogue:
		e.Subject, e.Detail = "sha256:"+o.SHA256, fmt.Sprintf("%s, %d ids", o.File, o.IDs)
	case eventPaused:
		e.Subject, e.Detail = o.Rule, "until "+o.Until+" "+o.Note
	default:
		e.Subject, e.Detail = o.Rule, o.Note
	}
	switch {
	case within:
		t.report.Events = append(t.report.Events, e)
	case t.from != "" && o.Time < t.from:
		t.inForce[inForceKey(&e, o)] = e
	}
}

// inForceKey names what an event replaces: a log has one policy, and one state of each database, catalogue and rule.
func inForceKey(e *EventSeen, o *otherLine) string {
	what := e.Event
	switch e.Event {
	case eventPolicy:
	case eventDatabase:
		what += " " + e.Detail
	case eventCatalogue:
		what += " " + o.File
	default:
		what = "rule " + e.Subject
	}
	return e.Replica + " " + what
}

// finish puts the numbers in order and checks that they add up.
func (t *tally) finish() (*Report, error) {
	r := t.report
	r.Records = t.total
	r.Verdicts, r.Reasons, r.Rules = inOrder(t.verdicts), inOrder(t.reasons), inOrder(t.rules)
	r.Countries, r.Days, r.Shadows = inOrder(t.countries), inOrder(t.days), inOrder(t.shadows)
	r.Policies, r.Databases = t.used(t.policies), t.used(t.databases)
	for _, e := range t.inForce {
		if e.Event != eventResumed { // a rule that was resumed is as it always was
			r.Events = append(r.Events, e)
		}
	}
	slices.SortFunc(r.Events, func(a, b EventSeen) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.Event, b.Event), cmp.Compare(a.Subject, b.Subject))
	})
	slices.SortStableFunc(r.Gaps, func(a, b Gap) int { return cmp.Compare(a.Time, b.Time) })
	r.Events, r.Gaps = nonNil(r.Events), nonNil(r.Gaps)
	for _, d := range []struct {
		what   string
		counts []Count
	}{{"verdict", r.Verdicts}, {"reason", r.Reasons}, {"rule", r.Rules}, {"country", r.Countries}, {"day", r.Days}} {
		if sum := total(d.counts); sum != r.Records {
			return nil, fmt.Errorf("the report does not add up: %d records, and %d by %s", r.Records, sum, d.what)
		}
	}
	return r, nil
}

func total(counts []Count) int64 {
	sum := int64(0)
	for _, c := range counts {
		sum += c.Total()
	}
	return sum
}

func inOrder(counts map[string]*Count) []Count {
	list := make([]Count, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, *counts[name])
	}
	return list
}

// used returns what was used, in the order of first use.
func (t *tally) used(uses map[string]*span) []Use {
	list := make([]Use, 0, len(uses))
	for raw, u := range uses {
		use := Use{Name: plain(raw), First: string(u.first[:]), Last: string(u.last[:]), Records: u.records, AgeDays: -1}
		last, err := time.Parse(time.RFC3339Nano, use.Last)
		if built, ok := t.builtAt[use.Name]; ok && err == nil {
			use.AgeDays = int(last.Sub(built) / (24 * time.Hour))
		}
		list = append(list, use)
	}
	slices.SortFunc(list, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Name, b.Name))
	})
	return list
}
