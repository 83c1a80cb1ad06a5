package serve

import (
	"context"
	"errors"
	"net/http"

	"cds/parser/cqn"
	"cds/parser/diag"
	"cds/runtime/policies"
)

// Conditions sets what reads conditions that are written while the application runs, those of policies in the database and of external decisions:
//
//	app.Conditions(parser.ParseExpr) // of cds/parser
//
// Without it the configuration must not ask for them. A program that does not use them links no parser.
func (a *App) Conditions(parse func(text string) (cqn.Expr, diag.List)) { a.parse = parse }

// errNoParser is the start error where conditions are to be read and nothing can.
func errNoParser(setting string) error {
	return &StartError{"no-parser", setting + " needs conditions to be read while the application runs, and the program has nothing that does",
		"register the parser in main.go: app.Conditions(parser.ParseExpr), of cds/parser"}
}

// setupPolicies lets policies in the database count, and external decisions, where the configuration asks for them.
func (s *Server) setupPolicies(ctx context.Context, a *App) error {
	if err := s.setupChecks(a); err != nil {
		return err
	}
	cfg, err := policies.FromConfig(s.Config.Sub("authz"))
	if err != nil || !cfg.On {
		return err
	}
	if a.parse == nil {
		return errNoParser("authz.policies")
	}
	if s.pool == nil {
		return &StartError{"policies-no-database", "authz.policies: policies are kept in the database, and none is connected", "configure requires.db"}
	}
	opt := policies.Options{Extend: cfg.Extend, Refresh: cfg.Refresh, Stale: cfg.Stale, Parse: a.parse}
	if s.audit != nil {
		opt.Audit = s.audit
	}
	m, err := policies.Open(ctx, s.CDS, s.pool, opt)
	if err != nil {
		var t *policies.TableError
		if errors.As(err, &t) {
			hint := "the user of requires.db.credentials needs the right to create tables, or somebody who has it runs cds deploy"
			if t.Cause == nil {
				hint = "authz.policies: false does without policies in the database"
			} else {
				s.Log.Error("database", "err", t.Cause)
			}
			return &StartError{"policies-table", t.Error(), hint}
		}
		s.Log.Error("database", "err", err)
		return &StartError{"policies-unreadable", "the policies in the database cannot be read", "without them more would be allowed than should be; see the log"}
	}
	if cfg.Extend {
		const note = "authz.policies: policies in the database may grant what the model does not"
		s.Notes = append(s.Notes, note)
		s.Log.Warn(note, "setting", "authz.policies")
	}
	m.Start(s.CDS.NewContext(context.WithoutCancel(ctx), nil, ""))
	s.policies = &policies.Handler{Manager: m, Path: cfg.Path, Role: cfg.Role}
	return nil
}

// mountPolicies serves the management of policies, where it is configured.
func (r *router) mountPolicies(own *http.ServeMux) error {
	h := r.server.policies
	if h == nil || h.Path == "" {
		return nil
	}
	h.Unauthorized = r.unauthorized
	if what := r.occupied(http.MethodPost, h.Path, own); what != "" {
		return &StartError{"path-taken", "authz.policies.service.path: " + h.Path + " is where " + what + " is served already", "configure another path"}
	}
	r.policies = &mount{path: h.Path, handler: h}
	return nil
}

// servePolicies answers a request for managing policies.
func (r *router) servePolicies(w http.ResponseWriter, req *http.Request, path string, v *values) bool {
	m := r.policies
	if m == nil || len(path) < len(m.path) || path[:len(m.path)] != m.path || len(path) > len(m.path) && path[len(m.path)] != '/' {
		return false
	}
	r.serveService(w, req, m, v)
	return true
}
