package config

import (
	"strconv"
	"strings"
)

// longest bounds, in bytes, how much of a text is compared and shown.
const longest = 80

// show quotes a text, shortened where it is long.
func show(text string) string {
	if len(text) > longest {
		return strconv.Quote(strings.ToValidUTF8(text[:longest], "")) + "..."
	}
	return strconv.Quote(text)
}

// nearest returns the candidate that text was probably meant to be, or the empty string.
func nearest(text string, candidates []string) string {
	best, least := "", 1+min(2, len(text)/2)
	if len(text) > longest {
		return best
	}
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(text), strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// enumerate lists words as a sentence does, with a conjunction before the last.
func enumerate(words []string, conjunction string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " " + conjunction + " " + words[last]
}
