package evidence

import (
	"time"
	"unicode/utf8"

	"gate451/rules"
)

// Entry is what the log is told of one decision. The log adds the time and its replica's name.
type Entry struct {
	// Decision is the decision; it is read before Record returns and not kept.
	Decision *rules.Decision
	// Preview says that nobody was decided about: an auditor was shown what would become of a buyer of the decision's country at
	// its instant. The record is then an event, and no decision to whoever counts those.
	Preview bool
	// Reference is what the buyer was told to quote, XXXX-XXXX; empty if nothing was.
	Reference string
	// Method, Host and Path are those of the request, the path without its query.
	Method, Host, Path string
	// Database is the build of the database that told the country, as DatabaseChanged names it; empty if none did.
	Database string
	// Sources says which source names which country, where more than one counts or may: "a.mmdb DE, header US". It is not
	// written if it is empty.
	Sources string
}

// stamp is how the log writes the time: RFC 3339 in UTC with all nine digits, so that texts sort as the times do.
const stamp = "2006-01-02T15:04:05.000000000Z07:00"

// The keys of a record's fields in the order in which they are written. The first ones are those of rules.Record.
const (
	keyVerdict   = `{"verdict":`
	keyReason    = `,"reason":`
	keyRule      = `,"rule":`
	keyActivity  = `,"activity":`
	keyProduct   = `,"product":`
	keyCountry   = `,"country":`
	keyClient    = `,"client":`
	keyAt        = `,"at":`
	keyPolicy    = `,"policy":`
	keyShadow    = `,"shadow":[`
	keyTime      = `],"time":`
	keyReference = `,"reference":`
	keyMethod    = `,"method":`
	keyHost      = `,"host":`
	keyPath      = `,"path":`
	keyDatabase  = `,"database":`
	keyReplica   = `,"replica":`
	keySources   = `,"sources":` // the last, and not always there
)

// appendRecord appends the entry as one line of JSON, without a newline. It allocates nothing if dst has room.
func (l *Log) appendRecord(dst []byte, e *Entry, now time.Time) []byte {
	if !e.Preview {
		return l.appendDecision(dst, e, now)
	}
	dst = now.UTC().AppendFormat(append(dst, eventStart...), stamp)
	return append(l.appendDecision(append(dst, previewStart...), e, now), '}')
}

func (l *Log) appendDecision(dst []byte, e *Entry, now time.Time) []byte {
	d := e.Decision
	dst = appendField(dst, keyVerdict, d.Verdict.String())
	dst = appendField(dst, keyReason, d.Reason.String())
	dst = appendField(dst, keyRule, d.RuleID())
	dst = appendField(dst, keyActivity, d.Activity)
	dst = appendField(dst, keyProduct, d.Product)
	dst = appendField(dst, keyCountry, d.Country.String())
	dst = append(append(dst, keyClient...), '"')
	dst = l.client.Load().append(dst, d.Client, now)
	dst = append(append(dst, '"'), keyAt...)
	dst = append(d.At.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
	dst = appendField(dst, keyPolicy, d.Policy)
	dst = append(dst, keyShadow...)
	first := true
	for s := range d.Shadows {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendString(dst, s.Rule.ID)
	}
	dst = append(now.UTC().AppendFormat(append(append(dst, keyTime...), '"'), stamp), '"')
	dst = appendField(dst, keyReference, e.Reference)
	dst = appendField(dst, keyMethod, e.Method)
	dst = appendField(dst, keyHost, e.Host)
	dst = appendField(dst, keyPath, e.Path)
	dst = appendField(dst, keyDatabase, e.Database)
	dst = appendField(dst, keyReplica, l.cfg.Replica)
	if e.Sources != "" {
		dst = appendField(dst, keySources, e.Sources)
	}
	return append(dst, '}')
}

func appendField(dst []byte, key, value string) []byte {
	return appendString(append(dst, key...), value)
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Control characters are escaped, and so is whatever else some reader takes for the
// end of a line, because a line must be one to everybody; bytes that are no UTF-8 become U+FFFD, as encoding/json has it.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b < 0x7f && b != '"' && b != '\\' {
			i++
			continue
		}
		r, size := rune(b), 1
		if b >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if r > 0x9f && r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		if r == '"' || r == '\\' {
			dst = append(dst, '\\', b)
		} else {
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}
