package generic

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// targets checks references marked with @assert.target, in nested rows too: the target must exist and be readable. A hidden row counts as a missing
// one (decision 9). It runs only if nothing else is wrong.
func (h *handlers) targets(ctx context.Context, r *cds.RawRequest) error {
	if len(r.Errors()) > 0 {
		return nil
	}
	t := targetChecker{r: r}
	for _, row := range payload(r) {
		if err := t.row(ctx, r.Target, nil, row, nil, 0); err != nil {
			return err
		}
	}
	return nil
}

type targetChecker struct {
	r     *cds.RawRequest
	known map[string]bool // targets that were looked for, with what was found
}

// row checks the references of a row, which over is the composition of, and of its children.
func (t *targetChecker) row(ctx context.Context, e *csn.Entity, over *csn.Element, row *cds.Row, at *place, depth int) error {
	for _, el := range e.Flat {
		a := el.Assoc()
		switch {
		case a == nil || a.Target == nil:
		case a.Composition:
			if err := t.children(ctx, el, row, at, depth); err != nil {
				return err
			}
		case a.Many || len(a.FK) == 0 || !el.Annotations.Is("assert.target") || setByParent(over, a):
		default:
			if err := t.reference(ctx, el, row, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *targetChecker) children(ctx context.Context, el *csn.Element, row *cds.Row, at *place, depth int) error {
	v, ok := row.Get(el.Name)
	if !ok || depth >= maxDepth {
		return nil
	}
	for i, c := range children(v) {
		if err := t.row(ctx, el.Assoc().Target, el, c, child(at, el, c, i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// setByParent tells associations of a nested row that lead to its parent, which need not be there yet.
func setByParent(over *csn.Element, a *csn.Assoc) bool {
	if over == nil {
		return false
	}
	return slices.ContainsFunc(over.Assoc().Pairs, func(p csn.JoinPair) bool { return over.Assoc().Many && slices.Contains(a.FK, p.Target) })
}

// reference checks that the target of an association is there for the user.
func (t *targetChecker) reference(ctx context.Context, el *csn.Element, row *cds.Row, at *place) error {
	a := el.Assoc()
	row, err := t.wholeKey(ctx, a, row, at)
	if err != nil {
		return err
	}
	var where cqn.Expr
	key := el.Owner.Name + "/" + el.Name
	for i, fk := range a.FK {
		v := row.Value(fk.Name)
		if v.IsNull() {
			return nil // no reference, or not changed
		}
		where = and(where, &cqn.Binary{Op: cqn.Eq, L: cqn.NewRef(a.FKTarget[i].Name), R: &cqn.Lit{Value: v}})
		key += "/" + strconv.Quote(v.Format())
	}
	found, known := t.known[key]
	if !known {
		if found, err = t.there(ctx, a.Target, where); err != nil {
			return err
		}
		if t.known == nil {
			t.known = map[string]bool{}
		}
		t.known[key] = found
	}
	if !found {
		t.r.Error(400, "ASSERT_TARGET", sub(at.String(), a.FK[0].Name), "Target with this key doesn't exist.")
	}
	return nil
}

// wholeKey completes the foreign key of a changed row of which the payload has a part: the others are as they are stored.
func (t *targetChecker) wholeKey(ctx context.Context, a *csn.Assoc, row *cds.Row, at *place) (*cds.Row, error) {
	given := 0
	for _, fk := range a.FK {
		if row.Has(fk.Name) {
			given++
		}
	}
	if given == 0 || given == len(a.FK) || at != nil || t.r.Event != authz.Update {
		return row, nil
	}
	q := t.r.Subject()
	for _, fk := range a.FK {
		q.Columns = append(q.Columns, cqn.Column{X: cqn.NewRef(fk.Name)})
	}
	stored, err := t.r.Locate(ctx, q)
	if err != nil || len(stored) != 1 {
		return row, err // what is not there is told by the handlers that come
	}
	for _, fk := range a.FK {
		if v, ok := row.Get(fk.Name); ok {
			stored[0].Set(fk.Name, v)
		}
	}
	return stored[0], nil
}

// there asks for a row under the request's rights: without any right to the entity there is none.
func (t *targetChecker) there(ctx context.Context, e *csn.Entity, where cqn.Expr) (bool, error) {
	res, err := t.r.Execute(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Columns: one(), Where: where})
	var refused *cds.Error
	switch {
	case errors.As(err, &refused) && (refused.Status == 401 || refused.Status == 403):
		return false, nil
	case err != nil:
		return false, err
	}
	return len(res.Rows) > 0, nil
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
