package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// counters are what the metrics listener tells: numbers only, no names of users, entities or rows. They are kept only where it is configured.
type counters struct {
	started  time.Time
	inFlight atomic.Int64
	byStatus [6]atomic.Int64 // by hundreds
	micros   atomic.Int64    // spent on requests
	bytes    atomic.Int64    // of answers

	refused, faults atomic.Int64 // credentials that were wrong, and that could not be checked
}

// A counted is a writer that notes status and size.
type counted struct {
	http.ResponseWriter
	status int
	n      int64
}

// Unwrap lets http.ResponseController find the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.n += int64(n)
	return n, err
}

// count serves a request and counts it.
func (c *counters) count(w http.ResponseWriter, serve func(w http.ResponseWriter)) {
	cw := &counted{ResponseWriter: w}
	begun := time.Now()
	c.inFlight.Add(1)
	defer func() {
		c.inFlight.Add(-1)
		c.micros.Add(time.Since(begun).Microseconds())
		c.bytes.Add(cw.n)
		c.byStatus[min(max(cw.status, 200)/100, 5)].Add(1)
	}()
	serve(cw)
}

// unauthenticated counts a request whose sender is not known; refused says that it is the sender's fault. c may be nil.
func (c *counters) unauthenticated(refused bool) {
	switch {
	case c == nil:
	case refused:
		c.refused.Add(1)
	default:
		c.faults.Add(1)
	}
}

// write writes the counters, one a line, as Prometheus reads them.
func (c *counters) write(w io.Writer, ready bool) {
	line := func(name, kind string, value any) { fmt.Fprintf(w, "# TYPE %s %s\n%s %v\n", name, kind, name, value) }
	fmt.Fprintln(w, "# TYPE cds_requests_total counter")
	for class := 2; class <= 5; class++ {
		fmt.Fprintf(w, "cds_requests_total{status=\"%dxx\"} %d\n", class, c.byStatus[class].Load())
	}
	line("cds_requests_in_flight", "gauge", c.inFlight.Load())
	line("cds_request_seconds_total", "counter", float64(c.micros.Load())/1e6)
	line("cds_response_bytes_total", "counter", c.bytes.Load())
	line("cds_authentication_refused_total", "counter", c.refused.Load())
	line("cds_authentication_faults_total", "counter", c.faults.Load())
	up := 0
	if ready {
		up = 1
	}
	line("cds_ready", "gauge", up)
	line("cds_uptime_seconds", "gauge", int64(time.Since(c.started).Seconds()))
	line("go_goroutines", "gauge", runtime.NumGoroutine())
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	line("go_heap_live_bytes", "gauge", sample[0].Value.Uint64())
	line("go_memory_bytes", "gauge", sample[1].Value.Uint64())
	line("go_gc_cycles_total", "counter", sample[2].Value.Uint64())
}

// serveMetrics opens the listener for counters, until ctx ends. It is apart from the services' port, which the world may reach.
func (s *Server) serveMetrics(ctx context.Context) error {
	if s.limits.Metrics == "" {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.limits.Metrics)
	if err != nil {
		return &StartError{"metrics-unusable", "the address of server.metrics can't be opened", "choose another host:port, or leave it out"}
	}
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/metrics" || req.Method != http.MethodGet {
				http.NotFound(w, req)
				return
			}
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			s.counters.write(w, s.handler.ready.Load())
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	s.Log.Info("metrics", "address", ln.Addr().String())
	go func() { _ = srv.Serve(ln) }() // ends with Close
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	return nil
}
