package console

import (
	"net/http"
	"time"

	"gate451/rules"
)

// mostRows is how many countries and rules are told apart on a page.
const mostRows = 8

// overviewPage is what the page shows.
type overviewPage struct {
	Now          time.Time
	State        *State
	Worries      []Worry
	Hourly       bool
	Window       *Window
	Wide, Narrow Chart
	Passed       int64 // requests that no rule is about
	Table        []tableRow
	By           []breakdown
	Next         *Change
	Rules        []ruleCount
	Database     *Database // the oldest
}

// breakdown is a table of what happened by something.
type breakdown struct {
	ID, Title, Name string
	Rows            []breakdownRow
}

type breakdownRow struct {
	Row
	Spark Spark
}

// tableRow is what happened in a span of time, for those who do not see the chart.
type tableRow struct {
	From   string
	Counts [3]int64
}

// ruleCount is how many rules are in one state.
type ruleCount struct {
	N     int
	State string
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	s := c.gateway.State()
	c.sample(s.Now)
	page := overviewPage{Now: s.Now, State: &s, Worries: worries(&s), Hourly: r.URL.Query().Get("span") == "days"}
	window := c.history.Window(s.Now, page.Hourly)
	page.Window = &window
	page.Wide, page.Narrow = newChart(&window, 1120), newChart(&window, 340)
	page.Passed = sum(window.Series(Ungoverned))
	page.Table = tableOf(&window)
	page.By = []breakdown{
		breakdownOf(&window, "countries", "By country", "Country", countryOf), breakdownOf(&window, "rules", "By rule", "Rule", ruleOf),
	}
	page.Next = next(c.gateway.Calendar())
	page.Rules = countRules(s.Policy, s.Now)
	for i := range s.Databases {
		if page.Database == nil || s.Databases[i].Built.Before(page.Database.Built) {
			page.Database = &s.Databases[i]
		}
	}
	c.show(w, r, http.StatusOK, "overview", "Overview", page)
}

func countryOf(k Key) string {
	switch k.Country {
	case "":
		return "unknown"
	case others:
		return others
	}
	return k.Country + " " + rules.CountryOf(k.Country).Name()
}

func ruleOf(k Key) string {
	if k.Rule == "" {
		return "no single rule"
	}
	return k.Rule
}

func breakdownOf(w *Window, id, title, name string, of func(Key) string) breakdown {
	b := breakdown{ID: id, Title: title, Name: name}
	for _, row := range w.Rows(of, mostRows) {
		b.Rows = append(b.Rows, breakdownRow{row, newSpark(&row)})
	}
	return b
}

// tableOf puts a dozen slots of the window into one row each, and leaves out rows in which nothing happened.
func tableOf(w *Window) []tableRow {
	each := max(1, len(w.Slots)/12)
	var rows []tableRow
	for from := 0; from < len(w.Slots); from += each {
		row := tableRow{From: w.At(from).Format(w.layout())}
		for _, counts := range w.Slots[from:min(len(w.Slots), from+each)] {
			for key, n := range counts {
				if int(key.Kind) < len(row.Counts) {
					row.Counts[key.Kind] += n
				}
			}
		}
		if row.Counts != [3]int64{} {
			rows = append(rows, row)
		}
	}
	return rows
}

// next returns the first change that is still to come; nil if none is.
func next(changes []Change) *Change {
	for i := range changes {
		if !changes[i].Past {
			return &changes[i]
		}
	}
	return nil
}

// countRules says how many rules are in force, to come and over.
func countRules(p *rules.Policy, now time.Time) []ruleCount {
	counts := map[string]int{}
	for _, rule := range p.Rules() {
		counts[stateOf(rule, now)]++
	}
	var all []ruleCount
	for _, state := range []string{"active", "paused", "coming", "past"} {
		if n := counts[state]; n > 0 {
			all = append(all, ruleCount{n, state})
		}
	}
	return all
}

// stateOf says in one word whether a rule is in force.
func stateOf(rule *rules.Rule, now time.Time) string {
	switch {
	case now.Before(rule.Effective.From):
		return "coming"
	case !rule.Effective.Contains(now):
		return "past"
	case rule.Pause != nil && rule.Pause.Effective.Contains(now):
		return "paused"
	}
	return "active"
}
