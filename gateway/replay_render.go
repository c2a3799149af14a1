package gateway

import (
	"cmp"
	_ "embed" // the page
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"gate451/gateway/evidence"
)

// JSON writes the replay as one JSON object, of which the fields are stable.
func (r *Replay) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Sections returns the divisions of all requests that were judged, the most blocked first and days in their order.
func (r *Replay) Sections() []evidence.Section {
	verdicts := map[string]ReplayCount{"allow": {Allow: r.Verdicts.Allow}, "block": {Block: r.Verdicts.Block}}
	return []evidence.Section{
		{Key: "verdict", Title: "Verdicts", Counts: mostBlocked(verdicts)},
		{Key: "reason", Title: "Reasons", Counts: mostBlocked(r.Reasons)},
		{Key: "rule", Title: "Rules", Empty: "(no single rule)", Counts: mostBlocked(r.Rules)},
		{Key: "country", Title: "Countries", Empty: "(unknown)", Counts: mostBlocked(r.Countries)},
		{Key: "day", Title: "Days", Counts: r.DayCounts()},
	}
}

func mostBlocked(counts map[string]ReplayCount) []evidence.Count {
	all := named(counts)
	slices.SortStableFunc(all, func(a, b evidence.Count) int {
		return cmp.Or(cmp.Compare(b.Block, a.Block), cmp.Compare(b.Allow, a.Allow))
	})
	return all
}

// named returns counts in the order of their names.
func named(counts map[string]ReplayCount) []evidence.Count {
	all := make([]evidence.Count, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, evidence.Count{Name: name, Allow: counts[name].Allow, Block: counts[name].Block})
	}
	return all
}

// DayCounts returns the counts of the days, in their order.
func (r *Replay) DayCounts() []evidence.Count { return named(r.Days) }

// ShadowCounts returns how many requests each rule in shadow mode would have blocked.
func (r *Replay) ShadowCounts() []evidence.Count {
	counts := make(map[string]ReplayCount)
	for id, n := range r.Shadows {
		counts[id] = ReplayCount{Block: n}
	}
	return mostBlocked(counts)
}

// CSV writes the numbers as rows of section, name, allow, block and total. What is no count of verdicts stands in the total
// alone.
func (r *Replay) CSV(w io.Writer) error {
	rows := append([][]string{evidence.CSVHead()}, evidence.CSVRows(r.Sections())...)
	for _, c := range r.ShadowCounts() {
		rows = append(rows, []string{"shadow", c.Name, "", "", strconv.FormatInt(c.Block, 10)})
	}
	for _, f := range []struct {
		name string
		n    int64
	}{{"lines", r.Lines}, {"unreadable", r.Unreadable}, {"rejected", r.Rejected}, {"bodies", r.Bodies}} {
		rows = append(rows, []string{"log", f.name, "", "", strconv.FormatInt(f.n, 10)})
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// Summary says in sentences what was replayed and what came of it.
func (r *Replay) Summary() []string {
	when := "Each request is judged at its own time."
	if r.At != "" {
		when = "Every request is judged as if it were " + r.At + "."
	}
	said := []string{
		when,
		fmt.Sprintf("%d lines: %d requests would pass, %d would be blocked. Malformed, and so answered 4xx: %d. Unreadable: %d.",
			r.Lines, r.Verdicts.Allow, r.Verdicts.Block, r.Rejected, r.Unreadable),
	}
	if r.Bodies > 0 {
		said = append(said, fmt.Sprintf("Of %d requests the gateway would have read the body, which no log has: they are judged as if it could not be read.", r.Bodies))
	}
	return said
}

// Text writes the replay for a terminal.
func (r *Replay) Text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } // Flush says what failed
	p("Recorded traffic under policy %s\n", r.Policy)
	for _, sentence := range r.Summary() {
		p("%s\n", sentence)
	}
	sections := r.Sections()
	days := &sections[len(sections)-1]
	days.Title, days.Counts = spans(days.Counts)
	p("\nBlocked, by %s\n", strings.ToLower(strings.TrimSuffix(days.Title, "s")))
	for _, line := range terminalBars(days.Counts) {
		p("  %s\n", line)
	}
	evidence.TextSections(t, sections)
	for _, c := range r.ShadowCounts() {
		p("  shadow rule %s would have blocked\t\t\t%d\n", c.Name, c.Block)
	}
	if len(r.Problems) > 0 {
		p("\nUnreadable, the first of %d\n", r.Unreadable)
	}
	for _, problem := range r.Problems {
		p("  %v\n", problem)
	}
	return t.Flush()
}

// mostBars is how many bars a terminal shows before days are gathered into months, and months into years.
const mostBars = 40

// spans gathers days until they fit on a screen, and says what they have become.
func spans(days []evidence.Count) (title string, counts []evidence.Count) {
	title = "Days"
	for _, longer := range []struct {
		title string
		name  int // length of its name
	}{{"Months", len("2024-07")}, {"Years", len("2024")}} {
		if len(days) <= mostBars {
			break
		}
		var gathered []evidence.Count
		for _, d := range days {
			if name := d.Name[:longer.name]; len(gathered) == 0 || gathered[len(gathered)-1].Name != name {
				gathered = append(gathered, evidence.Count{Name: name})
			}
			last := &gathered[len(gathered)-1]
			last.Allow, last.Block = last.Allow+d.Allow, last.Block+d.Block
		}
		title, days = longer.title, gathered
	}
	return title, days
}

// terminalBars draws a bar for the blocks of each span, the longest of them 40 characters long.
func terminalBars(counts []evidence.Count) []string {
	const width = 40
	eighths := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}
	most := int64(1)
	for _, c := range counts {
		most = max(most, c.Block)
	}
	var lines []string
	for _, c := range counts {
		length := int((c.Block*width*8 + most - 1) / most) // in eighths; what is there is seen
		lines = append(lines, fmt.Sprintf("%s\t%s%s\t%d", c.Name, strings.Repeat("█", length/8), eighths[length%8], c.Block))
	}
	return lines
}

//go:embed replay.html
var replayPage string

var replayTemplate = evidence.NewPage("replay", replayPage)

// HTML writes the replay as one page that needs nothing else and can be printed.
func (r *Replay) HTML(w io.Writer) error { return replayTemplate.Execute(w, r) }
