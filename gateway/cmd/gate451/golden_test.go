package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

// TestGolden carries out the sessions in testdata. A session has files, each below a line "-- name --", and then commands
// below a line "-- session --", each with what it prints: standard output as it is, standard error behind "! ", and
// the exit code in brackets. $DIR is the folder of the files.
func TestGolden(t *testing.T) {
	t.Parallel()
	sessions, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(sessions) < 8 {
		t.Fatalf("%d sessions, error %v", len(sessions), err)
	}
	for _, name := range sessions {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".golden"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := perform(t, string(text))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(text), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

var (
	marker = regexp.MustCompile(`(?m)^-- (\S+) --\n`)
	digest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)
)

// perform carries out a session and returns it as it went.
func perform(t *testing.T, text string) string {
	t.Helper()
	head, session, ok := strings.Cut(text, "-- session --\n")
	if !ok {
		t.Fatal("there is no line -- session --")
	}
	files := map[string]string{}
	places := marker.FindAllStringSubmatchIndex(head, -1)
	for i, place := range places {
		end := len(head)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		files[head[place[2]:place[3]]] = head[place[1]:end]
	}
	dir := folder(t, files)
	var went bytes.Buffer
	went.WriteString(head + "-- session --\n")
	commands := 0
	for line := range strings.Lines(session) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		if !ok {
			continue
		}
		commands++
		result := perform1(t, strings.ReplaceAll(command, "$DIR", dir))
		fmt.Fprintf(&went, "$ %s\n%s", command, result.shown(dir))
	}
	if commands == 0 {
		t.Fatal("the session has no command")
	}
	return went.String()
}

// perform1 carries out one command line: variables, gate451 and words, of which some may be in single quotes.
func perform1(t *testing.T, line string) outcome {
	t.Helper()
	words := wordPattern.FindAllString(line, -1)
	var environ []string
	for len(words) > 0 && words[0] != "gate451" {
		environ = append(environ, words[0])
		words = words[1:]
	}
	if len(words) == 0 {
		t.Fatalf("%q does not call gate451", line)
	}
	for i, word := range words {
		words[i] = strings.ReplaceAll(word, "'", "")
	}
	return call(t, environ, words[1:]...)
}

var wordPattern = regexp.MustCompile(`(?:[^\s']|'[^']*')+`)

// shown is an outcome as a session has it.
func (o outcome) shown(dir string) string {
	var b strings.Builder
	for line := range strings.Lines(o.stdout) {
		b.WriteString(line)
	}
	if o.stdout != "" && !strings.HasSuffix(o.stdout, "\n") {
		b.WriteString("(no newline)\n")
	}
	for line := range strings.Lines(o.stderr) {
		b.WriteString("! " + line)
	}
	fmt.Fprintf(&b, "[%d]\n", o.code)
	return digest.ReplaceAllString(strings.ReplaceAll(b.String(), dir, "$DIR"), "sha256:DIGEST")
}
