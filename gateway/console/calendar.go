package console

import (
	"net/http"
	"time"
)

// calendarPage is what the page shows.
type calendarPage struct {
	Now          time.Time
	Zone         string
	Next         *Change
	Wide, Narrow Timeline
	Coming, Past []Change
	Rules        []ruleCount
}

func (c *Console) calendar(w http.ResponseWriter, r *http.Request) {
	s, changes := c.gateway.State(), c.gateway.Calendar()
	page := calendarPage{
		Now: s.Now, Zone: s.Policy.Zone().String(), Next: next(changes), Rules: countRules(s.Policy, s.Now),
		Wide: newTimeline(s.Policy, changes, s.Now, 1120, "wide"), Narrow: newTimeline(s.Policy, changes, s.Now, 340, "narrow"),
	}
	for _, change := range changes {
		if change.Past {
			page.Past = append([]Change{change}, page.Past...) // what was last is looked for first
		} else {
			page.Coming = append(page.Coming, change)
		}
	}
	c.show(w, r, http.StatusOK, "calendar", "Calendar", page)
}
