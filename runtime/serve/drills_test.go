package serve_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cds/runtime/serve"
)

// A meter is a client that notes how much it gets at once.
type meter struct {
	header         http.Header
	status         int
	total, largest int
}

func (m *meter) Header() http.Header { return m.header }

func (m *meter) WriteHeader(status int) { m.status = status }

func (m *meter) Write(b []byte) (int, error) {
	m.total += len(b)
	m.largest = max(m.largest, len(b))
	return len(b), nil
}

// TestBatchOfPages: a batch of a hundred full pages needs the memory of one.
func TestBatchOfPages(t *testing.T) {
	h := longServer(t)
	var parts []string
	for i := range 100 {
		parts = append(parts, fmt.Sprintf(`{"id":"%d","method":"GET","url":"Lines?$skip=%d"}`, i, i))
	}
	r := httptest.NewRequest("POST", "/long/$batch", strings.NewReader(`{"requests":[`+strings.Join(parts, ",")+`]}`))
	r.Header.Set("Content-Type", "application/json")
	m := &meter{header: http.Header{}}
	h.ServeHTTP(m, r)
	if m.status != 200 || m.total < 20<<20 || m.largest > 1<<20 {
		t.Errorf("%d: %d bytes, at most %d at once", m.status, m.total, m.largest)
	}
}

// TestExpandBomb: expands are bounded in depth; what is deeper is refused before the database hears of it, however it is written.
func TestExpandBomb(t *testing.T) {
	h := longServer(t)
	expand := func(names ...string) string {
		s := names[len(names)-1]
		for i := len(names) - 2; i >= 0; i-- {
			s = names[i] + "($expand=" + s + ")"
		}
		return s
	}
	for query, want := range map[string]int{
		"$top=1&$expand=" + expand("parts", "line", "parts"):                                   200,
		"$top=1&$expand=" + expand("parts", "line", "parts", "line", "parts", "line"):          400,
		"$top=1&$expand=" + expand("parts", "line", "parts", "line", "parts", "line", "parts"): 400,
		"$top=1&$expand=parts($levels=50)":                                                     400,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/long/Lines?"+query, nil))
		if w.Code != want {
			t.Errorf("%s: %d %.200s", query, w.Code, w.Body)
		}
	}
}

// start serves on a free port until the test ends, or stop is called, which returns Serve's error.
func start(t *testing.T, s *serve.Server) (addr string, stop func() error) {
	t.Helper()
	ln, err := serve.Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	ended := false
	stop = func() error {
		if ended {
			return nil
		}
		ended = true
		cancel()
		return <-done
	}
	t.Cleanup(func() { _ = stop() })
	return ln.Addr().String(), stop
}

// TestSlowClients: who sends a head or a body too slowly loses the connection, at the configured time.
func TestSlowClients(t *testing.T) {
	addr, _ := start(t, build(t, serve.Options{FS: rc(`{"server":{"read_header_timeout":"50ms","read_timeout":"100ms","idle_timeout":"100ms"}}`)}))
	for name, sent := range map[string]string{
		"nothing":     "",
		"half a head": "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"half a body": "POST /odata/v4/open/Books HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"ID\":",
		"idle":        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn) // until the server closes it
		if err != nil {
			t.Errorf("%s: %v after %q", name, err, got)
		}
		if strings.Contains(string(got), " 201 ") || strings.Contains(string(got), " 500 ") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestHeadersAreLimited: a head over the limit is refused before it is read.
func TestHeadersAreLimited(t *testing.T) {
	addr, _ := start(t, build(t, serve.Options{FS: rc(`{"server":{"header_limit":"4kb"}}`)}))
	status, _ := dial(t, addr, "GET", "/health", "X-Long: "+strings.Repeat("x", 64<<10)+"\r\n", nil, 0)
	if !strings.Contains(status, " 431 ") {
		t.Errorf("%s", status)
	}
}

// TestStopWhileDraining: after the signal requests on open connections are still answered, and told to come by another one.
func TestStopWhileDraining(t *testing.T) {
	s := build(t, serve.Options{FS: rc(`{"server":{"shutdown":{"drain":"300ms"}}}`)})
	addr, stop := start(t, s)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	ask := func() *http.Response {
		if _, err := io.WriteString(conn, "GET /odata/v4/open/Books HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	if resp := ask(); resp.StatusCode != 200 || resp.Close {
		t.Fatalf("%d, closed %v", resp.StatusCode, resp.Close)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for s.Handler() != nil { // until the server knows
		if get(t, s.Handler(), "/health", "").StatusCode == 503 {
			break
		}
	}
	if resp := ask(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("while draining: %d, closed %v", resp.StatusCode, resp.Close)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
