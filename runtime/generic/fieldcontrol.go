package generic

import (
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
)

// @Common.FieldControl says by a member of Common.FieldControlType, or its number, how a property may be used: 0 Inapplicable, 1 ReadOnly, 3 Optional,
// 7 Mandatory. As a constant it is the same as @readonly and @mandatory; as an expression it is asked for each row, like theirs. What clients
// may not set is dropped: an inapplicable property has no meaning in the row, so it is treated as one that is read-only.

// controls are the numbers of the members.
var controls = [...]struct {
	name, text string
	n          int64
}{{"Inapplicable", "0", 0}, {"ReadOnly", "1", 1}, {"Optional", "3", 3}, {"Mandatory", "7", 7}}

const fieldControl = "Common.FieldControl"

// control returns the number of a member, by its name, also a qualified one, or as a number; ok is false for what is neither.
func control(text string) (n int64, ok bool) {
	name := text[strings.LastIndexAny(text, "/.")+1:]
	for _, c := range controls {
		if name == c.name || text == c.text {
			return c.n, true
		}
	}
	return 0, false
}

// controlled reports whether the constant field control of an element is one of some members.
func controlled(el *csn.Element, numbers ...int64) bool {
	text := anno(el, fieldControl).Str()
	if text == "" { // as it is with most: each write asks for each of its elements
		return false
	}
	n, ok := control(text)
	for _, want := range numbers {
		if ok && n == want {
			return true
		}
	}
	return false
}

// controlledBy returns the condition that the field control of el, as an expression or the path of a stored element, is one of some members, and
// the entity whose elements it names; nil if it is neither. The value of a virtual element is known to the user interface only.
func controlledBy(e *csn.Entity, el *csn.Element, numbers ...int64) (*csn.Entity, cqn.Expr) {
	on, a := declared(e, el, fieldControl)
	if a == nil || el.Assoc() != nil && len(el.Assoc().FK) == 0 {
		return nil, nil
	}
	var x cqn.Expr
	switch a.Kind {
	case cqn.AnnoExpr:
		x = a.Expr
	case cqn.AnnoRef:
		if by := on.Element(a.Text); by != nil && !by.Virtual && by.Assoc() == nil {
			x = cqn.NewRef(a.Text)
		}
	}
	if x == nil {
		return nil, nil
	}
	if ref, ok := x.(*cqn.Ref); ok && len(ref.Path) == 1 {
		if by := on.Element(ref.Path[0].Name); by != nil && by.Virtual {
			return nil, nil
		}
	}
	x = controlNumber(x, 0)
	var is cqn.Expr
	for _, n := range numbers {
		eq := cqn.Expr(&cqn.Binary{Op: cqn.Eq, L: x, R: &cqn.Lit{Value: cqn.Int(n)}})
		if is == nil {
			is = eq
		} else {
			is = &cqn.Binary{Op: cqn.Or, L: is, R: eq}
		}
	}
	return on, is
}

// controlNumber turns the names of members that an expression can result in, as symbols or texts, into their numbers. Those in its conditions stay.
func controlNumber(x cqn.Expr, depth int) cqn.Expr {
	if depth > maxDepth {
		return x
	}
	switch x := x.(type) {
	case *cqn.Case:
		out := *x
		out.Whens = slices.Clone(x.Whens)
		for i := range out.Whens {
			out.Whens[i].Then = controlNumber(out.Whens[i].Then, depth+1)
		}
		if x.Else != nil {
			out.Else = controlNumber(x.Else, depth+1)
		}
		return &out
	case *cqn.Lit:
		name := x.Enum
		if name == "" && x.Value.Kind() == cqn.KindString {
			name = x.Value.Str()
		}
		for _, c := range controls {
			if name == c.name {
				return &cqn.Lit{Value: cqn.Int(c.n)}
			}
		}
	}
	return x
}
