package sqlgen

import (
	"errors"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// Compile compiles a query of a request or of code to a plan. Literals in q become parameters, numbered as cqn.Shape numbers them, so that
// the plan serves all queries of the same shape; literals in the guard's conditions and in the model are constants of the plan.
//
// Errors are *Error for what the client or the model got wrong, *Forbidden or what else the guarder returns, and ErrNotUpdatable, wrapped.
func Compile(q cqn.Query, m *csn.Model, g Guarder, d Dialect) (*Plan, error) {
	if g == nil {
		return nil, errors.New("sqlgen: a query cannot be compiled without a guard")
	}
	q, _ = cqn.Parametrize(q)
	c := &compiler{m: m, d: d, t: d.Tables(), g: g}
	return c.withBarrier(func(c *compiler) (*Plan, error) { return c.plan(q) })
}

func (c *compiler) plan(q cqn.Query) (*Plan, error) {
	switch q := q.(type) {
	case *cqn.Select:
		c.locking = q.Lock != cqn.NoLock
		if ref := placeOf(q); ref != nil {
			return c.placePlan(q, ref)
		}
		c.localized = q.Localized
		if call := piecesOf(q); call != nil {
			return c.piecesPlan(q, call)
		}
		return c.selectPlan(q)
	case *cqn.SetOp:
		return c.setPlan(q)
	case *cqn.Insert:
		return c.insertPlan(q)
	case *cqn.Update:
		return c.updatePlan(q)
	case *cqn.Delete:
		return c.deletePlan(q)
	}
	return nil, &Error{Code: "INVALID_QUERY", Message: "this kind of query cannot be run", Status: 400}
}
