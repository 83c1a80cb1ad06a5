package generic

import (
	"context"
	"slices"
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// An assertion is a condition on stored rows: @assert: (case when … then 'message' … end), or @mandatory: (condition). It is asked of the database
// after the write and before the commit, so it may follow paths and ask for the existence of other rows. It is the model's own question
// and is read with the definer's right.
type assertion struct {
	el   *csn.Element // that it stands at; nil for the entity
	on   *csn.Entity  // whose elements it names
	expr cqn.Expr     // the message, null if all is well; or a condition
	code string
	text string // for conditions
}

// assertionsOf returns the assertions of an entity.
func assertionsOf(e *csn.Entity) []*assertion {
	out := ofEntity(e)
	for _, el := range e.Flat {
		if el.ForeignKey != nil {
			continue // it stands at the association too
		}
		if on, a := declared(e, el, "assert"); a != nil && a.Kind == cqn.AnnoExpr && a.Expr != nil {
			out = append(out, &assertion{el, on, a.Expr, "ASSERT", message(el, "assert", "The value is not allowed.")})
		}
		if on, a := declared(e, el, "mandatory"); a != nil && a.Kind == cqn.AnnoExpr && a.Expr != nil {
			out = append(out, &assertion{el, on, filled(el, on, a.Expr), "ASSERT_MANDATORY", message(el, "mandatory", "Provide the missing value.")})
		}
		if on, must := controlledBy(e, el, 7); must != nil {
			out = append(out, &assertion{el, on, filled(el, on, must), "ASSERT_MANDATORY", message(el, "mandatory", "Provide the missing value.")})
		}
	}
	return out
}

// ofEntity returns the assertion that stands at the entity itself, as a list of one or none.
func ofEntity(e *csn.Entity) []*assertion {
	a := e.Annotations.Get("assert")
	if a == nil || a.Kind != cqn.AnnoExpr || a.Expr == nil {
		return nil
	}
	text := e.Annotations.Get("assert.message").Str()
	if text == "" {
		text = "The values are not allowed together."
	}
	on := e
	for on.Base != nil { // the names in it are those of the entity that it was written for
		b := on.Base.Annotations.Get("assert")
		if b == nil || b.Text != a.Text {
			break
		}
		on, a = on.Base, b
	}
	return []*assertion{{nil, on, a.Expr, "ASSERT", text}}
}

// filled returns the condition that an element has a value where a condition holds.
func filled(el *csn.Element, on *csn.Entity, where cqn.Expr) cqn.Expr {
	var missing cqn.Expr
	names := []*csn.Element{el}
	if a := el.Assoc(); a != nil {
		names = a.FK
	}
	for _, n := range names {
		null := cqn.Expr(&cqn.Unary{Op: cqn.IsNull, X: cqn.NewRef(nameOn(n, on))})
		if missing == nil {
			missing = null
		} else {
			missing = &cqn.Binary{Op: cqn.Or, L: missing, R: null}
		}
	}
	if missing == nil {
		return &cqn.Lit{Value: cqn.Bool(true)}
	}
	return &cqn.Unary{Op: cqn.Not, X: &cqn.Binary{Op: cqn.And, L: where, R: missing}}
}

// declared finds the entity that an annotation with an expression was written for: the names in it are the names there. Projections inherit
// the annotation, but may rename or leave out what it names.
func declared(e *csn.Entity, el *csn.Element, name string) (*csn.Entity, *cqn.AnnoValue) {
	a := el.Annotations.Get(name)
	for a != nil && e.Base != nil && el.Origin != nil {
		o := el.Origin.Annotations.Get(name)
		if o == nil || o.Text != a.Text {
			break
		}
		e, el, a = e.Base, el.Origin, o
	}
	return e, a
}

// nameOn returns the name that an element has in an entity below its own.
func nameOn(el *csn.Element, on *csn.Entity) string {
	for el.Owner != on && el.Origin != nil {
		el = el.Origin
	}
	return el.Name
}

// keysOn returns the keys of a row of e as those of an entity below it.
func keysOn(e, on *csn.Entity, row *cds.Row) *cds.Row {
	out := cqn.NewRow()
	for _, k := range e.Keys {
		out.Set(nameOn(k, on), row.Value(k.Name))
	}
	return out
}

// withAssertions returns the local names of the entities whose writes can touch an assertion: their own, or one of what is composed of them.
func (h *handlers) withAssertions(s *csn.Service) []string {
	var out []string
	for _, e := range s.Entities {
		if h.asserted(e, nil) {
			out = append(out, e.LocalName())
		}
	}
	return out
}

func (h *handlers) asserted(e *csn.Entity, seen []*csn.Entity) bool {
	if e == nil || slices.Contains(seen, e) {
		return false
	}
	if f := h.entities[e]; f != nil && len(f.asserts) > 0 {
		return true
	}
	for _, el := range compositions(e) {
		if h.asserted(el.Assoc().Target, append(seen, e)) {
			return true
		}
	}
	return false
}

// touchedKey is where a request keeps the rows that it has written and that have assertions.
type touchedKey struct{}

type touched struct {
	e    *csn.Entity
	row  *cds.Row
	path string
}

// touch notes a row that was written.
func (h *handlers) touch(r *cds.RawRequest, e *csn.Entity, row *cds.Row, at *place) {
	f := h.entities[e]
	if f == nil || len(f.asserts) == 0 {
		return
	}
	rows, _ := r.Kept(touchedKey{}).([]touched)
	r.Keep(touchedKey{}, append(rows, touched{e, row, at.String()}))
}

// assert checks the assertions of all rows that the request has written. Faults are collected.
func (h *handlers) assert(ctx context.Context, r *cds.RawRequest, _ *cds.Result) error {
	rows, _ := r.Kept(touchedKey{}).([]touched)
	r.Keep(touchedKey{}, nil)
	for _, t := range rows {
		if err := h.assertRow(ctx, r, t); err != nil {
			return err
		}
	}
	return nil
}

func (h *handlers) assertRow(ctx context.Context, r *cds.RawRequest, t touched) error {
	list := h.entities[t.e].asserts
	for len(list) > 0 {
		on := list[0].on
		n := 1
		for n < len(list) && list[n].on == on {
			n++
		}
		where := cds.KeyFilter(on, keysOn(t.e, on, t.row))
		if where == nil {
			return cds.Reject(501, "501", "Assertions on %q need its keys.", t.e.Name)
		}
		sel := &cqn.Select{From: &cqn.From{Path: cqn.NewRef(on.Name)}, Where: where}
		for i, a := range list[:n] {
			sel.Columns = append(sel.Columns, cqn.Column{X: a.expr, As: "a" + strconv.Itoa(i)})
		}
		res, err := cds.DB(ctx).Run(ctx, sel)
		if err != nil {
			return err
		}
		if len(res.Rows) == 1 {
			for i, a := range list[:n] {
				target := t.path
				if a.el != nil {
					target = sub(t.path, a.el.Name)
				}
				a.report(r, res.Rows[0].Fields()[i].Value, target)
			}
		}
		list = list[n:]
	}
	return nil
}

// report collects a fault if the value of the expression tells one: a text is the message, false means that the condition does not hold.
func (a *assertion) report(r *cds.RawRequest, v cqn.Value, target string) {
	text := a.text
	switch v.Kind() {
	case cqn.KindNull:
		return
	case cqn.KindBool, cqn.KindInt:
		if v.Kind() == cqn.KindBool && v.Bool() || v.Kind() == cqn.KindInt && v.Int() != 0 {
			return
		}
	default:
		text = v.Format()
	}
	r.Collect(&cds.Error{Status: 400, Code: a.code, Message: text, Target: target})
}

// conditionallyReadOnly returns the elements with @readonly: (condition), or a field control that says so: they keep their value in rows for which that holds.
func conditionallyReadOnly(e *csn.Entity) []*assertion {
	var out []*assertion
	for _, el := range e.Flat {
		if el.ForeignKey != nil || el.Key {
			continue
		}
		if on, a := declared(e, el, "readonly"); a != nil && a.Kind == cqn.AnnoExpr && a.Expr != nil {
			out = append(out, &assertion{el: el, on: on, expr: a.Expr})
		}
		if on, not := controlledBy(e, el, 0, 1); not != nil {
			out = append(out, &assertion{el: el, on: on, expr: not})
		}
	}
	return out
}

// dropReadOnly takes out of a change what is read-only in the row as it is now.
func (h *handlers) dropReadOnly(ctx context.Context, e *csn.Entity, row, data *cds.Row) error {
	for _, a := range h.factsOf(e).readOnly {
		fields := []*csn.Element{a.el}
		if as := a.el.Assoc(); as != nil {
			fields = as.FK
		}
		if !slices.ContainsFunc(fields, func(el *csn.Element) bool { return data.Has(el.Name) }) {
			continue
		}
		where := cds.KeyFilter(a.on, keysOn(e, a.on, row))
		if where == nil {
			return cds.Reject(501, "501", "The condition of %q needs the keys of %q.", a.el.Name, e.Name)
		}
		is := &cqn.Case{Whens: []cqn.When{{Cond: a.expr, Then: &cqn.Lit{Value: cqn.Int(1)}}}, Else: &cqn.Lit{Value: cqn.Int(0)}}
		res, err := cds.DB(ctx).Run(ctx, &cqn.Select{From: &cqn.From{Path: cqn.NewRef(a.on.Name)}, Where: where, Columns: []cqn.Column{{X: is, As: "readonly"}}})
		if err != nil {
			return err
		}
		if len(res.Rows) != 1 || res.Rows[0].Value("readonly").Int() == 0 {
			continue
		}
		for _, el := range fields {
			data.Delete(el.Name)
		}
	}
	return nil
}
