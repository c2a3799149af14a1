package console

import (
	"math"
	"time"
)

// Chart is the geometry of how often something happened over time: one panel for each kind, with a scale of its own,
// above one axis of time. What is blocked is rare beside what passes, and would not show on the same scale.
type Chart struct {
	// Width and Height are those of the whole, in the units of its coordinates.
	Width, Height int
	Panels        []Panel
	// Ticks are on the axis of time.
	Ticks []Tick
	// Left and Right are where the plots begin and end, and Bottom is where the last of them does.
	Left, Right, Bottom int
}

// Panel is the plot of one kind.
type Panel struct {
	Kind  Kind
	Total int64
	// Top and Base are where the plot begins and where its columns stand.
	Top, Base int
	// Most is the number at the upper end of its scale, and Half the one in the middle; 0 if that is no whole number.
	Most, Half int64
	HalfAt     int
	Columns    []Column
}

// Column is how often it happened in one slot.
type Column struct {
	X, Y, Width, Height float64
	From                string
	N                   int64
}

// Tick is a mark on an axis.
type Tick struct {
	At    float64
	Label string
}

const (
	panelHeight = 56
	panelHead   = 30
	axisHeight  = 24
)

// newChart draws a window with so many units of width, and room for its scale on the left.
func newChart(w *Window, width int) Chart {
	c := Chart{Width: width, Left: 44, Right: width - 8}
	step := float64(c.Right-c.Left) / float64(len(w.Slots))
	y := 0
	for _, kind := range []Kind{Blocked, WouldBlock, Allowed} {
		series := w.Series(kind)
		p := Panel{Kind: kind, Total: sum(series), Top: y + panelHead, Base: y + panelHead + panelHeight}
		p.Most = scale(series)
		if p.Most%2 == 0 {
			p.Half, p.HalfAt = p.Most/2, p.Base-panelHeight/2
		}
		for i, n := range series {
			if n == 0 {
				continue
			}
			height := max(1.5, float64(n)/float64(p.Most)*panelHeight)
			p.Columns = append(p.Columns, Column{
				X: round(float64(c.Left) + float64(i)*step), Y: round(float64(p.Base) - height), Width: round(max(0.5, step-1)), Height: round(height),
				From: w.At(i).Format(w.layout()), N: n,
			})
		}
		c.Panels = append(c.Panels, p)
		y = p.Base
	}
	c.Bottom = y
	c.Height = y + axisHeight
	c.Ticks = ticksOf(w, c.Left, step, width)
	return c
}

// layout is how the beginning of a slot is written.
func (w *Window) layout() string {
	if w.Width >= time.Hour {
		return "2 Jan 15:04"
	}
	return "15:04"
}

// scale returns the round number that a scale reaches to: 1, 2 or 5 times a power of ten.
func scale(series []int64) int64 {
	var most int64 = 1
	for _, n := range series {
		most = max(most, n)
	}
	for power := int64(1); ; power *= 10 {
		for _, step := range []int64{1, 2, 5} {
			if step*power >= most {
				return step * power
			}
		}
	}
}

// ticksOf marks round times, as many as there is room for.
func ticksOf(w *Window, left int, step float64, width int) []Tick {
	every, layout := 15*time.Minute, "15:04"
	switch {
	case w.Width >= time.Hour && width < 600:
		every, layout = 24*time.Hour, "2 Jan"
	case w.Width >= time.Hour:
		every, layout = 12*time.Hour, "2 Jan 15:04"
	case width < 600:
		every = 30 * time.Minute
	}
	var ticks []Tick
	for i := range w.Slots {
		at := w.At(i)
		since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
		x := float64(left) + float64(i)*step
		if since%every == 0 && x < float64(width)-34 {
			ticks = append(ticks, Tick{round(x), at.Format(layout)})
		}
	}
	return ticks
}

// Spark is a small chart of one row, without a scale: its numbers stand beside it.
type Spark struct {
	Width, Height int
	Columns       []SparkColumn
}

// SparkColumn is a part of a column, of one kind.
type SparkColumn struct {
	Column
	Class string
}

const (
	sparkWidth   = 120
	sparkHeight  = 22
	sparkColumns = 40
)

// newSpark stacks the kinds of a row, its slots put together until they fit.
func newSpark(r *Row) Spark {
	s := Spark{Width: sparkWidth, Height: sparkHeight}
	slots := len(r.Series[Blocked])
	each := max(1, (slots+sparkColumns-1)/sparkColumns)
	var parts [][kinds]int64
	var most int64 = 1
	for from := 0; from < slots; from += each {
		var part [kinds]int64
		for kind := range r.Series {
			part[kind] = sum(r.Series[kind][from:min(slots, from+each)])
		}
		parts = append(parts, part)
		most = max(most, sum(part[:]))
	}
	step := float64(sparkWidth) / float64(max(1, len(parts)))
	for i, part := range parts {
		y := float64(sparkHeight)
		for kind, n := range part {
			if n == 0 {
				continue
			}
			height := max(1, float64(n)/float64(most)*(sparkHeight-2))
			y -= height
			s.Columns = append(s.Columns, SparkColumn{Column{X: round(float64(i) * step), Y: round(max(0, y)), Width: round(step - 0.75), Height: round(height)}, Kind(kind).Class()})
		}
	}
	return s
}

// round keeps coordinates short.
func round(x float64) float64 { return math.Round(x*100) / 100 }
