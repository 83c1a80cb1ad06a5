package serve_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	cds "cds/runtime"
	"cds/runtime/config"
	"cds/runtime/serve"
)

// listen serves the test's model on a free port, with the limits of the real server.
func listen(t *testing.T) string {
	t.Helper()
	s := build(t, serve.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// dial sends the head of a request as alice, an admin, and then a body for as long as the server takes it, at most limit bytes.
func dial(t *testing.T, addr, method, path, headers string, body io.Reader, limit int64) (status string, sent int64) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	auth := base64.StdEncoding.EncodeToString([]byte("alice:"))
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n%s\r\n", method, path, auth, headers); err != nil {
		return "closed", 0
	}
	got := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			line = err.Error()
		}
		got <- strings.TrimSpace(line)
	}()
	buf := make([]byte, 32<<10)
	for body != nil && sent < limit {
		n, err := body.Read(buf)
		if n > 0 {
			w, werr := conn.Write(buf[:n])
			sent += int64(w)
			if werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	return <-got, sent
}

// endless is a chunked body without end.
type endless struct{ begun bool }

func (e *endless) Read(p []byte) (int, error) {
	if !e.begun {
		e.begun = true
		return copy(p, "a\r\n{\"title\":\"\r\n"), nil
	}
	return copy(p, "1000\r\n"+strings.Repeat("x", 0x1000)+"\r\n"), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestHugeBodies: a body over the limit is refused with 413 before much of it is read, however it is announced, and needs no memory.
func TestHugeBodies(t *testing.T) {
	addr := listen(t)
	const json = "Content-Type: application/json\r\n"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, tc := range []struct {
		name, headers string
		body          io.Reader
	}{
		{"2 GB in chunks", json + "Transfer-Encoding: chunked\r\n", &endless{}},
		{"10 GB announced", json + "Content-Length: 10737418240\r\n", zeros{}},
		{"10 GB announced, not sent", json + "Content-Length: 10737418240\r\n", nil},
		{"10 GB of another type", "Content-Length: 10737418240\r\n", zeros{}},
	} {
		status, sent := dial(t, addr, "POST", "/odata/v4/staff/Books", tc.headers, tc.body, 2<<30)
		if !strings.Contains(status, " 413 ") && !strings.Contains(status, " 415 ") {
			t.Errorf("%s: %s", tc.name, status)
		}
		if sent > 64<<20 { // most of it in the buffers of the connection
			t.Errorf("%s: the server took %d bytes", tc.name, sent)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// TestHostileRequests: whatever a client sends is answered, quickly, with a 4xx and little text, and the server lives on.
func TestHostileRequests(t *testing.T) {
	h := build(t, serve.Options{}).Handler()
	addr := listen(t)
	deep := func(open, inner, close string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(close, n)
	}
	for _, tc := range []struct{ method, url, body, header string }{
		{"POST", "Books", deep(`{"a":`, "1", "}", 100_000), ""},
		{"POST", "Books", `{"title":` + deep("[", "", "]", 100_000) + "}", ""},
		{"POST", "Books", deep("[", "", "]", 100_000), ""},
		{"POST", "Books", strings.Repeat(`{"title":`, 100_000), ""},
		{"POST", "Books", `{"ID":` + strings.Repeat("9", 900_000) + "}", ""},
		{"POST", "Books", `{"` + strings.Repeat("n", 900_000) + `":1}`, ""},
		{"POST", "Books", `{"ID":1e999999999}`, ""},
		{"POST", "Books", `{"title":"` + strings.Repeat(`\u0041`, 150_000) + `"`, ""},
		{"POST", "Books", "{\"title\":\"\xff\xfe\"}", ""},
		{"POST", "Books", `{"title":"\ud800"}`, ""},
		{"POST", "Books", `{"ID":7,"title":"a","title":"b"}`, ""},
		{"POST", "Books", `{"ID":7,"Title":"a"}`, ""},
		{"POST", "Books", "null", ""},
		{"POST", "Books", "\x1f\x8b\x08\x00", "Content-Encoding: gzip"},
		{"PATCH", "Books(1)", "null", ""},
		{"POST", "$batch...", "", ""},
		{"GET", "Books?$filter=" + deep("(", "1 eq 1", ")", 5000), "", ""},
		{"GET", "Books?$filter=" + strings.Repeat("not ", 3000) + "true", "", ""},
		{"GET", "Books?$filter=" + strings.Repeat("-", 10_000) + "1 eq 1", "", ""},
		{"GET", "Books?$filter=" + deep("(", "1 eq 1", ")", 20_000), "", ""},
		{"GET", "Books?$filter=ID in (" + strings.Repeat("1,", 5000) + "1)", "", ""},
		{"GET", "Books?$filter=" + strings.Repeat("concat(", 1000), "", ""},
		{"GET", "Books?$filter=1 eq 1" + strings.Repeat(" or 1 eq 1", 1200), "", ""},
		{"GET", "Books?$orderby=" + strings.Repeat("ID,", 4000) + "ID", "", ""},
		{"GET", "Books?$expand=" + deep("a($expand=", "a", ")", 1000), "", ""},
		{"GET", "Books?$select=" + strings.Repeat("x,", 5000), "", ""},
		{"GET", "Books?$search=" + strings.Repeat("a ", 5000), "", ""},
		{"GET", "Books?$top=99999999999999999999", "", ""},
		{"GET", "Books?x=" + strings.Repeat("a", 100_000), "", ""},
		{"GET", strings.Repeat("Books/", 3000), "", ""},
		{"GET", strings.Repeat("(", 15_000), "", ""},
		{"GET", "Books(\x00)", "", ""},
		{"GET", "Bo\xffoks", "", ""},
		{"GET", "Books?$filter=title eq '\xff'", "", ""},
		{"GET", "Books?$filter=matchesPattern(title,'" + strings.Repeat("(a*", 50) + "')", "", ""},
	} {
		r, err := http.NewRequest(tc.method, "http://"+addr+"/odata/v4/staff/"+escapePath(tc.url), strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alice", "")
		r.Header.Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(tc.header, ": "); ok {
			r.Header.Set(name, value)
		}
		start := time.Now()
		res, err := http.DefaultTransport.RoundTrip(r)
		what := tc.method + " " + cut(tc.url) + " " + cut(tc.body)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("%s: %d %s %v", what, res.StatusCode, cut(string(text)), err)
		}
		if len(text) > 4000 {
			t.Errorf("%s: the answer has %d bytes", what, len(text))
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", what, d)
		}
	}
	if res := get(t, h, "/odata/v4/open/Books", ""); res.StatusCode != 200 {
		t.Error("the server is not well any more")
	}
}

func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func escapePath(s string) string {
	path, query, has := strings.Cut(s, "?")
	path = strings.NewReplacer("\x00", "%00", "\xff", "%ff").Replace(path)
	if !has {
		return path
	}
	name, value, _ := strings.Cut(query, "=")
	return path + "?" + name + "=" + url.QueryEscape(value)
}

// TestRequestsEnd: every request has a deadline, so that no statement runs for ever.
func TestRequestsEnd(t *testing.T) {
	for _, limit := range []int{0, 7} {
		app := newApp(t)
		var left time.Duration
		app.Register(func(a *cds.App) error {
			a.Service("Panics").Before(cds.Match{Events: []cds.Event{"boom"}}, func(ctx context.Context, _ *cds.RawRequest) error {
				if end, ok := ctx.Deadline(); ok {
					left = time.Until(end)
				}
				return errors.New("done")
			})
			return nil
		})
		opt := serve.Options{Env: []string{}, FS: data}
		if limit > 0 {
			opt.Overrides = config.Section{"server": map[string]any{"request_timeout": limit}}
		}
		s, err := app.Build(context.Background(), opt)
		if err != nil {
			t.Fatal(err)
		}
		get(t, s.Handler(), "/odata/v4/panics/boom()", "")
		if want := max(limit, 1); left <= 0 || left > 30*time.Second || limit > 0 && left > time.Duration(want)*time.Second {
			t.Errorf("limit %d: the deadline is in %v", limit, left)
		}
		s.Close()
	}
}
