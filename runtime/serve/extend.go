package serve

import (
	"net"
	"net/http"

	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/auth"
	"cds/runtime/external"
)

// A Middleware wraps a handler of HTTP requests.
type Middleware = func(next http.Handler) http.Handler

// extensions are what an application adds to its server.
type extensions struct {
	routes    *http.ServeMux // nil for none
	use       []Middleware
	services  map[string][]Middleware
	loaded    []func(*csn.Model) error
	listening []func(net.Addr)

	identify    []Identifier
	defaultUser *auth.User       // nil for none
	checks      []external.Check // who is asked beside the model
}

// Handle adds a route of the application's own, with a pattern of net/http: "GET /reports/{id}". Services win where both fit. The user is found out as for a
// service, and bad credentials are 401; whether anybody may come in is for the handler to say: cds.UserFrom(r.Context()). Calls to services with
// the request's context are authorized as that user.
func (a *App) Handle(pattern string, h http.Handler) {
	if a.ext.routes == nil {
		a.ext.routes = http.NewServeMux()
	}
	a.ext.routes.Handle(pattern, h)
}

// HandleFunc is Handle for a function.
func (a *App) HandleFunc(pattern string, h func(w http.ResponseWriter, r *http.Request)) {
	a.Handle(pattern, http.HandlerFunc(h))
}

// Use puts a middleware around everything the server answers, before authentication. The first one given is the outermost.
func (a *App) Use(m Middleware) { a.ext.use = append(a.ext.use, m) }

// UseFor puts a middleware around the requests to one service, by its absolute name: after authentication, so that cds.UserFrom(r.Context()) is known.
// A service that the model does not have makes Build fail.
func (a *App) UseFor(service string, m Middleware) {
	if a.ext.services == nil {
		a.ext.services = map[string][]Middleware{}
	}
	a.ext.services[service] = append(a.ext.services[service], m)
}

// OnLoaded has fn called with the model before anything is made of it; an error stops the start. Handlers are registered later (Register), served
// and shutdown are events of cds.App (OnServed, OnShutdown).
func (a *App) OnLoaded(fn func(*csn.Model) error) { a.ext.loaded = append(a.ext.loaded, fn) }

// OnListening has fn called when the server accepts connections.
func (a *App) OnListening(fn func(net.Addr)) { a.ext.listening = append(a.ext.listening, fn) }

// wrap puts middlewares around a handler.
func wrap(h http.Handler, ms []Middleware) http.Handler {
	for i := len(ms) - 1; i >= 0; i-- {
		h = ms[i](h)
	}
	return h
}

// extend adds what the application has asked for to the router.
func (r *router) extend(x extensions) error {
	for name, ms := range x.services {
		found := false
		for i := range r.mounts {
			if r.mounts[i].service.Name == name {
				r.mounts[i].handler = wrap(r.mounts[i].handler, ms)
				found = true
			}
		}
		if !found {
			return &StartError{"middleware-service", "a middleware is for service " + name + ", which is not served", "see the names of services in the model"}
		}
	}
	r.routes = x.routes
	return nil
}

// serveRoute answers with a route of the application, if one fits.
func (r *router) serveRoute(w http.ResponseWriter, req *http.Request, v *values) bool {
	if r.routes == nil {
		return false
	}
	if _, pattern := r.routes.Handler(req); pattern == "" {
		return false
	}
	r.serveService(w, req, &mount{handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		ctx := req.Context()
		req = req.WithContext(r.server.CDS.NewContext(ctx, cds.UserFrom(ctx), cds.LocaleFrom(ctx)))
		r.routes.ServeHTTP(w, req) // finds it again, and fills PathValue
	})}, v)
	return true
}
