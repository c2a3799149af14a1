package rules

import (
	"fmt"
	"time"
	_ "time/tzdata" // a policy means the same on a machine that has no time zones of its own
)

// Interval is a half-open interval [From, Until) of instants. A zero From has always been, a zero Until
// never comes. The zero Interval holds every instant.
type Interval struct {
	From, Until time.Time
}

// Contains reports whether the instant is in the interval: the very first nanosecond of From is, that of
// Until is not.
func (i Interval) Contains(at time.Time) bool {
	return !at.Before(i.From) && (i.Until.IsZero() || at.Before(i.Until))
}

// localLayouts are the forms of a date or time without a zone, from the longest.
var localLayouts = []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// ParseInstant reads an RFC 3339 instant, or a date or local time in the zone. A date means its midnight.
// A zone of nil leaves dates and local times without meaning, which is an error, and so is a local time that
// the zone's clocks skip or repeat.
func ParseInstant(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	for _, layout := range localLayouts {
		wall, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if zone == nil {
			return time.Time{}, fmt.Errorf("%q carries no time zone; set time_zone, or write an instant such as 2024-07-20T00:00:00-04:00", text)
		}
		return local(wall, zone)
	}
	return time.Time{}, fmt.Errorf("%q is no instant; expected a date such as 2024-07-20, a local time such as 2024-07-20T08:30, or RFC 3339 such as 2024-07-20T00:00:00-04:00", text)
}

// local finds the one instant at which clocks in the zone show what the wall clock shows.
func local(wall time.Time, zone *time.Location) (time.Time, error) {
	// Whatever offset holds at the instant sought, it holds or held within a day of it: so the offsets before
	// and after give all candidates.
	var found []time.Time
	for _, days := range []int{-1, 1} {
		_, offset := wall.AddDate(0, 0, days).In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		if sameWall(at, wall) && (len(found) == 0 || !found[0].Equal(at)) {
			found = append(found, at)
		}
	}
	shown := wall.Format("2006-01-02 15:04:05")
	switch len(found) {
	case 0:
		return time.Time{}, fmt.Errorf("%s is skipped by a clock change in %s; write the instant with its offset", shown, zone)
	case 1:
		return found[0], nil
	}
	return time.Time{}, fmt.Errorf("%s comes twice in %s because of a clock change; write %s or %s",
		shown, zone, found[0].Format(time.RFC3339), found[1].Format(time.RFC3339))
}

func sameWall(a, b time.Time) bool {
	const layout = "2006-01-02 15:04:05.999999999"
	return a.Format(layout) == b.Format(layout)
}

// ParseZone reads the name of a time zone of the IANA database, such as Europe/Berlin.
func ParseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" {
		return nil, fmt.Errorf("unknown time zone %q; expected a name of the IANA database, such as America/New_York or UTC", name)
	}
	return zone, nil
}
