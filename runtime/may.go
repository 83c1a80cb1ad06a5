package cds

import (
	"context"
	"slices"
	"strconv"
	"strings"

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

// RightsColumn is the column that asks for the rights on a row, for on-handlers that make queries for Page. It has a meaning in READs with May set. level is the path
// of expands to the rows, none for those of the query itself.
func RightsColumn(level ...string) cqn.Column { return sqlgen.RightsOf(level, RowRights) }

// A rowGuard is the guard of a READ that also knows the rights on its rows.
type rowGuard struct {
	sqlgen.Guarder
	rights map[string][]sqlgen.RowRight // by level
	key    string
}

// RowRights implements sqlgen.RowGuarder.
func (g rowGuard) RowRights(level []string) []sqlgen.RowRight { return g.rights[levelKey(level)] }

func levelKey(level []string) string { return strings.Join(level, "/") }

// Key differs for different rights, with the constants of their conditions.
func (g rowGuard) Key() string { return g.Guarder.Key() + g.key }

func (g rowGuard) unwrap() sqlgen.Guarder { return g.Guarder }

// RowRights asks the guard behind.
func (r *guardRecorder) RowRights(level []string) []sqlgen.RowRight {
	if g, ok := r.Guarder.(sqlgen.RowGuarder); ok {
		return g.RowRights(level)
	}
	return nil
}

// A way is how a client would address the rows of one entity of a level, for changing them.
type way struct {
	entity *csn.Entity
	path   []*csn.Entity
	via    []*csn.Element
}

// rowGuard returns the request's guard with what may be done with the rows of a query, as far as it asks.
func (r *RawRequest) rowGuard(ctx context.Context, q cqn.Query) sqlgen.Guarder {
	sel, ok := q.(*cqn.Select)
	if !ok || r.Target == nil || len(r.Path) == 0 {
		return r.state.guard
	}
	g := &rowGuard{Guarder: r.state.guard, rights: map[string][]sqlgen.RowRight{}}
	last := len(r.Path) - 1
	ways := make([]way, 0, 2)
	e := largeEntity(r.App(), sel)
	if e == nil || activeOf(e) != activeOf(r.Target) {
		return r.state.guard // a handler reads something else
	}
	for _, side := range sidesOf(e) {
		ways = append(ways, way{side, append(r.Path[:last:last], side), r.Via})
	}
	b := keyBuilder{}
	r.levelRights(ctx, g, &b, sel.Columns, e, ways, 0)
	g.key = b.String()
	return *g
}

// sidesOf returns what an entity's rows are rows of: active rows and drafts, where it stands for both.
func sidesOf(e *csn.Entity) []*csn.Entity {
	if len(e.Union) > 0 {
		return e.Union
	}
	return []*csn.Entity{e}
}

// activeOf returns the entity that an entity of drafts, or of both, belongs to; others are their own.
func activeOf(e *csn.Entity) *csn.Entity {
	if e.Active != nil {
		return e.Active
	}
	return e
}

// maxMayLevels bounds the expands that are looked into; the compiler of queries refuses deeper ones.
const maxMayLevels = 20

// levelRights finds the rights that the columns of a level ask for, and those of the expands among them.
func (r *RawRequest) levelRights(ctx context.Context, g *rowGuard, b *keyBuilder, cols []cqn.Column, e *csn.Entity, ways []way, depth int) {
	for i := range cols {
		c := &cols[i]
		if level, ok := sqlgen.IsRights(c); ok {
			rights := r.rightsOn(ctx, e, ways)
			g.rights[levelKey(level)] = rights
			appendRightsKey(b, rights)
			continue
		}
		ref, ok := c.X.(*cqn.Ref)
		if c.Expand == nil || !ok || len(ref.Path) != 1 || depth > maxMayLevels {
			continue
		}
		if el := e.Element(ref.Path[0].Name); el != nil && el.Assoc() != nil && el.Assoc().Target != nil {
			r.levelRights(ctx, g, b, c.Expand.Columns, el.Assoc().Target, waysBelow(ways, el), depth+1)
		}
	}
}

// waysBelow returns the ways to what an association leads to: rows that have a place of their own in the service are addressed there, others over their parent.
func waysBelow(parents []way, el *csn.Element) []way {
	var out []way
	for _, side := range sidesOf(el.Assoc().Target) {
		if side.Exposure != csn.AutoExposed {
			out = append(out, way{side, []*csn.Entity{side}, nil})
			continue
		}
		for i, p := range parents {
			own := p.entity.Element(el.Name)
			if own == nil || isDraft(p.entity) != isDraft(side) && i < len(parents)-1 {
				continue
			}
			out = append(out, way{side, append(slices.Clone(p.path), side), append(slices.Clone(p.via), own)})
			break
		}
	}
	return out
}

// rightsOn returns what may be done with the rows of a level.
func (r *RawRequest) rightsOn(ctx context.Context, e *csn.Entity, ways []way) []sqlgen.RowRight {
	e = activeOf(e)
	var rights []sqlgen.RowRight
	add := func(group, name string, ask func(w way) sqlgen.Condition) {
		right := sqlgen.RowRight{Group: group, Name: name}
		for _, w := range ways {
			c := ask(w)
			if _, ok := c.Expr(); ok {
				right.On = append(right.On, sqlgen.RowCondition{Entity: w.entity, When: c})
			}
		}
		rights = append(rights, right)
	}
	add("", RowUpdate, func(w way) sqlgen.Condition { return r.mayWrite(ctx, w, authz.Update) })
	add("", RowDelete, func(w way) sqlgen.Condition { return r.mayWrite(ctx, w, authz.Delete) })
	for _, op := range e.Actions {
		if !op.Collection && op.Draft == csn.NoDraftOp {
			add(RowActions, op.LocalName(), func(w way) sqlgen.Condition { return r.mayCall(ctx, w, op.LocalName()) })
		}
	}
	return rights
}

// appendRightsKey writes everything that the SQL of rights depends on.
func appendRightsKey(b *keyBuilder, rights []sqlgen.RowRight) {
	for _, x := range rights {
		b.WriteString("/may " + x.Group + "." + x.Name)
		for _, o := range x.On {
			b.WriteString(" " + o.Entity.Name + ":")
			if where, _ := o.When.Expr(); where != nil {
				key, values := cqn.Shape(&cqn.Delete{Where: where})
				b.WriteString(strconv.Itoa(len(key)) + ":" + key)
				for _, v := range values {
					b.value(v)
				}
			}
		}
	}
}

// mayWrite returns the condition under which a row may be changed or deleted; the zero Condition for never.
func (r *RawRequest) mayWrite(ctx context.Context, w way, ev Event) sqlgen.Condition {
	c := r.Service.inner.chains[chainKey{eventAt(w.entity, ev), w.entity, nil}]
	if w.entity.Table() == nil && (c == nil || !c.userOn) {
		return sqlgen.Condition{} // no row of it can be written, but by the application
	}
	use := sqlgen.Update
	if ev == authz.Delete {
		use = sqlgen.Delete
	}
	return r.mayDo(ctx, w, ev, nil, use)
}

// eventAt returns what an event is called where it happens to rows of e.
func eventAt(e *csn.Entity, ev Event) Event {
	if isDraft(e) {
		return draftEvent(ev)
	}
	return ev
}

// mayCall is mayWrite for an operation.
func (r *RawRequest) mayCall(ctx context.Context, w way, name string) sqlgen.Condition {
	op := w.entity.Action(name)
	if op == nil {
		return sqlgen.Condition{}
	}
	return r.mayDo(ctx, w, Event(name), op, sqlgen.Update)
}

// mayDo decides an event on a row as if it had been sent, without a note in any log, and returns the condition that is left to the rows.
func (r *RawRequest) mayDo(ctx context.Context, w way, ev Event, op *csn.Operation, use sqlgen.Use) sqlgen.Condition {
	never := sqlgen.Condition{}
	e := w.entity
	q := &RawRequest{Event: eventAt(e, ev), Service: r.Service, Target: e, Op: op, User: r.User, Locale: r.Locale, Path: w.path, Via: w.via, HTTP: r.HTTP}
	q.state = &state{unit: r.state.unit, scope: r.state.scope, chain: r.state.chain, root: r.state, quiet: true}
	if q.decide(ctx, q.Event, q.Path, q.Via) != nil {
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
	switch {
	case op != nil:
		x = and(x, q.state.where)
	case ev == authz.Delete:
		x = and(x, q.partsGo(e, 0))
	}
	for _, n := range r.Service.inner.needs[needKey{e, ev}] {
		x = and(x, n(q))
	}
	if x == nil {
		return sqlgen.AllRows()
	}
	return sqlgen.Where(x)
}

// maxPartLevels bounds how deep parts are looked at that go with a row.
const maxPartLevels = 4

// partsGo returns the condition that the parts of a row of e may be deleted with it, as whoever deletes it will have to; nil for none.
func (r *RawRequest) partsGo(e *csn.Entity, depth int) cqn.Expr {
	var out cqn.Expr
	for _, el := range e.Flat {
		a := el.Assoc()
		if a == nil || !a.Composition || a.Target == nil || a.Join == nil || a.Rest != nil || a.Target.SkipPersistence || depth == maxPartLevels {
			continue
		}
		stays := &cqn.Exists{Path: cqn.NewRef(el.Name)} // some part that may not go
		if c, err := r.state.guard.Condition(a.Target, sqlgen.Delete); err == nil {
			goes, ok := c.Expr()
			if goes = and(goes, r.partsGo(a.Target, depth+1)); ok && goes == nil {
				continue
			}
			if ok {
				stays.Pred = &cqn.Unary{Op: cqn.IsNotTrue, X: goes}
			}
		}
		out = and(out, &cqn.Unary{Op: cqn.Not, X: stays})
	}
	return out
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
