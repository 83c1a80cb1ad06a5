package cds

import (
	"context"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/sqlgen"
)

// What a user may do with the rows of an answer. A READ with May set has, with each row, an object of truth values: whether the user may update and delete it, and call
// which of its operations. They are columns of the same query, made from the guards of these events: decided by the policy and by Authorizers as the event
// itself would be, for the same path.

// RowRights is the name of the member of a row that has its rights.
const RowRights = "@cds.may"

// The members of the rights of a row; RowActions is the object with a member for each operation.
const (
	RowUpdate  = "update"
	RowDelete  = "delete"
	RowActions = "actions"
)

// RightsColumn is the column that asks for the rights on a row, for on-handlers that make queries for Page. It has a meaning in READs with May set.
func RightsColumn() cqn.Column {
	return cqn.Column{X: &cqn.Call{Name: sqlgen.RightsColumn}, As: RowRights}
}

// A rowGuard is the guard of a READ that also knows the rights on its rows.
type rowGuard struct {
	sqlgen.Guarder
	rights []sqlgen.RowRight
	key    string
}

// RowRights implements sqlgen.RowGuarder.
func (g rowGuard) RowRights() []sqlgen.RowRight { return g.rights }

// Key differs for different rights, with the constants of their conditions.
func (g rowGuard) Key() string { return g.Guarder.Key() + g.key }

func (g rowGuard) unwrap() sqlgen.Guarder { return g.Guarder }

// RowRights asks the guard behind.
func (r *guardRecorder) RowRights() []sqlgen.RowRight {
	if g, ok := r.Guarder.(sqlgen.RowGuarder); ok {
		return g.RowRights()
	}
	return nil
}

// rowGuard returns the request's guard with what may be done with its rows.
func (r *RawRequest) rowGuard(ctx context.Context) sqlgen.Guarder {
	e := r.Target
	if e.Active != nil {
		e = e.Active
	}
	sides := []*csn.Entity{r.Target}
	if len(r.Target.Union) > 0 {
		sides = r.Target.Union
	}
	g := rowGuard{Guarder: r.state.guard}
	add := func(group, name string, ask func(side *csn.Entity) sqlgen.Condition) {
		right := sqlgen.RowRight{Group: group, Name: name}
		for _, side := range sides {
			c := ask(side)
			if _, ok := c.Expr(); ok {
				right.On = append(right.On, sqlgen.RowCondition{Entity: side, When: c})
			}
		}
		g.rights = append(g.rights, right)
	}
	for _, w := range []struct {
		name string
		ev   Event
	}{{RowUpdate, authz.Update}, {RowDelete, authz.Delete}} {
		add("", w.name, func(side *csn.Entity) sqlgen.Condition { return r.mayWrite(ctx, side, w.ev) })
	}
	for _, op := range e.Actions {
		if op.Collection || op.Draft != csn.NoDraftOp {
			continue
		}
		add(RowActions, op.LocalName(), func(side *csn.Entity) sqlgen.Condition {
			return r.mayCall(ctx, side, side.Action(op.LocalName()))
		})
	}
	g.key = rightsKeyOf(g.rights)
	return g
}

// rightsKeyOf writes everything that the SQL of rights depends on.
func rightsKeyOf(rights []sqlgen.RowRight) string {
	b := keyBuilder{}
	for _, x := range rights {
		b.WriteString("/may " + x.Group + "." + x.Name)
		for _, o := range x.On {
			b.WriteString(" " + o.Entity.Name + ":")
			if where, _ := o.When.Expr(); where != nil {
				key, values := cqn.Shape(&cqn.Delete{Where: where})
				b.WriteString(string(key))
				for _, v := range values {
					b.value(v)
				}
			}
		}
	}
	return b.String()
}

// mayWrite returns the condition under which a row of a side of the target may be changed or deleted; the zero Condition for never.
func (r *RawRequest) mayWrite(ctx context.Context, side *csn.Entity, ev Event) sqlgen.Condition {
	s := r.Service
	if c := s.inner.chains[chainKey{eventAt(side, ev), side, nil}]; side.Table() == nil && (c == nil || !c.userOn) {
		return sqlgen.Condition{} // no row of it can be written, but by the application
	}
	use := sqlgen.Update
	if ev == authz.Delete {
		use = sqlgen.Delete
	}
	return r.mayDo(ctx, side, ev, nil, use)
}

// eventAt returns what an event is called where it happens to rows of e.
func eventAt(e *csn.Entity, ev Event) Event {
	if isDraft(e) {
		return draftEvent(ev)
	}
	return ev
}

// mayCall is mayWrite for an operation.
func (r *RawRequest) mayCall(ctx context.Context, side *csn.Entity, op *csn.Operation) sqlgen.Condition {
	if op == nil {
		return sqlgen.Condition{}
	}
	return r.mayDo(ctx, side, Event(op.LocalName()), op, sqlgen.Update)
}

// mayDo decides an event on a row as if it had been sent over the same path, without a note in any log, and returns the condition that is left to the rows.
func (r *RawRequest) mayDo(ctx context.Context, e *csn.Entity, ev Event, op *csn.Operation, use sqlgen.Use) sqlgen.Condition {
	never := sqlgen.Condition{}
	path := append(r.Path[:len(r.Path)-1:len(r.Path)-1], e)
	q := &RawRequest{Event: eventAt(e, ev), Service: r.Service, Target: e, Op: op, User: r.User, Locale: r.Locale, Params: r.Params, Path: path, Via: r.Via, HTTP: r.HTTP}
	q.state = &state{unit: r.state.unit, scope: r.state.scope, chain: r.state.chain, root: r.state, quiet: true}
	if q.decide(ctx, q.Event, path, r.Via) != nil {
		return never
	}
	c, err := asUse{q.state.guard, use}.Condition(e, sqlgen.Root)
	if err != nil {
		return never
	}
	x, ok := c.Expr()
	if !ok {
		return never
	}
	if op != nil {
		x = and(x, q.state.where)
	}
	for _, n := range r.Service.inner.needs[needKey{e, ev}] {
		x = and(x, n(q))
	}
	if x == nil {
		return sqlgen.AllRows()
	}
	return sqlgen.Where(x)
}

// A need is what a handler demands of a row beside the rights to it; nil for nothing.
type need func(r *RawRequest) cqn.Expr

type needKey struct {
	entity *csn.Entity
	event  Event
}

// Needs tells that a handler refuses an event (UPDATE, DELETE or an operation) on rows of e that do not fulfil a condition, so that RowRights say so. The
// condition is about the row, nil for none. It refuses nothing: that is the handler's business. It belongs before Start.
func (s *Service) Needs(e *csn.Entity, ev Event, condition func(r *RawRequest) cqn.Expr) {
	if s.inner.needs == nil {
		s.inner.needs = map[needKey][]need{}
	}
	k := needKey{e, ev}
	s.inner.needs[k] = append(s.inner.needs[k], condition)
}

// May returns what the user of ctx may do with a row of the service, by its keys. The error is 404 for a row that is not there for the user, or 403 or 401
// if he may read none. entity is the local name.
func (s *Service) May(ctx context.Context, entity string, keys *Row) (*RowMay, error) {
	e := s.Model.Entity(entity)
	if e == nil {
		return nil, Reject(404, "404", "Service %q has no entity %q.", s.Model.Name, entity)
	}
	where := KeyFilter(e, keys)
	if where == nil || len(e.Keys) == 0 {
		return nil, Reject(400, "400", "A row of %q is named by all of its keys.", entity)
	}
	cols := append(keyColumns(e), RightsColumn())
	q := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(e.Name)}, Where: where, One: true, Columns: cols}
	res, err := s.Dispatch(ctx, &RawRequest{Event: authz.Read, Target: e, Query: q, May: true})
	if err != nil {
		return nil, err
	}
	if len(res.Rows) != 1 {
		return nil, &Error{Status: 404, Code: "404", Message: "Not Found"}
	}
	return rowMay(res.Rows[0]), nil
}

// RowMay is what somebody may do with a row, beside reading it.
type RowMay struct {
	Update, Delete bool
	Actions        map[string]bool // by local name
}

func rowMay(row *Row) *RowMay {
	out := &RowMay{Actions: map[string]bool{}}
	r := row.Value(RowRights).Row()
	if r == nil {
		return out
	}
	truth := func(v Value) bool { return v.Kind() == cqn.KindBool && v.Bool() }
	out.Update, out.Delete = truth(r.Value(RowUpdate)), truth(r.Value(RowDelete))
	if a := r.Value(RowActions).Row(); a != nil {
		for _, f := range a.Fields() {
			out.Actions[f.Name] = truth(f.Value)
		}
	}
	return out
}
