package rules

import (
	"strings"
	"testing"
	"time"
)

func TestParseInstant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, zone, want string }{
		{"2024-07-20", "America/New_York", "2024-07-20T04:00:00Z"},
		{"2024-12-20", "America/New_York", "2024-12-20T05:00:00Z"},
		{"2024-07-20T08:30", "Europe/Berlin", "2024-07-20T06:30:00Z"},
		{"2024-07-20 08:30", "Asia/Kathmandu", "2024-07-20T02:45:00Z"},
		{"2024-07-20T08:30:15.000000001", "UTC", "2024-07-20T08:30:15.000000001Z"},
		{"2024-07-20T00:00:00-04:00", "", "2024-07-20T04:00:00Z"},
		{"2024-11-03T01:30:00-05:00", "America/New_York", "2024-11-03T06:30:00Z"},
		{"2024-11-03T03:00", "America/New_York", "2024-11-03T08:00:00Z"},
		{"2024-11-03T00:59:59.999999999", "America/New_York", "2024-11-03T04:59:59.999999999Z"},
		{"2024-03-10T03:00", "America/New_York", "2024-03-10T07:00:00Z"},
		{"2024-03-10T01:59:59.999999999", "America/New_York", "2024-03-10T06:59:59.999999999Z"},
		{"2011-12-31", "Pacific/Apia", "2011-12-30T10:00:00Z"}, // the day after the one that Samoa left out
	} {
		var zone *time.Location
		if c.zone != "" {
			zone, _ = ParseZone(c.zone)
		}
		if got, err := ParseInstant(c.text, zone); err != nil || got.UTC().Format(time.RFC3339Nano) != c.want {
			t.Errorf("%s in %s: %v, %v; want %s", c.text, c.zone, got.UTC().Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, c := range []struct{ text, zone, want string }{
		{"2024-03-10T02:30", "America/New_York", "2024-03-10 02:30:00 is skipped by a clock change in America/New_York; write the instant with its offset"},
		{"2024-11-03T01:30", "America/New_York", "2024-11-03 01:30:00 comes twice in America/New_York because of a clock change; write 2024-11-03T01:30:00-04:00 or 2024-11-03T01:30:00-05:00"},
		{"2024-11-03T01:00", "America/New_York", "comes twice"},
		{"2024-11-03T01:59:59.999999999", "America/New_York", "comes twice"},
		{"2024-03-10T02:00", "America/New_York", "is skipped"},
		{"2024-03-10T02:59:59.999999999", "America/New_York", "is skipped"},
		{"2011-12-30", "Pacific/Apia", "is skipped"},
		{"2024-04-07T01:45", "Australia/Lord_Howe", "comes twice"}, // a change of half an hour
		{"2024-10-06T02:15", "Australia/Lord_Howe", "is skipped"},
		{"2024-07-20", "", "carries no time zone"},
		{"yesterday", "UTC", "is no instant"},
		{"", "UTC", "is no instant"},
		{"2024-02-30", "UTC", "is no instant"},
	} {
		var zone *time.Location
		if c.zone != "" {
			zone, _ = ParseZone(c.zone)
		}
		if got, err := ParseInstant(c.text, zone); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: %v, %v; want %q", c.text, c.zone, got, err, c.want)
		}
	}
	for _, name := range []string{"", "Local", "EDT5", "America/New_Yrok", "../etc/passwd"} {
		if zone, err := ParseZone(name); err == nil {
			t.Errorf("ParseZone(%q) = %v", name, zone)
		}
	}
}

func TestIntervalsAreHalfOpen(t *testing.T) {
	t.Parallel()
	start, end := time.Unix(100, 0), time.Unix(200, 0)
	for _, c := range []struct {
		i    Interval
		at   time.Time
		want bool
	}{
		{Interval{}, time.Time{}, true},
		{Interval{}, end, true},
		{Interval{start, end}, start, true},
		{Interval{start, end}, start.Add(-1), false},
		{Interval{start, end}, end, false},
		{Interval{start, end}, end.Add(-1), true},
		{Interval{From: start}, end, true},
		{Interval{Until: end}, time.Time{}, true},
		{Interval{Until: end}, end, false},
	} {
		if got := c.i.Contains(c.at); got != c.want {
			t.Errorf("%v contains %v: %v", c.i, c.at, got)
		}
	}
}
