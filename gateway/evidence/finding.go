package evidence

import "fmt"

// Finding is one thing that is wrong with a log.
type Finding struct {
	// File is the file, Line the line in it, counted from 1 (in a compressed segment, of what it holds). Line is 0 where
	// the whole file is meant.
	File string `json:"file"`
	Line int    `json:"line"`
	// Index is the index of the line in the log, where there is one; otherwise -1.
	Index int64 `json:"index"`
	// Problem says what is wrong, and what would be right.
	Problem string `json:"problem"`
}

// String returns the finding as commands print it.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Problem
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Problem)
}
