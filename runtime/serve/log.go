package serve

import (
	"context"
	"log/slog"
	"strings"
	"unicode/utf8"
)

// correlationKey finds the correlation id in the context of a request.
type correlationKey struct{}

// A careful handler adds the correlation id of the request to each record, and leaves out of records what does not belong in logs: the values
// of attributes that are named like secrets, and texts beyond a length. Line ends and terminal codes are escaped by slog's own handlers.
type careful struct{ slog.Handler }

// maxLogged bounds texts in the log, maxStack those of stacks.
const (
	maxLogged = 2 << 10
	maxStack  = 16 << 10
)

// Handle implements slog.Handler.
func (h careful) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, clip(r.Message, maxLogged), r.PC)
	named := false
	r.Attrs(func(a slog.Attr) bool {
		named = named || a.Key == "correlation"
		out.AddAttrs(redact(a, 0))
		return true
	})
	if id, ok := ctx.Value(correlationKey{}).(string); ok && !named {
		out.AddAttrs(slog.String("correlation", id))
	}
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h careful) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = redact(a, 0)
	}
	return careful{h.Handler.WithAttrs(out)}
}

// WithGroup implements slog.Handler.
func (h careful) WithGroup(name string) slog.Handler { return careful{h.Handler.WithGroup(name)} }

// secrets are parts of the names of attributes whose values are not logged.
var secrets = [...]string{"authorization", "cookie", "password", "passwd", "secret", "token", "credential", "apikey", "api_key", "private_key"}

func redact(a slog.Attr, depth int) slog.Attr {
	name := strings.ToLower(a.Key)
	for _, s := range secrets {
		if strings.Contains(name, s) {
			return slog.String(a.Key, "***")
		}
	}
	limit := maxLogged
	if name == "stack" {
		limit = maxStack
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, clip(v.String(), limit))
	case slog.KindGroup:
		if depth > 10 {
			return slog.String(a.Key, "…")
		}
		out := make([]slog.Attr, 0, len(v.Group()))
		for _, g := range v.Group() {
			out = append(out, redact(g, depth+1))
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(out...)}
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.String(a.Key, clip(err.Error(), limit))
		}
	}
	return a
}

func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
