package authz

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cds/parser/csn"
	"cds/parser/diag"
	"cds/parser/token"
)

// MaskReads returns the restricted elements, others than the masked one, of which what is shown in its place is made, in a fixed order, and where the mask
// stands. Masks read with the definer's right, so this may tell something of elements to who may not read them.
func (p *Policy) MaskReads(e *csn.Entity, el *csn.Element) ([]*csn.Element, token.Span) {
	r := p.state.elements[el]
	if e == nil || r == nil || r.mask == nil || r.mask.show == nil || !r.mask.show.Computed {
		return nil, token.Span{}
	}
	in := inputs{}
	in.names(r.mask.show.X, []*csn.Entity{e}, 0)
	below := origins(e, el)
	var out []*csn.Element
	for _, x := range in.sorted() {
		if o := p.state.elements[x]; in[x] && o != nil && !below[x] {
			out = append(out, x)
		}
	}
	return out, r.mask.span
}

// about returns the entity whose rows the mask of one of its elements asks, nil for none.
func (m *mask) about(e *csn.Entity) *csn.Entity {
	if m != nil && slices.ContainsFunc(m.exempt, func(p privilege) bool { return p.where != nil }) {
		return e
	}
	return nil
}

// grants returns who sees values, or changes them, in the form of privileges for those who look at rules. They are needed in addition.
func (m *mask) grants(ev Event) []privilege {
	if m == nil {
		return nil
	}
	var out []privilege
	switch ev {
	case Read:
		out = append(out, privilege{name: m.name, all: true, roles: m.unless, span: m.span})
		out = append(out, m.exempt...)
	case Update, Upsert:
		out = append(out, privilege{name: m.name, all: true, roles: slices.Concat(m.unless, m.writers), span: m.span})
	}
	return out
}

// A MaskFunction is a function of the application that a mask names (@mask.go).
type MaskFunction struct {
	Name    string
	Element *csn.Element
	On      string // the element with its entity or event
	Span    token.Span
}

// MaskFunctions returns the functions that the masks of the model name, in order of their places. Elements that inherit a mask are among them.
func (p *Policy) MaskFunctions() []MaskFunction {
	var out []MaskFunction
	add := func(r *rules) {
		if m := r.mask; m != nil && m.show != nil && m.show.Func != "" {
			out = append(out, MaskFunction{m.show.Func, m.element, r.on, m.named})
		}
	}
	for _, r := range p.state.elements {
		add(r)
	}
	for _, r := range p.state.all { // those of events, too
		add(r)
	}
	slices.SortFunc(out, func(a, b MaskFunction) int {
		return cmp.Or(cmp.Compare(a.Span.File, b.Span.File), cmp.Compare(a.Span.Start, b.Span.Start), strings.Compare(a.On, b.On),
			strings.Compare(name(a.Element.Owner), name(b.Element.Owner)))
	})
	return slices.Compact(out)
}

// CheckMaskFunctions reports functions that masks name and that the application does not have, or has for other types: typ is the Go type of a function, "" for
// none, and ok tells whether it is that of the element.
func (p *Policy) CheckMaskFunctions(find func(MaskFunction) (ok bool, typ string)) diag.List {
	var out diag.List
	for _, f := range p.MaskFunctions() {
		ok, typ := find(f)
		if ok {
			continue
		}
		var d *diag.Diagnostic
		if typ == "" {
			d = out.Errorf(codeMaskFunction, f.Span, "the mask of %s names the function %s, which the application does not have", f.On, f.Name)
			d.Hint = fmt.Sprintf("register it before the application starts: cds.Mask(app, %q, …)", f.Name)
		} else {
			kind := "of another type"
			if b := f.Element.Scalar(); b != nil {
				kind = "a " + strings.TrimPrefix(b.Name, "cds.")
			}
			d = out.Errorf(codeMaskType, f.Span, "the function %s takes and returns %s, and %s is %s", f.Name, typ, f.On, kind)
			d.Hint = "the type is that which Go code has for the element; int64 does for integers of all sizes"
		}
		d.Home = "element:" + f.On
	}
	return out
}

// MaskFunctionName reports whether a text can name a function for masks: letters, digits and _ . -, a letter first, at most 64 of them.
func MaskFunctionName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '_' || c == '.' || c == '-')) {
			return false
		}
	}
	return true
}
