package console

import (
	"time"

	"gate451/rules"
)

// Timeline is the geometry of when rules are in force.
type Timeline struct {
	Width, Height int
	Left, Right   int
	// Now is where the present is, Axis how far down the plot reaches.
	Now  float64
	Axis int
	// ID tells this drawing from another in the same page.
	ID   string
	Rows []TimelineRow
	// Ticks are on the axis of time.
	Ticks []Tick
}

// TimelineRow is one rule.
type TimelineRow struct {
	Rule  *rules.Rule
	State string
	// Name is the rule's id, cut where it does not fit; Label is where it stands and Y where the bar does.
	Name     string
	Label, Y int
	Bar      Bar
	Pause    *Bar
	Marks    []Mark
	When     string
}

// Bar is a span of time. An open end goes on beyond what is shown.
type Bar struct {
	X, Width          float64
	OpenLeft, OpenEnd bool
}

// Mark is an instant at which an exception ends, or from which the rule is announced.
type Mark struct {
	X    float64
	What string
}

const (
	headHeight = 16 // of the word now
	rowHeight  = 42
	rowLabel   = 14 // from the top of a row to the base line of its name
	barTop     = 21
	mostYears  = 4 // around now; what is further away is drawn at the edge
	charWidth  = 7 // of a name, on average
	axisPlot   = 26
	marginPlot = 10
)

// newTimeline draws the rules of a policy with so many units of width.
func newTimeline(p *rules.Policy, changes []Change, now time.Time, width int, id string) Timeline {
	t := Timeline{Width: width, Left: marginPlot, Right: width - marginPlot, ID: id}
	first, last := spanOf(changes, now)
	x := func(at time.Time) float64 {
		share := at.Sub(first).Seconds() / last.Sub(first).Seconds()
		return round(float64(t.Left) + min(1, max(0, share))*float64(t.Right-t.Left))
	}
	bar := func(i rules.Interval) Bar {
		b := Bar{X: float64(t.Left), OpenLeft: i.From.IsZero() || i.From.Before(first), OpenEnd: i.Until.IsZero() || i.Until.After(last)}
		if !b.OpenLeft {
			b.X = x(i.From)
		}
		end := float64(t.Right)
		if !b.OpenEnd {
			end = x(i.Until)
		}
		b.Width = round(max(2, end-b.X))
		return b
	}
	for i, rule := range p.Rules() {
		row := TimelineRow{
			Rule: rule, State: stateOf(rule, now), Name: clip(rule.ID, (t.Right-t.Left)/charWidth),
			Label: headHeight + i*rowHeight + rowLabel, Y: headHeight + i*rowHeight + barTop,
			Bar: bar(rule.Effective), When: whenOf(rule, now, p.Zone()),
		}
		if rule.Pause != nil {
			pause := bar(rule.Pause.Effective)
			row.Pause = &pause
		}
		if !rule.NoticeFrom.IsZero() {
			row.Marks = append(row.Marks, Mark{x(rule.NoticeFrom), "Announced from " + moment(rule.NoticeFrom.In(p.Zone()))})
		}
		for _, exception := range rule.Exceptions {
			if !exception.Until.IsZero() {
				row.Marks = append(row.Marks, Mark{x(exception.Until), "An exception ends " + moment(exception.Until.In(p.Zone()))})
			}
		}
		t.Rows = append(t.Rows, row)
	}
	t.Axis = headHeight + len(t.Rows)*rowHeight + 2
	t.Height = t.Axis + axisPlot
	t.Now = x(now)
	t.Ticks = dates(first, last, x, width)
	return t
}

// spanOf returns from when until when the timeline reaches: over all changes that are not too far away, and now, with some
// room on both sides.
func spanOf(changes []Change, now time.Time) (first, last time.Time) {
	first, last = now.AddDate(0, -3, 0), now.AddDate(0, 3, 0)
	earliest, latest := now.AddDate(-mostYears, 0, 0), now.AddDate(mostYears, 0, 0)
	for _, c := range changes {
		if c.At.Before(first) {
			first = c.At
		}
		if c.At.After(last) {
			last = c.At
		}
	}
	if first.Before(earliest) {
		first = earliest
	}
	if last.After(latest) {
		last = latest
	}
	room := last.Sub(first) / 24
	return first.Add(-room), last.Add(room)
}

// dates marks the beginnings of months, quarters or years, as many as there is room for.
func dates(first, last time.Time, x func(time.Time) float64, width int) []Tick {
	months := 1
	for _, step := range []int{1, 3, 6, 12, 24} {
		months = step
		if n := int(last.Sub(first)/(30*24*time.Hour)) / step; n*74 <= width {
			break
		}
	}
	var ticks []Tick
	year, month, _ := first.Date()
	at := time.Date(year, month, 1, 0, 0, 0, 0, first.Location())
	for ; at.Before(last); at = at.AddDate(0, 1, 0) {
		if at.Before(first) || (int(at.Month())-1+12*(at.Year()%2))%months != 0 || x(at) > float64(width-52) {
			continue
		}
		ticks = append(ticks, Tick{x(at), at.Format("Jan 2006")})
	}
	return ticks
}

// whenOf says in words when a rule is in force.
func whenOf(rule *rules.Rule, now time.Time, zone *time.Location) string {
	from, until := rule.Effective.From, rule.Effective.Until
	switch {
	case now.Before(from):
		return "begins in " + span(from.Sub(now))
	case !until.IsZero() && !now.Before(until):
		return "ended " + span(now.Sub(until)) + " ago"
	case !until.IsZero():
		return "in force, ends in " + span(until.Sub(now))
	case !from.IsZero():
		return "in force since " + from.In(zone).Format("2 Jan 2006")
	}
	return "always in force"
}

// clip cuts a name to so many characters.
func clip(name string, most int) string {
	runes := []rune(visible(name))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}
