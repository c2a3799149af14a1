package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Inquiry is a question to the upstream on behalf of the client of a request.
type Inquiry struct {
	// Target is what is asked for, a path and perhaps a query, coded as it is sent.
	Target string
	// Body is JSON that is posted; nil asks with GET.
	Body []byte
	// Headers are the fields of the client's request that the question bears.
	Headers []string
	// Within is how long the upstream may take, from the first try to the end of its answer.
	Within time.Duration
	// MostBytes is how long its answer may be.
	MostBytes int64
}

// The causes for which an Inquiry can fail, beside those of a failed attempt to forward.
const (
	// CauseSlow says that the upstream did not answer in time, or was being asked as much as it may be.
	CauseSlow = "slow"
	// CauseStatus says that it answered with another status than 200.
	CauseStatus = "status"
	// CauseTooLong says that its answer is too long.
	CauseTooLong = "too_long"
	// CauseEncoded says that its answer is encoded, which was not asked for.
	CauseEncoded = "encoded"
)

// Unanswered is the error of Ask.
type Unanswered struct {
	// Cause is one of the causes above.
	Cause string
	err   error
}

func (e *Unanswered) Error() string { return e.Cause + ": " + e.err.Error() }
func (e *Unanswered) Unwrap() error { return e.err }

// mostQuestions is how many questions one upstream is asked at a time. What is asked beyond that waits for its turn, no longer
// than it waits for the answer, so that a flood of requests that lead to questions costs the upstream no more than this.
const mostQuestions = 16

// newAsking returns the transport of questions. They have connections of their own: what a client sends in a body, and what an
// upstream makes of it, never comes near the answer to one.
func newAsking(c Config) (*http.Transport, error) {
	t, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = mostQuestions, mostQuestions
	return t, nil
}

// Ask puts a question to an upstream, as the client of r would: to the same Host, from the client's address, with the header
// fields that are named, as they would be forwarded. It returns the body of an answer with status 200, and otherwise an error of
// type *Unanswered. It follows no redirect and keeps no cookie.
func (p *Proxy) Ask(r *http.Request, m Meta, q Inquiry) ([]byte, error) {
	method := http.MethodGet
	if q.Body != nil {
		method = http.MethodPost
	}
	target, err := targetOf(&http.Request{Method: method, RequestURI: q.Target})
	if err = errors.Join(err, checkHost(r.Host)); err != nil {
		return nil, &Unanswered{CauseUnforwardable, err}
	}
	ctx, cancel := context.WithTimeout(r.Context(), q.Within)
	defer cancel()
	var memory [maxTries]*upstream
	tried := memory[:0]
	for {
		t := p.balancer.pick(tried)
		to := target
		to.Scheme, to.Host = t.scheme, t.host
		out, err := http.NewRequestWithContext(ctx, method, "/", strings.NewReader(string(q.Body)))
		if err != nil {
			return nil, &Unanswered{CauseUnforwardable, err}
		}
		out.URL, out.Host, out.Header = &to, r.Host, questionHeader(r, m, &q)
		res, err := p.asking.RoundTrip(out)
		var dial *dialError
		switch {
		case err == nil:
			p.balancer.succeeded(t)
			return answerOf(ctx, r, res, q.MostBytes)
		case !errors.As(err, &dial) || ctx.Err() != nil:
			return nil, unanswered(ctx, r, err)
		}
		p.report(t.upstream, dial.cause, err)
		p.balancer.failed(t)
		if tried = append(tried, t.upstream); len(tried) == min(maxTries, len(p.balancer.all)) {
			return nil, &Unanswered{dial.cause, err}
		}
	}
}

// questionHeader returns what the upstream is told with a question: of what it would be told with the client's request the fields
// that are named, in whatever spelling its program takes for them, and who asks.
func questionHeader(r *http.Request, m Meta, q *Inquiry) http.Header {
	named := http.Header{"Connection": r.Header["Connection"]} // for what it strips
	for name, values := range r.Header {
		for _, wanted := range q.Headers {
			if alias(name, wanted) {
				named[name] = values
			}
		}
	}
	if agent, ok := r.Header["User-Agent"]; ok {
		named["User-Agent"] = agent // some shops bind sessions to it
	}
	h := requestHeader(&http.Request{Host: r.Host, Header: named, ProtoMajor: 1, ProtoMinor: 1}, m, false)
	h["Accept"], h["Accept-Encoding"] = []string{"application/json"}, []string{"identity"}
	if q.Body != nil {
		h["Content-Type"] = []string{"application/json"}
		h["X-Idempotency-Key"] = nil // It asks and changes nothing, so that http.Transport may repeat it; nil is not sent.
	}
	return h
}

// answerOf reads the answer to a question.
func answerOf(ctx context.Context, r *http.Request, res *http.Response, most int64) ([]byte, error) {
	defer res.Body.Close()
	switch coding := res.Header.Get("Content-Encoding"); {
	case res.StatusCode != http.StatusOK:
		return nil, &Unanswered{CauseStatus, fmt.Errorf("the answer's status is %d", res.StatusCode)}
	case coding != "" && !strings.EqualFold(coding, "identity"):
		return nil, &Unanswered{CauseEncoded, fmt.Errorf("the answer is encoded as %q", coding)}
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return nil, unanswered(ctx, r, err)
	case int64(len(text)) > most:
		return nil, &Unanswered{CauseTooLong, fmt.Errorf("the answer is longer than %d bytes", most)}
	}
	return text, nil
}

// unanswered finds out why there is no answer.
func unanswered(ctx context.Context, r *http.Request, err error) *Unanswered {
	switch {
	case r.Context().Err() != nil:
		return &Unanswered{CauseClientGone, err}
	case ctx.Err() != nil:
		return &Unanswered{CauseSlow, err}
	case isClosed(err):
		return &Unanswered{CauseClosed, err}
	}
	return &Unanswered{CauseProtocol, err}
}
