package serve

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"cds/runtime/auth"
)

// authRoutes are the pages and endpoints of the strategy.
type authRoutes struct {
	mux *http.ServeMux
}

// newAuthRoutes mounts the routes of the strategy. A pattern that is none, or whose path something else is served at, stops the start.
func (r *router) newAuthRoutes(s *Server, own *http.ServeMux) (*authRoutes, error) {
	routes := map[string]http.Handler{}
	for _, provider := range partsOf[auth.Routes](s.Strategy, 0) {
		for pattern, h := range provider.Routes() {
			if _, dup := routes[pattern]; dup {
				return nil, routeError(pattern)
			}
			routes[pattern] = h
		}
	}
	if len(routes) == 0 {
		return nil, nil
	}
	a := &authRoutes{mux: http.NewServeMux()}
	methods := map[string][]string{}
	for pattern, h := range routes {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok || method == "" || !strings.HasPrefix(path, "/") || h == nil {
			return nil, &StartError{"auth-route", "authentication kind \"" + s.Kind + "\" has a route " + pattern, "a route is a method and an absolute path: POST /auth/login"}
		}
		if what := r.occupied(method, path, own); what != "" {
			return nil, &StartError{"path-taken", "authentication kind \"" + s.Kind + "\" has a page at " + path + ", where " + what + " is served already",
				"give the service another @path, or configure another path for the pages of requires.auth"}
		}
		if err := a.add(pattern, h); err != nil {
			return nil, err
		}
		methods[path] = append(methods[path], method)
	}
	for path, list := range methods {
		slices.Sort(list)
		if i, ok := slices.BinarySearch(list, http.MethodGet); ok {
			list = slices.Insert(list, i+1, http.MethodHead)
		}
		if err := a.add(path, notAllowed(strings.Join(slices.Compact(list), ", "))); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// add adds a pattern. net/http panics where a pattern is malformed or conflicts with another.
func (a *authRoutes) add(pattern string, h http.Handler) (err error) {
	defer func() {
		if recover() != nil {
			err = routeError(pattern)
		}
	}()
	a.mux.Handle(pattern, h)
	return nil
}

func routeError(pattern string) error {
	return &StartError{"auth-route", "the route " + pattern + " of the authentication strategy is malformed or conflicts with another of its routes",
		"a route is a method and an absolute path, such as POST /auth/login; strategies side by side need paths of their own"}
}

func notAllowed(allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	})
}

// occupied says what else is served at a path, "" for nothing. A service at the root leaves room for the strategy's pages.
func (r *router) occupied(method, path string, own *http.ServeMux) string {
	if path == "/" || path == "/health" || path == "/favicon.ico" {
		return "a page of the server"
	}
	if m := r.find(path); m != nil && m.path != "" {
		return "service " + m.service.Name
	}
	for i := range r.mounts {
		if m := &r.mounts[i]; strings.HasSuffix(path, "/") && strings.HasPrefix(m.path+"/", path) {
			return "service " + m.service.Name
		}
	}
	if own != nil {
		u, err := url.Parse(path)
		if err != nil {
			return ""
		}
		if _, p := own.Handler(&http.Request{Method: method, URL: u}); p != "" && strings.TrimPrefix(p, method+" ") == path {
			return "a route of the application"
		}
	}
	return ""
}

// routesCSP is the policy of the strategy's pages, which may say another one: nothing is loaded, nobody shows them in a frame.
const routesCSP = "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// serveAuth answers with a page of the strategy, if the path is one. Its handler gets the limits of other requests and no user.
func (r *router) serveAuth(w http.ResponseWriter, req *http.Request, v *values) bool {
	a := r.server.authn.routes
	if a == nil {
		return false
	}
	h, pattern := a.mux.Handler(req)
	if pattern == "" {
		return false
	}
	if p := req.URL.EscapedPath(); strings.Contains(p, "//") || strings.Contains(p, "/.") {
		return false // net/http would redirect to the clean path
	}
	header := w.Header()
	header["Cache-Control"] = v[2:3:3]
	header.Set("Content-Security-Policy", routesCSP)
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Vary", r.vary)
	ctx, end := r.bounded(req.Context(), v[0])
	defer end()
	req = req.WithContext(ctx)
	req.Body = http.MaxBytesReader(w, req.Body, r.server.limits.MaxBody)
	if strings.Contains(pattern, "{") {
		h = a.mux // finds it again, and fills PathValue
	}
	h.ServeHTTP(w, req)
	return true
}

// bounded returns the context of a request: with its deadline and its correlation id.
func (r *router) bounded(ctx context.Context, id string) (context.Context, func()) {
	if r.limit > 0 {
		l := &limited{Context: ctx, deadline: time.Now().Add(r.limit), id: id}
		return l, l.end
	}
	return context.WithValue(ctx, correlationKey{}, id), func() {}
}
