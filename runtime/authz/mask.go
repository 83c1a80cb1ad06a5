package authz

import (
	"strconv"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/parser/token"
)

// A mask shows a constant in the place of an element's value to all but some roles. The value is not read for the others: an element that is masked
// may be selected, and is forbidden in every other use, since filtering, sorting, grouping and computing by it would tell its value (decision 15).
type mask struct {
	name   string     // for explain: "S.Books.cost@mask"
	value  *cqn.Value // what is shown; nil where the element is plainly forbidden, as what is computed from a masked one
	to     roleSet    // who sees the value
	unless []string
	span   token.Span
}

// forbidding is the mask for what is computed from a masked element: there is nothing to show in its place.
func (m *mask) forbidding() *mask {
	if m == nil {
		return nil
	}
	c := *m
	c.value = nil
	return &c
}

// masked adds the mask of an element to its rules, which may be nil.
func (n *normalizer) masked(res resource, el *csn.Element, r *rules) *rules {
	var m *mask
	for i := range el.Annotations {
		a := &el.Annotations[i]
		if base, _ := split(a.Name); base != "mask" || a.Value != nil && a.Value.Kind == cqn.AnnoNull {
			continue // null takes away what was inherited
		}
		if r == nil {
			r = &rules{on: res.on, span: el.Span}
		}
		if m == nil {
			m = &mask{name: res.on + "@mask", value: &cqn.Value{}, span: a.Span}
		}
		switch a.Name {
		case "mask", "mask.value":
			v, ok := maskValue(el, a.Value)
			if !ok {
				n.fault(r, res, a.Span, codeMask, "@%s is no constant of the type of %s", a.Name, res.on)
				continue
			}
			m.value = &v
		case "mask.unless":
			names, ok := n.texts(res, a.Value, "@mask.unless")
			if !ok {
				n.fault(r, res, a.Span, codeMask, "@mask.unless must be a role or a list of roles, each as a text")
			}
			m.unless = names
		default:
			n.fault(r, res, a.Span, codeMask, "@%s is not understood: a mask has value and unless", a.Name)
		}
	}
	if m == nil {
		return r
	}
	if el.Key || !maskable(el) {
		n.fault(r, res, m.span, codeMask, "%s cannot be masked: it is a key, an association, a structure, an array or binary data", res.on).Hint = "restrict it: @requires or @restrict"
	}
	m.to = n.roles.set(m.unless)
	r.mask = m
	return r
}

// maskable reports whether an element has one value that a constant can stand for.
func maskable(el *csn.Element) bool {
	b := el.Scalar()
	if b == nil || el.Assoc() != nil || el.ForeignKey != nil {
		return false
	}
	switch b.Kind {
	case csn.NoScalar, csn.Binary, csn.LargeBinary, csn.Vector, csn.Map:
		return false
	}
	return true
}

// maskValue reads the constant of a mask: null if it has none.
func maskValue(el *csn.Element, v *cqn.AnnoValue) (cqn.Value, bool) {
	b := el.Scalar()
	if v == nil || v.True() {
		return cqn.Null, true
	}
	if b == nil {
		return cqn.Null, false
	}
	switch b.Kind {
	case csn.String, csn.LargeString:
		return cqn.String(v.Text), v.Kind == cqn.AnnoString
	case csn.Integer, csn.UInt8, csn.Int16, csn.Int32, csn.Int64:
		i, err := strconv.ParseInt(v.Text, 10, 64)
		return cqn.Int(i), err == nil && v.Kind == cqn.AnnoNumber
	}
	return cqn.Null, false
}
