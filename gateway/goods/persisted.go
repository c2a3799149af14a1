package goods

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// prefer forgets that a document is named where one stands beside the name.
func (e *envelope) prefer() { e.stored = e.stored && (len(e.queries) == 0 || e.blank) }

// persisted looks up the documents that are named by their digests, and tells of those that are registered under them
// (Apollo's automatic persisted queries). It reports whether all documents that may be run are known then. A document that
// has another digest is no substitute for the one that is named: it may stand where the shop does not look.
func (e *envelope) persisted(opts Options) bool {
	known := !e.stored
	if len(e.hashes) == 0 {
		return known
	}
	here := e.digests()
	for _, hash := range e.hashes {
		hash = strings.ToLower(hash)
		document, ok := here[hash]
		switch {
		case ok && opts.Registered != nil:
			opts.Registered(hash, document)
		case !ok && opts.Stored != nil:
			if document, ok = opts.Stored(hash); ok {
				e.queries = append(e.queries, document)
			}
		}
		known = known && ok
	}
	return known
}

// digests returns the documents by their SHA-256 digests.
func (e *envelope) digests() map[string]string {
	here := make(map[string]string, len(e.queries))
	for _, document := range e.queries {
		sum := sha256.Sum256([]byte(document))
		here[hex.EncodeToString(sum[:])] = document
	}
	return here
}
