package authzmatrix

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cds/parser/cqn"
	"cds/parser/csn"
	"cds/runtime/authz"
	"cds/runtime/eval"
)

// A place is where names of a condition are looked up: the row in question, or another row that an exists asks for.
type place struct {
	prefix string // of names in samples
	in     []*csn.Entity
}

// prepare makes a condition one on variables. Of the rows that an exists asks for at most one is imagined: a database with a single such row is an
// example if it is one at all. If there is none, then neither is there one with more rows, as long as no more than one is needed: see witnesses.
func (s *search) prepare(x cqn.Expr) cqn.Expr {
	if x == nil {
		return &cqn.Lit{Value: cqn.Bool(true)}
	}
	x = s.imagine(x, place{in: s.in}, 0)
	s.note(x, 0)
	return x
}

func (s *search) imagine(x cqn.Expr, at place, depth int) cqn.Expr {
	if depth > eval.MaxDepth {
		s.complete = false
		return x
	}
	switch x := x.(type) {
	case *cqn.Binary:
		if x.Op == cqn.And || x.Op == cqn.Or {
			return &cqn.Binary{Op: x.Op, L: s.imagine(x.L, at, depth+1), R: s.imagine(x.R, at, depth+1)}
		}
	case *cqn.Unary:
		if x.Op == cqn.Not || x.Op == cqn.IsNotTrue {
			return &cqn.Unary{Op: x.Op, X: s.imagine(x.X, at, depth+1)}
		}
	case *cqn.Exists:
		return s.exists(x, at, depth)
	case *cqn.Subquery:
		s.complete, s.related = false, true
		return cqn.NewRef(s.variable(otherRows, at.prefix+cqn.Format(x)).key())
	}
	return cqn.Rewrite(x, func(y cqn.Expr) cqn.Expr {
		if r, ok := y.(*cqn.Ref); ok {
			return s.ref(r, at)
		}
		return y
	})
}

// exists imagines a row: it is there, and what is asked of it holds.
func (s *search) exists(x *cqn.Exists, at place, depth int) cqn.Expr {
	bare, pred := asked(x)
	way := strings.TrimPrefix(cqn.Format(bare), "exists ")
	name := at.prefix + way
	v := s.variable(otherRows, name)
	if !slices.Contains(s.others, name) {
		for _, o := range s.others {
			if strings.HasPrefix(o, name+".") || strings.HasPrefix(name, o+".") || strings.HasPrefix(o, name+"[") || strings.HasPrefix(name, o+"[") {
				s.related = true
			}
		}
		s.others = append(s.others, name)
	}
	there := cqn.NewRef(v.key())
	if pred == nil {
		return there
	}
	inner := place{prefix: name + ".", in: s.targets(bare, at)}
	if x.Inverse != "" {
		inner.prefix = at.prefix + x.Inverse + "."
	}
	v.below = inner.prefix
	if len(inner.in) == 0 || x.Var != "" {
		s.complete, s.related = false, true
	}
	both := &cqn.Binary{Op: cqn.And, L: there, R: s.imagine(pred, inner, depth+1)}
	return &cqn.Unary{Op: cqn.Not, X: &cqn.Unary{Op: cqn.IsNotTrue, X: both}} // unknown is no row
}

// asked takes from an exists what it asks of the rows, be it a condition or a filter at the end of its path.
func asked(x *cqn.Exists) (bare *cqn.Exists, pred cqn.Expr) {
	out := *x
	out.Pred, out.Var, pred = nil, "", x.Pred
	if x.Path == nil || len(x.Path.Path) == 0 {
		return &out, pred
	}
	last := len(x.Path.Path) - 1
	if f := x.Path.Path[last].Filter; f != nil {
		path := *x.Path
		path.Path = slices.Clone(path.Path)
		path.Path[last].Filter = nil
		out.Path = &path
		if pred == nil {
			pred = f
		} else {
			pred = &cqn.Binary{Op: cqn.And, L: f, R: pred}
		}
	}
	return &out, pred
}

// targets are the entities whose rows an exists asks for.
func (s *search) targets(x *cqn.Exists, at place) []*csn.Entity {
	var out []*csn.Entity
	for _, e := range at.in {
		if e == nil {
			continue
		}
		if x.Inverse != "" {
			if p := parentOf(e, x.Inverse); p != nil {
				out = append(out, p)
			}
			continue
		}
		if el, _ := resolve(e, x.Path); el != nil && el.Assoc() != nil && el.Assoc().Target != nil {
			out = append(out, el.Assoc().Target)
		}
	}
	return out
}

// parentOf finds a composition parent by its name, in the entity or in those that it projects.
func parentOf(e *csn.Entity, name string) *csn.Entity {
	for n := 0; e != nil && n < 100; e, n = e.Base, n+1 {
		for _, el := range e.Parents {
			if el.Owner != nil && el.Owner.Name == name {
				return el.Owner
			}
		}
	}
	return nil
}

// witnesses notes whether more than one row may be needed over one way to make an alternative of yes true and no false. One row of each way is
// imagined, so then nothing is proved where no example is found.
func (s *search) witnesses(yes, no terms) {
	needed := witnesses{}
	for _, t := range no {
		needed.of(t.expr(), false, "", 0)
	}
	for _, t := range yes {
		more := maps.Clone(needed)
		more.of(t.expr(), true, "", 0)
		for _, n := range more {
			s.complete = s.complete && n <= 1
		}
	}
}

// witnesses count by ways the rows that must be there.
type witnesses map[string]int

// of counts those that a condition needs to be true, or not to be.
func (w witnesses) of(x cqn.Expr, want bool, prefix string, depth int) {
	if depth > eval.MaxDepth {
		return // prepare has noted that
	}
	switch x := x.(type) {
	case *cqn.Binary:
		if x.Op == cqn.And || x.Op == cqn.Or {
			w.of(x.L, want, prefix, depth+1)
			w.of(x.R, want, prefix, depth+1)
		}
	case *cqn.Unary:
		if x.Op == cqn.Not || x.Op == cqn.IsNotTrue {
			w.of(x.X, !want, prefix, depth+1)
		}
	case *cqn.Exists:
		bare, pred := asked(x)
		key := prefix + cqn.Format(bare)
		if want {
			w[key]++
		}
		w.of(pred, want, key+".", depth+1)
	}
}

func (v *variable) key() string { return fmt.Sprintf("%d:%s", v.kind, v.name) }

func (s *search) variable(k variableKind, name string) *variable {
	v := &variable{kind: k, name: name}
	if old := s.byName[v.key()]; old != nil {
		return old
	}
	s.byName[v.key()] = v
	s.vars = append(s.vars, v)
	return v
}

// ref makes a path a variable of its own.
func (s *search) ref(r *cqn.Ref, at place) cqn.Expr {
	v := s.variable(rowValue, at.prefix+cqn.Format(r))
	var el *csn.Element
	toMany := false
	for _, e := range at.in {
		if el, toMany = resolve(e, r); el != nil {
			break
		}
	}
	if len(r.Path) == 1 && r.Path[0].Name == authz.TenantOfRow {
		return cqn.NewRef(v.key())
	}
	if el == nil || toMany {
		s.complete, s.related = false, true
		return cqn.NewRef(v.key())
	}
	if at.prefix != "" && slices.Contains(s.in, el.Owner) { // a way back to the row in question
		s.related = true
	}
	s.related = s.related || el.Value() != nil && el.Origin == nil // computed from others
	if v.values == nil && v.only == nil {
		for _, sym := range el.Enum() {
			v.only = append(v.only, sym.Val())
		}
	}
	v.typ, v.null = el.Scalar(), len(r.Path) > 1 || !el.Key && !el.NotNull
	return cqn.NewRef(v.key())
}

// resolve finds the element that a path leads to, and whether it passes many rows.
func resolve(e *csn.Entity, r *cqn.Ref) (*csn.Element, bool) {
	full := ""
	for i, st := range r.Path {
		if e == nil || st.Filter != nil {
			return nil, false
		}
		if i == 0 && (st.Name == "$self" || st.Name == "$projection") && len(r.Path) > 1 {
			continue
		}
		full += st.Name
		el := e.Flat.Lookup(full)
		switch {
		case el == nil && i < len(r.Path)-1:
			full += "_" // within a structure
		case el == nil:
			return nil, false
		case i == len(r.Path)-1:
			return el, false
		case el.Assoc() == nil:
			return nil, false
		case el.Assoc().Many:
			return nil, true
		default:
			e, full = el.Assoc().Target, ""
		}
	}
	return nil, false
}
