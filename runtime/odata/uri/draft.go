package uri

import (
	"cds/parser/cqn"
	"cds/parser/csn"
)

// Draft-enabled entities have a further key, IsActiveEntity, which tells active rows from drafts. Both have one name in URLs and one type;
// here it is found out which of them a URL means.

// A side says which rows of a draft-enabled entity are meant.
type side uint8

const (
	anySide side = iota
	activeSide
	draftSide
)

// draftEnabled reports whether rows of an entity are told apart by IsActiveEntity.
func draftEnabled(e *csn.Entity) bool { return e.Drafts != nil || e.Active != nil }

// sideKey reads the value of the key IsActiveEntity; ok is false for another key.
func sideKey(e *csn.Entity, name, text string) (s side, ok bool, err error) {
	if name != csn.DraftActive || !draftEnabled(e) || keyOf(e, name) != nil {
		return anySide, false, nil
	}
	switch text {
	case "true":
		return activeSide, true, nil
	case "false":
		return draftSide, true, nil
	}
	return anySide, true, bad("Element %q does not contain a valid Boolean", name)
}

// sided returns the entity with the rows that are meant; without being told, these are the active ones.
func sided(e *csn.Entity, s side) *csn.Entity {
	if s == draftSide && e.Drafts != nil {
		return e.Drafts
	}
	return e
}

// onSide reports whether rows of e can be on a side.
func onSide(e *csn.Entity, s side) bool {
	return s == anySide || !draftEnabled(e) || (s == draftSide) == (e.Active != nil)
}

// isDraftAdmin reports whether an entity has the records of drafts, which are read over these only.
func isDraftAdmin(e *csn.Entity) bool { return e.Base != nil && e.Base.Name == csn.DraftTable }

// listsDrafts reports whether the resource is a collection of roots, of which active rows and drafts are listed together.
func (r *Resource) listsDrafts() bool {
	return len(r.Segments) == 1 && r.Segments[0].Keys == nil && r.Segments[0].Entity.Both != nil && (r.Kind == Collection || r.Kind == Count)
}

// chooseSide lets a query for a collection of a draft-enabled entity read what its filter asks for: active rows, drafts, or both.
func (r *Resource) chooseSide(sel *cqn.Select, path *cqn.Ref) {
	if r.activeOnly || !r.listsDrafts() {
		return
	}
	e := r.Segments[0].Entity
	if sel.Where != nil {
		sel.Where = cqn.Rewrite(sel.Where, withoutSibling)
	}
	switch sideOf(sel.Where, 0) {
	case activeSide:
		path.Path[0].Name = e.Name
	case draftSide:
		r.Segments[0].Entity = e.Drafts
		path.Path[0].Name = e.Drafts.Name
	default:
		path.Path[0].Name = e.Both.Name
	}
}

// withoutSibling turns `SiblingEntity/IsActiveEntity eq null` into `not exists SiblingEntity`, which needs no join: databases can then read active rows
// and drafts in order, up to the end of the page.
func withoutSibling(x cqn.Expr) cqn.Expr {
	var ref *cqn.Ref
	switch x := x.(type) {
	case *cqn.Binary:
		if lit, ok := x.R.(*cqn.Lit); ok && lit.Value.IsNull() && lit.Enum == "" && (x.Op == cqn.Eq || x.Op == cqn.EqNull) {
			ref, _ = x.L.(*cqn.Ref)
		}
	case *cqn.Unary:
		if x.Op == cqn.IsNull {
			ref, _ = x.X.(*cqn.Ref)
		}
	}
	if ref == nil || len(ref.Path) != 2 || ref.Path[0].Name != csn.DraftSibling || ref.Path[0].Filter != nil || ref.Path[1].Name != csn.DraftActive {
		return x
	}
	return &cqn.Unary{Op: cqn.Not, X: &cqn.Exists{Path: cqn.NewRef(csn.DraftSibling)}}
}

// sideOf returns the side that a condition demands.
func sideOf(x cqn.Expr, depth int) side {
	if depth > MaxDepth {
		return anySide
	}
	switch x := x.(type) {
	case *cqn.Binary:
		if x.Op == cqn.And {
			if s := sideOf(x.L, depth+1); s != anySide {
				return s
			}
			return sideOf(x.R, depth+1)
		}
		lit, ok := x.R.(*cqn.Lit)
		if !isSide(x.L) || !ok || lit.Value.Kind() != cqn.KindBool || x.Op != cqn.Eq && x.Op != cqn.EqNull {
			return anySide
		}
		if lit.Value.Bool() {
			return activeSide
		}
		return draftSide
	case *cqn.Ref:
		if isSide(x) {
			return activeSide
		}
	case *cqn.Unary:
		if x.Op == cqn.Not && isSide(x.X) {
			return draftSide
		}
	}
	return anySide
}

func isSide(x cqn.Expr) bool {
	ref, ok := x.(*cqn.Ref)
	return ok && len(ref.Path) == 1 && ref.Path[0].Name == csn.DraftActive && ref.Path[0].Filter == nil
}

// Row returns the resource of one row, with the query options of r: those of an operation apply to the row that it returns.
func (r *Resource) Row(e *csn.Entity, keys *cqn.Row) *Resource {
	out := *r
	out.Kind, out.Op, out.Args, out.Property, out.Value = Single, nil, nil, nil, false
	out.Segments = []Segment{{Entity: e, Keys: keys}}
	return &out
}

// HasOptions reports whether there is a system query option.
func (r *Resource) HasOptions() bool {
	for _, o := range r.options {
		if len(o.name) > 0 && o.name[0] == '$' {
			return true
		}
	}
	return false
}
