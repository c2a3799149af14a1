package console

import (
	"math"
	"strings"
	"testing"
	"time"

	"gate451/rules"
)

// TestChart holds the columns to what they stand for: inside of their plot, as high as their number says, side by side.
func TestChart(t *testing.T) {
	t.Parallel()
	zone := parsed(t, testPolicy).Zone()
	for _, hourly := range []bool{false, true} {
		for _, width := range []int{340, 1120} {
			h := NewHistory(testNow)
			for i := range 100 {
				h.Take(testNow.Add(time.Duration(i-99)*time.Minute), []Total{{Key{Blocked, "r", "US"}, int64(i)}, {Key{Allowed, "", "DE"}, int64(i * i)}})
			}
			w := h.Window(testNow.In(zone), hourly)
			c := newChart(&w, width)
			if len(c.Panels) != 3 || c.Panels[0].Total != 99 || c.Panels[1].Total != 0 || c.Panels[2].Total != 99*99 {
				t.Fatalf("panels: %+v", c.Panels)
			}
			for _, p := range c.Panels {
				var total int64
				end := float64(c.Left)
				for _, column := range p.Columns {
					total += column.N
					if column.X < end || column.X+column.Width > float64(c.Right)+0.01 || column.Y < float64(p.Top)-0.01 {
						t.Errorf("a column at %+v, the last one ended at %v, the plot is %d to %d and begins at %d", column, end, c.Left, c.Right, p.Top)
					}
					end = column.X + column.Width
					if got, want := column.Height, float64(column.N)/float64(p.Most)*panelHeight; want > 2 && math.Abs(got-want) > 0.02 {
						t.Errorf("%d of %d is %v high, want %v", column.N, p.Most, got, want)
					}
					if math.Abs(column.Y+column.Height-float64(p.Base)) > 0.02 {
						t.Errorf("a column stands at %v, want %d", column.Y+column.Height, p.Base)
					}
				}
				if total != p.Total {
					t.Errorf("%v: %d in columns, %d in all", p.Kind, total, p.Total)
				}
			}
			for i, tick := range c.Ticks {
				if tick.At < float64(c.Left) || tick.At > float64(c.Right) || i > 0 && tick.At-c.Ticks[i-1].At < 38 {
					t.Errorf("ticks: %+v", c.Ticks)
				}
			}
			if len(c.Ticks) < 3 || c.Bottom >= c.Height {
				t.Errorf("ticks %+v, the plots end at %d of %d", c.Ticks, c.Bottom, c.Height)
			}
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for most, want := range map[int64]int64{0: 1, 1: 1, 2: 2, 3: 5, 6: 10, 11: 20, 99: 100, 101: 200, 501: 1000, math.MaxInt64 / 20: 500_000_000_000_000_000} {
		if got := scale([]int64{0, most, 1}); got != want {
			t.Errorf("a scale for %d reaches to %d, want %d", most, got, want)
		}
	}
}

// TestSpark holds the parts of a column to the kinds' shares, however many slots there are.
func TestSpark(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{0, 1, 7, hours, minutes} {
		r := newRow("x", slots)
		for i := range slots {
			r.Series[Blocked][i], r.Series[Allowed][i] = int64(i), int64(3*i)
		}
		s := newSpark(r)
		heights := map[string]float64{}
		for _, c := range s.Columns {
			if c.X < 0 || c.X+c.Width > float64(s.Width) || c.Y < 0 || c.Y+c.Height > float64(s.Height)+0.02 {
				t.Errorf("%d slots: a column at %+v", slots, c)
			}
			heights[c.Class] = math.Max(heights[c.Class], c.Height)
		}
		if slots > 1 && (math.Abs(heights["block"]-5) > 0.01 || math.Abs(heights["allow"]-15) > 0.01) {
			t.Errorf("%d slots: heights %v", slots, heights)
		}
	}
}

// TestTimeline shows where bars, marks and the present are, and that what is far away is drawn at the edge.
func TestTimeline(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	for _, width := range []int{340, 1120} {
		tl := newTimeline(s.state.Policy, s.Calendar(), s.state.Now, width, "x")
		rows := map[string]TimelineRow{}
		for _, r := range tl.Rows {
			rows[r.Rule.ID] = r
			if r.Bar.X < float64(tl.Left) || r.Bar.X+r.Bar.Width > float64(tl.Right)+0.02 || r.Bar.Width < 2 {
				t.Errorf("%s: a bar at %+v, the plot is %d to %d", r.Rule.ID, r.Bar, tl.Left, tl.Right)
			}
		}
		for id, want := range map[string]struct {
			state, when string
			left, end   bool
		}{
			"sales": {"active", "in force since 20 Jul 2024", false, true}, "ended": {"past", "ended 269 days ago", false, false},
			"coming": {"coming", "begins in 96 days", false, true}, "ancient": {"active", "in force, ends in 65 years", true, true}, "always": {"active", "always in force", true, true},
		} {
			r := rows[id]
			if r.State != want.state || r.When != want.when || r.Bar.OpenLeft != want.left || r.Bar.OpenEnd != want.end {
				t.Errorf("%s: %s, %s, %+v", id, r.State, r.When, r.Bar)
			}
		}
		sales, ended, coming := rows["sales"].Bar, rows["ended"].Bar, rows["coming"].Bar
		if !(ended.X+ended.Width < sales.X && sales.X < tl.Now && tl.Now < coming.X) {
			t.Errorf("ended %+v, sales %+v, now %v, coming %+v", ended, sales, tl.Now, coming)
		}
		if marks := rows["ancient"].Marks; len(marks) != 1 || marks[0].X <= tl.Now || marks[0].X > coming.X {
			t.Errorf("the exception's end: %+v", marks)
		}
		if len(tl.Ticks) < 2 {
			t.Errorf("ticks: %+v", tl.Ticks)
		}
		for i, tick := range tl.Ticks {
			if i > 0 && tick.At-tl.Ticks[i-1].At < 60 {
				t.Errorf("%d: ticks are too near: %+v", width, tl.Ticks)
			}
		}
	}
}

// TestPausedTimeline shows a pause on its rule's bar.
func TestPausedTimeline(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	p, err := s.state.Policy.Paused([]rules.Pause{{Rule: "sales", Effective: rules.Interval{From: testNow.Add(-time.Hour), Until: testNow.Add(24 * time.Hour)}}})
	if err != nil {
		t.Fatal(err)
	}
	tl := newTimeline(p, nil, testNow, 1120, "x")
	for _, r := range tl.Rows {
		if (r.Pause != nil) != (r.Rule.ID == "sales") || (r.State == "paused") != (r.Rule.ID == "sales") {
			t.Errorf("%s: %s, %+v", r.Rule.ID, r.State, r.Pause)
		}
	}
	if counts := countRules(p, testNow); len(counts) != 4 || counts[1] != (ruleCount{1, "paused"}) {
		t.Errorf("%+v", counts)
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"sales": "sales", "a-long-name": "a-lo…", "größe": "größe"} {
		if got := clip(name, 5); got != want {
			t.Errorf("%s is cut to %s", name, got)
		}
	}
}

func TestTimelineMarksNotices(t *testing.T) {
	t.Parallel()
	p, err := rules.Parse("policy.yaml", []byte("version: 1\ntime_zone: UTC\nactivities: {sale: [{all: true}]}\nrules: [{id: a, activity: sale, countries: [DE], notice_from: 2024-06-20, from: 2024-07-20}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	row := newTimeline(p, nil, now, 1120, "x").Rows[0]
	if len(row.Marks) != 1 || row.Marks[0].X >= row.Bar.X || !strings.HasPrefix(row.Marks[0].What, "Announced from 20 Jun 2024") {
		t.Errorf("the marks are %+v, the bar %+v", row.Marks, row.Bar)
	}
}
