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

// statementLog returns the logger of module sql if it is to write what it is told: at level debug, for itself or for all modules.
func (a *App) statementLog() *slog.Logger {
	level, ok := a.Options.LogLevels["sql"]
	if !ok {
		level, ok = a.Options.LogLevels["*"]
	}
	if !ok || level > slog.LevelDebug {
		return nil
	}
	return a.Logger("sql")
}

// logStatement writes a statement without its values, which may be nobody's business.
func (a *App) logStatement(ctx context.Context, sql string, binds int) {
	if l := a.inner.sqlLog; l != nil {
		l.DebugContext(ctx, "statement", "sql", sql, "binds", binds)
	}
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
