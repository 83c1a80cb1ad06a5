package cds

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/sqlgen"
)

// Temporal entities have elements with @cds.valid.from and @cds.valid.to: each row is a time slice. Reads see the slices that are valid at the time of the
// request, or at the time that it names; so do paths, expands and lambdas in the same query. Writes address rows by key, whatever the time.

// findTemporal returns the conditions on the slices of all temporal entities, nil if the model has none.
func findTemporal(m *csn.Model) map[*csn.Entity]cqn.Expr {
	var out map[*csn.Entity]cqn.Expr
	for _, e := range m.Entities {
		x := sliceOf(e)
		if x == nil {
			continue
		}
		if out == nil {
			out = map[*csn.Entity]cqn.Expr{}
		}
		out[e] = x
	}
	return out
}

// sliceOf returns the condition that a slice is valid at some time between $at.from and $at.to; nil for an entity that is not temporal.
func sliceOf(e *csn.Entity) cqn.Expr {
	var from, to *csn.Element
	for _, el := range e.Flat {
		switch {
		case el.Annotations.Is("cds.valid.from"):
			from = el
		case el.Annotations.Is("cds.valid.to"):
			to = el
		}
	}
	if from == nil || to == nil {
		return nil
	}
	return &cqn.Binary{Op: cqn.And,
		L: &cqn.Binary{Op: cqn.Le, L: cqn.NewRef(from.Name), R: &cqn.Param{From: cqn.FromAt, Name: "to"}},
		R: &cqn.Binary{Op: cqn.Gt, L: cqn.NewRef(to.Name), R: &cqn.Param{From: cqn.FromAt, Name: "from"}}}
}

// timely is a guard that lets only those slices through that are valid at the time of the request.
type timely struct {
	sqlgen.Guarder
	slices map[*csn.Entity]cqn.Expr
}

// Condition asks the guard behind and adds the condition on slices, for reads.
func (t timely) Condition(e *csn.Entity, use sqlgen.Use) (sqlgen.Condition, error) {
	c, err := t.Guarder.Condition(e, use)
	slice := t.slices[e]
	if err != nil || slice == nil || use > sqlgen.Exists {
		return c, err
	}
	x, ok := c.Expr()
	if !ok {
		return c, nil
	}
	return c.With(and(x, slice)), nil
}

// Key differs from that of the guard behind.
func (t timely) Key() string { return t.Guarder.Key() + "/at" }

func (t timely) unwrap() sqlgen.Guarder { return t.Guarder }

// At makes the request see temporal entities as they are at some time from from to to (Timestamps; equal for one moment) in place of now. It
// belongs before the first access to the database, in a before handler.
func (r *RawRequest) At(ctx context.Context, from, to string) error {
	if r.state == nil || r.state.unit == nil {
		return errOutside
	}
	u := r.state.unit
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.session
	s.ValidFrom, s.ValidTo = from, to
	if s == u.session {
		return nil
	}
	return u.setSession(ctx, s)
}

// Temporal reports whether an entity has time slices.
func (a *App) Temporal(e *csn.Entity) bool { return a.inner.slices[e] != nil }
