package evidence

import (
	_ "embed" // the HTML report
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// JSON writes the report as one JSON object, of which the fields are stable.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Sections returns the divisions of the records in the order in which they are shown.
func (r *Report) Sections() []Section {
	return []Section{
		{"verdict", "Verdicts", "", r.Verdicts},
		{"reason", "Reasons", "(none)", r.Reasons},
		{"rule", "Rules", "(no single rule)", r.Rules},
		{"country", "Countries", "(unknown)", r.Countries},
		{"day", "Days (UTC)", "", r.Days},
	}
}

// CSV writes the numbers as rows of section, name, allow, block and total. What is no count of decisions stands in the
// total alone.
func (r *Report) CSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := append([][]string{CSVHead()}, CSVRows(r.Sections())...)
	for _, count := range r.Shadows {
		rows = append(rows, count.row("shadow"))
	}
	for _, u := range r.Policies {
		rows = append(rows, []string{"policy", cell(u.Name), "", "", number(u.Records)})
	}
	for _, u := range r.Databases {
		rows = append(rows, []string{"database", cell(u.Name), "", "", number(u.Records)})
	}
	for _, l := range r.Logs {
		rows = append(rows, []string{"log", cell(l.Replica), "", "", number(l.Records)})
	}
	for _, f := range []struct {
		name string
		n    int64
	}{{"lost", r.Lost}, {"failed", r.Failed}, {"torn", r.Torn}, {"unsigned", r.Unsigned}, {"starts", r.Starts}, {"stops", r.Stops}, {"unreadable", r.Unreadable}, {"previews", r.Previews}} {
		rows = append(rows, []string{"log", f.name, "", "", number(f.n)})
	}
	return c.WriteAll(rows)
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } // Flush says what failed
	p("Evidence from %s until %s\n", orWords(r.From, "the beginning"), orWords(r.Until, "the end"))
	p("%d records, %d lost, %d failed, %d unreadable; %d starts, %d stops, %d torn, %d unsigned at a start\n", r.Records, r.Lost, r.Failed, r.Unreadable, r.Starts, r.Stops, r.Torn, r.Unsigned)
	if r.Previews > 0 {
		p("%d previews for auditors beside them, about no buyer\n", r.Previews)
	}
	for _, l := range r.Logs {
		p("\n%s\t%s\t%d records\t%d of %d lines covered\n", l.Dir, verifiedWords(l), l.Records, l.Covered, l.Lines)
		for _, f := range l.Findings {
			p("  %s\n", f)
		}
	}
	TextSections(t, r.Sections())
	for _, c := range r.Shadows {
		p("  shadow rule %s would have blocked\t\t\t%d\n", c.Name, c.Total())
	}
	for _, list := range []struct {
		title string
		uses  []Use
	}{{"Policies", r.Policies}, {"Databases", r.Databases}} {
		p("\n%s\trecords\tfirst\tlast\n", list.title)
		for _, u := range list.uses {
			p("  %s\t%d\t%s\t%s%s\n", orWords(u.Name, "(none)"), u.Records, u.First, u.Last, age(u))
		}
	}
	if len(r.Events) > 0 {
		p("\nEvents\n")
	}
	for _, e := range r.Events {
		p("  %s\t%s\t%s\t%s\t%s\n", e.Time, e.Replica, e.Event, e.Subject, e.words())
	}
	for _, g := range r.Gaps {
		p("\nGap of %s from %s until %s: %d lost, %d failed\n", g.Replica, g.Since, g.Time, g.Lost, g.Failed)
	}
	return t.Flush()
}

// words returns the detail and who is behind the event.
func (e *EventSeen) words() string {
	if e.By == "" {
		return e.Detail
	}
	return strings.TrimSpace(e.Detail + " by " + e.By)
}

func orWords(text, words string) string {
	if text == "" {
		return words
	}
	return text
}

func verifiedWords(l LogReport) string {
	if l.Verified {
		return "verified"
	}
	return "NOT VERIFIED"
}

func age(u Use) string {
	if u.AgeDays < 0 {
		return ""
	}
	return fmt.Sprintf(", then %d days old", u.AgeDays)
}

//go:embed report.html
var reportPage string

var reportTemplate = NewPage("report", reportPage)

// HTML writes the report as one page that needs nothing else and can be printed.
func (r *Report) HTML(w io.Writer) error { return reportTemplate.Execute(w, r) }

// short cuts a time to the second.
func short(at string) string {
	if len(at) == len(stampExample) {
		return at[:len("2024-07-20T04:00:00")] + "Z"
	}
	return at
}
