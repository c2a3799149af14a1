package upstream

import (
	"context"
	"errors"
	"maps"
	"net/http"
)

// attempt is one try at one upstream.
type attempt struct {
	x      *exchange
	built  bool // The request can be sent.
	reused bool // It was, on a connection that had been kept.
	sent   bool // Something of it.
	came   bool // Something came back.
}

// try makes one attempt.
func (x *exchange) try(u *upstream, fresh bool) *failure {
	a := attempt{x: x}
	err := a.make(u, fresh)
	x.watch.settle(request)
	if err == nil {
		return nil
	}
	f := a.judge(err)
	x.release(false)
	return f
}

// make sends the request and reads the head of the answer.
func (a *attempt) make(u *upstream, fresh bool) error {
	x := a.x
	l, err := u.links.take(x.r.Context(), fresh)
	if err != nil {
		return err
	}
	a.reused = l.reused
	if !x.hold(l) {
		l.drop()
		return context.Canceled
	}
	x.owe(x.p.cfg.HeaderTimeout)
	if err := a.ask(l, u.host); err != nil {
		return err
	}
	if x.body != nil && !x.body.sent {
		x.body.start(l)
	}
	return a.listen(l)
}

// ask sends the request's head.
func (a *attempt) ask(l *link, host string) error {
	x := a.x
	h := head{method: x.r.Method, target: x.target, host: x.r.Host, header: x.header}
	if h.host == "" {
		h.host = host
	}
	var body []byte
	if b := x.body; b != nil {
		h.length, h.trailers = b.left, names(b.trailer)
		// An upstream that refuses the body would otherwise have to guess whether it comes all the same.
		h.last = b.call != nil
		if body = b.atHand(); body != nil {
			b.done.Store(true)
			b.sent = true
		} else if b.probe() {
			h.length, b.sent = 0, true
		}
	}
	s := sheets.Get().(*sheet)
	defer s.giveBack()
	if err := s.write(&h); err != nil {
		return err
	}
	a.built = true
	s.text = append(s.text, body...)
	n, err := l.Write(s.text)
	// Of TLS, what has not been written whole cannot be read.
	a.sent = n > 0
	return err
}

// listen reads the answer's head, and hands on what interim answers come before.
func (a *attempt) listen(l *link) error {
	x := a.x
	if _, err := l.in.Peek(1); err != nil {
		return err
	}
	a.came = true
	for most := headerBytes; ; {
		n, err := x.res.listen(l, x.r.Method, most)
		if err != nil {
			return err
		}
		most -= n
		switch status := x.res.status; {
		case status == http.StatusContinue:
			x.body.want(true) // Reading the body makes the server send 100.
		case 100 < status && status < 200 && status != http.StatusSwitchingProtocols:
			x.interim()
		default:
			if err := x.check(); err != nil {
				return err
			}
			x.answered.Store(true)
			x.body.want(false)
			return nil
		}
	}
}

// interim hands an interim answer on. It goes around whatever wraps the server's writer, for which an answer would have begun.
func (x *exchange) interim() {
	if !x.r.ProtoAtLeast(1, 1) {
		return // HTTP/1.0 knows no interim answers.
	}
	w := serverWriter(x.w)
	h := w.Header()
	kept := maps.Clone(h)
	clear(h)
	copyHeader(h, x.res.header)
	x.watch.expect(reading, x.p.cfg.IdleBody)
	w.WriteHeader(x.res.status)
	x.watch.settle(reading)
	clear(h)
	maps.Copy(h, kept)
}

// judge finds the cause of a failed attempt, and whether another one is safe.
func (a *attempt) judge(err error) *failure {
	x := a.x
	untouched := x.body == nil || !x.body.begun.Load()
	var dial *dialError
	switch {
	case x.overdue.Load() != 0 && (x.waiting.Load() || slot(x.overdue.Load()-1) == reading):
		f := failed(CauseClientGone, errSilent)
		f.status = http.StatusRequestTimeout
		return f
	case x.overdue.Load() != 0:
		return failed(CauseHeaderTimeout, errSilent)
	case x.r.Context().Err() != nil:
		return failed(CauseClientGone, err)
	case x.body != nil && x.body.large.Load():
		return failed(CauseTooLarge, err)
	case x.body != nil && x.body.broken.Load():
		f := failed(CauseClientGone, err)
		f.status = http.StatusBadRequest
		return f
	case errors.As(err, &dial):
		f := failed(dial.cause, err)
		f.repeatable = untouched
		return f
	case !a.built:
		return failed(CauseUnforwardable, err)
	case a.came && !isClosed(err):
		return failed(CauseProtocol, err)
	}
	f := failed(CauseClosed, err)
	safe := x.body == nil && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead || x.r.Method == http.MethodOptions)
	f.repeatable = !a.came && (!a.sent && untouched || safe)
	f.stale = a.reused && !a.came
	return f
}
