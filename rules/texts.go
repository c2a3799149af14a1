package rules

import (
	"slices"
	"strings"
)

// texts finds the patterns that a text is like. Its cost grows neither with the number of those that are written out nor,
// but for those that begin alike, with that of those that hold *.
type texts struct {
	literals map[string][]int32
	patterns node // one segment of the automaton that reads paths
}

// add makes the matcher answer id for what is like any of the patterns, which are folded.
func (t *texts) add(patterns []string, id int32) {
	if t.literals == nil {
		t.literals = make(map[string][]int32, len(patterns))
	}
	alone := []int32{id} // shared by all that belong to nothing else
	for _, pattern := range patterns {
		switch others, taken := t.literals[pattern]; {
		case strings.Contains(pattern, "*"):
			end := t.patterns.growGlob(pattern)
			end.ends = append(end.ends, id)
		case taken:
			t.literals[pattern] = append(slices.Clip(others), id)
		default:
			t.literals[pattern] = alone
		}
	}
}

// match appends the ids of all that a folded text is like.
func (t *texts) match(folded []byte, hits []int32) []int32 {
	hits = append(hits, t.literals[string(folded)]...)
	for i := range t.patterns.globs {
		g := &t.patterns.globs[i]
		if len(folded) < g.length {
			continue
		}
		for _, glob := range g.byPrefix[string(folded[:g.length])] {
			if glob.matches(folded[g.length:]) {
				hits = append(hits, glob.node.ends...)
			}
		}
	}
	return hits
}

// like reports whether a folded text is like the pattern, in which * stands for any part.
func like(pattern, text string) bool {
	before, after, open := strings.Cut(pattern, "*")
	rest, ok := strings.CutPrefix(text, before)
	if !open || !ok {
		return pattern == text
	}
	for i := range len(rest) + 1 {
		if like(after, rest[i:]) {
			return true
		}
	}
	return false
}

// foldText returns a text, or a pattern of texts, as it is compared: without blanks around it and with its letter case folded.
func foldText(text string) string { return string(appendFolded(nil, strings.TrimSpace(text))) }
