package maxmind

import (
	"testing"
	"time"
)

// TestPausesGrow looks at the schedule as a whole: how long after each failure, and that it never exceeds what was asked for.
func TestPausesGrow(t *testing.T) {
	t.Parallel()
	random := 0.5
	u := &Updater{cfg: Config{Every: 24 * time.Hour}, opts: Options{Random: func() float64 { return random }}}
	for failures, want := range map[int]time.Duration{
		1: 15 * time.Minute, 2: 30 * time.Minute, 3: time.Hour, 7: 16 * time.Hour, 8: 24 * time.Hour, 1000: 24 * time.Hour,
	} {
		if got := u.pause(failures, 0); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
	for r, want := range map[float64]time.Duration{0: 21*time.Hour + 36*time.Minute, 0.5: 24 * time.Hour, 0.999999999: 26*time.Hour + 24*time.Minute} {
		random = r
		if got := u.spreadOut(u.cfg.Every).Round(time.Second); got != want {
			t.Errorf("spread by %v: %s, want %s", r, got, want)
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	u := &Updater{cfg: Config{Every: time.Hour}}
	for name, test := range map[string]struct {
		e    entry
		want time.Time
	}{
		"never asked":                  {entry{}, time.Time{}},
		"asked, and it is well":        {entry{Checked: monday, NotBefore: monday.Add(time.Hour)}, monday.Add(time.Hour)},
		"every was longer then":        {entry{Checked: monday, NotBefore: monday.Add(24 * time.Hour)}, monday.Add(66 * time.Minute)},
		"after a failure":              {entry{Checked: monday, Failures: 1, NotBefore: monday.Add(24 * time.Hour)}, monday.Add(24 * time.Hour)},
		"the clock was years ahead":    {entry{Checked: monday.AddDate(5, 0, 0), NotBefore: monday.AddDate(5, 0, 1)}, monday},
		"it failed with such a clock":  {entry{Failures: 1, NotBefore: monday.AddDate(5, 0, 1)}, monday},
		"the server asked for a while": {entry{Failures: 1, NotBefore: monday.Add(lastPause)}, monday.Add(lastPause)},
	} {
		if got := u.due(test.e, monday); !got.Equal(test.want) {
			t.Errorf("%s: due %s, want %s", name, got, test.want)
		}
	}
}
