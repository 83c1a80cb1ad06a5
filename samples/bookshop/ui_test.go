package main_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cds/runtime/cdstest/browser"
)

// TestUI5 lets a real client use the bookshop: UI5's OData V4 model in a browser lists, filters, sorts, pages, edits with ETags, batches
// and calls operations. The steps are in testdata/ui/main.js; a picture of the page is kept in bin/artifacts/bookshop-ui5.png.
func TestUI5(t *testing.T) {
	ui5 := filepath.Join("..", "..", "bin", "ui5", "node_modules", "@openui5", "sap.ui.core", "src")
	if _, err := os.Stat(ui5); err != nil {
		browser.Required(t, "OpenUI5 is not installed: run scripts/ui5")
	}
	b := browser.Open(t)
	seen := &counter{next: start(t).Server.Handler()}
	mux := http.NewServeMux()
	mux.Handle("/ui5/", http.StripPrefix("/ui5/", http.FileServer(http.Dir(ui5))))
	mux.Handle("/app/", http.StripPrefix("/app/", http.FileServer(http.Dir("testdata/ui"))))
	mux.HandleFunc("/seen", seen.report)
	mux.Handle("/", seen)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)

	b.Visit(srv.URL + "/app/index.html")
	var steps []struct{ Name, Fault string }
	b.Eval(`new Promise((resolve, reject) => {
		const look = (n) => window.report ? resolve(window.report) : n ? setTimeout(look, 100, n - 1) : reject(new Error("UI5 did not start"));
		look(900);
	})`, &steps)
	b.Screenshot(filepath.Join("..", "..", "bin", "artifacts", "bookshop-ui5.png"))
	if len(steps) < 12 {
		t.Errorf("%d steps", len(steps))
	}
	for _, s := range steps {
		if s.Fault != "" {
			t.Errorf("%s:\n%s", s.Name, s.Fault)
		}
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if !seen.multipart || !seen.changeSet || !seen.ifMatch {
		t.Errorf("multipart batches %v, change sets %v, If-Match %v", seen.multipart, seen.changeSet, seen.ifMatch)
	}
}

// A counter counts batches and the requests in them.
type counter struct {
	next                          http.Handler
	mu                            sync.Mutex
	batches, parts                int
	multipart, changeSet, ifMatch bool
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/$batch") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.mu.Lock()
		c.batches++
		c.parts += bytes.Count(body, []byte(" HTTP/1.1\r\n"))
		c.multipart = c.multipart || strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/mixed")
		c.changeSet = c.changeSet || bytes.Contains(body, []byte("boundary=changeset"))
		c.ifMatch = c.ifMatch || bytes.Contains(body, []byte("If-Match:"))
		c.mu.Unlock()
	}
	c.next.ServeHTTP(w, r)
}

func (c *counter) report(w http.ResponseWriter, _ *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string]int{"batches": c.batches, "parts": c.parts})
}
