package gateway

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gate451/rules"
)

// lacksDocument reports whether the decision blocks for nothing but a document that the request names and does not hold: it
// would be another one if the document did nothing that a rule is about. Automatic persisted queries begin so, and their
// clients send the document when they are told that it is not known.
func (j *judgement) lacksDocument(from *rules.Origin, at time.Time) bool {
	unsent := func(c rules.Carried) bool { return c.Unsent }
	if j.decision.Verdict != rules.Block || !slices.ContainsFunc(j.request.Carried, unsent) {
		return false
	}
	others := j.request
	others.Carried = slices.DeleteFunc(slices.Clone(others.Carried), unsent)
	d := j.policy.Decide(&others, from, at)
	return d.Verdict == rules.Allow
}

// notFound is what Apollo Server answers where it does not know a document, with status 200: Apollo Client goes by the message
// or by the code, and its older versions take any other status for a failure of the network.
const notFound = `{"errors":[{"message":"PersistedQueryNotFound","extensions":{"code":"PERSISTED_QUERY_NOT_FOUND"}}]}` + "\n"

// askForDocument answers that the document of a persisted query is not known. A shop's pages may come from another origin
// than its interface; their scripts may read this answer, in which there is nothing of the buyer's, as they may the shop's
// own.
func askForDocument(w http.ResponseWriter, r *http.Request, status int, reference string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(notFound)))
	h.Set("Gate451-Reference", reference)
	if origin := r.Header.Get("Origin"); origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Vary", "Origin")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, notFound) // a client that is gone needs no answer, and to HEAD the server sends none
}
