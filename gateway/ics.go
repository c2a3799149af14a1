package gateway

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"gate451/rules"
)

// WriteICS writes the changes of a policy as a calendar that programs for appointments take (RFC 5545), with an event of no
// length for each. An event is known by its rule and by what changes, so that a date that is moved moves the event in a
// calendar that has it. The stamp is when the calendar was made.
func WriteICS(w io.Writer, entries []CalendarEntry, stamp time.Time) error {
	c := &icsWriter{w: bufio.NewWriter(w)}
	c.line("BEGIN", "VCALENDAR")
	c.line("VERSION", "2.0")
	c.line("PRODID", "-//gate451//calendar//EN")
	seen := make(map[string]int)
	for _, e := range entries {
		id := fmt.Sprintf("%s\x00%s\x00%s", e.Rule, e.Kind, e.Note)
		hash := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", id, seen[id]))
		seen[id]++
		c.line("BEGIN", "VEVENT")
		c.line("UID", hex.EncodeToString(hash[:16])+"@gate451")
		c.line("DTSTAMP", icsInstant(stamp))
		c.line("DTSTART", icsInstant(e.At))
		c.line("SUMMARY", icsText(e.Rule+" "+string(e.Kind)))
		description := e.At.Format(time.RFC3339Nano)
		if e.Mode == rules.Shadow {
			description += ", in shadow mode"
		}
		if e.Note != "" {
			description += "\n" + e.Note
		}
		c.line("DESCRIPTION", icsText(description))
		c.line("TRANSP", "TRANSPARENT")
		c.line("END", "VEVENT")
	}
	c.line("END", "VCALENDAR")
	return c.w.Flush()
}

// icsInstant writes an instant in UTC, to the second that it is in.
func icsInstant(at time.Time) string { return at.UTC().Format("20060102T150405Z") }

// icsText escapes a text (RFC 5545, section 3.3.11).
func icsText(text string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`).Replace(text)
}

// icsWriter writes lines. Flush says what failed.
type icsWriter struct{ w *bufio.Writer }

// longestICSLine is how many bytes a line has at most, without its end (RFC 5545, section 3.1).
const longestICSLine = 75

// line writes a line, folded where it is too long: what follows the fold begins with a blank. No character is parted.
func (c *icsWriter) line(name, value string) {
	rest, room := name+":"+value, longestICSLine
	for len(rest) > room {
		end := room
		for !utf8.RuneStart(rest[end]) {
			end--
		}
		_, _ = c.w.WriteString(rest[:end] + "\r\n ")
		rest, room = rest[end:], longestICSLine-1
	}
	_, _ = c.w.WriteString(rest + "\r\n")
}
