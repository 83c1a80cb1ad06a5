package generic

import (
	"context"
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// targets checks references marked with @assert.target: the target must exist and be readable. A hidden row counts as a missing one (decision
// 9). It runs only if nothing else is wrong.
func (h *handlers) targets(ctx context.Context, r *cds.RawRequest) error {
	if len(r.Errors()) > 0 {
		return nil
	}
	for _, row := range payload(r) {
		for _, el := range r.Target.Flat {
			a := el.Assoc()
			if a == nil || a.Composition || a.Many || len(a.FK) == 0 || !el.Annotations.Is("assert.target") {
				continue
			}
			if err := h.target(ctx, r, a, row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *handlers) target(ctx context.Context, r *cds.RawRequest, a *csn.Assoc, row *cds.Row) error {
	var where cqn.Expr
	for i, fk := range a.FK {
		v := row.Value(fk.Name)
		if v.IsNull() {
			return nil // no reference, or not changed
		}
		where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(a.FKTarget[i].Name), R: &cqn.Lit{Value: v}})
	}
	res, err := r.Execute(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.Target.Name)}, Columns: one(), Where: where})
	var e *cds.Error
	if errors.As(err, &e) && (e.Status == 401 || e.Status == 403) {
		res, err = &cds.Result{}, nil
	}
	if err != nil {
		return err
	}
	if len(res.Rows) == 0 {
		r.Error(400, "ASSERT_TARGET", a.FK[0].Name, "Target with this key doesn't exist.")
	}
	return nil
}

func one() []cqn.Column { return []cqn.Column{{X: &cqn.Lit{Value: cqn.Int(1)}, As: "one"}} }

func and(a, b cqn.Expr) cqn.Expr {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &cqn.Binary{Op: cqn.And, L: a, R: b}
}
