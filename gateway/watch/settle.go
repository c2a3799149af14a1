package watch

import (
	"os"
	"slices"
)

// settling decides when changed files have rested long enough to be read. It looks at the files and
// not at events, so that neither lost events nor a busy directory matter.
type settling struct {
	pending []os.FileInfo
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

func (s *settling) next(why reason, seen, loaded []os.FileInfo) step {
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

// stampsOf returns the state of each file, following links; nil for a file that is not there.
func stampsOf(paths []string) []os.FileInfo {
	stamps := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		if stamp, err := os.Stat(path); err == nil {
			stamps[i] = stamp
		}
	}
	return stamps
}

func sameFiles(a, b []os.FileInfo) bool { return slices.EqualFunc(a, b, sameFile) }

// sameFile reports whether two looks at a path saw the same file in the same state.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
