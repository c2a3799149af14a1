package goods

import (
	"container/list"
	"strings"
	"sync"
)

// What is kept of documents. A shop has a few hundred, of two KiB or so.
const (
	mostStored      = 4096
	mostStoredBytes = 8 << 20
	// mostStoredOne is how long one of them may be; what is longer has to be sent each time.
	mostStoredOne = 64 << 10
)

// Documents are those of persisted queries that were seen together with their digests, the least recently used of which
// are forgotten. Anyone can add some, and nobody can make a digest stand for a document that is not its own: whoever
// floods them gains nothing but that clients are asked for their documents again. They may be used by any number of
// goroutines.
type Documents struct {
	mu     sync.Mutex
	known  map[digest]*list.Element
	recent *list.List // of stored, the most recently used first
	bytes  int
}

type stored struct {
	digest   digest
	document string
}

// NewDocuments returns Documents that know none.
func NewDocuments() *Documents {
	return &Documents{known: make(map[digest]*list.Element), recent: list.New()}
}

// find returns the document that has the digest.
func (d *Documents) find(digest digest) (document string, known bool) {
	if d == nil {
		return "", false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := d.known[digest]
	if at == nil {
		return "", false
	}
	d.recent.MoveToFront(at)
	return at.Value.(stored).document, true
}

// add adds a document under its digest.
func (d *Documents) add(digest digest, document string) {
	if d == nil || len(document) > mostStoredOne {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if at := d.known[digest]; at != nil {
		d.recent.MoveToFront(at)
		return
	}
	// A copy: the document is a piece of a body that would otherwise be kept with it.
	d.known[digest] = d.recent.PushFront(stored{digest, strings.Clone(document)})
	d.bytes += len(document)
	for d.bytes > mostStoredBytes || d.recent.Len() > mostStored {
		oldest := d.recent.Remove(d.recent.Back()).(stored)
		delete(d.known, oldest.digest)
		d.bytes -= len(oldest.document)
	}
}
