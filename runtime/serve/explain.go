package serve

import (
	"bytes"
	_ "embed" // for the page
	"encoding/json"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"cds/runtime/auth"
	"cds/runtime/config"
	"cds/runtime/explain"
)

//go:embed explain.html
var explainHTML string

var explainPage = template.Must(template.New("explain").Parse(explainHTML))

// explainPath is where developers may ask why somebody may or may not do something.
const explainPath = "/$authz"

type explainData struct {
	Title, User, Roles, Attrs, Event, Target, Key string
	Users, Targets, Events                        []string
	Text, Fault                                   string
	Allowed                                       bool
}

// explain answers a question about rights as a page, or as JSON where that is asked for. It tells of rules and of rows, whoever asks: so it is never
// there in production, and elsewhere for programs on the same machine only.
func (r *router) explain(w http.ResponseWriter, req *http.Request) {
	if !r.explains(req) {
		notFound(w, req)
		return
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	q := req.URL.Query()
	d := explainData{Title: r.server.title(), User: q.Get("user"), Roles: q.Get("roles"), Attrs: q.Get("attrs"), Event: q.Get("event"), Target: q.Get("target"), Key: q.Get("key"),
		Users: r.server.Config.Sub("requires.auth.users").Keys(), Events: []string{"READ", "CREATE", "UPDATE", "DELETE", "UPSERT"}}
	for _, m := range r.mounts {
		for _, e := range entitySets(m.service) {
			d.Targets = append(d.Targets, e.Name)
		}
		for _, o := range m.service.Ops {
			d.Targets = append(d.Targets, o.Name)
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	var report *explain.Report
	if d.Target != "" {
		var err error
		ask := explain.Ask{User: askedUser(r.server.Config.Sub("requires.auth.users"), &d), Event: d.Event, Target: d.Target, Key: d.Key}
		if report, err = explain.Of(req.Context(), r.server.CDS, ask, nil); err != nil {
			d.Fault = "the question cannot be answered; the log says why"
			var e *explain.Error
			if errors.As(err, &e) {
				d.Fault = e.Error()
			} else {
				r.server.Log.Error("explain", "err", err)
			}
		}
	}
	if strings.Contains(req.Header.Get("Accept"), "application/json") || q.Get("format") == "json" {
		h.Set("Content-Type", "application/json; charset=utf-8")
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if report == nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = enc.Encode(map[string]string{"error": d.Fault}) // the client may be gone
			return
		}
		_ = enc.Encode(report) // the client may be gone
		return
	}
	var b bytes.Buffer
	if report != nil {
		d.Allowed = report.Status < 400
		if err := report.Text(&b); err == nil {
			d.Text = b.String()
		}
		b.Reset()
	}
	if err := explainPage.Execute(&b, d); err != nil {
		r.server.Log.Error("explain page", "err", err)
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// explains reports whether a request may ask: outside production, from this machine, under a name of this machine (so that no other site's page can make
// a browser ask), and where authz.explain is not off.
func (r *router) explains(req *http.Request) bool {
	if r.production || !r.server.Config.Bool("authz.explain", true) || req.Header.Get("X-Forwarded-For") != "" || req.Header.Get("Forwarded") != "" {
		return false
	}
	if site := req.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	peer, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil || !peer.Addr().Unmap().IsLoopback() {
		return false
	}
	host := req.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// askedUser is the user of a question: as configured, with what the form adds; nil for nobody.
func askedUser(users config.Section, d *explainData) *auth.User {
	if d.User == "" {
		return nil
	}
	section := users.Sub(d.User)
	u := auth.User{ID: d.User, Tenant: section.Str("tenant"), Attrs: map[string][]string{}}
	attrs := section.Sub("attr")
	for _, name := range attrs.Keys() {
		u.Attrs[name] = attrs.Strings(name)
	}
	for _, a := range strings.Fields(strings.ReplaceAll(d.Attrs, ",", " ")) {
		if name, value, ok := strings.Cut(a, "="); ok {
			u.Attrs[name] = append(u.Attrs[name], value)
		}
	}
	return auth.New(u, append(section.Strings("roles"), strings.Fields(strings.ReplaceAll(d.Roles, ",", " "))...)...)
}
