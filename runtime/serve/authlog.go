package serve

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"cds/runtime/auth"
)

// An authLog writes who was let in, at level debug, and who was not. Refusals of one kind are not written without end: anybody can cause them.
type authLog struct {
	log   *slog.Logger
	debug bool
	now   func() time.Time

	mu     sync.Mutex
	causes map[string]*causeCount
}

type causeCount struct {
	since   time.Time
	written int
	skipped int
}

// Bounds of what is written of one cause, and of how many causes are told apart.
const (
	refusalsLogged = 20
	refusalsWindow = time.Minute
	refusalCauses  = 64
)

func newAuthLog(s *Server) *authLog {
	levels := s.CDS.Options.LogLevels
	level, ok := levels["auth"]
	if !ok {
		level, ok = levels["*"]
	}
	return &authLog{log: s.CDS.Logger("auth"), debug: ok && level <= slog.LevelDebug, now: s.CDS.Options.Now, causes: map[string]*causeCount{}}
}

// admitted writes who a request is from: names of roles and attributes, never their values or what was presented.
func (l *authLog) admitted(ctx context.Context, req *http.Request, u *auth.User) {
	if !l.debug {
		return
	}
	l.log.DebugContext(ctx, "authenticated", "user", u.ID, "kind", kindName(u.Kind), "tenant", u.Tenant, "roles", strings.Join(u.Roles(), " "),
		"attributes", strings.Join(slices.Sorted(maps.Keys(u.Attrs)), " "), "method", req.Method, "path", req.URL.Path)
}

// refused writes why a request was refused.
func (l *authLog) refused(ctx context.Context, id string, err error) {
	skipped, ok := l.next(cause(err))
	if !ok && !l.debug {
		return
	}
	args := []any{"correlation", id, "reason", err.Error()}
	if skipped > 0 {
		args = append(args, "unreported", skipped)
	}
	l.log.WarnContext(ctx, "authentication refused", args...)
}

// cause is the part of an error's text that does not depend on what was sent.
func cause(err error) string {
	text := err.Error()
	if i := strings.IndexAny(text, "\"'`0123456789"); i >= 0 {
		text = text[:i]
	}
	return clip(text, 100)
}

// next reports whether one more may be written, and how many were not in the time before.
func (l *authLog) next(cause string) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	c := l.causes[cause]
	if c == nil {
		if len(l.causes) >= refusalCauses {
			cause = ""
			c = l.causes[cause]
		}
		if c == nil {
			c = &causeCount{since: now}
			l.causes[cause] = c
		}
	}
	if d := now.Sub(c.since); d < 0 || d >= refusalsWindow {
		skipped = c.skipped
		*c = causeCount{since: now}
	}
	if c.written >= refusalsLogged {
		c.skipped++
		return 0, false
	}
	c.written++
	return skipped, true
}

func kindName(k auth.Kind) string {
	switch k {
	case auth.KindAnonymous:
		return "anonymous"
	case auth.KindSystem:
		return "system"
	case auth.KindInternal:
		return "internal"
	case auth.KindDummy:
		return "dummy"
	case auth.KindPrivileged:
		return "privileged"
	}
	return "named"
}
