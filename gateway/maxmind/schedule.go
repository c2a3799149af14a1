package maxmind

import (
	"net/http"
	"strconv"
	"time"
)

const (
	firstPause = 15 * time.Minute   // after a failure; each one more doubles it, up to Config.Every
	lastPause  = 7 * 24 * time.Hour // that a server may ask for
	spread     = 0.1                // by which times differ between replicas, up and down
)

// spreadOut moves a duration by up to a tenth, so that replicas do not all ask at once.
func (u *Updater) spreadOut(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 - spread + 2*spread*u.opts.Random()))
}

// pause is how long to leave the server alone after so many failures in a row.
func (u *Updater) pause(failures int, asked time.Duration) time.Duration {
	pause := min(firstPause, u.cfg.Every)
	for range min(failures-1, 30) {
		pause = min(2*pause, u.cfg.Every)
	}
	return max(u.spreadOut(pause), min(asked, lastPause))
}

// due is when an edition is to be asked for. A time that no clock that is right can have led to does not count, nor one that
// is later than Config.Every, which may have been longer before, asks for.
func (u *Updater) due(e entry, now time.Time) time.Time {
	due := e.NotBefore
	if e.Failures == 0 {
		due = earlier(due, e.Checked.Add(longest(u.cfg.Every)))
	}
	if due.Sub(now) > max(longest(u.cfg.Every), lastPause) {
		return now
	}
	return due
}

func longest(every time.Duration) time.Duration {
	return time.Duration(float64(every) * (1 + spread))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// retryAfter reads RFC 9110 section 10.2.3; 0 if the server does not say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
