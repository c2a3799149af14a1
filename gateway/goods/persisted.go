package goods

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// persisted looks up the documents that are named by their digests, and keeps those that are registered under them
// (Apollo's automatic persisted queries). It reports whether all documents that may be run are known then.
//
// A digest that is not that of a document beside it names another one all the same: Apollo Server refuses such a request,
// and graphql-java runs the other one.
func (e *envelope) persisted(opts Options, budget *budget) (known bool) {
	known = !e.stored
	if len(e.hashes) == 0 {
		return known
	}
	sent, ok := e.digests(budget)
	known = known && ok
	for _, hash := range e.hashes {
		digest, ok := digestOf(hash)
		if document, registered := sent[digest]; ok && registered {
			opts.Documents.add(digest, document)
			continue
		}
		document, found := opts.Documents.find(digest)
		if ok = ok && found; ok {
			e.queries = append(e.queries, document)
		}
		known = known && ok
	}
	return known
}

// prefer forgets that a document is named where one stands beside the name.
func (e *envelope) prefer() { e.stored = e.stored && e.bare() }

// bare reports whether there may be no document.
func (e *envelope) bare() bool { return len(e.queries) == 0 || e.blank }

// digests returns the documents that are there by their digests, as long as the budget lasts.
func (e *envelope) digests(budget *budget) (sent map[digest]string, ok bool) {
	sent = make(map[digest]string, len(e.queries))
	for _, document := range e.queries {
		if budget.hashed -= len(document); budget.hashed < 0 {
			return sent, false
		}
		sent[sha256.Sum256([]byte(document))] = document
	}
	return sent, true
}

// alone reports whether the request is a digest in place of a document, as clients send it that know to send the document
// when they are told that it is not known.
func (e *envelope) alone() bool {
	if len(e.hashes) == 0 || len(e.versions) == 0 || len(e.queries) > 0 || e.stored || e.batched {
		return false
	}
	// Of any other version Apollo Server says that it does not support it, and does not ask for the document.
	return !slices.ContainsFunc(e.versions, func(version string) bool { return version != "1" })
}

// digest is the SHA-256 of a document.
type digest [sha256.Size]byte

// digestOf reads a digest in hexadecimal, in any case and with blanks around it.
func digestOf(text string) (d digest, ok bool) {
	text = strings.TrimFunc(text, isBlank)
	if hex.DecodedLen(len(text)) != len(d) {
		return d, false
	}
	n, err := hex.Decode(d[:], []byte(text))
	return d, err == nil && n == len(d)
}
