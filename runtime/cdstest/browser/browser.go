// Package browser lets a test use pages as people do: in a headless Chromium, driven through its debugging pipe.
//
//	b := browser.Open(t)
//	b.Visit(srv.URL + "/app/index.html")
//	b.Eval("document.title", &title)
//
// Where no Chromium is installed the test is skipped, or fails if CI is in the environment.
package browser

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A Browser is a running Chromium with one page.
type Browser struct {
	t       testing.TB
	ctx     context.Context
	in      io.WriteCloser
	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	events  chan message
	session string
	console []string // what pages said, for the log of a test that fails
}

// A message of the debugging protocol: JSON that ends with a zero byte.
type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    any             `json:"params,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Required skips a test that needs something which is not there; under CI it fails.
func Required(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// Open starts a browser with an empty page. It ends with the test, and what its pages wrote to the console as errors is in the log of a test that
// failed.
func Open(t testing.TB) *Browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute) // it lives a little longer, to end in peace
	cmd := command(ctx, t)
	toBrowser, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &Browser{t: t, ctx: ctx, in: in, waiting: map[int]chan message{}, events: make(chan message, 1000)}
	ended := make(chan struct{})
	go func() { defer close(ended); b.listen(out) }()
	t.Cleanup(func() {
		b.close(cmd, cancel)
		out.Close()
		<-ended
		b.tell()
	})
	b.attach()
	return b
}

// attach opens the page that the other methods are about.
func (b *Browser) attach() {
	b.t.Helper()
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	b.call("Page.enable", nil, nil)
	b.call("Runtime.enable", nil, nil)
}

// command is the command line of the browser.
func command(ctx context.Context, t testing.TB) *exec.Cmd {
	t.Helper()
	exe := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			exe = p
			break
		}
	}
	if exe == "" {
		Required(t, "no Chromium is installed")
	}
	args := []string{"--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--window-size=1100,1500", "--user-data-dir=" + t.TempDir(), "--remote-debugging-pipe"}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it does not start as root otherwise
	}
	cmd := exec.CommandContext(ctx, exe, append(args, "about:blank")...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// close asks the browser to end, and ends it if it does not.
func (b *Browser) close(cmd *exec.Cmd, kill func()) {
	_ = b.send(message{Method: "Browser.close"}) // it may have ended
	done := make(chan struct{})
	go func() { defer close(done); _ = cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
	}
	kill()
	<-done
	b.in.Close()
}

// tell writes what pages complained of to the log of a test that failed.
func (b *Browser) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.t.Failed() {
		return
	}
	for _, line := range b.console {
		b.t.Log(line)
	}
}

func (b *Browser) send(m message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.ID == 0 {
		b.next++
		m.ID = b.next
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = b.in.Write(append(text, 0))
	return err
}

// listen hands out answers and events until the pipe ends.
func (b *Browser) listen(out io.Reader) {
	r := bufio.NewReader(out)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		switch {
		case m.ID != 0:
			if ch := b.waiting[m.ID]; ch != nil {
				ch <- m
				delete(b.waiting, m.ID)
			}
		case m.Method == "Runtime.exceptionThrown" || m.Method == "Runtime.consoleAPICalled":
			if p, ok := m.Params.(map[string]any); ok && (p["type"] == nil || p["type"] == "error") {
				delete(p, "stackTrace")
				line, _ := json.Marshal(p)
				b.console = append(b.console, fmt.Sprintf("%.600s", line))
			}
		default:
			select {
			case b.events <- m:
			default: // nobody waits for so many
			}
		}
		b.mu.Unlock()
	}
}

// call runs a method of the debugging protocol and reads its result.
func (b *Browser) call(method string, params, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatalf("browser: %s: %v", method, err)
	}
}

func (b *Browser) try(method string, params, result any) error {
	ch := make(chan message, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.waiting[id] = ch
	b.mu.Unlock()
	if params == nil {
		params = map[string]any{}
	}
	if err := b.send(message{ID: id, Method: method, Params: params, SessionID: b.session}); err != nil {
		return err
	}
	select {
	case m := <-ch:
		if m.Error != nil {
			return errors.New(m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}

// Visit opens a page and waits until it is loaded.
func (b *Browser) Visit(url string) {
	b.t.Helper()
	for len(b.events) > 0 { // of pages before
		<-b.events
	}
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for {
		select {
		case m := <-b.events:
			if m.Method == "Page.loadEventFired" {
				return
			}
		case <-b.ctx.Done():
			b.t.Fatalf("browser: %s is not loaded: %v", url, b.ctx.Err())
		}
	}
}

// Eval runs JavaScript in the page, waits for it if it is a promise, and reads its value.
func (b *Browser) Eval(script string, value any) {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &r)
	if e := r.ExceptionDetails; e != nil {
		b.t.Fatalf("browser: %s %s", e.Text, e.Exception.Description)
	}
	if value == nil {
		return
	}
	if err := json.Unmarshal(r.Result.Value, value); err != nil {
		b.t.Fatalf("browser: %s: %v", r.Result.Value, err)
	}
}

// Until waits until a JavaScript expression is true, in whatever page is there then: pages may come and go meanwhile, as in a login.
func (b *Browser) Until(script string) {
	b.t.Helper()
	deadline := time.After(time.Minute)
	for {
		var r struct {
			Result struct{ Value json.RawMessage }
		}
		err := b.try("Runtime.evaluate", map[string]any{"expression": "Boolean(" + script + ")", "returnByValue": true}, &r)
		if err == nil && string(r.Result.Value) == "true" {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			b.t.Fatalf("browser: it never came to %s: %s", script, b.where())
		case <-b.ctx.Done():
			b.t.Fatalf("browser: it never came to %s: %v", script, b.ctx.Err())
		}
	}
}

// where says what is shown.
func (b *Browser) where() string {
	var r struct{ Result struct{ Value string } }
	if err := b.try("Runtime.evaluate", map[string]any{"expression": "location.href + ' ' + document.body.innerText.slice(0, 500)", "returnByValue": true}, &r); err != nil {
		return err.Error()
	}
	return r.Result.Value
}

// Screenshot writes a picture of the whole page to a PNG file, whose folder is made if it is missing.
func (b *Browser) Screenshot(file string) {
	b.t.Helper()
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	png, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
