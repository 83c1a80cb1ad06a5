package cds

import (
	"context"
	"log/slog"
)

// Logger returns the logger of a module, whose records carry its name. AppOptions.LogLevels says which of its levels are written.
func (a *App) Logger(module string) *slog.Logger {
	h := a.Options.Log.Handler()
	level, ok := a.Options.LogLevels[module]
	if !ok {
		level, ok = a.Options.LogLevels["*"]
	}
	if ok {
		h = leveled{h, level}
	}
	return slog.New(h).With("module", module)
}

// Log returns the logger of a module for the App that ctx belongs to; outside of one that of the process.
func Log(ctx context.Context, module string) *slog.Logger {
	if a := AppFrom(ctx); a != nil {
		return a.Logger(module)
	}
	return slog.Default().With("module", module)
}

// leveled writes records from a level on, whatever the handler behind would let through.
type leveled struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (l leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level }

// WithAttrs implements slog.Handler.
func (l leveled) WithAttrs(as []slog.Attr) slog.Handler {
	return leveled{l.Handler.WithAttrs(as), l.level}
}

// WithGroup implements slog.Handler.
func (l leveled) WithGroup(name string) slog.Handler {
	return leveled{l.Handler.WithGroup(name), l.level}
}
