package csn

import (
	"strings"

	"cds/parser/cqn"
	"cds/parser/token"
)

// sealUses reports what else in a model needs the values of sealed elements: calculated elements, associations, and expressions in annotations, as the conditions of
// @restrict, of masks and of @assert.
func (f *freezer) sealUses() {
	for _, e := range f.m.Entities {
		u := &sealUse{freezer: f, e: e}
		for _, el := range e.Flat {
			u.element(el)
		}
		for i := range e.Annotations {
			u.annotation(&e.Annotations[i], nil)
			u.search(&e.Annotations[i])
		}
		for _, o := range e.Actions {
			for i := range o.Annotations {
				u.annotation(&o.Annotations[i], nil)
			}
		}
	}
}

type sealUse struct {
	*freezer
	e *Entity
}

func (u *sealUse) element(el *Element) {
	if x := el.Value(); x != nil && !el.OnRead && (u.e.Source == nil || el.Stored) {
		if s := u.names(x); s != nil {
			u.report(el, el.Span, s, "%s is calculated from %s", el.Name, s.Column)
		}
	}
	for i := range el.Annotations {
		u.annotation(&el.Annotations[i], el)
		u.mask(&el.Annotations[i], el)
	}
	a := el.Assoc()
	if a == nil {
		return
	}
	for _, t := range a.FKTarget {
		if s := t.Seal(); s != nil {
			u.report(el, el.Span, s, "the association %s has the foreign key %s", el.Name, s.Column)
			return
		}
	}
	if a.Join == nil {
		return
	}
	cqn.Walk(a.Join, func(n any) bool {
		r, ok := n.(*cqn.Ref)
		if !ok || len(r.Path) != 2 {
			return true
		}
		from := u.e
		if r.Path[0].Name == "$target" {
			from = a.Target
		}
		if from == nil {
			return true
		}
		if t := from.Flat.Lookup(r.Path[1].Name); t != nil && t.Seal() != nil {
			u.report(el, el.Span, t.Seal(), "the condition of the association %s uses %s", el.Name, t.Seal().Column)
			return false
		}
		return true
	})
}

// annotation reports expressions in an annotation that need a sealed value. A path alone names an element, it does not read it.
func (u *sealUse) annotation(a *cqn.AnnoField, el *Element) {
	u.value(a.Value, func(x cqn.Expr, span token.Span) {
		if _, path := x.(*cqn.Ref); path {
			return
		}
		if s := u.names(x); s != nil {
			if !span.Valid() {
				span = a.Span
			}
			u.report(el, span, s, "@%s uses %s", a.Name, s.Column)
		}
	}, 0)
}

// search reports sealed elements among those that @cds.search names: nothing would be found in them.
func (u *sealUse) search(a *cqn.AnnoField) {
	const base = "cds.search"
	report := func(name string, on bool, span token.Span) {
		el := u.e.Flat.Lookup(strings.ReplaceAll(name, ".", "_"))
		if el == nil || !on || el.Seal() == nil {
			return
		}
		u.report(nil, span, el.Seal(), "@cds.search names %s", name)
	}
	if name, ok := strings.CutPrefix(a.Name, base+"."); ok {
		report(name, a.Value.True(), a.Span)
	}
	if a.Name == base && a.Value != nil {
		for _, f := range a.Value.Fields {
			report(f.Name, f.Value.True(), f.Span)
		}
	}
}

// mask reports masks of a sealed element that the database would have to compute: what it has is not the value. A constant, and roles that see the value, need none; nor does a function of
// the application, which gets the decrypted value.
func (u *sealUse) mask(a *cqn.AnnoField, el *Element) {
	s := el.Seal()
	if s == nil || a.Value == nil || a.Value.Kind == cqn.AnnoNull || el.Assoc() != nil {
		return
	}
	computed := a.Name == "mask.fn" || a.Name == "mask.expr" || a.Name == "mask" && a.Value.Kind == cqn.AnnoExpr
	if s.Hashed() {
		computed = computed || a.Name == "mask.go"
	}
	if f := el.Annotations.Get("mask.go"); a.Name == "mask.unless" && (s.Hashed() || f == nil || f.Kind == cqn.AnnoNull) {
		u.exemptions(a.Value, &computed, 0)
	}
	if !computed {
		return
	}
	what := "is computed in the database, which"
	if a.Name == "mask.go" {
		what = "needs the value, and the database"
	}
	d := u.errorf(codeSealUse, u.e, el, "@%s of %s %s has %s only", a.Name, el.Name, what, s.form())
	if a.Span.Valid() {
		d.Span = a.Span
	}
	d.Hint = "show a constant: @mask: { value: '***', unless: 'a role' }"
	if !s.Hashed() {
		d.Hint += ", or what a function of the application makes of it: @mask: { go: 'NAME' }"
	}
}

// exemptions looks for those that hold for some rows only.
func (u *sealUse) exemptions(v *cqn.AnnoValue, found *bool, depth int) {
	if v == nil || depth > maxDepth {
		return
	}
	*found = *found || v.Field("where") != nil || v.Field("if") != nil
	for _, it := range v.Items {
		u.exemptions(it, found, depth+1)
	}
}

func (u *sealUse) value(v *cqn.AnnoValue, expr func(cqn.Expr, token.Span), depth int) {
	if v == nil || depth > maxDepth {
		return
	}
	if v.Expr != nil {
		expr(v.Expr, v.Span)
	}
	for _, it := range v.Items {
		u.value(it, expr, depth+1)
	}
	for i := range v.Fields {
		u.value(v.Fields[i].Value, expr, depth+1)
	}
}

// names returns the seal of the first sealed element whose value an expression in the scope of the entity needs, nil for none.
func (u *sealUse) names(x cqn.Expr) *Seal {
	r := &sealer{freezer: u.freezer, e: u.e, quiet: true}
	r.expr(x, &sealScope{sources: []sealSource{{entity: u.e}}}, 0)
	return r.seen
}

func (u *sealUse) report(el *Element, span token.Span, s *Seal, format string, args ...any) {
	d := u.errorf(codeSealUse, u.e, el, format+", of which the database has "+s.form()+" only", args...)
	if span.Valid() {
		d.Span = span
	}
	d.Hint = "conditions may ask whether it is null, nothing else"
}
