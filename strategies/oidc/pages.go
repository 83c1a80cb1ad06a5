package oidc

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// A page is one of ours: a heading, a sentence, one thing to do and perhaps another one.
type page struct {
	Heading, Text     string
	Link, Post, Label string // Link is followed, Post is a form
	Other, OtherLabel string

	Title, Initial, Reference string
	Style                     template.CSS
}

// pages writes pages. They load nothing and run nothing; the policy in their headers says so.
type pages struct {
	tmpl   *template.Template
	title  string
	policy string
}

func newPages(cfg *section) (*pages, error) {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(pageCSS))
	return &pages{tmpl: t, title: cfg.title, policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}, nil
}

// show writes a page. Errors have a reference, which is in the log too.
func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, d page) {
	d.Title, d.Style = p.title, template.CSS(pageCSS) //nolint:gosec // a constant text
	if c, _ := utf8.DecodeRuneInString(p.title); p.title != "" {
		d.Initial = string(unicode.ToUpper(c))
	}
	if status >= 400 {
		d.Reference = w.Header().Get("X-Correlation-Id")
	}
	var b bytes.Buffer
	if err := p.tmpl.Execute(&b, d); err != nil { // it has no way to fail
		status = http.StatusServiceUnavailable
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // the client may be gone
	}
}

// issuerName is how the issuer is called on pages: by its host.
func (s *Strategy) issuerName() string {
	if u, err := url.Parse(s.cfg.issuer); err == nil && u.Host != "" {
		return strings.TrimPrefix(u.Hostname(), "www.")
	}
	return "the identity provider"
}
