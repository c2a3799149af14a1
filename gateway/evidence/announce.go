package evidence

import (
	"sync"
	"sync/atomic"
)

// announcer holds the newest checkpoint and tells somebody of it, who may be slow: then checkpoints are passed over, and
// the committer never waits.
type announcer struct {
	note atomic.Pointer[[]byte]
	news chan struct{}
	done chan struct{}
}

// start begins to tell, if there is somebody to tell. The note is the newest from before; nil if there is none.
func (a *announcer) start(work *sync.WaitGroup, tell func([]byte), note []byte) {
	a.news, a.done = make(chan struct{}, 1), make(chan struct{})
	if note != nil {
		a.set(note)
	}
	if tell != nil {
		work.Go(func() { a.tellAll(tell) })
	}
}

func (a *announcer) tellAll(tell func([]byte)) {
	for {
		select {
		case <-a.news:
			tell(a.get())
		case <-a.done:
			select {
			case <-a.news:
				tell(a.get())
			default:
			}
			return
		}
	}
}

func (a *announcer) set(note []byte) {
	a.note.Store(&note)
	select {
	case a.news <- struct{}{}:
	default:
	}
}

// stop ends the telling once the newest checkpoint is told.
func (a *announcer) stop() { close(a.done) }

func (a *announcer) get() []byte {
	if note := a.note.Load(); note != nil {
		return *note
	}
	return nil
}
