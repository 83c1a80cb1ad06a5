package generic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
)

// A flow is what @from and @to say about a bound action: in which states of the element with @flow.status it may be called, and the state that it
// leads to.
type flow struct {
	op     *csn.Operation
	status *csn.Element
	from   []cqn.Value
	to     cqn.Value // null: the action leaves the state alone
	back   bool      // @to: $flow.previous
}

// installFlow registers the check ahead of the action and the transition after it, for actions with @from or @to. An action without an
// implementation does the transition alone.
//
// The check is an ordinary before-handler: the rights to the row are checked first, so it tells nothing of rows that the user may not act on.
func (h *handlers) installFlow(s *cds.Service) {
	for _, e := range s.Model.Entities {
		status := flowStatus(e)
		for _, op := range e.Actions {
			f, err := readFlow(e, op, status)
			if err != nil {
				h.app.Refuse(err)
			}
			if f == nil {
				continue
			}
			m := cds.Match{Events: []cds.Event{cds.Event(op.Name)}, Entities: []string{e.LocalName()}, Name: "flow." + e.LocalName() + "." + op.Name}
			s.Before(m, f.check)
			for _, side := range []*csn.Entity{e, e.Drafts} {
				if side != nil {
					s.Needs(side, cds.Event(op.LocalName()), f.need)
				}
			}
			s.GenericOn(m, f.answer)
			s.GenericAfter(m, func(ctx context.Context, r *cds.RawRequest, res *cds.Result) error { return h.transit(ctx, f, r, res) })
		}
	}
}

// flowStatus returns the element with the state: that which @flow.status at the entity names, or that which has the annotation itself.
func flowStatus(e *csn.Entity) *csn.Element {
	if a := e.Annotations.Get("flow.status"); a != nil {
		name := a.Text
		if a.Kind == cqn.AnnoExpr {
			name = strings.Trim(a.Text, "( )")
		}
		return e.Element(name)
	}
	for _, el := range e.Flat {
		if a := el.Annotations.Get("flow.status"); a.True() {
			return el
		}
	}
	return nil
}

func readFlow(e *csn.Entity, op *csn.Operation, status *csn.Element) (*flow, error) {
	from, to := op.Annotations.Get("from"), op.Annotations.Get("to")
	if from == nil && to == nil || status == nil {
		return nil, nil
	}
	f := &flow{op: op, status: status}
	if op.Collection || op.Function {
		return nil, fmt.Errorf("action %s of %s: @from and @to belong to actions bound to a row", op.Name, e.Name)
	}
	items := []*cqn.AnnoValue{from}
	if from != nil && from.Kind == cqn.AnnoArray {
		items = from.Items
	}
	for _, a := range items {
		if a == nil {
			continue
		}
		v, ok := flowValue(status, a)
		if !ok {
			return nil, fmt.Errorf("action %s of %s: @from names %q, which is no value of %s", op.Name, e.Name, a.Text, status.Name)
		}
		f.from = append(f.from, v)
	}
	switch {
	case to == nil:
	case to.Kind == cqn.AnnoRef && to.Text == "$flow.previous":
		f.back = true
	default:
		var ok bool
		if f.to, ok = flowValue(status, to); !ok {
			return nil, fmt.Errorf("action %s of %s: @to names %q, which is no value of %s", op.Name, e.Name, to.Text, status.Name)
		}
	}
	return f, nil
}

// flowValue returns the value that an annotation means: a symbol of the element's enum, or a value.
func flowValue(status *csn.Element, a *cqn.AnnoValue) (cqn.Value, bool) {
	symbols := enumOf(status)
	switch a.Kind {
	case cqn.AnnoSymbol:
		for i := range symbols {
			if symbols[i].Name == a.Text {
				return symbols[i].Val(), true
			}
		}
		return cqn.Null, false
	case cqn.AnnoString:
		return cqn.String(a.Text), true
	case cqn.AnnoNumber:
		v, err := cds.Convert(status, cqn.Decimal(a.Text), "")
		return v, err == nil
	}
	return cqn.Null, false
}

// check refuses the action in the wrong state.
func (f *flow) check(ctx context.Context, r *cds.RawRequest) error {
	if f.back {
		return cds.Reject(501, "501", "Action %q goes back to the previous state, which is not kept.", f.op.Name)
	}
	rows, err := f.rows(ctx, r)
	if err != nil || len(f.from) == 0 {
		return err
	}
	for _, row := range rows {
		now := row.Value(f.status.Name)
		if slices.ContainsFunc(f.from, func(v cqn.Value) bool { return !now.IsNull() && compare(v, now) == 0 }) {
			continue
		}
		names := make([]string, len(f.from))
		for i, v := range f.from {
			names[i] = `"` + v.Format() + `"`
		}
		list := strings.Join(names, ", ")
		return &cds.Error{Status: 409, Code: "INVALID_FLOW_TRANSITION", Target: f.status.Name, Args: []any{f.op.Name, f.status.Name, list},
			Message: fmt.Sprintf("Action %q requires %q to be %s.", f.op.Name, f.status.Name, list)}
	}
	return nil
}

// need is the condition of the rows that check lets pass.
func (f *flow) need(r *cds.RawRequest) cqn.Expr {
	switch {
	case f.back, len(f.from) > 0 && !r.MayRead(f.status):
		return &cqn.Lit{Value: cqn.Bool(false)}
	case len(f.from) == 0:
		return nil
	}
	set := &cqn.Tuple{}
	for _, v := range f.from {
		set.Items = append(set.Items, &cqn.Lit{Value: v})
	}
	return &cqn.In{X: cqn.NewRef(f.status.Name), Set: set}
}

// rows reads the addressed row as the user may see it.
func (f *flow) rows(ctx context.Context, r *cds.RawRequest) ([]*cds.Row, error) {
	sub := r.Subject()
	for _, k := range r.Target.Keys {
		sub.Columns = append(sub.Columns, cqn.Column{X: cqn.NewRef(k.Name)})
	}
	sub.Columns = append(sub.Columns, cqn.Column{X: cqn.NewRef(f.status.Name)})
	res, err := r.Execute(ctx, sub)
	if err != nil {
		return nil, err
	}
	if len(res.Rows) == 0 {
		return nil, notFound()
	}
	return res.Rows, nil
}

// answer is the implementation of an action that does the transition alone.
func (f *flow) answer(context.Context, *cds.RawRequest, cds.Next) (*cds.Result, error) {
	return &cds.Result{One: true}, nil
}

// transit sets the new state. The right to call the action is the right to this change of state: the row is written with the owner's right.
func (h *handlers) transit(ctx context.Context, f *flow, r *cds.RawRequest, res *cds.Result) error {
	if f.to.IsNull() {
		return nil
	}
	rows, err := f.rows(ctx, r)
	if err != nil {
		return err
	}
	for _, row := range rows {
		data := cqn.NewRow(cqn.Field{Name: f.status.Name, Value: f.to})
		(&manager{h: h, r: r}).changed(data, r.Target)
		upd := &cqn.Update{Entity: cqn.NewRef(r.Target.Name), Where: cds.KeyFilter(r.Target, row), Data: data}
		if _, err := cds.DB(ctx).Run(ctx, upd); err != nil {
			return err
		}
		h.touch(r, r.Target, row, nil)
	}
	if err := h.assert(ctx, r, res); err != nil {
		return err
	}
	for _, row := range res.Rows {
		if row.Has(f.status.Name) {
			row.Set(f.status.Name, f.to)
		}
	}
	if returnsTarget(r) && len(res.Rows) == 0 && res.JSON == nil {
		out, err := r.Execute(ctx, r.Subject())
		if err != nil {
			return err
		}
		res.Rows, res.N = out.Rows, len(out.Rows)
	}
	return nil
}

func returnsTarget(r *cds.RawRequest) bool {
	return r.Op.Returns != nil && r.Op.Returns.TypeName == r.Target.Name
}
