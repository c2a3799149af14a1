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

// errLate is why an upstream that is being asked as much as it may be is not asked more.
var errLate = errors.New("the upstream is being asked too much already")

// mostQuestions is how many questions one upstream is asked at a time. What is asked beyond that waits for its turn, no longer
// than it waits for the answer, so that a flood of requests that lead to questions costs the upstream no more than this.
const mostQuestions = 16

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
	h := head{method: method, target: target, host: r.Host, header: questionHeader(r, m, &q), length: int64(len(q.Body))}
	var memory [maxTries]*upstream
	tried := memory[:0]
	for {
		t := p.balancer.pick(tried)
		text, err := t.ask(ctx, h, &q)
		dial, down := errors.AsType[*dialError](err)
		var un *Unanswered
		switch {
		case err == nil, errors.As(err, &un):
			p.balancer.succeeded(t)
			return text, err
		case !down || ctx.Err() != nil:
			return nil, unanswered(ctx, r, err)
		}
		p.report(t.upstream, dial.cause, err)
		p.balancer.failed(t)
		if tried = append(tried, t.upstream); len(tried) == min(maxTries, len(p.balancer.all)) {
			return nil, &Unanswered{dial.cause, err}
		}
	}
}

// ask puts a question to this upstream when it is its turn. A kept connection that turns out to have been closed counts for nothing:
// a question changes nothing and may be put again.
func (u *upstream) ask(ctx context.Context, h head, q *Inquiry) ([]byte, error) {
	select {
	case u.places <- struct{}{}:
		defer func() { <-u.places }()
	case <-ctx.Done():
		return nil, errLate
	}
	if h.host == "" {
		h.host = u.host
	}
	for fresh := false; ; fresh = true {
		l, err := u.asked.take(ctx, fresh)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, l.sever)
		res, text, err := l.ask(&h, q)
		// One that is severed, or about to be, is of no more use.
		if stop() && err == nil && !res.last && res.state == ended {
			u.asked.keep(l)
		} else {
			l.drop()
		}
		if err == nil || !l.reused || res.l != nil || !isClosed(err) || ctx.Err() != nil {
			return text, err
		}
	}
}

// ask puts a question on this link, and returns the answer and its text. Without any, the answer has no link.
func (l *link) ask(h *head, q *Inquiry) (res response, text []byte, err error) {
	s := sheets.Get().(*sheet)
	defer s.giveBack()
	if err := s.write(h); err != nil {
		return res, nil, &Unanswered{CauseUnforwardable, err}
	}
	s.text = append(s.text, q.Body...)
	if _, err := l.Write(s.text); err != nil {
		return res, nil, err
	}
	if _, err := l.in.Peek(1); err != nil {
		return res, nil, err
	}
	for most := headerBytes; res.status < 200; {
		n, err := res.listen(l, h.method, most)
		if res.l = l; err != nil {
			return res, nil, err
		}
		if most -= n; res.status < 100 || res.status == http.StatusSwitchingProtocols {
			return res, nil, fmt.Errorf("%w: %03d", errStatus, res.status)
		}
	}
	text, err = res.text(q.MostBytes)
	return res, text, err
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
	}
	return h
}

// text reads the answer to a question.
func (r *response) text(most int64) ([]byte, error) {
	switch coding := strings.Join(r.header["Content-Encoding"], ", "); {
	case r.status != http.StatusOK:
		return nil, &Unanswered{CauseStatus, fmt.Errorf("the answer's status is %d", r.status)}
	case coding != "" && !strings.EqualFold(coding, "identity"):
		return nil, &Unanswered{CauseEncoded, fmt.Errorf("the answer is encoded as %q", coding)}
	}
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return nil, err
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
