package canonical

import (
	"fmt"
	"net/http"
)

// The causes for which a request is refused, from a closed list; they serve as the label of a metric.
const (
	// CauseMethod is a method that is no token, that no server behind a gateway should see, or whose
	// letter case servers understand differently.
	CauseMethod = "method"
	// CauseTarget is a target in a form that does not fit the request (RFC 9112, section 3.2), or one
	// with a character that may not stand in a target.
	CauseTarget = "target"
	// CauseLength is a path longer than any honest one.
	CauseLength = "length"
	// CauseEncoding is a percent-encoding that servers decode differently or not at all.
	CauseEncoding = "encoding"
	// CauseControl is a control character, raw or encoded, in the path.
	CauseControl = "control"
	// CauseAboveRoot is a path whose dot segments climb above the root.
	CauseAboveRoot = "above_root"
	// CauseReadings is a target that can be read in too many ways to judge them all.
	CauseReadings = "readings"
	// CauseBody is a length of the body that is no number, or that is named twice.
	CauseBody = "body"
	// CauseHost is a host that is missing, no host name and no address, or named twice.
	CauseHost = "host"
)

// Causes returns all causes.
func Causes() []string {
	return []string{
		CauseMethod, CauseTarget, CauseLength, CauseEncoding, CauseControl, CauseAboveRoot, CauseReadings, CauseBody, CauseHost,
	}
}

// Malformed is the error for a request that no honest client sends, and that is not to be forwarded.
type Malformed struct {
	// Cause is one of the causes.
	Cause string
	// Detail says what is wrong and what would be right. It may quote a short part of the request.
	Detail string
	// Status is the HTTP status to answer with.
	Status int
}

// Error returns the detail, and that the request is malformed.
func (m *Malformed) Error() string { return "malformed request: " + m.Detail }

func malformed(cause, format string, args ...any) *Malformed {
	return &Malformed{Cause: cause, Detail: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// excerptLength is how many bytes of a request an error quotes.
const excerptLength = 40

// excerpt quotes the beginning of what a client sent, so that an error or a log line stays short and clean.
func excerpt(text string) string {
	if len(text) > excerptLength {
		return fmt.Sprintf("%q...", text[:excerptLength])
	}
	return fmt.Sprintf("%q", text)
}
