package cds

import (
	"cds/parser/cqn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// An Observed is a step of a request as it was taken: a decision, or a statement with the guard that was woven into it.
type Observed struct {
	Access   authz.Access
	Decision *authz.Decision // of a decision
	Query    cqn.Query       // of a statement; nil for a decision
	Guard    sqlgen.Guarder
	Plan     *sqlgen.Plan // nil where there is an Err
	Err      error
}

// Observe has fn called with every decision and every statement of requests, when it is found and before it is run. It is for reports that prove what
// requests come to, never for serving, and belongs before Start.
func (a *App) Observe(fn func(Observed)) { a.inner.observer = fn }

// observed tells the observer of a statement.
func (a *App) observed(q cqn.Query, g sqlgen.Guarder, p *plan, err error) {
	o := Observed{Query: q, Guard: g, Err: err}
	if p != nil {
		o.Plan = p.Plan
	}
	a.inner.observer(o)
}
