package generic

import (
	"context"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	cds "cds/runtime"
	"cds/runtime/authz"
)

// validate checks payloads: what is missing (@mandatory, not null), then the values by their checks (see Check). All faults are collected: missing
// values first, then the others in order of the payload.
func (h *handlers) validate(ctx context.Context, r *cds.RawRequest) error {
	v := validator{h: h, r: r}
	for _, row := range payload(r) {
		v.row(row, r.Target, nil, r.Event != authz.Update, 0)
	}
	return nil
}

type validator struct {
	h *handlers
	r *cds.RawRequest
}

// row checks one row; whole says that it must be complete. Nested rows always are.
func (v *validator) row(row *cds.Row, e *csn.Entity, at *place, whole bool, depth int) {
	f := v.h.factsOf(e)
	for _, el := range f.needed {
		v.needed(row, e, el, at, whole, depth)
	}
	for _, fd := range row.Fields() {
		el := element(e, fd.Name)
		if el == nil {
			continue
		}
		if a := el.Assoc(); a != nil {
			if a.Composition && a.Target != nil && depth < maxDepth {
				for i, c := range children(fd.Value) {
					v.row(c, a.Target, child(at, el, c, i), true, depth+1)
				}
			}
			continue
		}
		if plan := f.checks[fd.Name]; plan != nil {
			plan.run(v.r, fd.Value, sub(at.String(), fd.Name))
		}
	}
}

// needed checks an element that must have a value: @mandatory, which blanks do not fulfil, or not null.
func (v *validator) needed(row *cds.Row, e *csn.Entity, el *csn.Element, at *place, whole bool, depth int) {
	x, given := row.Get(el.Name)
	must := mandatory(el)
	switch {
	case !whole && !given:
		return
	case given && (must && !empty(x) || !must && !x.IsNull()):
		return
	case !given && (el.Key && el.ForeignKey != nil || depth > 0 && v.parentGives(e, el)):
		return // the parent gives it
	case !given && !must && v.elsewhere(el):
		return
	case v.typeFault(sub(at.String(), el.Name)):
		return
	}
	f := Fault{v.r, el, sub(at.String(), el.Name)}
	if must {
		f.Add("mandatory", "ASSERT_MANDATORY", "Provide the missing value.")
	} else {
		f.Add("assert.notNull", "ASSERT_NOT_NULL", "Provide the missing value.")
	}
}

// elsewhere tells elements that get a value though the payload has none: by the database, or in the row of a composition of one.
func (v *validator) elsewhere(el *csn.Element) bool {
	if el.ForeignKey != nil && el.ForeignKey.Assoc() != nil && el.ForeignKey.Assoc().Composition {
		return true
	}
	for o := el; o != nil; o = o.Origin {
		if o.Default() != nil {
			return true
		}
	}
	return false
}

// neededElements returns the elements of an entity that must have a value. The null check of the service can be switched off by @assert.notNull:
// false; the database's stays.
func neededElements(e *csn.Entity) []*csn.Element {
	var out []*csn.Element
	for _, el := range e.Flat {
		if el.Assoc() != nil {
			continue
		}
		notNull := el.NotNull && !el.Key && stored(e, el) && !readOnly(el) && !anno(el, "assert.notNull").False()
		if mandatory(el) || notNull {
			out = append(out, el)
		}
	}
	return out
}

// parentGives tells foreign keys that a nested row gets from its parent.
func (v *validator) parentGives(e *csn.Entity, el *csn.Element) bool {
	if el.ForeignKey == nil {
		return false
	}
	for _, p := range e.Parents {
		if a := p.Assoc(); a != nil && a.Backlink != nil && a.Backlink.Name == el.ForeignKey.Name {
			return true
		}
	}
	return false
}

// typeFault tells whether a value of the payload was refused already.
func (v *validator) typeFault(target string) bool {
	for _, e := range v.r.Errors() {
		if e.Target == target {
			return true
		}
	}
	return false
}

func empty(v cqn.Value) bool {
	return v.IsNull() || v.Kind() == cqn.KindString && strings.TrimSpace(v.Str()) == ""
}

// parameters checks and converts the parameters of an operation. A parameter that is `not null` is mandatory.
func (h *handlers) parameters(ctx context.Context, r *cds.RawRequest) error {
	if r.Op == nil {
		return nil
	}
	if r.Data == nil {
		r.Data = cqn.NewRow()
	}
	in := inputter{r: r}
	where := r.Service.Model.Name + "." + r.Op.LocalName()
	for _, f := range r.Data.Fields() {
		p := r.Op.Params.Lookup(f.Name)
		if p == nil {
			return noProperty(f.Name, where)
		}
		if err := in.unknownIn(f.Value, p.Type, f.Name, 0); err != nil {
			return err
		}
	}
	for _, p := range r.Op.Params {
		if p.Default() != nil && !r.Data.Has(p.Name) {
			m := manager{h: h, r: r}
			if x, ok := m.value(p, p.Default()); ok {
				r.Data.Set(p.Name, x)
			}
		}
		if (p.NotNull || mandatory(p)) && empty(r.Data.Value(p.Name)) {
			Fault{r, p, p.Name}.Add("mandatory", "ASSERT_MANDATORY", "Provide the missing value.")
		}
	}
	for _, f := range append([]cqn.Field(nil), r.Data.Fields()...) {
		p := r.Op.Params.Lookup(f.Name)
		if x, ok := in.value(p.Type, p, f.Value, f.Name, 0); ok {
			r.Data.Set(f.Name, x)
			h.params[p].run(r, x, f.Name)
		}
	}
	return nil
}
