package goods

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// persisted looks up the documents that are named by their digests, and tells of those that are registered under them
// (Apollo's automatic persisted queries). It reports whether all documents that may be run are known then.
func (e *envelope) persisted(opts Options) bool {
	bare := len(e.queries) == 0 || e.blank
	if opts.Registered != nil && len(e.hashes) > 0 {
		e.register(opts.Registered)
	}
	if !bare {
		return true
	}
	known := !e.stored
	for _, hash := range e.hashes {
		document, ok := "", false
		if opts.Stored != nil {
			document, ok = opts.Stored(strings.ToLower(hash))
		}
		if ok {
			e.queries = append(e.queries, document)
		}
		known = known && ok
	}
	return known
}

// register tells of the documents whose digest is there.
func (e *envelope) register(tell func(hash, document string)) {
	for _, document := range e.queries {
		sum := sha256.Sum256([]byte(document))
		digest := hex.EncodeToString(sum[:])
		for _, hash := range e.hashes {
			if strings.EqualFold(hash, digest) {
				tell(digest, document)
				break
			}
		}
	}
}
