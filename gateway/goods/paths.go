package goods

import (
	"strings"

	"gate451/rules"
)

// takePaths reads the products that are in the path. In a pattern * stands for a segment or a part of one, ** for any
// number of segments; letters match in any case, and what is below a path that matches does as well.
func takePaths(paths []string, places places) {
	for _, p := range places.of(rules.InPath) {
		pattern := segments(p.name)
		for _, path := range paths {
			takePath(pattern, segments(path), p.take)
		}
	}
}

func segments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/") }

// takePath calls take with whatever the first * of the pattern may stand for in the path.
func takePath(pattern, path []string, take func(string)) {
	at := 0
	for at < len(pattern) && (pattern[at] == "**" || !strings.Contains(pattern[at], "*")) {
		at++
	}
	if at == len(pattern) {
		return
	}
	before := reach(pattern[:at], path)
	after := pattern[at+1:]
	for i := range path {
		if !before[i] {
			continue
		}
		star, ok := glob(strings.ToLower(pattern[at]), strings.ToLower(path[i]))
		if !ok || !anyOf(reach(after, path[i+1:])) {
			continue
		}
		// What it stands for is wanted as it came, in capitals or not.
		start := strings.IndexByte(pattern[at], '*')
		if start+len(star) <= len(path[i]) {
			star = path[i][start : start+len(star)]
		}
		take(star)
	}
}

// reach returns, for each number of segments at the path's beginning, whether the pattern matches just these.
func reach(pattern, path []string) []bool {
	at := make([]bool, len(path)+1)
	at[0] = true
	for _, part := range pattern {
		next := make([]bool, len(path)+1)
		for i, ok := range at {
			switch {
			case part == "**":
				next[i] = ok || i > 0 && next[i-1]
			case ok && i < len(path):
				_, next[i+1] = glob(strings.ToLower(part), strings.ToLower(path[i]))
			}
		}
		at = next
	}
	return at
}

func anyOf(set []bool) bool {
	for _, ok := range set {
		if ok {
			return true
		}
	}
	return false
}
