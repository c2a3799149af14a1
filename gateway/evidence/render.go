package evidence

import (
	_ "embed" // the template of the HTML report
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// JSON writes the report as one JSON object, of which the fields are stable.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// section is one of the divisions of all records.
type section struct {
	Key, Title, Empty string
	Counts            []Count
}

// Total returns the section's sums.
func (s section) Total() Count {
	sum := Count{Name: "total"}
	for _, c := range s.Counts {
		sum.Allow += c.Allow
		sum.Block += c.Block
	}
	return sum
}

// Label returns what a name is shown as.
func (s section) Label(name string) string {
	if name == "" {
		return s.Empty
	}
	return name
}

// Sections returns the divisions of the records in the order in which they are shown.
func (r *Report) Sections() []section {
	return []section{
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
	rows := [][]string{{"section", "name", "allow", "block", "total"}}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	for _, s := range r.Sections() {
		for _, count := range append(s.Counts, s.Total()) {
			rows = append(rows, []string{s.Key, cell(count.Name), number(count.Allow), number(count.Block), number(count.Total())})
		}
	}
	for _, count := range r.Shadows {
		rows = append(rows, []string{"shadow", cell(count.Name), number(count.Allow), number(count.Block), number(count.Total())})
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
	}{{"lost", r.Lost}, {"failed", r.Failed}, {"torn", r.Torn}, {"unsigned", r.Unsigned}, {"starts", r.Starts}, {"stops", r.Stops}, {"unreadable", r.Unreadable}} {
		rows = append(rows, []string{"log", f.name, "", "", number(f.n)})
	}
	return c.WriteAll(rows)
}

// cell keeps a spreadsheet from taking a name for a formula.
func cell(name string) string {
	if name != "" && (name[0] == '=' || name[0] == '+' || name[0] == '-' || name[0] == '@') {
		return "'" + name
	}
	return name
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } // Flush says what failed
	p("Evidence from %s until %s\n", orWords(r.From, "the beginning"), orWords(r.Until, "the end"))
	p("%d records, %d lost, %d failed, %d unreadable; %d starts, %d stops, %d torn, %d unsigned at a start\n", r.Records, r.Lost, r.Failed, r.Unreadable, r.Starts, r.Stops, r.Torn, r.Unsigned)
	for _, l := range r.Logs {
		p("\n%s\t%s\t%d records\t%d of %d lines covered\n", l.Dir, verifiedWords(l), l.Records, l.Covered, l.Lines)
		for _, f := range l.Findings {
			p("  %s\n", f)
		}
	}
	for _, s := range r.Sections() {
		p("\n%s\tallow\tblock\ttotal\n", s.Title)
		for _, c := range append(s.Counts, s.Total()) {
			p("  %s\t%d\t%d\t%d\n", s.Label(c.Name), c.Allow, c.Block, c.Total())
		}
	}
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

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"or_words": orWords, "age": age, "short": short, "bars": bars,
}).Parse(reportPage))

// HTML writes the report as one page that needs nothing else and can be printed.
func (r *Report) HTML(w io.Writer) error { return reportTemplate.Execute(w, r) }

// short cuts a time to the second.
func short(at string) string {
	if len(at) == len(stampExample) {
		return at[:len("2024-07-20T04:00:00")] + "Z"
	}
	return at
}

// chart is a bar chart of the blocks of each day, in units of its own.
type chart struct {
	Width, Height, Base int
	Most                int64
	Bars                []bar
}

type bar struct {
	X, Y, Width, Height int
	Day                 string
	Blocks              int64
	Labelled            bool
}

// bars lays the chart out. It has a bar for every day that has records, however few of them were blocked.
func bars(days []Count) chart {
	const width, height, base, labels, widest = 720, 180, 150, 8, 48
	c := chart{Width: width, Height: height, Base: base}
	for _, d := range days {
		c.Most = max(c.Most, d.Block)
	}
	step := float64(width) / float64(max(1, len(days)))
	every := (len(days) + labels - 1) / labels
	for i, d := range days {
		h := 0
		if d.Block > 0 {
			h = max(1, int(float64(base-20)*float64(d.Block)/float64(c.Most)))
		}
		x := int(step * float64(i))
		c.Bars = append(c.Bars, bar{x, base - h, max(1, min(widest, int(step*0.8))), h, d.Name, d.Block, i%max(1, every) == 0})
	}
	return c
}
