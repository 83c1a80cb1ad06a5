package serve

import (
	"context"
	"errors"
	"fmt"
	"html"
	"math/rand/v2"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/config"
	"cds/runtime/odata"
	"cds/runtime/odata/edmx"
	"cds/runtime/rest"
)

// A router finds the service of a request by the longest path prefix. Paths of services may contain anything, so net/http's
// patterns, which clean and redirect, are not used for them.
type router struct {
	server     *Server
	mounts     []mount
	production bool
	limit      time.Duration // for one request; its statements are interrupted then
	vary, hsts string        // headers
	static     *static       // nil for none
	ready      atomic.Bool
	routes     *http.ServeMux // of the application; nil for none
	policies   *mount         // manages policies in the database; nil for none
}

type mount struct {
	path    string // without trailing slash
	proto   string
	service *csn.Service
	handler http.Handler
}

// newRouter mounts a door for every endpoint of every service. An endpoint whose protocol has no door is noted, not ignored.
func newRouter(s *Server, production bool) (*router, error) {
	r := &router{server: s, production: production, limit: s.limits.RequestTimeout, vary: "Authorization, Accept-Language"}
	for _, name := range s.authn.vary {
		r.vary += ", " + name
	}
	r.static = newStatic(s)
	r.hsts = "max-age=" + strconv.FormatInt(int64(s.limits.HSTS.Seconds()), 10)
	if s.limits.CORS.Enabled() {
		r.vary += ", Origin"
	}
	switch mode := s.Config.Str("authz.metadata"); mode {
	case "", "full", "role":
	default:
		return nil, &StartError{"authz-metadata", fmt.Sprintf("authz.metadata: %q is not known", mode), "full describes services to all alike, role leaves out what the roles of who asks never allow"}
	}
	taken := map[string]string{}
	for _, svc := range s.CDS.Services() {
		for _, ep := range cds.EndpointsAt(svc.Model, s.protocolRoot) {
			path := strings.TrimSuffix(ep.Path, "/")
			m := mount{path: path, proto: ep.Protocol, service: svc.Model}
			switch ep.Protocol {
			case "odata", "odata-v4":
				m.proto = "odata"
				m.handler = odata.Mount(svc, r.doorOptions(svc, path))
			case "rest":
				m.handler = rest.Mount(svc, r.restOptions(svc, path))
			case "none":
				continue
			default:
				s.Notes = append(s.Notes, fmt.Sprintf("service %s is not served at %s: there is no door for protocol %q", svc.Model.Name, path, ep.Protocol))
				continue
			}
			if other, dup := taken[path]; dup {
				return nil, pathTaken(other, svc.Model.Name, path)
			}
			taken[path] = svc.Model.Name
			r.mounts = append(r.mounts, m)
		}
	}
	sort.SliceStable(r.mounts, func(i, j int) bool { return len(r.mounts[i].path) > len(r.mounts[j].path) })
	r.ready.Store(true)
	return r, nil
}

func pathTaken(one, other, path string) error {
	if one == other {
		return &StartError{"path-taken", fmt.Sprintf("service %s is served by several protocols at %s", one, path),
			"an absolute @path serves one protocol: give a relative one, or @protocol: [{ kind: 'rest', path: '…' }, …]"}
	}
	return &StartError{"path-taken", fmt.Sprintf("services %s and %s are both served at %s", one, other, path), "give one of them another @path"}
}

// protocolRoot returns the configured path of a protocol (protocols.rest.path), "" for the usual one.
func (s *Server) protocolRoot(protocol string) string {
	sec := s.Config.Sub("protocols")
	if protocol == "odata" {
		if p := sec.Sub("odata-v4").Str("path"); p != "" {
			return p
		}
	}
	return sec.Sub(protocol).Str("path")
}

// doorOptions are the options that doors have in common.
func (r *router) doorOptions(svc *cds.Service, path string) odata.Options {
	l := &r.server.limits
	o := odata.Options{BasePath: path, Production: r.production, Unauthorized: r.unauthorized, MaxBody: l.MaxBody, MaxMedia: l.MaxMedia, MaxBatch: l.MaxBatch}
	o.Locale = func(req *http.Request, u *cds.User) string { return locale(req, u, r.server.CDS.Options.DefaultLocale) }
	o.UpsertByPatch = r.server.Config.Bool("runtime.patch_as_upsert", false)
	o.NoCapabilities = !r.server.Config.Bool("authz.capabilities", true)
	o.ByRole = r.server.Config.Str("authz.metadata") == "role"
	o.NoUpsertByPut = !r.server.Config.Bool("runtime.put_as_upsert", true)
	if text := svc.Model.Annotations.Str("cds.server.body_parser.limit"); text != "" {
		if n, err := config.ParseSize(text); err == nil && n > 0 {
			o.MaxBody = n
		} else {
			r.server.Notes = append(r.server.Notes, fmt.Sprintf("service %s: @cds.server.body_parser.limit %q is no size such as '2mb'; %d bytes hold", svc.Model.Name, text, l.MaxBody))
		}
	}
	return o
}

func (r *router) restOptions(svc *cds.Service, path string) rest.Options {
	o := rest.Options{Options: r.doorOptions(svc, path), Page: r.server.apiDocs()}
	if describe := r.server.openapi; describe != nil {
		o.OpenAPI = func() ([]byte, error) { return describe(r.server.Model, r.server.Model.Service(svc.Model.Name), path) }
	}
	if describe := r.server.openapiByRole; describe != nil {
		o.OpenAPIByRole = func(v *edmx.View) ([]byte, error) { return describe(svc.App.Model, svc.Model, path, v) }
	}
	return o
}

// apiDocs reports whether REST services have a page to try them.
func (s *Server) apiDocs() bool {
	return s.Config.Bool("server.api_docs", !s.Config.Is(config.Production))
}

// Handler returns the server's HTTP handler.
func (s *Server) Handler() http.Handler { return s.outer }

// values of the headers that all answers have: one allocation for all. No header's slice has room to grow into the next.
type values [4]string

// ServeHTTP answers one request, and counts it where counters are wanted.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if c := r.server.counters; c != nil {
		c.count(w, func(w http.ResponseWriter) { r.serve(w, req) })
		return
	}
	r.serve(w, req)
}

// serve adds a correlation id and the panic guard, then answers /health, the index page or a service.
func (r *router) serve(w http.ResponseWriter, req *http.Request) {
	id := correlationID(req)
	h := w.Header()
	v := &values{id, "nosniff", "no-store", r.vary}
	h["X-Correlation-Id"], h["X-Content-Type-Options"] = v[0:1:1], v[1:2:2]
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			r.server.Log.Error("panic", "correlation", id, "panic", fmt.Sprint(p), "stack", stack())
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		}
	}()
	if !r.ready.Load() {
		h.Set("Connection", "close") // the next request goes to another server
	}
	if r.server.limits.HSTS > 0 && r.byTLS(req) {
		h.Set("Strict-Transport-Security", r.hsts)
	}
	if origin := req.Header.Get("Origin"); origin != "" && r.server.limits.CORS.Enabled() && r.cors(w, req, origin) {
		return
	}
	path := req.URL.EscapedPath()
	if r.servePolicies(w, req, path, v) {
		return
	}
	if m := r.find(path); m != nil {
		if m.path == "" && r.serveAuth(w, req, v) { // a service at the root leaves room for the pages of the strategy
			return
		}
		r.serveService(w, req, m, v)
		return
	}
	if r.serveAuth(w, req, v) || r.serveRoute(w, req, v) || r.static.serve(w, req) {
		return
	}
	switch path {
	case "/health", "/health/":
		r.health(w)
	case "/":
		if !r.server.Config.Bool("server.index", !r.production) {
			notFound(w, req)
			return
		}
		r.index(w, req)
	case explainPath:
		r.explain(w, req)
	case "/favicon.ico":
		w.WriteHeader(http.StatusNoContent)
	default:
		notFound(w, req)
	}
}

func (r *router) find(path string) *mount {
	for i := range r.mounts {
		m := &r.mounts[i]
		if strings.HasPrefix(path, m.path) && (len(path) == len(m.path) || path[len(m.path)] == '/') {
			return m
		}
	}
	return nil
}

// serveService finds out who asks, then hands over to the door. Bad credentials end here, on public paths too (U3).
func (r *router) serveService(w http.ResponseWriter, req *http.Request, m *mount, v *values) {
	ctx, id := req.Context(), v[0]
	if r.limit > 0 {
		l := &limited{Context: ctx, deadline: time.Now().Add(r.limit), id: id}
		defer l.end()
		ctx = l
	} else {
		ctx = context.WithValue(ctx, correlationKey{}, id)
	}
	user := r.authenticate(ctx, w, req)
	if user == nil {
		return
	}
	if user.Identified() {
		w.Header()["Cache-Control"] = v[2:3:3]
	}
	w.Header()["Vary"] = v[3:4:4]
	ctx = cds.NewContext(ctx, user, locale(req, user, r.server.CDS.Options.DefaultLocale))
	ctx, w = r.explained(ctx, w)
	m.handler.ServeHTTP(w, req.WithContext(ctx))
}

func (r *router) health(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if !r.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"DOWN"}`))
		return
	}
	_, _ = w.Write([]byte(`{"status":"UP"}`))
}

// notFound answers with a small page, as CAP's server does.
func notFound(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'")
	w.WriteHeader(http.StatusNotFound)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n<pre>Cannot %s %s</pre>\n</body>\n</html>\n",
		html.EscapeString(req.Method), html.EscapeString(req.URL.EscapedPath())) // the client may be gone
}

// correlationID takes the id that the client sent, if it is short and printable, or makes one.
func correlationID(req *http.Request) string {
	for _, name := range [...]string{"X-Correlation-Id", "X-Correlationid", "X-Request-Id", "X-Vcap-Request-Id"} {
		values := req.Header[name] // which are canonical, so nothing is to be converted
		if len(values) == 0 {
			continue
		}
		v := values[0]
		if v != "" && len(v) <= 128 && strings.IndexFunc(v, func(c rune) bool { return c <= ' ' || c > '~' }) < 0 {
			return v
		}
	}
	return newID()
}

// newID makes a random UUID. It names a request in logs and protects nothing, so it needs no randomness from the system each time.
func newID() string {
	const hex = "0123456789abcdef"
	hi, lo := rand.Uint64()&^0xf000|0x4000, rand.Uint64()&^(3<<62)|1<<63 // version 4, variant 10
	var b [36]byte
	for i, n := 0, 0; i < len(b); i++ {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			b[i] = '-'
			continue
		}
		word := hi
		if n >= 16 {
			word = lo
		}
		b[i] = hex[word>>(60-4*(n%16))&15]
		n++
	}
	return string(b[:])
}
