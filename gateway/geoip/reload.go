package geoip

import (
	"errors"
	"log/slog"
	"path/filepath"
)

// Reload reads all the databases again. Either all of them are replaced, at once for every reader, or
// an error says which are bad, or what they lack, and what would be right, and nothing changes.
func (l *Locator) Reload() error {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	loaded, wrong := openState(l.cfg)
	if loaded == nil {
		return l.refuse(wrong)
	}
	if err := l.opts.Replace(loaded.divides, func() { l.current.Store(loaded) }); err != nil {
		for _, d := range loaded.countries {
			l.opts.OnReload(d.name, err)
		}
		return l.refuse([]error{err})
	}
	l.lastFailure = ""
	l.logLoaded(loaded)
	for _, d := range loaded.all() {
		l.opts.OnReload(d.name, nil)
	}
	return nil
}

// refuse reports a failed reload; the same failure is logged only once in a row.
func (l *Locator) refuse(wrong []error) error {
	err := errors.Join(wrong...)
	if text := err.Error(); text != l.lastFailure {
		l.lastFailure = text
		l.opts.Logger.Error("geoip databases not reloaded, the loaded ones stay in use", slog.Any("error", err))
	}
	for _, one := range wrong {
		if failure, ok := errors.AsType[*fileError](one); ok {
			l.opts.OnReload(filepath.Base(failure.path), failure)
		}
	}
	return err
}

func (l *Locator) logLoaded(loaded *state) {
	now := l.opts.Now()
	for _, d := range loaded.all() {
		attributes := []any{slog.String("database", d.name), slog.String("type", d.reader.Metadata.DatabaseType),
			slog.Time("built", d.reader.Metadata.BuildTime().UTC())}
		if d.stale(now) {
			l.opts.Logger.Warn("geoip database is older than geoip.max_age", append(attributes, slog.Duration("max_age", l.cfg.MaxAge))...)
			continue
		}
		l.opts.Logger.Info("geoip database loaded", attributes...)
	}
}
