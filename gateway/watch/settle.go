package watch

import (
	"os"
	"slices"
)

// settling decides when changed files have rested long enough to be read. It looks at the files and
// not at events, so that neither lost events nor a busy directory matter.
type settling struct {
	pending []state
	waiting bool
	failed  bool
}

// reason is why the files are looked at.
type reason uint8

const (
	noticed reason = iota // something happened in a directory
	polled                // it was time
	rested                // nothing had changed for a while
)

// step is what to do after a look.
type step uint8

const (
	nothing step = iota
	wait         // let the files rest, then look again
	reload
)

// next takes what a look has seen and what the files were when they were loaded last, well or not, and
// says what to do. Files are loaded that were seen alike before and after a rest.
func (s *settling) next(why reason, seen, loaded []state) step {
	switch {
	case sameFiles(seen, loaded) && !s.failed:
		s.pending, s.waiting = nil, false
		return nothing
	case !sameFiles(seen, s.pending), why == polled && !s.waiting:
		s.pending, s.waiting = seen, true
		return wait
	case why == rested && s.waiting:
		s.waiting = false
		return reload
	}
	return nothing
}

// state is what a look at a path saw, links followed; nil if there is no file that can be looked at.
type state os.FileInfo

func look(paths []string) []state {
	states := make([]state, len(paths))
	for i, path := range paths {
		if info, err := os.Stat(path); err == nil {
			states[i] = info
		}
	}
	return states
}

func sameFiles(a, b []state) bool { return slices.EqualFunc(a, b, sameFile) }

// sameFile reports whether two looks at a path saw the same file in the same state.
func sameFile(a, b state) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
