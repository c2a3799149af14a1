package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// kind tells the lines of a log apart by how they begin. A buyer's words stand only inside of a decision's strings, and
// so never at the beginning of a line.
type kind uint8

const (
	kindNone kind = iota // no line of a log
	kindDecision
	kindSegment
	kindCheckpoint
	kindStart
	kindStop
	kindGap
	kindTorn
	kindDropped
	kindEvent
)

const (
	decisionStart = keyVerdict + `"`
	kindStartText = `{"kind":"`
)

var kindWords = [...]string{kindSegment: "segment", kindCheckpoint: "checkpoint", kindStart: "start", kindStop: "stop",
	kindGap: "gap", kindTorn: "torn", kindDropped: "dropped", kindEvent: "event"}

func kindOf(line []byte) kind {
	if bytes.HasPrefix(line, []byte(decisionStart)) {
		return kindDecision
	}
	rest, ok := bytes.CutPrefix(line, []byte(kindStartText))
	if !ok {
		return kindNone
	}
	word, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return kindNone
	}
	for k := kindSegment; k <= kindEvent; k++ {
		if string(word) == kindWords[k] {
			return k
		}
	}
	return kindNone
}

// formatVersion is the version of the lines, which every segment states.
const formatVersion = 1

// The lines that are no decisions. Kind comes first, because lines are told apart by how they begin.
type (
	// segmentLine is the first of every segment. With the frontier, the roots of the complete subtrees of all lines
	// before it, a reader needs no other segment.
	segmentLine struct {
		Kind     string      `json:"kind"`
		Version  int         `json:"version"`
		First    int64       `json:"first"`
		Time     string      `json:"time"`
		Replica  string      `json:"replica"`
		Frontier []tlog.Hash `json:"frontier"`
	}
	// startLine says how the log is kept from now on, and how many whole lines stood behind the last checkpoint when it was
	// opened: what a crash has left unsigned, or what somebody has added meanwhile.
	startLine struct {
		Kind       string     `json:"kind"`
		Time       string     `json:"time"`
		Replica    string     `json:"replica"`
		Durability Durability `json:"durability"`
		Client     ClientForm `json:"client"`
		Unsigned   int64      `json:"unsigned"`
	}
	stopLine struct {
		Kind string `json:"kind"`
		Time string `json:"time"`
	}
	// gapLine says that decisions are not in the log: lost ones have been answered nevertheless, for failed ones the
	// caller was told.
	gapLine struct {
		Kind   string `json:"kind"`
		Time   string `json:"time"`
		Since  string `json:"since"`
		Lost   int64  `json:"lost"`
		Failed int64  `json:"failed"`
	}
	// tornLine says what was set aside at a start.
	tornLine struct {
		Kind  string `json:"kind"`
		Time  string `json:"time"`
		File  string `json:"file"`
		Bytes int64  `json:"bytes"`
	}
	// droppedLine says that the segments of all lines before Until are gone because they were old enough. Whoever
	// removes a segment by hand leaves no such line.
	droppedLine struct {
		Kind  string `json:"kind"`
		Time  string `json:"time"`
		Until int64  `json:"until"`
	}
)

// frontier returns the tree of all lines before the segment.
func (s *segmentLine) frontier() tree { return tree{s.First, s.Frontier} }

// Event is something other than a decision that belongs into the evidence: PolicyChanged, DatabaseChanged, CatalogueChanged,
// RulePaused or RuleResumed.
type Event interface{ line(now string) any }

// PolicyChanged says which policy decides from now on.
type PolicyChanged struct {
	// Digest is the policy's digest, as decisions carry it.
	Digest string `json:"digest"`
	// Source says where the policy came from, for people.
	Source string `json:"source"`
}

// DatabaseChanged says which database tells countries from now on.
type DatabaseChanged struct {
	// Name is the database's name.
	Name string `json:"name"`
	// Build is how entries name it.
	Build string `json:"build"`
	// Built is when it was made.
	Built time.Time `json:"built"`
}

// CatalogueChanged says which file tells from now on which ids are which goods'.
type CatalogueChanged struct {
	// File is how the policy names it.
	File string `json:"file"`
	// SHA256 is the hash of its bytes, in hexadecimal.
	SHA256 string `json:"sha256"`
	// IDs is how many different ids are in it.
	IDs int `json:"ids"`
}

// RulePaused says that a rule blocks nobody until an instant.
type RulePaused struct {
	// Rule is the rule's id.
	Rule string `json:"rule"`
	// Until is when the rule blocks again.
	Until time.Time `json:"until"`
	// Note is the reason that was given, By who gave it.
	Note string `json:"note"`
	By   string `json:"by"`
}

// RuleResumed says that a paused rule blocks again.
type RuleResumed struct {
	// Rule is the rule's id.
	Rule string `json:"rule"`
	// Note is the reason that was given, By who gave it.
	Note string `json:"note"`
	By   string `json:"by"`
}

// eventHead begins every event's line.
type eventHead struct {
	Kind  string `json:"kind"`
	Time  string `json:"time"`
	Event string `json:"event"`
}

// The words that events go by.
const (
	eventPolicy    = "policy"
	eventDatabase  = "database"
	eventCatalogue = "catalogue"
	eventPaused    = "paused"
	eventResumed   = "resumed"
	eventPreview   = "preview"
)

// A preview's line begins as every event's does, so that readers who know nothing of previews take it for one, and holds a record
// as decisions are written.
const (
	eventStart   = kindStartText + `event","time":"`
	previewStart = `","event":"` + eventPreview + `","decision":`
)

// previewOf returns the record that a preview's line holds; ok is false for any other line.
func previewOf(line []byte) (record []byte, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(eventStart))
	if !ok || len(rest) < len(stampExample) {
		return nil, false
	}
	if rest, ok = bytes.CutPrefix(rest[len(stampExample):], []byte(previewStart)); !ok {
		return nil, false
	}
	return bytes.CutSuffix(rest, []byte{'}'})
}

func (e PolicyChanged) line(now string) any {
	return struct {
		eventHead
		PolicyChanged
	}{eventHead{kindWords[kindEvent], now, eventPolicy}, e}
}

func (e DatabaseChanged) line(now string) any {
	return struct {
		eventHead
		DatabaseChanged
	}{eventHead{kindWords[kindEvent], now, eventDatabase}, e}
}

func (e CatalogueChanged) line(now string) any {
	return struct {
		eventHead
		CatalogueChanged
	}{eventHead{kindWords[kindEvent], now, eventCatalogue}, e}
}

func (e RulePaused) line(now string) any {
	return struct {
		eventHead
		RulePaused
	}{eventHead{kindWords[kindEvent], now, eventPaused}, e}
}

func (e RuleResumed) line(now string) any {
	return struct {
		eventHead
		RuleResumed
	}{eventHead{kindWords[kindEvent], now, eventResumed}, e}
}

// appendLine appends a line that is no decision, and its newline.
func appendLine(dst []byte, line any) ([]byte, error) {
	text, err := json.Marshal(line)
	if err != nil {
		return dst, fmt.Errorf("evidence: %w", err)
	}
	return append(append(dst, text...), '\n'), nil
}
