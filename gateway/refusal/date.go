package refusal

import (
	"strconv"
	"strings"
	"time"
)

// date writes the day and the time of an instant in its own zone, as the language does.
func (l *language) date(t time.Time) string {
	month := ""
	if len(l.w.Months) > 0 {
		month = l.w.Months[t.Month()-1]
	}
	text := strings.NewReplacer(
		"{day}", strconv.Itoa(t.Day()), "{month}", month, "{number}", strconv.Itoa(int(t.Month())),
		"{year}", strconv.Itoa(t.Year()), "{time}", t.Format("15:04"),
	).Replace(l.w.Date)
	if l.w.Digits == "" {
		return text
	}
	digits := []rune(l.w.Digits)
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return digits[r-'0']
		}
		return r
	}, text)
}

// zone writes the zone of an instant: EDT (UTC-04:00), or without the abbreviation where it has none.
func zone(t time.Time) string {
	name, offset := t.Zone()
	switch {
	case name == "UTC":
		return name
	case name == "" || name[0] == '+' || name[0] == '-':
		return t.Format("UTC-07:00")
	case offset == 0:
		return name + " (UTC)"
	}
	return t.Format("MST (UTC-07:00)")
}
