package gateway

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/gateway/refusal"
)

// outcome is what is told of a request that does not pass.
type outcome struct {
	// Status is that of the answer.
	Status int `json:"status"`
	// Refusal is what a refused buyer is told; nil where the status says it all.
	Refusal *refusal.Refusal `json:"refusal,omitempty"`
	// Scheme is how the buyer came, and Zone where the instants of the refusal are told.
	Scheme string `json:"scheme,omitempty"`
	Zone   string `json:"zone,omitempty"`
	// Document is the reference of a request that lacks only the document of its persisted query, which is then asked for.
	Document string `json:"document,omitempty"`
	// Text is said beside a status that does not say it all; empty where it does.
	Text string `json:"text,omitempty"`
	// Preview is what an auditor is told of a refusal that no buyer gets; empty for one that was in earnest.
	Preview string `json:"preview,omitempty"`
}

// tell answers a request that does not pass.
func (e *Enforcer) tell(w http.ResponseWriter, r *http.Request, o *outcome) {
	if o.Preview != "" {
		w.Header().Set(previewHeader, o.Preview)
	}
	switch {
	case o.Refusal != nil:
		r.URL.Scheme = o.Scheme
		e.refusals.Write(w, r, o.Refusal)
		sawRefusal(w)
	case o.Document != "":
		askForDocument(w, r, o.Status, o.Document)
	default:
		if o.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		brief(w, r, o.Status, cmp.Or(o.Text, http.StatusText(o.Status)))
	}
}

// sawRefusal tells the writers that a refusal has passed: none of them has seen the status of one whose status line is its own.
func sawRefusal(w http.ResponseWriter) {
	response, ok := w.(*echo.Response)
	if !ok {
		return
	}
	response.Status, response.Committed = http.StatusUnavailableForLegalReasons, true
	if x, ok := response.Writer.(*exchange); ok {
		x.status = http.StatusUnavailableForLegalReasons
	}
}

// text writes an outcome so that it can stand in a header field.
func (o *outcome) text() string {
	text, _ := json.Marshal(o) // of texts and numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseOutcome reads what text wrote. Whatever it reads answers a request that does not pass.
func parseOutcome(field string) (*outcome, error) {
	text, err := base64.RawURLEncoding.DecodeString(field)
	if err != nil {
		return nil, err
	}
	o := new(outcome)
	if err := json.Unmarshal(text, o); err != nil {
		return nil, err
	}
	if o.Refusal == nil && o.Document == "" && (o.Status < 400 || o.Status > 599) {
		return nil, errors.New("its status is none of a request that does not pass")
	}
	if o.Refusal == nil {
		return o, nil
	}
	zone, err := time.LoadLocation(o.Zone)
	if err != nil {
		return nil, err
	}
	o.Refusal.Since, o.Refusal.Until = in(o.Refusal.Since, zone), in(o.Refusal.Until, zone)
	return o, nil
}
