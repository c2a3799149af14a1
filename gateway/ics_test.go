package gateway

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gate451/rules"
)

// unfolded returns the lines of a calendar as a reader of it has them, and checks that each is as RFC 5545 wants it.
func unfolded(t *testing.T, ics string) []string {
	t.Helper()
	for line := range strings.SplitAfterSeq(ics, "\n") {
		if line != "" && !strings.HasSuffix(line, "\r\n") || len(strings.TrimSuffix(line, "\r\n")) > 75 || !utf8.ValidString(line) {
			t.Errorf("%d bytes: %q", len(line), line)
		}
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(ics, "\r\n ", ""), "\r\n"), "\r\n")
}

func TestICS(t *testing.T) {
	t.Parallel()
	zone, err := rules.ParseZone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	stamp := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	long := strings.Repeat("Lizenz № 1, »Büro«; siehe \\\\akte\n", 5)
	entries := []CalendarEntry{
		{At: time.Date(2024, 7, 20, 0, 0, 0, 0, zone), Rule: "kaspersky-us-2024/sales", Mode: rules.Enforce, Kind: rules.ChangeBegins},
		{At: time.Date(2025, 1, 1, 0, 0, 0, 999, zone), Rule: "x", Mode: rules.Shadow, Kind: rules.ChangeExceptionEnds, Note: long},
		{At: time.Date(2026, 1, 1, 0, 0, 0, 0, zone), Rule: "x", Mode: rules.Shadow, Kind: rules.ChangeExceptionEnds, Note: long},
	}
	write := func(entries []CalendarEntry) []string {
		var ics bytes.Buffer
		if err := WriteICS(&ics, entries, stamp); err != nil {
			t.Fatal(err)
		}
		return unfolded(t, ics.String())
	}
	lines := write(entries)
	want := []string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//gate451//calendar//EN",
		"BEGIN:VEVENT", lines[4], "DTSTAMP:20260701T120000Z", "DTSTART:20240720T040000Z", "SUMMARY:kaspersky-us-2024/sales begins",
		"DESCRIPTION:2024-07-20T00:00:00-04:00", "TRANSP:TRANSPARENT", "END:VEVENT",
		"BEGIN:VEVENT", lines[12], "DTSTAMP:20260701T120000Z", "DTSTART:20250101T050000Z", "SUMMARY:x exception ends",
		`DESCRIPTION:2025-01-01T00:00:00.000000999-05:00\, in shadow mode\n` + strings.Repeat(`Lizenz № 1\, »Büro«\; siehe \\\\akte\n`, 5), "TRANSP:TRANSPARENT", "END:VEVENT",
	}
	if diff := cmp.Diff(want, lines[:len(want)]); diff != "" {
		t.Error(diff)
	}
	ids := func(lines []string) (ids []string) {
		for _, line := range lines {
			if id, ok := strings.CutPrefix(line, "UID:"); ok {
				ids = append(ids, id)
			}
		}
		return ids
	}
	first := ids(lines)
	if len(first) != 3 || first[0] == first[1] || first[1] == first[2] {
		t.Errorf("the events are known by %q", first)
	}
	for i := range entries {
		entries[i].At = entries[i].At.AddDate(0, 1, 0)
	}
	if diff := cmp.Diff(first, ids(write(entries))); diff != "" {
		t.Errorf("events whose dates have moved are known by others: %s", diff)
	}
	if empty := write(nil); len(empty) != 4 {
		t.Errorf("%q", empty)
	}
}
