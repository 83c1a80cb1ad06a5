package local

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// A page is one of ours.
type page struct {
	Heading, Text, Fault string
	Login                bool   // the form for name and password
	Name, To             string // what is in the form already
	Continue             bool   // a link to To
	Label                string // of the link, "" for Continue
	Logout               string // where the button to log out leads, "" for none
	Title                string
	Style                template.CSS
	Action               string
}

// pagePolicy lets pages load and run nothing: neither scripts nor pictures, and no frame shows them.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// show writes a page.
func (s *Strategy) show(w http.ResponseWriter, r *http.Request, status int, p page) {
	p.Title, p.Style, p.Action = s.cfg.title, template.CSS(pageCSS), s.cfg.path+"/login" //nolint:gosec // a constant text
	if p.Label == "" {
		p.Label = "Continue"
	}
	var b bytes.Buffer
	if err := s.cfg.page.Execute(&b, p); err != nil { // it has no way to fail
		status = http.StatusServiceUnavailable
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", s.cfg.policy)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer older browsers would send their form with Origin: null
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the client may be gone
	}
}
