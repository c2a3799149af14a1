package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// strange returns what a client has chosen in printable ASCII, everything else as an escape of Go's, and no longer than
// that many characters.
func strange(text string, most int) string {
	if len(text) > most { // an escape is longer than what it stands for
		text = text[:most+1]
	}
	quoted := strconv.QuoteToASCII(text)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(quoted) > most {
		quoted = quoted[:most-3] + "..."
	}
	return quoted
}

// visible returns a text of the operator's with everything escaped that does not show or that moves what does, such as a
// change of the direction of writing.
func visible(text string) string {
	if strings.IndexFunc(text, hidden) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if hidden(r) {
			fmt.Fprintf(&b, "<U+%04X>", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hidden(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }

// number writes a whole number with its thousands apart.
func number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// span writes how long something takes, in its two largest units, for people; of years and many days nobody needs the rest.
func span(d time.Duration) string {
	units := []struct {
		size      time.Duration
		one, many string
	}{{24 * time.Hour, " day", " days"}, {time.Hour, " h", " h"}, {time.Minute, " min", " min"}, {time.Second, " s", " s"}}
	d = max(d, -d)
	if years := d / (365 * 24 * time.Hour); years >= 2 {
		return strconv.FormatInt(int64(years), 10) + " years"
	}
	for i, unit := range units {
		n := d / unit.size
		if n == 0 {
			continue
		}
		word := unit.many
		if n == 1 {
			word = unit.one
		}
		text := strconv.FormatInt(int64(n), 10) + word
		if i+1 < len(units) && n < 60 {
			if rest := d % unit.size / units[i+1].size; rest > 0 {
				text += " " + strconv.FormatInt(int64(rest), 10) + map[bool]string{true: units[i+1].one, false: units[i+1].many}[rest == 1]
			}
		}
		return text
	}
	return "less than 1 s"
}

// instant writes an instant to the second, with its zone's offset, as the command's calendar does.
func instant(at time.Time) string { return at.Format(time.RFC3339) }

// moment writes an instant for people, with the name of its zone.
func moment(at time.Time) string {
	if at.Second() != 0 {
		return at.Format("2 Jan 2006, 15:04:05 MST")
	}
	return at.Format("2 Jan 2006, 15:04 MST")
}

// digest shortens the digest of a policy so that people can compare it.
func digest(text string) string {
	rest, ok := strings.CutPrefix(text, "sha256:")
	if !ok || len(rest) <= 12 {
		return text
	}
	return rest[:12]
}
