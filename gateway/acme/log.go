package acme

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge returns a logger for the library, which speaks another language. What it takes for information is for whoever looks
// for a fault; the Manager says itself what everybody should know.
func bridge(log *slog.Logger) *zap.Logger { return zap.New(core{log: log}) }

type core struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func (c core) level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelWarn
	case l == zapcore.WarnLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Enabled implements zapcore.Core.
func (c core) Enabled(l zapcore.Level) bool { return c.log.Enabled(context.Background(), c.level(l)) }

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.log, append(slices.Clone(c.fields), fields...)}
}

// Check implements zapcore.Core.
func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clone(c.fields), fields...) {
		f.AddTo(all)
	}
	attributes := []slog.Attr{slog.String("message", e.Message)}
	for _, key := range slices.Sorted(maps.Keys(all.Fields)) {
		attributes = append(attributes, slog.Any(key, all.Fields[key]))
	}
	c.log.LogAttrs(context.Background(), c.level(e.Level), "acme", attributes...)
	return nil
}

// Sync implements zapcore.Core.
func (core) Sync() error { return nil }

func lower(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
