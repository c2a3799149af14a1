package rules

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// exceptionKeys are the keys of an exception.
var exceptionKeys = []string{"networks", "products", "paths", "tokens", "until", "note"}

// readSteps reads how a rule is introduced.
func (l *loader) readSteps(v map[string]ast.Node, rule *Rule) {
	if n, ok := v["rollout"]; ok {
		rule.Rollout = l.share(n)
	}
	if n, ok := v["notice_from"]; ok {
		rule.NoticeFrom = l.instant(n, "notice_from")
		from := rule.Effective.From
		switch {
		case v["from"] == nil:
			l.fail(n, "notice_from is given without from; say from when the rule blocks, or leave it out")
		case !rule.NoticeFrom.IsZero() && !from.IsZero() && !rule.NoticeFrom.Before(from):
			l.fail(n, "nothing is announced: notice_from is not before from; write an earlier instant, or leave it out")
		}
	}
	for _, key := range []string{"rollout", "notice_from"} {
		if n := v[key]; n != nil && rule.Mode == Shadow {
			l.warn(n, "%s makes no difference in shadow mode, which blocks nobody and tells nobody; leave it out, or write mode: enforce", key)
		}
	}
}

var sharePattern = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,2})?%$`)

func (l *loader) share(n ast.Node) Share {
	text, ok := l.text(n, "rollout")
	if !ok {
		return 0
	}
	percent, _ := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	share := int(percent*100 + 0.5)
	switch {
	case !sharePattern.MatchString(text):
		l.fail(n, "rollout %q is no share of clients; expected a percentage such as 5%% or 0.25%%", text)
	case share == 0:
		l.fail(n, "a rollout to nobody blocks nobody; write mode: shadow, or a share such as 5%%")
	case share > everybody:
		l.fail(n, "there are no more clients than all; write 100%%, or leave rollout out")
	case share < everybody:
		return Share(share)
	}
	return 0
}

func (l *loader) exceptedPaths(n ast.Node) (paths []string) {
	l.texts(n, "paths", func(n ast.Node, text string) {
		path, err := parsePath(text)
		switch {
		case err != nil:
			l.fail(n, "%v", err)
		case strings.Trim(path, "/*") == "":
			l.fail(n, "an exception for every path lifts the whole rule; use mode: shadow, or leave the rule out")
		}
		paths = append(paths, path)
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

func (l *loader) tokens(n ast.Node) (tokens []Token) {
	l.texts(n, "tokens", func(n ast.Node, text string) {
		token, err := parseToken(text)
		if err != nil {
			l.fail(n, "%v", err)
		}
		tokens = append(tokens, token)
	})
	slices.SortFunc(tokens, func(a, b Token) int { return bytes.Compare(a[:], b[:]) })
	return tokens
}
