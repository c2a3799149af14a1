package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// mostShown is how many decisions the page has, and the stream sends at once. More pass by faster than anybody reads.
	mostShown = 100
	// mostReaders is how many may follow the stream at once.
	mostReaders = 16
	// quiet is how long the stream says nothing at most, so that a connection that is gone is noticed.
	quiet = 15 * time.Second
	// readPatience is how long a reader may take to read what was sent.
	readPatience = 10 * time.Second
)

// livePage is what the page shows.
type livePage struct {
	Now       time.Time
	Decisions []Decision
	Last      uint64
	Blocks    bool
	Most      int
}

func (c *Console) live(w http.ResponseWriter, r *http.Request) {
	page := livePage{Now: c.gateway.State().Now, Most: mostShown}
	sorts := sortsOf(r)
	page.Blocks = sorts == weighty
	newest, last := c.feed.since(0, sorts)
	page.Decisions, page.Last = c.decisions(newest), last
	c.show(w, r, http.StatusOK, "live", "Live", page)
}

// sortsOf is what a reader wants to see.
func sortsOf(r *http.Request) int {
	if r.URL.Query().Get("show") == "blocks" {
		return weighty
	}
	return allSorts
}

// decisions writes entries for people, no more than are shown.
func (c *Console) decisions(entries []held) []Decision {
	var all []Decision
	for i := range entries[:min(len(entries), mostShown)] {
		all = append(all, entries[i].show(c.gateway.Client))
	}
	return all
}

// news is one event of the stream.
type news struct {
	Decisions []Decision `json:"decisions"` // the newest first
	Missed    uint64     `json:"missed"`
}

// events streams decisions as they are made (server-sent events, HTML Living Standard, section 9.2). The stream looks for
// news by itself, now and then, so that no request waits for any of its readers; what a slow one has missed is counted.
func (c *Console) events(w http.ResponseWriter, r *http.Request) {
	if c.readers.Add(1) > mostReaders {
		c.readers.Add(-1)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many follow the stream; close another page of it", http.StatusServiceUnavailable)
		return
	}
	defer c.readers.Add(-1)
	after, _ := strconv.ParseUint(r.Header.Get("Last-Event-Id"), 10, 64)
	if after == 0 {
		after, _ = strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	}
	s, sorts := stream{w, http.NewResponseController(w)}, sortsOf(r)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it until there is more
	if !s.send(": here are the decisions\nretry: 3000\n\n") {
		return
	}
	look := time.NewTicker(c.beat)
	defer look.Stop()
	for spoke := time.Now(); ; {
		select {
		case <-r.Context().Done():
			return
		case <-look.C:
		}
		if c.door.Locked() && !c.mayFollow(r) {
			return // the session has ended meanwhile
		}
		newest, last := c.feed.since(after, sorts)
		if last < after {
			after = 0 // it counts another process' decisions
			continue
		}
		told := news{Decisions: c.decisions(newest)}
		if sorts == allSorts {
			told.Missed = last - after - uint64(len(told.Decisions))
		}
		after = last
		switch {
		case len(told.Decisions) > 0 || told.Missed > 0:
			text, err := json.Marshal(told)
			if err != nil || !s.send(fmt.Sprintf("id: %d\ndata: %s\n\n", last, text)) {
				return
			}
		case time.Since(spoke) < quiet:
			continue
		case !s.send(": still here\n\n"):
			return
		}
		spoke = time.Now()
	}
}

// mayFollow reports whether a request would still be let in.
func (c *Console) mayFollow(r *http.Request) bool {
	if c.door.signedIn(r) {
		return true
	}
	right, _ := c.door.Presents(r)
	return right
}

// stream writes events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes a text at once; false means that nobody reads it.
func (s *stream) send(text string) bool {
	if s.control.SetWriteDeadline(time.Now().Add(readPatience)) != nil {
		return false
	}
	_, err := s.w.Write([]byte(text))
	return err == nil && s.control.Flush() == nil
}
