package maxmind

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	shortest = time.Minute // between two looks, so that no mistake makes them a storm
	patience = time.Hour   // until a folder that cannot be used is looked at again
)

// Run keeps the databases current until the context ends.
func (u *Updater) Run(ctx context.Context) {
	said := ""
	for {
		reports, err := u.Update(ctx, WhenDue)
		wait := u.wait(reports)
		switch {
		case errors.Is(err, ErrBusy):
			wait = u.spreadOut(min(shortest, u.cfg.Every))
		case err != nil:
			wait = u.spreadOut(min(patience, u.cfg.Every))
			if said != err.Error() {
				u.opts.Logger.Error("geoip databases are not kept current", slog.Any("error", err))
			}
		}
		said = ""
		if err != nil {
			said = err.Error()
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// wait is how long until the first of the editions is due.
func (u *Updater) wait(reports []Report) time.Duration {
	now := u.opts.Now()
	wait := u.cfg.Every
	for _, r := range reports {
		wait = min(wait, r.Next.Sub(now))
	}
	return max(wait, min(shortest, u.cfg.Every))
}
