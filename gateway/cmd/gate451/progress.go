package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress shows on a terminal how far something has come, and nothing elsewhere.
type progress struct {
	w     io.Writer // nil if it is no terminal
	text  string
	shown time.Time
}

func newProgress(w io.Writer, text string) *progress {
	p := &progress{text: text}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

func (p *progress) show(n int64) {
	if p.w == nil || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	_, _ = fmt.Fprintf(p.w, "\r"+p.text+" ", n) // there is nowhere else to say it
}

// end clears the line.
func (p *progress) end() {
	if p.w != nil && !p.shown.IsZero() {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K") // likewise
	}
}
