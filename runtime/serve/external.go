package serve

import (
	"slices"

	cds "cds/runtime"
	"cds/runtime/external"
)

// Check registers a function that is asked whether something is allowed, beside the model: about what names it by @authz.check: 'name', and about services,
// entities and operations by their absolute names in on. What it answers narrows; an error of it denies. A name that nobody asks for stops the start.
//
//	app.Check("office-hours", cds.AuthorizerFunc(hours), "ShopService.Orders")
func (a *App) Check(name string, z cds.Authorizer, on ...string) {
	a.ext.checks = append(a.ext.checks, external.Check{Name: name, On: on, Asked: z})
}

// setupChecks binds external decisions to what they are asked about.
func (s *Server) setupChecks(a *App) error {
	hooks, err := external.FromConfig(s.Config.Sub("authz"))
	if err != nil {
		return err
	}
	if len(hooks) > 0 && a.parse == nil {
		return errNoParser("authz.webhooks")
	}
	checks := slices.Clone(a.ext.checks)
	for _, c := range hooks {
		h := c.Asked.(*external.Webhook)
		h.App, h.Parse, h.Now, h.Log = func() *cds.App { return s.CDS }, a.parse, s.CDS.Options.Now, s.CDS.Logger("external")
		checks = append(checks, c)
	}
	for i := range checks {
		if slices.ContainsFunc(checks[:i], func(c external.Check) bool { return c.Name == checks[i].Name }) {
			return &StartError{"check-twice", "there are two checks called " + checks[i].Name, "names of authz.webhooks and of app.Check are unique"}
		}
	}
	z, diags := external.Bind(s.CDS.Model, checks)
	if diags.HasErrors() {
		return &ModelError{Diags: diags, Files: s.Model.Files}
	}
	if z != nil {
		s.CDS.Authorize(z)
	}
	return nil
}
