package gateway

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/gateway/evidence"
	"gate451/gateway/refusal"
	"gate451/rules"
)

// previewHeader is where an auditor says whose refusal is to be seen, and where the gateway says what would have become of the
// request. Like all names that begin so it never reaches the upstream, in no spelling.
const previewHeader = "Gate451-Preview"

// previews are what an auditor needs to be shown any: the token itself or, of a browser, a cookie that the key has signed. The zero
// previews are shown to nobody.
type previews struct {
	token rules.Token
	key   previewKey
}

func newPreviews(token string) previews {
	if token == "" {
		return previews{}
	}
	return previews{rules.TokenOf(token), newPreviewKey(token)}
}

func (p *previews) on() bool { return p.token != (rules.Token{}) }

// asking is what asks for a preview: header fields and, of a browser, the values of cookies.
type asking struct{ fields, cookies []string }

// take removes from a request what asks for previews, so that it is judged and handed on as if it had never been there.
func (p *previews) take(h http.Header) (a asking) {
	if !p.on() {
		return a
	}
	a = asking{h[previewHeader], takePreviewCookies(h)}
	delete(h, previewHeader)
	return a
}

// preview is whom an auditor is to be taken for.
type preview struct {
	from rules.Origin
	at   time.Time
	now  bool // whenever it is asked for
}

// What came of a preview that was not judged, in metrics.
const (
	wrongToken = "wrong_token"
	notClear   = "unclear"
)

// look has an auditor see what a buyer of another country or at another instant is told, and returns that; nil if the request goes
// on. It comes behind the judgement in earnest, of a request that passes, and can take nothing back from it: whatever is asked
// here, all that it can do is stop the request. Whoever asks without the token, or for what cannot be understood, is told so and gets
// no page: an auditor who misspells something must not take the shop's answer for the one that was asked for.
//
// The preview is judged as the policy in force would judge a buyer of whom nothing is known but the place: no exception by network
// or token is the buyer's, every rollout has reached them, and no address hides where they are or is private. Exceptions by path and
// product hold, as do pauses that last until the instant; what is in shadow mode or merely announced blocks nobody. Catalogues
// and, where the decision hangs on it, the shop's word on the cart are those of now, and the shop is told where the auditor is
// in earnest.
//
// A preview that would pass lets the request pass, with all its consequences: it would pass without one as well. The upstream learns
// nothing of it.
//
// A browser asks by a cookie, which a header field outweighs. Both have been taken from the request before it was judged at all.
func (e *Enforcer) look(c echo.Context, j *judgement) *outcome {
	r := c.Request()
	var asked preview
	switch lines := j.asking.fields; {
	case asksPreviewPage(r):
		return nil
	case len(lines) > 1, len(lines) == 1 && lines[0] != "": // a proxy in front may send it empty
		var not *outcome
		if asked, not = e.previewOf(lines, j); not != nil {
			return not
		}
	default:
		var ok bool
		if asked, _, ok = e.byCookie(j.asking.cookies); !ok {
			return nil
		}
	}
	p := &judgement{request: j.request, client: j.client, origin: j.origin, policy: j.policy}
	e.decide(c.Response().Writer, r, p, &asked.from, asked.at)
	p.decision.Client = j.client.Addr // who looked, for the record
	d := &p.decision
	e.metrics.previews.WithLabelValues(d.Verdict.String()).Inc()
	recorded := e.recorder != nil && d.Governed()
	if recorded || d.Verdict == rules.Block {
		p.reference = refusal.NewReference(e.random)
	}
	if recorded {
		if err := e.recorder.recordPreview(r, p); err != nil {
			return &outcome{Status: http.StatusServiceUnavailable}
		}
	}
	if d.Governed() {
		e.log.LogAttrs(r.Context(), slog.LevelInfo, "preview shown", slog.String("reference", p.reference), slog.String("verdict", d.Verdict.String()), slog.String("reason", d.Reason.String()),
			slog.String("rule", d.RuleID()), slog.String("country", asked.place()), slog.Time("at", d.At), slog.String("client", truncated(d.Client)))
	}
	told := asked.told(d)
	if d.Verdict == rules.Allow {
		c.Response().Header().Set(previewHeader, told)
		j.previewed = true
		return nil
	}
	o := p.refused(r)
	o.Preview = told
	return o
}

// recordPreview writes down who was shown what, as record does what was decided. No database has told the country.
func (r *recorder) recordPreview(request *http.Request, p *judgement) error {
	return r.evidence.Record(context.Background(), &evidence.Entry{
		Decision: &p.decision, Reference: p.reference, Method: request.Method, Host: p.request.Host,
		Path: pathOf(request.RequestURI, p.request.Paths[0]), Preview: true,
	})
}

// isAuditor compares a token with the one that previews take. Guesses are counted and not held up: the token is too long for them, and
// whoever guesses could come from anywhere.
func (e *Enforcer) isAuditor(token string, j *judgement) bool {
	given := rules.TokenOf(token)
	if subtle.ConstantTimeCompare(given[:], e.previews.token[:]) == 1 {
		return true
	}
	e.metrics.previews.WithLabelValues(wrongToken).Inc()
	if e.guessed.is() {
		e.log.Warn("a preview was asked for without the token of refusal.preview_token_file", slog.String("client", truncated(j.client.Addr)))
	}
	return false
}

// previewOf reads what the header field asks for, or says why it is not shown.
func (e *Enforcer) previewOf(lines []string, j *judgement) (preview, *outcome) {
	said, err := parsePreview(lines)
	if !e.isAuditor(said["token"], j) {
		return preview{}, &outcome{Status: http.StatusForbidden, Text: previewHeader + " does not carry the token that previews take here"}
	}
	var asked preview
	if err == nil {
		asked, err = readPreview(said["country"], said["at"], j.policy.Zone(), e.now())
	}
	if err != nil {
		e.metrics.previews.WithLabelValues(notClear).Inc()
		return preview{}, &outcome{Status: http.StatusBadRequest, Text: fmt.Sprintf("%s: %v; write country=US; at=2024-07-20; token=TOKEN", previewHeader, err)}
	}
	return asked, nil
}

// readPreview reads a place and an instant as an auditor writes them; no instant is now.
func readPreview(place, at string, zone *time.Location, now time.Time) (asked preview, err error) {
	if asked.from, err = rules.OriginIn(place); err != nil {
		return asked, err
	}
	if asked.at, asked.now = now, at == ""; !asked.now {
		asked.at, err = rules.ParseInstant(at, zone)
	}
	return asked, err
}

// parsePreview takes the header field apart. It returns the token even where the rest is wrong, and none where there are several
// fields or tokens, one of which somebody on the way has added.
func parsePreview(lines []string) (said map[string]string, err error) {
	if len(lines) > 1 {
		return nil, fmt.Errorf("it is there %d times", len(lines))
	}
	said = make(map[string]string, 3)
	for part := range strings.SplitSeq(lines[0], ";") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		switch _, again := said[key]; {
		case !ok || key != "country" && key != "at" && key != "token":
			err = fmt.Errorf("%q is neither country, at nor token", key)
		case again:
			said[key], err = "", fmt.Errorf("it says %s twice", key)
		default:
			said[key] = value
		}
	}
	return said, err
}

// place is where the buyer is, as an auditor writes it.
func (p *preview) place() string {
	switch {
	case len(p.from.Subdivisions) > 0:
		return p.from.Subdivisions[0]
	case p.from.Country == 0:
		return "unknown"
	}
	return p.from.Country.String()
}

// told is what the auditor is told: the verdict, and what led to it, as an item of RFC 9651 with parameters.
func (p *preview) told(d *rules.Decision) string {
	value := d.Verdict.String() + "; country=" + p.place() + `; at="` + d.At.Format(time.RFC3339Nano) + `"; reason=` + d.Reason.String()
	if d.Rule != nil {
		value += `; rule="` + d.Rule.ID + `"` // an id needs no escapes
	}
	if d.Notice != nil {
		value += `; notice="` + d.Notice.ID + `"`
	}
	return value
}
