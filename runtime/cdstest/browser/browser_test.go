package browser_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"cds/runtime/cdstest/browser"
)

func TestBrowser(t *testing.T) {
	b := browser.Open(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("<title>" + r.URL.Path[1:] + "</title><p>text</p>"))
	}))
	defer srv.Close()
	for _, page := range []string{"one", "two"} {
		b.Visit(srv.URL + "/" + page)
		var got string
		b.Eval("Promise.resolve(document.title + ' ' + document.body.innerText)", &got)
		if want := page + " text"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	b.Eval(`setTimeout(() => { location.href = "/three" }, 100)`, nil)
	b.Until("document.title === 'three'")
	file := filepath.Join(t.TempDir(), "shots", "two.png")
	b.Screenshot(file)
	if png, err := os.ReadFile(file); err != nil || len(png) < 8 || string(png[1:4]) != "PNG" {
		t.Errorf("%v, %d bytes", err, len(png))
	}
}
