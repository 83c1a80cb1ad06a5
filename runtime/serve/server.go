package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"cds/runtime/internal/deadline"
)

// Serve answers on ln until ctx ends, then stops gracefully: /health turns to 503 and connections are closed after their next answer for the
// drain time, while load balancers find out; then no more are accepted, and requests that were read are finished within the grace time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	l := &s.limits
	srv := &http.Server{
		Handler:           s.outer,
		ReadHeaderTimeout: l.ReadHeaderTimeout,
		ReadTimeout:       l.ReadTimeout,
		WriteTimeout:      l.WriteTimeout,
		IdleTimeout:       l.IdleTimeout,
		MaxHeaderBytes:    l.MaxHeader,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	if err := s.serveMetrics(watch); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(deadline.Listener(ln)) }()
	forgetStart()
	for _, fn := range s.listening {
		fn(ln.Addr())
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.handler.ready.Store(false) // from here on answers close their connection; idle ones stay, since a request may be on its way
	if l.Drain > 0 {
		time.Sleep(l.Drain)
	}
	grace, cancel := context.WithTimeout(context.Background(), l.Grace)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		_ = srv.Close()
		return fmt.Errorf("requests were still running after %s: %w", l.Grace, err)
	}
	return nil
}

// byTLS reports whether the client's connection is encrypted, as far as that is known: here, or at a proxy that is trusted.
func (r *router) byTLS(req *http.Request) bool {
	if req.TLS != nil {
		return true
	}
	if len(r.server.limits.TrustedProxies) == 0 {
		return false
	}
	proto := req.Header.Get("X-Forwarded-Proto")
	if i := strings.LastIndexByte(proto, ','); i >= 0 {
		proto = proto[i+1:] // the nearest proxy's
	}
	if !strings.EqualFold(strings.TrimSpace(proto), "https") {
		return false
	}
	return r.server.fromProxy(req)
}
