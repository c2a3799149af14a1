package evidence

import (
	_ "embed" // what pages of numbers have in common
	"fmt"
	"html/template"
	"io"
	"strconv"
)

//go:embed page.html
var pageParts string

// NewPage returns a page of its own that may use what pages of numbers have in common: the template "style", "chart" for the
// Counts of days, and "sections" for Sections. It panics if the text is none.
func NewPage(name, text string) *template.Template {
	shared := template.New(name).Funcs(template.FuncMap{"or_words": orWords, "age": age, "short": short, "bars": bars})
	return template.Must(template.Must(shared.Parse(pageParts)).Parse(text))
}

// Section is one of the divisions of what was counted. Empty is what a name is shown as that is empty.
type Section struct {
	Key, Title, Empty string
	Counts            []Count
}

// Total returns the section's sums.
func (s Section) Total() Count {
	sum := Count{Name: "total"}
	for _, c := range s.Counts {
		sum.Allow += c.Allow
		sum.Block += c.Block
	}
	return sum
}

// Label returns what a name is shown as.
func (s Section) Label(name string) string {
	if name == "" {
		return s.Empty
	}
	return name
}

// CSVHead names the columns of CSVRows.
func CSVHead() []string { return []string{"section", "name", "allow", "block", "total"} }

// CSVRows returns the numbers of sections, each with its sums.
func CSVRows(sections []Section) [][]string {
	var rows [][]string
	for _, s := range sections {
		for _, count := range append(s.Counts, s.Total()) {
			rows = append(rows, count.row(s.Key))
		}
	}
	return rows
}

func (c Count) row(section string) []string {
	return []string{section, cell(c.Name), number(c.Allow), number(c.Block), number(c.Total())}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// cell keeps a spreadsheet from taking a name for a formula.
func cell(name string) string {
	if name != "" && (name[0] == '=' || name[0] == '+' || name[0] == '-' || name[0] == '@') {
		return "'" + name
	}
	return name
}

// TextSections writes the numbers of sections to w, which aligns columns that tabs separate.
func TextSections(w io.Writer, sections []Section) {
	for _, s := range sections {
		_, _ = fmt.Fprintf(w, "\n%s\tallow\tblock\ttotal\n", s.Title) // whoever flushes learns what failed
		for _, c := range append(s.Counts, s.Total()) {
			_, _ = fmt.Fprintf(w, "  %s\t%d\t%d\t%d\n", s.Label(c.Name), c.Allow, c.Block, c.Total()) // likewise
		}
	}
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
